//! `stripPrefix` and `stripPrefixRegex`: clients send a prefix that the backend's paths do not have.
//!
//! Prefixes are compared with the decoded path and cut from the encoded one, so that `/foo bar` strips `/foo%20bar`
//! and what follows stays as it was sent. What is left must not need cleaning: a router that saw `/api../admin` under
//! `/api` has not agreed to `/../admin` (400).

use std::{borrow::Cow, ops::ControlFlow};

use http::{HeaderName, HeaderValue, request};
use percent_encoding::percent_decode_str;
use regex::Regex;

use super::{Answer, CompileError, rewrite};
use crate::path::is_normal_form;

/// Removes the first of some prefixes that the path has.
#[derive(Debug, Clone)]
pub(crate) struct StripPrefix(Box<[Prefix]>);

/// A prefix, and how the backend is told of it.
#[derive(Debug, Clone)]
struct Prefix {
    text: Box<str>,
    field: HeaderValue,
}

/// Removes the first of some expressions' matches at the path's start.
#[derive(Debug, Clone)]
pub(crate) struct StripPrefixRegex(Box<[Regex]>);

impl StripPrefix {
    pub(super) fn compile(prefixes: &[String]) -> Result<Self, CompileError> {
        let compiled = prefixes.iter().map(|prefix| {
            let prefix = prefix.trim();
            let value = HeaderValue::from_bytes(prefix.as_bytes());
            let field = value.map_err(|_| CompileError::HeaderValue(prefix.to_owned()))?;
            Ok(Prefix { text: prefix.into(), field })
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn request(&self, parts: &mut request::Parts) -> ControlFlow<Answer> {
        let path = parts.uri.path();
        let found = self.0.iter().find_map(|prefix| Some((without_prefix(path, &prefix.text)?, &prefix.field)));
        match found {
            Some((rest, field)) => {
                let rest = rest.to_owned();
                strip(parts, &rest, field.clone())
            }
            None => ControlFlow::Continue(()),
        }
    }
}

impl StripPrefixRegex {
    pub(super) fn new(regexes: &[Regex]) -> Self {
        Self(regexes.into())
    }

    pub(super) fn request(&self, parts: &mut request::Parts) -> ControlFlow<Answer> {
        let path = parts.uri.path();
        // Octets that are no text are matched as they were sent.
        let text = percent_decode_str(path).decode_utf8().unwrap_or(Cow::Borrowed(path));
        let matches = self.0.iter().filter_map(|regex| regex.find(&text));
        let Some(prefix) = matches.into_iter().find(|found| found.start() == 0 && !found.is_empty()) else {
            return ControlFlow::Continue(());
        };
        let prefix = prefix.as_str();
        let rest = without_prefix(path, prefix).or_else(|| path.strip_prefix(prefix)).unwrap_or_default().to_owned();
        // An encoded line break in the path must not get into a header.
        match HeaderValue::from_bytes(prefix.as_bytes()) {
            Ok(value) => strip(parts, &rest, value),
            Err(_) => ControlFlow::Break(Answer::bad_request()),
        }
    }
}

fn strip(parts: &mut request::Parts, rest: &str, prefix: HeaderValue) -> ControlFlow<Answer> {
    if !rewrite::has_path(parts) {
        return ControlFlow::Continue(());
    }
    let slashed = if rest.starts_with('/') { Cow::Borrowed(rest) } else { Cow::Owned(format!("/{rest}")) };
    // A slash put before an encoded one would be two to a backend that decodes it.
    let doubled = rest.get(..3).is_some_and(|first| first.eq_ignore_ascii_case("%2F"));
    if doubled || !is_normal_form(&slashed) {
        return ControlFlow::Break(Answer::bad_request());
    }
    parts.headers.append(X_FORWARDED_PREFIX, prefix);
    rewrite::set_path(parts, &slashed)
}

/// What follows `prefix`, which is decoded, in `path`, which is not.
fn without_prefix<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let mut rest = path;
    for wanted in prefix.bytes() {
        let octets = percent_decode_str(rest);
        if octets.into_iter().next()? != wanted {
            return None;
        }
        let encoded = rest.starts_with('%') && rest.as_bytes().get(1..3).and_then(crate::path::hex).is_some();
        rest = rest.get(if encoded { 3 } else { 1 }..)?;
    }
    Some(rest)
}

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
