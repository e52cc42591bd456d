//! When a circuit breaker trips: Traefik's expressions over what was measured.
//!
//! ```text
//! NetworkErrorRatio() > 0.3 || (LatencyAtQuantileMS(50.0) > 100 && RequestThreshold() >= 20)
//! ```
//!
//! A ratio is compared with a decimal (`0.3`, `1.0`), milliseconds and counts with a whole number, as in Traefik.

mod display;
mod lexer;
mod parser;

use std::ops::Range;

use crate::syntax::{SyntaxError, logic::joined};

pub use crate::syntax::Operator;

/// An expression: its tree and the text it was read from.
#[derive(Debug, Clone)]
pub struct Condition {
    /// As the operator wrote it.
    pub text: String,
    /// As it is evaluated.
    pub expression: Expression,
}

/// An expression as a tree. `&&` binds tighter than `||`.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// One comparison.
    Comparison(Comparison),
    /// All of these (two or more).
    And(Vec<Self>),
    /// One of these at least (two or more).
    Or(Vec<Self>),
    /// Not this. Traefik has no `!`.
    Not(Box<Self>),
}

/// What was measured beside a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What was measured.
    pub term: Term,
    /// How the two are compared.
    pub operator: Operator,
    /// At least 0; whole where the term's values are.
    pub value: f64,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// `NetworkErrorRatio()`: the share of 502 and 504 among all answers, 0 to 1; 0 without answers.
    NetworkErrorRatio,
    /// `ResponseCodeRatio(from, to, divFrom, divTo)`: how many answers have a status of the first range, for each of the second;
    /// 0 without any of the second.
    ResponseCodeRatio {
        /// Not empty.
        counted: Range<u16>,
        /// Not empty.
        among: Range<u16>,
    },
    /// `LatencyAtQuantileMS(q)`: so many per cent of the answers took no longer, in whole milliseconds. Above 0, at most 100.
    LatencyAtQuantile(f64),
    /// `RequestThreshold()`: the number of answers.
    RequestThreshold,
}

impl Condition {
    /// Reads an expression, at most 4 KiB long, with 32 comparisons and 16 levels.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parser::parse(text).map(|expression| Self { text: text.to_owned(), expression })
    }
}

impl Expression {
    /// Whether it holds for these values.
    pub fn holds(&self, value: &impl Fn(&Term) -> f64) -> bool {
        match self {
            Self::Comparison(comparison) => comparison.operator.holds(value(&comparison.term), comparison.value),
            Self::And(parts) => parts.iter().all(|part| part.holds(value)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(value)),
            Self::Not(inner) => !inner.holds(value),
        }
    }

    /// Every comparison in it, in the order in which they stand.
    pub fn for_each_comparison<'e>(&'e self, act: &mut impl FnMut(&'e Comparison)) {
        match self {
            Self::Comparison(comparison) => act(comparison),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.for_each_comparison(act)),
            Self::Not(inner) => inner.for_each_comparison(act),
        }
    }

    /// Whether there is a `!` in it.
    pub(crate) fn negates(&self) -> bool {
        match self {
            Self::Comparison(_) => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::negates),
            Self::Not(_) => true,
        }
    }

    /// All of some; a conjunction among them is taken apart.
    fn all(parts: Vec<Self>) -> Self {
        joined(parts, |part| if let Self::And(inner) = part { Ok(inner) } else { Err(part) }, Self::And)
    }

    /// One of some; a disjunction among them is taken apart.
    fn any(parts: Vec<Self>) -> Self {
        joined(parts, |part| if let Self::Or(inner) = part { Ok(inner) } else { Err(part) }, Self::Or)
    }
}

impl Term {
    /// Whether its values are whole numbers, which it is compared with then.
    fn is_whole(&self) -> bool {
        match self {
            Self::NetworkErrorRatio | Self::ResponseCodeRatio { .. } => false,
            Self::LatencyAtQuantile(_) | Self::RequestThreshold => true,
        }
    }
}

#[cfg(test)]
mod tests;
