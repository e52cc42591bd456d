//! Rollouts: pipelines, one stage after the other.

pub mod jobs;
pub mod webhook;
