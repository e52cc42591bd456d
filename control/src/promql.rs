//! The part of Prometheus' query language that a judge of canaries asks in, over the [`History`](crate::history::History).
//!
//! ```text
//! text --lexer--> tokens --parser--> Expr --eval (history, times)--> Value
//! ```
//!
//! Pure and bounded: a text of [`LONGEST`] bytes at most, so many parts, so many values. What is not supported is refused with
//! a sentence that says what is. Windows are counted from sample to sample, not extrapolated: those that stand side by side
//! add up to what was counted.

mod arithmetic;
mod eval;
mod expr;
mod lexer;
mod matcher;
mod parser;
mod quantile;
mod value;

pub use self::{
    eval::{Failed, Times, evaluate},
    parser::{Refused, duration, parse},
    value::{Row, Value},
};

/// What is supported, for whoever asks for something else.
pub const SUPPORTED: &str = "supported are rate(NAME{...}[5m]), increase(...), sum, avg, min, max and count with by or without, \
     histogram_quantile(q, sum(rate(NAME_bucket[5m])) by (le)), + - * / and or, numbers and vector(1)";

/// Bytes of a query.
pub const LONGEST: usize = 4_096;

#[cfg(test)]
mod tests;
