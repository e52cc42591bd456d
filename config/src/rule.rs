//! Traefik's v3 rule language: what a router matches.
//!
//! ```text
//! Host(`pro.coding`) && (PathPrefix(`/api`) || Header(`X-Version`, `canary`)) && !ClientIP(`10.0.0.0/8`)
//! ```

mod display;
mod lexer;
mod parser;

use std::fmt;

use ipnet::IpNet;
use regex::bytes::Regex;

/// A rule as a tree. `&&` binds tighter than `||`.
#[derive(Debug, Clone)]
pub enum Expression {
    /// One matcher.
    Matcher(Matcher),
    /// All of these (two or more).
    And(Vec<Self>),
    /// One of these at least (two or more).
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
}

/// A rule: its tree and the text it was read from.
#[derive(Debug, Clone)]
pub struct Rule {
    /// As the operator wrote it; its length in bytes is the router's default priority.
    pub text: String,
    /// As it is matched.
    pub expression: Expression,
}

/// Why a text is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Where in the text, in bytes.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
    /// What is allowed instead; may be empty.
    pub allowed: String,
}

impl Rule {
    /// Reads a rule of the v3 language, at most 64 KiB long and 64 levels deep.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        parser::parse(text).map(|expression| Self { text: text.to_owned(), expression })
    }
}

impl Expression {
    /// All of some; a conjunction among them is taken apart.
    fn all(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.swap_remove(0) } else { Self::And(flat) }
    }

    /// One of some; a disjunction among them is taken apart.
    fn any(parts: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.swap_remove(0) } else { Self::Or(flat) }
    }
}

impl RuleError {
    pub(crate) fn new(offset: usize, what: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { offset, what: what.into(), allowed: allowed.into() }
    }

    /// The line of `text` that is meant and a caret below the place, each indented by two; a long line is cut around it.
    pub fn pointer(&self, text: &str) -> String {
        let offset = text.floor_char_boundary(self.offset);
        let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
        let before: Vec<char> = text[start..offset].chars().collect();
        let cut = before.len().saturating_sub(SHOWN_BEFORE);
        let ellipsis = if cut > 0 { "..." } else { "" };
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let before: String = before[cut..].iter().map(|&c| shown(c)).collect();
        let after: String = text[offset..end].chars().take(SHOWN_AFTER).map(shown).collect();
        let column = ellipsis.len() + before.chars().count();
        format!("  {ellipsis}{before}{after}\n  {}^", " ".repeat(column))
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.allowed.is_empty() {
            write!(f, " ({})", self.allowed)?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleError {}

/// How much of a rule's line is shown on either side of the caret, in characters.
const SHOWN_BEFORE: usize = 80;
const SHOWN_AFTER: usize = 60;

/// One test of a request.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// ``Host(`d`)``: lower-cased, without a trailing dot. `*` is any host, `*.d` exactly one label before `.d`.
    Host(String),
    /// ``HostRegexp(`re`)``: unanchored, on the lower-cased host.
    HostRegexp(Regex),
    /// ``Path(`/p`)``: the whole routing path.
    Path(String),
    /// ``PathPrefix(`/p`)``: character by character, `/v1` matches `/v12`.
    PathPrefix(String),
    /// ``PathRegexp(`re`)``: unanchored, on the routing path.
    PathRegexp(Regex),
    /// ``Method(`GET`)``: upper-cased.
    Method(String),
    /// ``Header(`K`, `v`)``: one of the header's lines equals the value. The name is lower-cased here.
    Header {
        /// Lower-cased and a valid header name.
        name: String,
        /// Compared byte by byte.
        value: String,
    },
    /// ``HeaderRegexp(`K`, `re`)``: one of the header's lines matches, unanchored.
    HeaderRegexp {
        /// Lower-cased and a valid header name.
        name: String,
        /// Unanchored.
        value: Regex,
    },
    /// ``Query(`k`, `v`)``; with one argument the value must be empty (`?k` or `?k=`).
    Query {
        /// Compared after percent-decoding.
        key: String,
        /// Compared after percent-decoding.
        value: String,
    },
    /// ``QueryRegexp(`k`, `re`)``; with one argument the expression is `^$`.
    QueryRegexp {
        /// Compared after percent-decoding.
        key: String,
        /// Unanchored, after percent-decoding.
        value: Regex,
    },
    /// ``ClientIP(`cidr`)``: the peer's address (after PROXY protocol), never X-Forwarded-For.
    ClientIp(IpNet),
}

#[cfg(test)]
mod tests;
