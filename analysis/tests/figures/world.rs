//! A service with two versions, and what comes of its requests.

use std::ops::ControlFlow;

use rollgate_analysis::{Answers, Rule, Settings, Tally, Verdict};

/// Some requests during which nothing changes.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Requests, of both versions.
    pub requests: u64,
    /// The canary's share.
    pub w: f64,
    /// How often a request fails, by version.
    pub canary: f64,
    pub stable: f64,
}

/// What is seen of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    CanaryError,
    CanarySuccess,
    StableError,
}

/// Seeded, and a run of its own for each number.
pub fn seeded(run: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(run.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EED)
}

impl Piece {
    /// Plays it. Each request is drawn for itself; only how many of stable's successes there are between two others
    /// is drawn at once.
    pub fn play(&self, rng: &mut fastrand::Rng, mut see: impl FnMut(Seen) -> ControlFlow<()>) -> ControlFlow<()> {
        let canary_error = self.w * self.canary;
        let stable_error = (1.0 - self.w) * self.stable;
        let any = self.w + stable_error;
        let mut gaps = Gaps::new(any);
        let mut at = gaps.next(rng);
        while at < self.requests {
            let which = rng.f64() * any;
            see(if which < canary_error {
                Seen::CanaryError
            } else if which < self.w {
                Seen::CanarySuccess
            } else {
                Seen::StableError
            })?;
            at = at.saturating_add(1).saturating_add(gaps.next(rng));
        }
        ControlFlow::Continue(())
    }
}

/// How many requests pass until one of a probability comes.
pub struct Gaps {
    ln_not: f64,
}

impl Gaps {
    pub fn new(probability: f64) -> Self {
        Self { ln_not: (-probability).ln_1p() }
    }

    pub fn next(&mut self, rng: &mut fastrand::Rng) -> u64 {
        // Of (0, 1]: the logarithm of 0 is none.
        ((1.0 - rng.f64()).ln() / self.ln_not) as u64
    }
}

/// Answers of one version.
pub fn of(canary: bool, tally: Tally) -> Answers {
    let none = Tally::default();
    if canary { Answers { canary: tally, stable: none } } else { Answers { canary: none, stable: tally } }
}

/// One request that failed or did not.
pub fn one(failed: bool) -> Tally {
    Tally { requests: 1, errors: u64::from(failed), ..Tally::default() }
}

impl Seen {
    pub fn is_canary(self) -> bool {
        self != Self::StableError
    }

    pub fn is_error(self) -> bool {
        self != Self::CanarySuccess
    }
}

/// A rollout that is played.
#[derive(Debug, Clone)]
pub struct Rollout {
    pub rule: Rule,
    /// Requests of the canary so far.
    pub canary: u64,
    w: Option<f64>,
}

impl Rollout {
    pub fn new(settings: Settings) -> Self {
        Self { rule: Rule::new(settings).expect("settings that it can be judged by"), canary: 0, w: None }
    }

    /// Plays a piece until the rule rolls back, or the canary has had so many requests in all. A piece with another
    /// weight begins a step. True if it was rolled back.
    pub fn play(&mut self, piece: &Piece, most: u64, rng: &mut fastrand::Rng) -> bool {
        if self.w.replace(piece.w).is_some_and(|w| w != piece.w) {
            self.rule.restart();
        }
        let mut rolled_back = false;
        let _ = piece.play(rng, |seen| {
            self.rule.add(piece.w, &of(seen.is_canary(), one(seen.is_error())));
            self.canary += u64::from(seen.is_canary());
            rolled_back = seen == Seen::CanaryError && self.is_rolled_back();
            if rolled_back || self.canary >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        rolled_back
    }

    pub fn is_rolled_back(&self) -> bool {
        matches!(self.rule.look().verdict, Verdict::RollBack(_))
    }
}

/// Whether a rollout of these pieces is rolled back.
pub fn is_rolled_back(settings: Settings, pieces: &[Piece], rng: &mut fastrand::Rng) -> bool {
    let mut rollout = Rollout::new(settings);
    pieces.iter().any(|piece| rollout.play(piece, u64::MAX, rng))
}
