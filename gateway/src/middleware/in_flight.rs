//! `inFlightReq`: so many requests of a source at a time, over all workers.
//!
//! A request counts from here to the last byte of its answer (or the end of its tunnel), or until its client is gone. Only
//! sources that have requests under way take any memory.

mod counts;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use rollgate_config::dynamic::middleware::{self as config, Scope};

use self::counts::Counts;
pub(crate) use self::counts::Permit;
use super::{Answer, CompileError, Halt, Head, Making, Note, Place, source::Source};

/// Lets so many requests of a source be under way.
#[derive(Debug, Clone)]
pub(crate) struct InFlightReq {
    config: config::InFlightReq,
    source: Source,
    counts: Arc<Counts>,
    refusal: Bytes,
}

impl InFlightReq {
    pub(super) fn compile(config: &config::InFlightReq, making: &Making<'_>) -> Result<Self, CompileError> {
        Self::make(config, None, making)
    }

    /// With counts of its own for this place, if it is to have them.
    pub(super) fn placed(&self, place: &Place<'_>, making: &Making<'_>) -> Option<Self> {
        let own = self.config.scope == Scope::Router;
        // What has compiled once compiles again.
        own.then(|| Self::make(&self.config, Some(place), making).ok()).flatten()
    }

    fn make(
        config: &config::InFlightReq,
        place: Option<&Place<'_>>,
        making: &Making<'_>,
    ) -> Result<Self, CompileError> {
        Ok(Self {
            config: config.clone(),
            source: Source::compile(&config.source)?,
            counts: Counts::of(&config.source, place, making),
            refusal: format!("max connections reached: {}", config.amount).into(),
        })
    }

    pub(super) fn request(&self, head: &Head<'_>) -> Result<Note, Halt> {
        let key = self.source.of(head, |source| self.counts.fingerprint(source));
        match self.counts.take(key, self.config.amount) {
            Some(permit) => Ok(Note::Permit(permit)),
            None => Err(Halt::Answer(Box::new(Answer {
                body: self.refusal.clone(),
                ..Answer::status(StatusCode::TOO_MANY_REQUESTS)
            }))),
        }
    }
}
