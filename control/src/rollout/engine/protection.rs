//! A rate limit and a circuit breaker for a canary that is about to have all users, by what was seen of it.

use rollgate_config::{
    dynamic::rollout::{
        analysis::ErrorRule,
        stage::{Protect, ProtectBreaker, ProtectRate},
    },
    scalar::{Share, Weight},
};
use serde::{Deserialize, Serialize};

use super::{
    evidence::{Evidence, Tally, rounded},
    text,
};

/// What a `protect` lays, and by what it was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protection {
    /// A limit of requests a second.
    pub rate: Option<Rate>,
    /// A circuit breaker's expression.
    pub breaker: Option<String>,
    /// What it was computed by, where it was.
    pub observed: Option<Observed>,
}

/// A rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Requests a second.
    pub average: u64,
    /// So many at once.
    pub burst: u64,
}

/// What was seen of the canary over the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// The highest rate in a second, in requests a second, if the canary had had all users.
    pub rate: f64,
    /// Its requests.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// What of these the trial before the present one, or those before it, has counted.
    pub carried: Carried,
}

/// What earlier trials have counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    requests: u64,
    errors: u64,
}

impl Observed {
    /// With a look's numbers.
    pub(super) fn see(&mut self, evidence: &Evidence) {
        let Tally { requests, errors, .. } = evidence.canary;
        self.requests = self.carried.requests.saturating_add(requests);
        self.errors = self.carried.errors.saturating_add(errors);
        if let Some(busiest) = evidence.busiest.filter(|busiest| busiest.share.0 > 0) {
            let rate = busiest.requests as f64 / busiest.share.fraction();
            self.rate = self.rate.max(rounded(rate));
        }
    }

    /// The next trial counts from 0.
    pub(super) fn carry(&mut self) {
        self.carried = Carried { requests: self.requests, errors: self.errors };
    }

    /// Another build: its errors are not known. Its rate is that of the users.
    pub(super) fn forget_errors(&mut self) {
        *self = Self { rate: self.rate, ..Self::default() };
    }
}

impl Protection {
    /// What a stage lays: the rate limit is `ceil(headroom x rate)`, the breaker opens at `factor x errors / requests`, each within its
    /// bounds.
    ///
    /// # Errors
    /// It depends on what was seen, and nothing was.
    pub(super) fn of(protect: &Protect, observed: &Observed, errors: &ErrorRule) -> Result<Self, String> {
        let mut used = None;
        let rate = match protect.rate_limit {
            None => None,
            Some(ProtectRate::Fixed { average, burst }) => Some(Rate { average, burst }),
            Some(ProtectRate::Observed { .. }) if observed.rate <= 0.0 => {
                return Err("no rate limit can be computed: the canary has had no requests".to_owned());
            }
            Some(ProtectRate::Observed { headroom, at_least, at_most }) => {
                used = Some(*observed);
                let average = whole(headroom * observed.rate).clamp(at_least.min(at_most), at_most);
                Some(Rate { average, burst: average })
            }
        };
        let breaker = match &protect.circuit_breaker {
            None => None,
            Some(ProtectBreaker::Fixed(expression)) => Some(expression.value.clone()),
            Some(ProtectBreaker::Observed { .. }) if observed.requests == 0 => {
                return Err("no circuit breaker can be computed: the canary has had no requests".to_owned());
            }
            Some(ProtectBreaker::Observed { factor, at_least, at_most }) => {
                used = Some(*observed);
                let share = factor * observed.errors as f64 / observed.requests as f64;
                let share = whole(share * f64::from(Share::ALL.0)).min(u64::from(Share::ALL.0)) as u32;
                Some(expression(Share(share.clamp(at_least.0.min(at_most.0), at_most.0)), errors))
            }
        };
        Ok(Self { rate, breaker, observed: used })
    }

    /// In a sentence.
    pub fn says(&self) -> String {
        let rate = self
            .rate
            .map(|rate| format!("at most {} a second, {} at once", text::count(rate.average, "request"), rate.burst));
        let breaker = self.breaker.as_ref().map(|breaker| format!("a circuit breaker that opens at {breaker}"));
        let told: Vec<String> = rate.into_iter().chain(breaker).collect();
        if told.is_empty() { "nothing".to_owned() } else { told.join("; ") }
    }
}

/// What is an error of the canary, in a breaker's words; in shares of all answers.
fn expression(share: Share, errors: &ErrorRule) -> String {
    let share = Weight(u64::from(share.0));
    let mut ranges: Vec<(u16, u16)> = errors.status.0.iter().copied().filter(|(from, to)| from <= to).collect();
    ranges.truncate(MOST_RANGES);
    if ranges.is_empty() {
        ranges.push((500, 599));
    }
    // All statuses there are, or those up to 599 as everybody writes it.
    let end = if ranges.iter().all(|(_, to)| *to < 600) { 600 } else { 1000 };
    let parts = ranges.iter().map(|(from, to)| {
        let to = to.saturating_add(1).min(end);
        format!("ResponseCodeRatio({from}, {to}, 0, {end}) > {share}")
    });
    parts.collect::<Vec<_>>().join(" || ")
}

/// Rounded up; what is above a whole number only by the way doubles are computed is that number.
fn whole(value: f64) -> u64 {
    (value - value.abs() * 1e-12).ceil() as u64
}

/// An expression may have 32 comparisons.
const MOST_RANGES: usize = 16;

#[cfg(test)]
mod tests;
