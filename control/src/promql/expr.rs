//! What a query says.

use super::matcher::Matcher;
use crate::history::Name;

/// An expression.
#[derive(Debug, Clone)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// `vector(1)`: a number as a series without labels.
    Vector(f64),
    /// A counter as it is.
    Selector(Selector),
    /// Over a window in milliseconds.
    Over(Over, Selector, i64),
    /// `histogram_quantile`.
    Quantile(f64, Box<Self>),
    /// `sum(...)` and the like.
    Aggregate(Aggregate, Grouping, Box<Self>),
    /// `+ - * /`.
    Arithmetic(Arithmetic, Box<Self>, Box<Self>),
    /// Series of the left, and those of the right whose labels are not among them.
    Or(Box<Self>, Box<Self>),
}

/// Series of one metric.
#[derive(Debug, Clone)]
pub struct Selector {
    /// As it is written.
    pub metric: &'static str,
    /// The same.
    pub name: Name,
    /// All have to match.
    pub matchers: Vec<Matcher>,
}

/// A function of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Per second.
    Rate,
    /// In all.
    Increase,
}

/// How several become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Average,
    Least,
    Most,
    Count,
}

/// Which labels stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// The named ones go instead of staying.
    pub without: bool,
    pub labels: Vec<String>,
}

/// An operation on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Arithmetic {
    /// Its result.
    pub fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
        }
    }
}
