//! Circuit breakers as metrics: what each tells of itself at the time of the scrape.

use std::time::Instant;

use prometheus::proto::{LabelPair, MetricFamily};

use super::families::{BREAKER_REJECTED, BREAKER_STATE, BREAKER_TRANSITIONS, counter, gauge, pair};
use crate::breaker::{BreakerPlace, BreakerStatus, Reports};

pub(super) fn collect(breakers: &Reports, all: &mut Vec<MetricFamily>) {
    let (mut states, mut transitions, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    for status in breakers.all(Instant::now()) {
        for (phase, times) in status.transitions {
            let is = f64::from(status.phase == phase);
            states.push(gauge(labels(&status, "state", phase.name()), is));
            transitions.push(counter(labels(&status, "to", phase.name()), times));
        }
        for (outcome, requests) in [("answered", status.answered), ("redistributed", status.redistributed)] {
            rejected.push(counter(labels(&status, "outcome", outcome), requests));
        }
    }
    all.push(BREAKER_STATE.family(states));
    all.push(BREAKER_TRANSITIONS.family(transitions));
    all.push(BREAKER_REJECTED.family(rejected));
}

/// A breaker of a router has the label `router`, one of a service the label `service`.
fn labels(status: &BreakerStatus, name: &str, value: &str) -> Vec<LabelPair> {
    let place = match &status.place {
        BreakerPlace::Router(router) => pair("router", router),
        BreakerPlace::Service(service) => pair("service", service),
    };
    vec![pair("middleware", &status.middleware), place, pair(name, value)]
}
