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
    /// Plays it. Each request is drawn for itself; only how many of stable's successes there are between two others is drawn at once.
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

/// One version's answers, in which only one thing was seen.
pub fn answers(seen: Seen) -> Answers {
    let one = |errors| Tally { requests: 1, errors, ..Tally::default() };
    match seen {
        Seen::CanaryError => Answers { canary: one(1), ..Answers::default() },
        Seen::CanarySuccess => Answers { canary: one(0), ..Answers::default() },
        Seen::StableError => Answers { stable: one(1), ..Answers::default() },
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Requests of the canary, with the deciding one.
    pub canary: u64,
    pub rolled_back: bool,
}

/// Plays pieces under a rule until it rolls back. A piece with another weight begins a step.
pub fn judged(settings: Settings, pieces: &[Piece], rng: &mut fastrand::Rng) -> Ended {
    let mut rule = Rule::new(settings).unwrap();
    let mut canary = 0;
    let mut w = None;
    for piece in pieces {
        if w.replace(piece.w).is_some_and(|w| w != piece.w) {
            rule.restart();
        }
        let flow = piece.play(rng, |seen| {
            rule.add(piece.w, &answers(seen));
            canary += u64::from(seen != Seen::StableError);
            if seen == Seen::CanaryError && matches!(rule.look().verdict, Verdict::RollBack(_)) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if flow.is_break() {
            return Ended { canary, rolled_back: true };
        }
    }
    Ended { canary, rolled_back: false }
}
