//! The statistics of a rollout: pure functions of counts. No clock, no I/O, no randomness.
//!
//! ```text
//!                kernel                      l(x, n; w, t), the one formula
//!                   |
//!   +-------+-------+-------+--------+
//! relative promise advance ratio  restarts   evidence against the canary, for it, bounds; late breaks
//!   +-------+-------+-------+--------+
//!                   |
//!      rule (drawn versions)   audience (chosen clients)     what follows: continue, hold, roll back, advance
//!                   |             |
//!                   +-- sentence -+                          the same in words
//! ```
//!
//! The data plane judges with it at each error of a canary and at a tick of 100 ms, the control plane lets a canary
//! have more, and both come to the same verdict from the same counts. `E` is evidence: a canary that is as good as
//! stable brings it to `1 / alpha` with probability `alpha` at most, however often one looks.

pub mod advance;
pub mod kernel;
pub mod latency;
pub mod promise;
pub mod ratio;
pub mod relative;
pub mod restarts;
pub mod sentence;

mod audience;
mod cohort;
mod counts;
mod family;
mod promised;
mod rule;
mod segment;
mod settings;

pub use self::{
    audience::{Audience, AudienceLook, AudienceState, AudienceVerdict, TICK_MS},
    cohort::{Cohort, Counted, SOON},
    counts::{Answers, Stratum, Tally},
    family::{Family, Unit},
    promised::PromiseState,
    restarts::Restarted,
    rule::{Advance, Hold, Look, Progress, Rule, SUSPICION, State, Verdict},
    segment::{Segment, pair},
    settings::{Settings, Unfit},
};
