//! Where something stands in what an operator wrote, and what is wrong with it.

use std::{fmt, sync::Arc};

/// A place in a source: a file, a flag or an environment variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file's name as the operator gave it, or `--flag`, or the variable's name.
    pub source: Arc<str>,
    /// 1-based; 0 where a source has no lines (a flag, a variable).
    pub line: u32,
    /// 1-based, in characters; 0 where a source has no lines.
    pub column: u32,
}

impl Place {
    /// A source without lines: a flag, a variable, `default`.
    pub fn whole(source: &str) -> Self {
        Self { source: source.into(), line: 0, column: 0 }
    }

    /// So many lines further down.
    pub(crate) fn moved(&self, lines: u32) -> Self {
        Self { line: self.line.saturating_add(lines), ..self.clone() }
    }
}

/// A value and where it was written. Two are equal if their values are: a line that moves changes nothing.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// What was written, typed.
    pub value: T,
    /// Where it was written.
    pub at: Place,
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

/// One thing that is wrong. `Display` is `file:line:column: path: what is wrong (what is allowed)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// The key's path, `http.routers.pro.rule`; empty where the whole source is meant.
    pub path: String,
    /// What is wrong; it may go over several lines (a rule with its caret).
    pub what: String,
    /// What is allowed instead; empty where the message says it all.
    pub allowed: String,
    /// Set where Traefik knows the key and Rollgate does not: the key that `--allow-unsupported` takes.
    pub unsupported: Option<String>,
}

impl Problem {
    /// A problem with what is written at a place.
    pub fn new(at: &Place, path: impl fmt::Display, what: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { at: at.clone(), path: path.to_string(), what: what.into(), allowed: allowed.into(), unsupported: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return f.write_str(&self.source);
        }
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.at)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        let (first, rest) = self.what.split_once('\n').map_or((&*self.what, None), |(first, rest)| (first, Some(rest)));
        f.write_str(first)?;
        if !self.allowed.is_empty() {
            write!(f, " ({})", self.allowed)?;
        }
        rest.map_or(Ok(()), |rest| write!(f, "\n{rest}"))
    }
}
