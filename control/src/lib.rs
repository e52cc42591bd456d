//! The control plane: where configuration comes from and how it becomes live.
//!
//! ```text
//! file -> reconciler (last_good, statics, certificates) -> traffic -> Gateway::publish -> report, state
//! worker -> api -> traffic (store, events) -> Gateway::lay_over
//! Metrics -> history -> promql, kayenta -> api (whoever judges elsewhere)
//! ```
//!
//! It runs on a runtime of its own: it may stall or die, and no request notices.

pub mod file;

pub mod certificates;
pub mod statics;

pub mod reconciler;

pub mod events;
pub mod explain;
pub mod store;
pub mod traffic;

pub mod rollout;

mod history;
mod kayenta;
mod promql;

mod api;

pub mod providers;
pub mod report;
pub mod state;

pub mod instance;

pub use instance::{Instance, Options, StartFailure, StateChoice};
pub use rollgate_gateway::ListeningSocket;
