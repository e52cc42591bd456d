//! `rateLimit`: a bucket of tokens for each source of requests, as Traefik's, and a few of its defects mended.
//!
//! ```text
//! source -> fingerprint -> bucket (a shard's lock, one table look-up) -> passes | is held | 429
//!        `-> key -> Redis, if the limit is all replicas' -> the same
//! ```
//!
//! Memory: 16 bytes for a source and one more, in tables that are between 7/16 and 7/8 full.

mod answer;
mod bucket;
mod buckets;
mod limiter;
mod redis;
mod shard;
#[cfg(test)]
mod simulation;

use std::{sync::Arc, time::Duration};

use http::response;
use rollgate_config::dynamic::middleware::{self as config, OnFailure, Scope};

pub(crate) use self::answer::Quota;
#[cfg(feature = "in-memory")]
pub(crate) use self::buckets::Buckets;
use self::{
    answer::Shown,
    bucket::{Decision, duration},
    limiter::Limiter,
    redis::{Met, Remote},
};
pub(crate) use self::{
    bucket::{Rate, Verdict},
    shard::Settings,
};
use super::{Answer, CompileError, Halt, Head, Making, Note, Place, Wait, source::Source};
use crate::clock::Moment;

/// Lets so many requests of a source pass in a time.
#[derive(Debug, Clone)]
pub(crate) struct RateLimit(Arc<Limit>);

#[derive(Debug)]
struct Limit {
    config: Arc<config::RateLimit>,
    source: Source,
    limiter: Arc<Limiter>,
    /// Of the buckets in memory: the limit, or this replica's share of it. `None`: there is no limit.
    settings: Option<Settings>,
    /// The limit is all replicas'.
    remote: Option<Remote>,
    shown: Option<Shown>,
}

/// A decision that Redis is asked for.
#[derive(Debug)]
pub(crate) struct Asking {
    limit: Arc<Limit>,
    key: Vec<u8>,
    /// For the buckets in memory.
    fingerprint: u64,
}

/// What becomes of a request.
enum Outcome {
    Passes(Note),
    IsHeld(Duration, Note),
    IsRefused(Box<Answer>),
}

impl RateLimit {
    pub(super) fn compile(config: &config::RateLimit, making: &Making<'_>) -> Result<Self, CompileError> {
        Limit::new(Arc::new(config.clone()), None, making).map(|limit| Self(Arc::new(limit)))
    }

    /// With buckets of its own for this place, if it is to have them.
    pub(super) fn placed(&self, place: &Place<'_>, making: &Making<'_>) -> Option<Self> {
        let own = self.0.config.scope == Scope::Router;
        // What has compiled once compiles again.
        let limit = own.then(|| Limit::new(self.0.config.clone(), Some(place), making).ok()).flatten();
        limit.map(|limit| Self(Arc::new(limit)))
    }

    pub(super) fn request(&self, head: &mut Head<'_>) -> Result<Note, Halt> {
        let limit = &*self.0;
        let Some(settings) = &limit.settings else { return Ok(Note::Nothing) };
        let now = head.moment();
        let buckets = &limit.limiter.buckets;
        let outcome = match &limit.remote {
            None => {
                let key = limit.source.of(head, |source| buckets.fingerprint(source));
                limit.outcome(&buckets.take(key, now, settings), &settings.rate)
            }
            Some(remote) => {
                let known = |source: &[u8]| (remote.key(source), buckets.fingerprint(source));
                let (key, fingerprint) = limit.source.of(head, known);
                if !remote.is_down() {
                    let asking = Asking { limit: self.0.clone(), key, fingerprint };
                    return Err(Halt::Wait(Box::new(Wait::Limit(asking))));
                }
                limit.without(remote, fingerprint, now, settings)
            }
        };
        match outcome {
            Outcome::Passes(note) => Ok(note),
            Outcome::IsHeld(delay, note) => Err(Halt::Wait(Box::new(Wait::Delay(delay, note)))),
            Outcome::IsRefused(answer) => Err(Halt::Answer(answer)),
        }
    }

    pub(super) fn has_response_half(&self) -> bool {
        self.0.shown.is_some()
    }

    pub(super) fn response(&self, quota: &Quota, parts: &mut response::Parts) {
        if let Some(shown) = &self.0.shown {
            shown.add(quota, &mut parts.headers);
        }
    }
}

impl Limit {
    fn new(
        config: Arc<config::RateLimit>,
        place: Option<&Place<'_>>,
        making: &Making<'_>,
    ) -> Result<Self, CompileError> {
        let source = Source::compile(&config.source)?;
        let redis = config.redis.as_deref();
        let limiter = Limiter::of(&config.source, redis.is_some(), place, making);
        let rate = Rate::new(config.average, config.period, config.burst);
        if rate.is_none() && config.average > 0 {
            return Err(CompileError::Rate);
        }
        let replicas = redis.map_or(1, |redis| redis.replicas);
        let share = Rate::share(config.average, config.period, config.burst, replicas);
        let remote = match (redis, rate) {
            (Some(redis), Some(rate)) => Some(Remote::new(redis, rate, &config.source, place, making)?),
            _ => None,
        };
        let shown = config.response_headers.then_some(rate).flatten();
        Ok(Self {
            settings: share.or(rate).map(|rate| limiter.buckets.settings(rate, config.max_sources)),
            shown: shown.map(|rate| Shown::new(making.name, &rate, &config)),
            config,
            source,
            limiter,
            remote,
        })
    }

    fn outcome(&self, decision: &Decision, rate: &Rate) -> Outcome {
        let quota = self.shown.as_ref().map(|_| Quota::of(decision, rate));
        let note = quota.map_or(Note::Nothing, Note::Quota);
        match decision.verdict {
            Verdict::Allowed => Outcome::Passes(note),
            Verdict::Delayed(wait) => Outcome::IsHeld(duration(wait), note),
            Verdict::Refused(wait) => {
                let mut answer = answer::too_many(duration(wait));
                if let (Some(shown), Some(quota)) = (&self.shown, &quota) {
                    shown.add(quota, &mut answer.headers);
                }
                Outcome::IsRefused(Box::new(answer))
            }
        }
    }

    /// What becomes of a request that Redis does not decide on.
    fn without(&self, remote: &Remote, fingerprint: u64, now: Moment, settings: &Settings) -> Outcome {
        let outcome = match remote.on_failure {
            OnFailure::Allow => Outcome::Passes(Note::Nothing),
            OnFailure::Deny => Outcome::IsRefused(Box::new(redis::unavailable())),
            OnFailure::Local => self.outcome(&self.limiter.buckets.take(fingerprint, now, settings), &settings.rate),
        };
        let met = if matches!(outcome, Outcome::IsRefused(_)) { Met::RefusedWithout } else { Met::AllowedWithout };
        self.limiter.remote.count(met);
        outcome
    }
}

impl Asking {
    /// Redis' decision, or the one without it; what the middleware notes, or its answer.
    pub(super) async fn settle(self) -> Result<Note, Box<Answer>> {
        let Self { limit, key, fingerprint } = self;
        let (Some(remote), Some(settings)) = (&limit.remote, &limit.settings) else { return Ok(Note::Nothing) };
        let outcome = match remote.take(&key).await {
            Some(decision) => {
                limit.limiter.remote.count(Met::of(&decision));
                limit.outcome(&decision, &remote.rate)
            }
            None => limit.without(remote, fingerprint, Moment::now(), settings),
        };
        match outcome {
            Outcome::Passes(note) => Ok(note),
            Outcome::IsHeld(delay, note) => {
                tokio::time::sleep(delay).await;
                Ok(note)
            }
            Outcome::IsRefused(answer) => Err(answer),
        }
    }
}

#[cfg(test)]
mod tests;
