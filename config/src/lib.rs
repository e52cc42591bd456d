//! What an operator writes, read into types and validated. Pure: text in, values and problems out.
//!
//! ```text
//! text --(tree)--> Node with positions --(fields)--> Static, Dynamic --(merge)--> Configuration --(validate)--> problems
//! ```
//!
//! Nothing here reads a file, a clock or an environment: the caller passes text in and gets everything that is
//! wrong with it back, each with its place.

pub mod dynamic;
pub mod problem;
pub mod rule;
pub mod scalar;
pub mod static_config;
