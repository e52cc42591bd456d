//! A circuit breaker on its own, for benches.

use std::{sync::Arc, time::Instant};

use rollgate_config::condition::Condition;

use crate::breaker::{Around, Breaker, BreakerPlace, Name, Plan, Settings};

/// One of one worker, with Traefik's defaults, in standby.
pub struct LoneBreaker(Breaker);

impl LoneBreaker {
    /// Panics where `expression` is none.
    pub fn new(expression: &str) -> Self {
        let condition = Condition::parse(expression).expect("an expression");
        let settings = Settings {
            check_period: std::time::Duration::from_millis(100),
            fallback: std::time::Duration::from_secs(10),
            recovery: std::time::Duration::from_secs(10),
            min_requests: 10,
        };
        let name = Name { middleware: "cb@file".into(), place: BreakerPlace::Router("pro@file".into()) };
        let plan = Arc::new(Plan::new(&condition.expression));
        Self(Breaker::new(name, plan, settings, 1, Around::default()))
    }

    /// What each request asks: whether it is let through without further ado.
    pub fn passes(&self) -> bool {
        self.0.standby().is_some()
    }

    /// The same, and what records the answer, until that is out.
    pub fn exchange(&self, status: u16, began: Instant, ended: Instant) {
        if let Ok(epoch) = self.0.ask(began) {
            let mut ticket = self.0.ticket(0, epoch, || began);
            ticket.learns(status);
            ticket.finish(ended);
        }
    }

    /// The bytes that it takes, with what was allocated so far.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}
