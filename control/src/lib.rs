//! The control plane: where configuration comes from and how it becomes live.
//!
//! ```text
//! file -> reconciler (last_good, statics, certificates) -> Gateway::publish -> report, state
//! ```
//!
//! It runs on a runtime of its own: it may stall or die, and no request notices.

pub mod file;

pub mod certificates;
pub mod statics;

pub mod reconciler;

pub mod report;
pub mod state;
pub mod store;

pub mod instance;

pub use instance::{Instance, Options, StartFailure};
pub use rollgate_gateway::ListeningSocket;
