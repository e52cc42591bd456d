//! What a trial has found so far, and what has to be kept of it to go on after a restart of the process.

use std::time::Duration;

use rollgate_analysis::{
    Answers, AudienceState, Family, Progress, State, Stratum,
    ratio::{self, Interval},
};

/// What the judge says of the canary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrialVerdict {
    /// Nothing that has to be acted upon, or nothing any more.
    #[default]
    Clear,
    /// The canary is given no more as things are: both versions fail, or the promise is broken and it is not clear by whose fault.
    Hold,
    /// The canary is worse, and was stopped.
    RollBack,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialEvidence {
    /// What follows from it.
    pub verdict: TrialVerdict,
    /// The same in a sentence, with the numbers that it rests on.
    pub sentence: String,
    /// Chance has decided who got which version. Otherwise it is no comparison.
    pub compared: bool,
    /// What was counted; without a comparison, of both versions' requests while they were watched.
    pub total: Answers,
    /// The same by the canary's share of the draws.
    pub strata: Vec<Stratum>,
    /// Of each family that is judged by.
    pub families: Vec<(Family, Level)>,
    /// Against the promise.
    pub broken: Option<Level>,
    /// How many times as often as stable the canary fails, where both have been compared and something has failed.
    pub ratio: Option<f64>,
    /// Where that ratio lies, each bound at level alpha.
    pub interval: Option<Interval>,
    /// An answer that takes longer is slow.
    pub slow_after: Option<Duration>,
    /// Requests of the canary in this step that came to their end and count.
    pub step_requests: u64,
    /// The most requests to the service in a second, whichever version they went to.
    pub highest_rate: f64,
    /// The canary has had its first requests, and they no longer are warm-up.
    pub warm: bool,
}

/// How much speaks against a canary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// `ln E`.
    pub ln_e: f64,
    /// What it must reach.
    pub needed: f64,
}

/// What has to be kept of a trial: plain numbers.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TrialState {
    /// The evidence.
    pub evidence: Kept,
    /// The threshold of slow answers, in microseconds.
    pub slow_after: Option<u64>,
    /// As [`TrialEvidence::step_requests`].
    pub step_requests: u64,
    /// As [`TrialEvidence::highest_rate`].
    pub highest_rate: f64,
    /// As [`TrialEvidence::warm`].
    pub warm: bool,
    /// The judge has stopped the canary.
    pub braked: bool,
}

/// By kind of trial.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Kept {
    /// Versions that are drawn.
    Compared(Box<State>),
    /// An audience that gets the canary whole.
    Watched(Box<AudienceState>),
}

impl TrialEvidence {
    /// The ratio and its bounds.
    pub(super) fn compare(strata: &[Stratum], family: Family, alpha: f64) -> (Option<f64>, Interval) {
        let segments: Vec<_> = strata.iter().map(|stratum| stratum.segment(family)).collect();
        (ratio::estimate(&segments), ratio::interval(&segments, alpha))
    }
}

/// Whether a canary may have more, where a step may be passed wrongly with probability `beta` instead of the usual one.
pub(super) fn at_level(progress: Progress, beta: f64) -> Progress {
    use rollgate_analysis::Advance::{NotInferior, PromiseKept, TooLittle};
    let enough = -beta.ln();
    let answer = match progress.answer {
        NotInferior | PromiseKept | TooLittle if progress.ln_not_inferior >= enough => NotInferior,
        NotInferior | PromiseKept | TooLittle if progress.ln_kept.is_some_and(|kept| kept >= enough) => PromiseKept,
        NotInferior | PromiseKept | TooLittle => TooLittle,
        other => other,
    };
    Progress { answer, ..progress }
}
