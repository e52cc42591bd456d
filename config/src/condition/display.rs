//! A condition's canonical text: one spelling for one meaning, and it reads back as the same tree.

use std::fmt;

use super::{Comparison, Expression, Term};
use crate::syntax::logic::write_joined;

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comparison(comparison) => comparison.fmt(f),
            Self::And(parts) => write_joined(f, parts, " && ", |part| matches!(part, Self::Or(_) | Self::And(_))),
            Self::Or(parts) => write_joined(f, parts, " || ", |part| matches!(part, Self::Or(_))),
            Self::Not(inner) if matches!(**inner, Self::Not(_)) => write!(f, "!{inner}"),
            Self::Not(inner) => write!(f, "!({inner})"),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.term, self.operator.text())?;
        if self.term.is_whole() { write!(f, "{}", self.value) } else { write!(f, "{:?}", self.value) }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NetworkErrorRatio => f.write_str("NetworkErrorRatio()"),
            Self::ResponseCodeRatio { counted, among } => {
                let [from, to, div_from, div_to] = [counted.start, counted.end, among.start, among.end];
                write!(f, "ResponseCodeRatio({from}, {to}, {div_from}, {div_to})")
            }
            Self::LatencyAtQuantile(quantile) => write!(f, "LatencyAtQuantileMS({quantile:?})"),
            Self::RequestThreshold => f.write_str("RequestThreshold()"),
        }
    }
}
