//! `circuitBreaker`: keeps requests from a backend that fails, and lets more and more of them through once it may have
//! recovered. In standby it costs the load of one number; see [`crate::breaker`].

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode, header, response};
use rollgate_config::dynamic::middleware::{CircuitBreaker as Written, OnTrip};

use super::{Answer, CompileError, Halt, Head, Making, Note, Place};
use crate::breaker::{Around, Breaker, BreakerPlace, Denied, Epoch, Name, Plan, Settings, Verdict};

/// A breaker, in its place once it has one.
#[derive(Debug, Clone)]
pub(crate) struct CircuitBreaker {
    plan: Arc<Plan>,
    /// The condition in its canonical form: a breaker with another one is another breaker.
    condition: Arc<str>,
    settings: Settings,
    response_code: StatusCode,
    on_trip: Option<OnTrip>,
    placed: Option<Placed>,
}

#[derive(Debug, Clone)]
struct Placed {
    breaker: Arc<Breaker>,
    redistributes: bool,
}

impl CircuitBreaker {
    pub(super) fn compile(written: &Written) -> Result<Self, CompileError> {
        let code = written.response_code;
        Ok(Self {
            plan: Arc::new(Plan::new(&written.condition.expression)),
            condition: written.condition.expression.to_string().into(),
            settings: Settings {
                check_period: written.check_period,
                fallback: written.fallback_duration,
                recovery: written.recovery_duration,
                min_requests: written.min_requests,
            },
            response_code: StatusCode::from_u16(code).map_err(|_| CompileError::Status(code))?,
            on_trip: written.on_trip,
            placed: None,
        })
    }

    /// With the state of its place: the one that is there, which takes these settings.
    pub(super) fn placed(&self, place: &Place<'_>, making: &Making<'_>) -> Self {
        let (place, at_service) = match *place {
            Place::Router(name) => (BreakerPlace::Router(name.into()), false),
            Place::Service(name) => (BreakerPlace::Service(name.into()), true),
        };
        let key = format!("{} at {place}: {}", making.name, self.condition);
        let breaker = making.states.of("circuitBreaker", &key, || {
            let name = Name { middleware: making.name.into(), place };
            let around = Around {
                troubles: making.troubles.clone(),
                notices: making.metrics.notices().clone(),
                helper: Some(making.helper.clone()),
            };
            let breaker = Breaker::new(name, self.plan.clone(), self.settings, making.workers, around);
            making.metrics.breakers().add(&breaker);
            breaker
        });
        breaker.configure(self.settings, std::time::Instant::now());
        // Where the service is no version, there is nobody to redistribute to, and nobody asks.
        let redistributes = at_service && self.on_trip != Some(OnTrip::Fail);
        Self { placed: Some(Placed { breaker, redistributes }), ..self.clone() }
    }

    /// The breaker, if it gives its service's share to other versions while it lets nothing through.
    pub(crate) fn redistributing(&self) -> Option<&Arc<Breaker>> {
        self.placed.as_ref().filter(|placed| placed.redistributes).map(|placed| &placed.breaker)
    }

    /// Its condition, whether other versions have what it turns away, and what it answers otherwise.
    pub(crate) fn told(&self) -> (&str, bool, u16) {
        (&self.condition, self.redistributing().is_some(), self.response_code.as_u16())
    }

    pub(super) fn request(&self, head: &mut Head<'_>) -> Result<Note, Halt> {
        let Some(Placed { breaker, .. }) = &self.placed else { return Ok(Note::Nothing) };
        let epoch = match breaker.standby() {
            Some(epoch) => epoch,
            None => self.ask(breaker, head)?,
        };
        Ok(Note::Ticket(breaker.ticket(head.worker, epoch, || head.now())))
    }

    pub(super) fn response(note: &mut Note, parts: &response::Parts) {
        if let Note::Ticket(ticket) = note {
            ticket.learns(parts.status.as_u16());
        }
    }

    #[cold]
    fn ask(&self, breaker: &Arc<Breaker>, head: &mut Head<'_>) -> Result<Epoch, Halt> {
        let asked = Verdict::take(&mut head.verdicts, breaker);
        asked.unwrap_or_else(|| breaker.ask(head.now())).map_err(|denied| {
            breaker.count_denied(head.worker, false);
            Halt::Answer(Box::new(self.answer(denied)))
        })
    }

    fn answer(&self, denied: Denied) -> Answer {
        let mut answer = Answer::status(self.response_code);
        answer.headers.insert(header::RETRY_AFTER, retry_after(denied.for_now));
        answer
    }
}

/// Whole seconds, at least one.
fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_whole_seconds_and_one_at_least() {
        for (milliseconds, expected) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (9_999, "10"), (10_000, "10")] {
            assert_eq!(retry_after(Duration::from_millis(milliseconds)), expected, "{milliseconds} ms");
        }
    }
}
