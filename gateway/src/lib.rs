//! Under construction.

pub mod access_log;
pub mod forwarded;
pub mod metrics;
pub mod proxy_protocol;
