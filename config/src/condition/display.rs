//! A condition's canonical text: one spelling for one meaning, and it reads back as the same tree.

use std::fmt;

use super::{Comparison, Expression, Operator, Term};

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comparison(comparison) => comparison.fmt(f),
            Self::And(parts) => joined(f, parts, " && ", |part| matches!(part, Self::Or(_) | Self::And(_))),
            Self::Or(parts) => joined(f, parts, " || ", |part| matches!(part, Self::Or(_))),
            Self::Not(inner) if matches!(**inner, Self::Not(_)) => write!(f, "!{inner}"),
            Self::Not(inner) => write!(f, "!({inner})"),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expression],
    operator: &str,
    needs_parentheses: impl Fn(&Expression) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        if needs_parentheses(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
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

impl Operator {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::Unequal => "!=",
        }
    }
}
