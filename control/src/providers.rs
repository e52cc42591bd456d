//! What is known of the providers: what they say, since when, and what is wrong with it.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use rollgate_config::static_config::Static;

use crate::{
    file::{Texts, last_good::Name},
    report::Report,
};

/// What the reconciler tells, and whoever wants to know asks.
#[derive(Debug)]
pub struct Providers(Mutex<Known>);

/// All that is known.
#[derive(Debug, Clone)]
pub struct Known {
    /// The static configuration that is in force.
    pub statics: Arc<Static>,
    /// The texts that are live.
    pub texts: Texts,
    /// Since when each of them has been, in seconds since 1970.
    pub since: BTreeMap<Name, i64>,
    /// What is wrong with the newest texts, and which of them are not live.
    pub report: Report,
}

impl Providers {
    /// Before anything was read.
    pub fn new(statics: Arc<Static>) -> Self {
        let (texts, since, report) = Default::default();
        Self(Mutex::new(Known { statics, texts, since, report }))
    }

    /// Takes note of how it is now.
    pub fn tell(&self, known: Known) {
        *self.0.lock() = known;
    }

    /// How it is now.
    pub fn known(&self) -> Known {
        self.0.lock().clone()
    }

    /// The static configuration that is in force.
    pub fn statics(&self) -> Arc<Static> {
        self.0.lock().statics.clone()
    }
}
