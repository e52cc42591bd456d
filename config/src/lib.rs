//! What an operator writes, read into types and validated. Pure: text in, values and problems out.
//!
//! ```text
//! text --(document, tree)--> nodes with places --(read, fields)--> Static, Configuration --(validate)--> problems
//! ```
//!
//! Nothing here reads a file, a clock or an environment: the caller passes text in and gets everything that is
//! wrong with it back, each with its place.

pub mod condition;
pub mod dynamic;
pub mod problem;
pub mod rule;
pub mod scalar;
pub mod static_config;
pub mod steps;
pub mod syntax;

mod allow;
mod defaults;
mod document;
mod fields;
mod read;
mod rewrite;
mod tree;
mod validate;
mod written;

pub use self::{
    allow::Allow,
    document::{Document, Format},
    read::{Read, read_dynamic, read_dynamic_of, read_pipeline, read_pipeline_alone, read_static, reread_pipeline},
    validate::{validate_entry_points, validate_pipeline},
    written::Written,
};
#[doc(hidden)]
pub use self::{fields::Use, read::schema, rewrite::rewrite_weights};
