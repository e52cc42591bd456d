//! `retry`: sends a request again that a server has not answered, or not well.
//!
//! Again to the same version, and to another server where there is one. The body is kept beside while it is sent
//! ([`crate::body::replay`]); how many of a service's requests may be sent again is bounded by a budget.

pub(crate) mod budget;
mod rules;

use std::time::Instant;

use http::Method;
use rollgate_config::dynamic::middleware::Retry as Config;

pub(crate) use self::budget::Account;
use self::rules::Failure;
use crate::{
    body::{
        RequestBody,
        replay::{Lost, Replay},
    },
    call::{Answered, Call, Way},
    deadline::shorter,
    error::Error,
    metrics::Skipped,
    snapshot::LoadBalancer,
};

/// Compiled.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    config: Config,
}

impl Retry {
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    /// Runs what is left of the way, up to as often as is configured.
    pub(crate) async fn run<'s>(&self, call: &mut Call<'s>, way: Way<'s>) -> Result<Answered, Error> {
        let before = call.try_timeout;
        call.try_timeout = shorter(before, self.config.per_try_timeout);
        let answered = match self.config.attempts {
            1 => call.run(way).await,
            attempts => self.attempts(call, way, attempts).await,
        };
        call.try_timeout = before;
        answered
    }

    async fn attempts<'s>(&self, call: &mut Call<'s>, way: Way<'s>, attempts: u32) -> Result<Answered, Error> {
        let began = Instant::now();
        let method = call.parts.method.clone();
        let limit = self.config.max_request_body_bytes.unwrap_or(u64::MAX);
        let replay = call.body.replayable(limit, &call.exchange.connection.worker.replays);
        let mark = call.mark();
        let mut attempt = 1;
        loop {
            let head = (attempt < attempts).then(|| call.parts.clone());
            let started = Instant::now();
            let answered = call.run(way).await;
            let failure = self.failure(call, &answered, &method);
            let balancer = call.balancer();
            if attempt == 1 {
                count_request(call, balancer);
            } else {
                count_outcome(call, balancer, failure.is_none());
            }
            let (Some(head), Some(failure)) = (head, failure) else { return answered };
            let pause = rules::pause(&self.config, attempt, call.exchange.connection.worker.random());
            if !rules::is_in_time(&self.config, began.elapsed(), pause) {
                return answered;
            }
            let Some(body) = self.again(call, balancer, failure, replay.as_ref()) else { return answered };
            tracing::debug!(attempt, status = %failure.status(), "tried again");
            call.throw_away(answered, mark, failure.status(), started.elapsed());
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            (call.parts, call.body) = (head, body);
            attempt += 1;
            call.exchange.retried();
        }
    }

    /// What is wrong with an answer, if it is to be tried again at all.
    fn failure(&self, call: &Call<'_>, answered: &Result<Answered, Error>, method: &Method) -> Option<Failure> {
        let failure = match answered {
            Ok(Answered::Response(response)) => Failure::Answer(response.status()),
            Ok(Answered::Tunnelled(..)) => return None,
            Err(error) => Failure::of(error, call.exchange.sent)?,
        };
        rules::is_retried(&self.config, failure, method).then_some(failure)
    }

    /// The body once more, if the budget allows it and the body does.
    fn again(
        &self,
        call: &Call<'_>,
        balancer: Option<&LoadBalancer>,
        failure: Failure,
        replay: Option<&Replay<RequestBody>>,
    ) -> Option<RequestBody> {
        let allowed = |to: &LoadBalancer| !failure.costs() || to.retries.allows(Instant::now(), self.config.budget);
        let skipped = match replay.and_then(Replay::lost) {
            Some(Lost::TooLong) => Some(Skipped::BodyTooLong),
            Some(Lost::NoRoom) => Some(Skipped::NoRoom),
            // The client is gone.
            Some(Lost::Broken | Lost::Unwanted) => return None,
            None if !balancer.is_none_or(allowed) => Some(Skipped::Budget),
            None => None,
        };
        if let Some(skipped) = skipped {
            if let Some(balancer) = balancer {
                call.exchange.connection.worker.metrics.retry_skipped(balancer.id, skipped);
            }
            return None;
        }
        RequestBody::again(replay).ok()
    }
}

fn count_request(call: &Call<'_>, balancer: Option<&LoadBalancer>) {
    if let Some(balancer) = balancer {
        balancer.retries.asked(call.exchange.connection.worker.index);
    }
}

fn count_outcome(call: &Call<'_>, balancer: Option<&LoadBalancer>, ok: bool) {
    if let Some(balancer) = balancer {
        call.exchange.connection.worker.metrics.retry_ended(balancer.id, ok);
    }
}
