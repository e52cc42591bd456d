//! `rateLimit`: a bucket of tokens for each source of requests, as Traefik's, and a few of its defects mended.
//!
//! ```text
//! source -> fingerprint -> bucket (a shard's lock, one table look-up) -> passes | is held | 429
//! ```
//!
//! Memory: 16 bytes for a source and one more, in tables that are between 7/16 and 7/8 full.

mod answer;
mod bucket;
mod buckets;
mod limiter;
mod shard;
#[cfg(test)]
mod simulation;

use std::sync::Arc;

use http::response;
use rollgate_config::dynamic::middleware::{self as config, Scope};

pub(crate) use self::answer::Quota;
#[cfg(feature = "in-memory")]
pub(crate) use self::buckets::Buckets;
use self::{
    answer::Shown,
    bucket::{Decision, duration},
    limiter::Limiter,
};
pub(crate) use self::{
    bucket::{Rate, Verdict},
    shard::Settings,
};
use super::{CompileError, Halt, Head, Making, Note, Place, Wait, source::Source};

/// Lets so many requests of a source pass in a time.
#[derive(Debug, Clone)]
pub(crate) struct RateLimit {
    config: Arc<config::RateLimit>,
    source: Source,
    limiter: Arc<Limiter>,
    /// `None`: there is no limit.
    settings: Option<Settings>,
    shown: Option<Arc<Shown>>,
}

impl RateLimit {
    pub(super) fn compile(config: &config::RateLimit, making: &Making<'_>) -> Result<Self, CompileError> {
        Self::make(Arc::new(config.clone()), None, making)
    }

    /// With buckets of its own for this place, if it is to have them.
    pub(super) fn placed(&self, place: &Place<'_>, making: &Making<'_>) -> Option<Self> {
        let own = self.config.scope == Scope::Router;
        // What has compiled once compiles again.
        own.then(|| Self::make(self.config.clone(), Some(place), making).ok()).flatten()
    }

    fn make(
        config: Arc<config::RateLimit>,
        place: Option<&Place<'_>>,
        making: &Making<'_>,
    ) -> Result<Self, CompileError> {
        let source = Source::compile(&config.source)?;
        let limiter = Limiter::of(&config.source, place, making);
        let rate = Rate::new(config.average, config.period, config.burst);
        if rate.is_none() && config.average > 0 {
            return Err(CompileError::Rate);
        }
        let settings = rate.map(|rate| limiter.buckets.settings(rate, config.max_sources));
        let shown = config.response_headers.then_some(rate).flatten();
        let shown = shown.map(|rate| Arc::new(Shown::new(making.name, &rate, &config)));
        Ok(Self { config, source, limiter, settings, shown })
    }

    pub(super) fn request(&self, head: &mut Head<'_>) -> Result<Note, Halt> {
        let Some(settings) = &self.settings else { return Ok(Note::Nothing) };
        let now = head.now();
        let buckets = &self.limiter.buckets;
        let key = self.source.of(head, |source| buckets.fingerprint(source));
        self.outcome(buckets.take(key, now, settings), settings)
    }

    fn outcome(&self, decision: Decision, settings: &Settings) -> Result<Note, Halt> {
        let quota = self.shown.as_ref().map(|_| Quota::of(&decision, &settings.rate));
        let note = || quota.map_or(Note::Nothing, Note::Quota);
        match decision.verdict {
            Verdict::Allowed => Ok(note()),
            Verdict::Delayed(wait) => Err(Halt::Wait(Box::new(Wait::Delay(duration(wait), note())))),
            Verdict::Refused(wait) => {
                let mut answer = answer::too_many(duration(wait));
                if let (Some(shown), Some(quota)) = (&self.shown, &quota) {
                    shown.add(quota, &mut answer.headers);
                }
                Err(Halt::Answer(Box::new(answer)))
            }
        }
    }

    pub(super) fn has_response_half(&self) -> bool {
        self.shown.is_some()
    }

    pub(super) fn response(&self, quota: &Quota, parts: &mut response::Parts) {
        if let Some(shown) = &self.shown {
            shown.add(quota, &mut parts.headers);
        }
    }
}

#[cfg(test)]
mod tests;
