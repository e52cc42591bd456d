//! Under construction.

pub mod authority;
pub mod middleware;
pub mod networks;
pub mod path;
pub mod router;
