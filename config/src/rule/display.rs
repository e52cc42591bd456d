//! A rule's canonical text: one spelling for one meaning, and it reads back as the same tree.

use std::fmt;

use super::{Expression, Matcher};
use crate::syntax::logic::write_joined;

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matcher(matcher) => matcher.fmt(f),
            Self::And(parts) => write_joined(f, parts, " && ", |part| matches!(part, Self::Or(_) | Self::And(_))),
            Self::Or(parts) => write_joined(f, parts, " || ", |part| matches!(part, Self::Or(_))),
            Self::Not(inner) if matches!(**inner, Self::And(_) | Self::Or(_)) => {
                write!(f, "!({inner})")
            }
            Self::Not(inner) => write!(f, "!{inner}"),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, first, second) = match self {
            Self::Host(host) => ("Host", host.as_str(), None),
            Self::HostRegexp(regex) => ("HostRegexp", regex.as_str(), None),
            Self::Path(path) => ("Path", path.as_str(), None),
            Self::PathPrefix(path) => ("PathPrefix", path.as_str(), None),
            Self::PathRegexp(regex) => ("PathRegexp", regex.as_str(), None),
            Self::Method(method) => ("Method", method.as_str(), None),
            Self::Header { name, value } => ("Header", name.as_str(), Some(value.as_str())),
            Self::HeaderRegexp { name, value } => ("HeaderRegexp", name.as_str(), Some(value.as_str())),
            Self::Query { key, value } if value.is_empty() => ("Query", key.as_str(), None),
            Self::Query { key, value } => ("Query", key.as_str(), Some(value.as_str())),
            Self::QueryRegexp { key, value } => ("QueryRegexp", key.as_str(), Some(value.as_str())),
            Self::ClientIp(network) => return write!(f, "ClientIP(`{network}`)"),
        };
        write!(f, "{name}({}", Quoted(first))?;
        if let Some(second) = second {
            write!(f, ", {}", Quoted(second))?;
        }
        f.write_str(")")
    }
}

/// In backticks if it can be.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(['`', '\r']) {
            return write!(f, "`{}`", self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}
