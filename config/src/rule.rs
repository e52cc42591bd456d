//! Traefik's v3 rule language: what a router matches.
//!
//! ```text
//! Host(`pro.coding`) && (PathPrefix(`/api`) || Header(`X-Version`, `canary`)) && !ClientIP(`10.0.0.0/8`)
//! ```

mod display;
mod lexer;
mod parser;

use ipnet::IpNet;
use regex::bytes::Regex;

use crate::syntax::{SyntaxError, logic::joined};

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

impl Rule {
    /// Reads a rule of the v3 language, at most 64 KiB long and 64 levels deep.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parser::parse(text).map(|expression| Self { text: text.to_owned(), expression })
    }
}

impl Expression {
    /// All of some; a conjunction among them is taken apart.
    fn all(parts: Vec<Self>) -> Self {
        joined(parts, |part| if let Self::And(inner) = part { Ok(inner) } else { Err(part) }, Self::And)
    }

    /// One of some; a disjunction among them is taken apart.
    fn any(parts: Vec<Self>) -> Self {
        joined(parts, |part| if let Self::Or(inner) = part { Ok(inner) } else { Err(part) }, Self::Or)
    }
}

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
