//! Rollouts: the users of a weighted service are moved from one of its versions to another, stage by stage.
//!
//! ```text
//! what happened -> engine -> what is kept, and the effects that follow
//! ```

pub mod engine;
