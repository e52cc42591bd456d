//! Rollouts: the users of a weighted service are moved from one of its versions to another, stage by stage.
//!
//! ```text
//! registry -> conductor (a task each): observer, operators, ends of effects -> engine -> store -> hands
//! hands: jobs, webhook, write_back, and Traffic (weights, trials, brakes, protections)
//! ```

mod conductor;
mod decision;
pub mod engine;
mod hands;
pub mod jobs;
mod judge;
mod observer;
mod registry;
pub mod simulation;
pub mod webhook;
pub mod write_back;

pub use self::{
    conductor::{NotDone, Once},
    decision::{Decision, Known},
    registry::{NotBegun, Rollouts, Seen, Start},
};
