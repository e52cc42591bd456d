//! Rules as they are tested: names, methods and networks parsed once, nested `&&` and `||` flattened.

use std::{borrow::Cow, fmt};

use http::{HeaderName, Method, header};
use ipnet::IpNet;
use regex::bytes::Regex;
use rollgate_config::rule::{Expression, Matcher};

use super::facts::{Facts, decoded};
use crate::{authority::canonical_host, networks::unmapped};

/// A rule's tree.
#[derive(Debug)]
pub(super) enum Condition {
    Test(Test),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

/// One test of a request.
#[derive(Debug)]
pub(super) enum Test {
    Host(HostPattern),
    HostRegexp(Regex),
    Path(Box<str>),
    PathPrefix(Box<str>),
    PathRegexp(Regex),
    Method(Method),
    Header(HeaderName, Box<str>),
    HeaderRegexp(HeaderName, Regex),
    Query(Box<str>, Box<str>),
    QueryRegexp(Box<str>, Regex),
    ClientIp(IpNet),
    /// No request passes it.
    Never {
        text: String,
        why: &'static str,
    },
}

/// Which hosts a `Host` matcher names.
#[derive(Debug)]
pub(super) enum HostPattern {
    /// `*`.
    Any,
    Exact(Box<str>),
    /// `*.d`, kept as `d`: exactly one label before it.
    Below(Box<str>),
}

impl Condition {
    pub(super) fn compile(expression: &Expression) -> Self {
        match expression {
            Expression::Matcher(matcher) => Self::Test(Test::compile(matcher)),
            Expression::Not(inner) => Self::Not(Box::new(Self::compile(inner))),
            Expression::And(parts) => {
                let mut all = Vec::with_capacity(parts.len());
                for part in parts.iter().map(Self::compile) {
                    match part {
                        Self::All(inner) => all.extend(inner),
                        other => all.push(other),
                    }
                }
                Self::All(all)
            }
            Expression::Or(parts) => {
                let mut any = Vec::with_capacity(parts.len());
                for part in parts.iter().map(Self::compile) {
                    match part {
                        Self::Any(inner) => any.extend(inner),
                        other => any.push(other),
                    }
                }
                Self::Any(any)
            }
        }
    }

    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Test(test) => test.passes(facts),
            Self::All(parts) => parts.iter().all(|part| part.holds(facts)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(facts)),
            Self::Not(inner) => !inner.holds(facts),
        }
    }
}

impl Test {
    fn compile(matcher: &Matcher) -> Self {
        match matcher {
            Matcher::Host(host) => Self::Host(HostPattern::compile(host)),
            Matcher::HostRegexp(regex) => Self::HostRegexp(regex.clone()),
            Matcher::Path(path) => Self::Path(path.as_str().into()),
            Matcher::PathPrefix(path) => Self::PathPrefix(path.as_str().into()),
            Matcher::PathRegexp(regex) => Self::PathRegexp(regex.clone()),
            Matcher::Method(name) => match Method::from_bytes(name.as_bytes()) {
                Ok(method) => Self::Method(method),
                Err(_) => Self::Never { text: call("Method", &[name]), why: "there is no such method" },
            },
            Matcher::Header { name, value } => {
                Self::header(name, |name| Self::Header(name, value.as_str().into()), || call("Header", &[name, value]))
            }
            Matcher::HeaderRegexp { name, value } => Self::header(
                name,
                |name| Self::HeaderRegexp(name, value.clone()),
                || call("HeaderRegexp", &[name, value.as_str()]),
            ),
            Matcher::Query { key, value } => Self::Query(key.as_str().into(), value.as_str().into()),
            Matcher::QueryRegexp { key, value } => Self::QueryRegexp(key.as_str().into(), value.clone()),
            Matcher::ClientIp(net) => Self::ClientIp(unmapped(*net)),
        }
    }

    fn header(name: &str, test: impl FnOnce(HeaderName) -> Self, text: impl FnOnce() -> String) -> Self {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(header::HOST) => Self::Never { text: text(), why: "the host is matched by Host, not as a header" },
            Ok(name) => test(name),
            Err(_) => Self::Never { text: text(), why: "no header can have this name" },
        }
    }

    fn passes(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Host(pattern) => pattern.covers(facts.host),
            Self::HostRegexp(regex) => !facts.host.is_empty() && regex.is_match(facts.host.as_bytes()),
            Self::Path(path) => facts.path == &**path,
            Self::PathPrefix(prefix) => facts.path.starts_with(&**prefix),
            Self::PathRegexp(regex) => regex.is_match(facts.path.as_bytes()),
            Self::Method(method) => facts.method == method,
            Self::Header(name, value) => {
                facts.headers.get_all(name).iter().any(|line| line.as_bytes() == value.as_bytes())
            }
            Self::HeaderRegexp(name, regex) => {
                facts.headers.get_all(name).iter().any(|line| regex.is_match(line.as_bytes()))
            }
            Self::Query(key, value) => facts.query_values(key).any(|found| decoded(found).eq(value.bytes())),
            Self::QueryRegexp(key, regex) => facts.query_values(key).any(|found| regex.is_match(&octets(found))),
            Self::ClientIp(net) => net.contains(&facts.client.to_canonical()),
            Self::Never { .. } => false,
        }
    }
}

impl HostPattern {
    fn compile(host: &str) -> Self {
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        let host = canonical_host(host);
        match host.strip_prefix('*') {
            Some("") => Self::Any,
            Some(rest) => {
                rest.strip_prefix('.').map_or_else(|| Self::Exact((&*host).into()), |d| Self::Below(d.into()))
            }
            None => Self::Exact(host.into()),
        }
    }

    fn covers(&self, host: &str) -> bool {
        !host.is_empty()
            && match self {
                Self::Any => true,
                Self::Exact(name) => host == &**name,
                Self::Below(domain) => parent(host).is_some_and(|parent| parent == &**domain),
            }
    }
}

/// What follows a host's first label.
pub(super) fn parent(host: &str) -> Option<&str> {
    host.split_once('.').map(|(_, parent)| parent)
}

fn octets(value: &str) -> Cow<'_, [u8]> {
    if value.contains(['%', '+']) { Cow::Owned(decoded(value).collect()) } else { Cow::Borrowed(value.as_bytes()) }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, operator) = match self {
            Self::Test(test) => return test.fmt(f),
            Self::Not(inner) => {
                return if matches!(**inner, Self::All(_)) { write!(f, "!({inner})") } else { write!(f, "!{inner}") };
            }
            Self::All(parts) => (parts, " && "),
            Self::Any(parts) => (parts, " || "),
        };
        let brackets = matches!(self, Self::Any(_));
        f.write_str(if brackets { "(" } else { "" })?;
        for (at, part) in parts.iter().enumerate() {
            write!(f, "{}{part}", if at == 0 { "" } else { operator })?;
        }
        f.write_str(if brackets { ")" } else { "" })
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Host(HostPattern::Any) => call("Host", &["*"]),
            Self::Host(HostPattern::Exact(host)) => call("Host", &[host]),
            Self::Host(HostPattern::Below(domain)) => call("Host", &[&format!("*.{domain}")]),
            Self::HostRegexp(regex) => call("HostRegexp", &[regex.as_str()]),
            Self::Path(path) => call("Path", &[path]),
            Self::PathPrefix(path) => call("PathPrefix", &[path]),
            Self::PathRegexp(regex) => call("PathRegexp", &[regex.as_str()]),
            Self::Method(method) => call("Method", &[method.as_str()]),
            Self::Header(name, value) => call("Header", &[&written(name), value]),
            Self::HeaderRegexp(name, regex) => call("HeaderRegexp", &[&written(name), regex.as_str()]),
            Self::Query(key, value) if value.is_empty() => call("Query", &[key]),
            Self::Query(key, value) => call("Query", &[key, value]),
            Self::QueryRegexp(key, regex) => call("QueryRegexp", &[key, regex.as_str()]),
            Self::ClientIp(net) => call("ClientIP", &[&net.to_string()]),
            Self::Never { text, .. } => return f.write_str(text),
        })
    }
}

/// A header's name as it is usually written: `X-Version`.
pub(super) fn written(name: &HeaderName) -> String {
    let mut start = true;
    let letters = name.as_str().chars().map(|letter| {
        let upper = std::mem::replace(&mut start, letter == '-');
        if upper { letter.to_ascii_uppercase() } else { letter }
    });
    letters.collect()
}

fn call(name: &str, arguments: &[&str]) -> String {
    let quoted = arguments.iter().map(|text| match text.contains('`') {
        true => format!("{text:?}"),
        false => format!("`{text}`"),
    });
    format!("{name}({})", quoted.collect::<Vec<_>>().join(", "))
}
