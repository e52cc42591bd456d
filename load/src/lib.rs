//! A load that comes from outside, as users do, and what became of it.
//!
//! ```text
//! steady: when is a request due (pace) -> client -> tally: latency from when it was due, and every way to fail
//! ```

mod client;
mod pace;
mod steady;
mod tally;

pub use self::{
    client::{Answer, Client, Failure, PATIENCE, once},
    pace::{Pace, Timer},
    steady::{Load, Plan, Shot},
    tally::Tally,
};
