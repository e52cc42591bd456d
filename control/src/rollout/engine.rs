//! The engine of rollouts: a function from what is kept of one and what has happened to what is kept now, and what is to be done.
//!
//! ```text
//! (Rollout, Pipeline, Event, now) -> step -> Step { rollout: store it, then effects: do them; entries: tell them }
//!                                     |
//!   events: Machine (judged, operator, resumed) -> settle: effects, stages, traffic, ending
//!   people: view (progress, what is waited for, plan), actions that are possible
//! ```
//!
//! Nothing here reads a clock, a file or a socket, or draws a number. Whoever calls it stores the whole rollout of a [`Step`] before
//! he begins one of its effects, and reports each effect's end as [`Event::EffectDone`]. After a restart he reads the rollout back,
//! says [`Event::Resumed`], and is given again what has not come to its end, under the same ids.

mod effect;
mod entry;
mod event;
mod evidence;
mod kept;
mod machine;
mod protection;
mod record;
mod refusal;
mod status;
mod text;
mod view;
mod weights;

use std::sync::Arc;

use rollgate_config::dynamic::rollout::Pipeline;

use self::machine::Machine;
pub use self::{
    effect::{Effect, EffectId, Lane, Mode, News, Nonce, What},
    entry::{Entry, Happened},
    event::{Action, Asked, Caller, Change, Event, Outcome, Verdict},
    evidence::{Busiest, Evidence, Ratio, Tally},
    kept::{
        BrakeState, Ending, LinkKey, Order, Outage, Outstanding, Pause, PauseKind, Rollout, TrialState, Unreadable,
    },
    protection::{Observed, Protection, Rate},
    record::{At, Clock, List, StageRecord, StageState, StepRecord, Work},
    refusal::Refusal,
    status::Status,
    view::Planned,
    weights::{Before, BrakeSeen, Weights},
};

/// Milliseconds since 1970.
pub type Millis = i64;

/// What follows from an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is kept from now on, in place of what was.
    pub rollout: Rollout,
    /// What is to be done, once the rollout is stored. All of them may be begun at once: no two that have to wait for each other
    /// are ever under way.
    pub effects: Vec<Effect>,
    /// Effects whose end nobody waits for any more: a command is ended, a call given up. Their ends may still be reported.
    pub canceled: Vec<EffectId>,
    /// What has happened, for the log and for whoever watches; the rollout's history has them too.
    pub entries: Vec<Arc<Entry>>,
    /// More has changed than the numbers of the last look. If not, it may be stored later, or never.
    pub must_be_kept: bool,
}

/// Takes an event in.
///
/// Events that say what is known, or what is of no concern any more (a second or a late end of an effect, a look at a step that was
/// passed), change nothing.
///
/// # Errors
/// An operator's action that is not possible, or not his; nothing has changed then. And a pipeline that is not the rollout's.
pub fn step(rollout: &Rollout, pipeline: &Pipeline, event: Event, now: Millis) -> Result<Step, Refusal> {
    rollout.fits(pipeline)?;
    let mut machine = Machine::new(rollout.clone(), pipeline, now);
    machine.take(event)?;
    machine.settle();
    Ok(machine.step())
}

#[cfg(test)]
mod tests;
