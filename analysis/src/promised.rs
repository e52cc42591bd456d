//! The promise during a rollout: whether the canary breaks it, whether it still does, and whether stable does too.
//!
//! A broken promise is no proof against the canary where both versions are drawn: an outage of what both need breaks
//! it as well. It holds the ramp. The evidence for it stays for long after an outage, so the hold goes by the last
//! requests: it ends once 250 to 500 of the canary's have kept the promise.

use crate::{
    counts::{Answers, Tally},
    promise::ln_broken,
    restarts::{self, Restarted},
};

/// All that has to be kept of it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PromiseState {
    /// The canary's failures against the promise.
    pub process: restarts::State,
    /// What came in since the last restart.
    pub current: Answers,
    /// What came in between the last restart and the one before.
    pub previous: Answers,
}

#[derive(Debug, Clone)]
pub(crate) struct Promised {
    p0: f64,
    process: Restarted,
    current: Answers,
    previous: Answers,
}

impl Promised {
    /// At most `p0` of the requests fail.
    pub(crate) fn new(p0: f64) -> Self {
        Self { p0, process: Restarted::new(), current: Answers::default(), previous: Answers::default() }
    }

    pub(crate) fn resume(p0: f64, state: PromiseState) -> Option<Self> {
        let PromiseState { process, current, previous } = state;
        Some(Self { p0, process: Restarted::resume_against(p0, process)?, current, previous })
    }

    pub(crate) fn state(&self) -> PromiseState {
        PromiseState { process: *self.process.state(), current: self.current, previous: self.previous }
    }

    pub(crate) fn add(&mut self, answers: &Answers) {
        let Tally { requests, errors, .. } = answers.canary;
        self.process.add(self.p0, errors, requests.saturating_sub(errors));
        self.current.add(answers);
    }

    pub(crate) fn restart(&mut self) {
        self.process.restart();
        self.previous = std::mem::take(&mut self.current);
    }

    /// The evidence that the canary breaks it, as a logarithm.
    pub(crate) fn ln_e(&self) -> f64 {
        self.process.ln_e()
    }

    /// Whether more of the canary's last requests failed than are promised to.
    pub(crate) fn still(&self) -> bool {
        let Tally { requests, errors, .. } = self.recent().canary;
        errors as f64 > self.p0 * requests as f64
    }

    /// Whether stable fails too.
    pub(crate) fn stable_breaks(&self) -> bool {
        breaks(&self.recent().stable, self.p0)
    }

    /// What came in since the restart before the last one.
    pub(crate) fn recent(&self) -> Answers {
        let mut recent = self.previous;
        recent.add(&self.current);
        recent
    }
}

/// Whether stable is taken to break the promise. A guess that is wrong one time in ten costs little: it only names a
/// hold, or leaves a second of an audience's requests out.
pub(crate) fn breaks(stable: &Tally, p0: f64) -> bool {
    ln_broken(stable.errors.min(stable.requests), stable.requests, p0) >= 10_f64.ln()
}
