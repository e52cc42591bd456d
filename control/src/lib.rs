//! The control plane: where configuration comes from and how it becomes live.
//!
//! ```text
//! provider -> parse -> merge -> validate -> compile -> publish -> acknowledge
//! ```
//!
//! It runs on a runtime of its own: it may stall or die, and no request notices.

pub mod file;

pub mod reconciler;

pub mod instance;

pub use instance::{Instance, Options, StartFailure};
pub use rollgate_gateway::ListeningSocket;
