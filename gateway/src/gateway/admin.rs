//! The control plane's side of the admin API.

use std::{sync::Arc, time::Instant};

use rollgate_config::static_config::Api;
use tokio::sync::mpsc;

use super::Gateway;
use crate::{
    internal::{access::Policy, passage::Asked},
    notice::Notice,
};

impl Gateway {
    /// The requests for the admin API that workers hand over; once.
    pub fn admin_requests(&self) -> Option<mpsc::Receiver<Asked>> {
        self.shared.passage.requests()
    }

    /// The control plane lives: to be said at least every 100 ms, or workers answer in its place with 503.
    pub fn control_is_alive(&self) {
        self.shared.passage.beat(Instant::now());
    }

    /// What breakers and servers do from now on; once.
    pub fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.shared.metrics.notices().listen()
    }

    /// Who may ask the admin API for what, from now on.
    pub fn set_api(&self, api: Option<&Api>) {
        self.shared.policy.store(Arc::new(Policy::new(api)));
    }
}
