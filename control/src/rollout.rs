//! Rollouts: pipelines, one stage after the other, judged in the data plane.
//!
//! ```text
//! registry -> conductor (one task each): observer, operators, ends of effects -> engine -> store -> hands -> ...
//!                                                                                 hands: jobs, webhook, write_back, Traffic
//! ```

mod conductor;
pub mod engine;
mod hands;
pub mod jobs;
mod judge;
mod observer;
mod registry;
pub mod webhook;
pub mod write_back;

pub use self::{
    conductor::NotDone,
    registry::{NotBegun, Rollouts, Seen, Start},
};
