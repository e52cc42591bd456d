//! `replacePath` and `replacePathRegex`: the backend gets another path; the query stays.

use std::{borrow::Cow, ops::ControlFlow};

use http::{HeaderName, HeaderValue, request, uri::PathAndQuery};
use regex::Regex;

use super::{Answer, CompileError, rewrite};
use crate::path::is_normal_form;

/// Replaces the whole path.
#[derive(Debug, Clone)]
pub(crate) struct ReplacePath {
    /// Shared by requests without a query.
    target: PathAndQuery,
}

/// Replaces what matches in the path.
#[derive(Debug, Clone)]
pub(crate) struct ReplacePathRegex {
    regex: Regex,
    replacement: Box<str>,
}

impl ReplacePath {
    pub(super) fn compile(path: &str) -> Result<Self, CompileError> {
        let bad = || CompileError::Path(path.to_owned());
        let encoded = rewrite::encoded(path).ok_or_else(bad)?;
        let slashed = if encoded.starts_with('/') { encoded } else { format!("/{encoded}").into() };
        Ok(Self { target: PathAndQuery::try_from(&*slashed).map_err(|_| bad())? })
    }

    pub(super) fn request(&self, parts: &mut request::Parts) -> ControlFlow<Answer> {
        if !rewrite::has_path(parts) {
            return ControlFlow::Continue(());
        }
        tell(parts);
        match parts.uri.query() {
            None => rewrite::set_target(parts, self.target.clone()),
            Some(_) => rewrite::set_path(parts, self.target.path()),
        }
    }
}

impl ReplacePathRegex {
    pub(super) fn new(regex: &Regex, replacement: &str) -> Self {
        Self { regex: regex.clone(), replacement: replacement.trim().into() }
    }

    pub(super) fn request(&self, parts: &mut request::Parts) -> ControlFlow<Answer> {
        let path = parts.uri.path();
        let Cow::Owned(replaced) = self.regex.replace_all(path, &*self.replacement) else {
            return ControlFlow::Continue(());
        };
        if !rewrite::has_path(parts) {
            return ControlFlow::Continue(());
        }
        let slashed: Cow<'_, str> =
            if replaced.starts_with('/') { replaced.into() } else { format!("/{replaced}").into() };
        if rewrite::encoded(&slashed).is_some_and(|path| !is_normal_form(&path)) {
            return ControlFlow::Break(Answer::bad_request());
        }
        tell(parts);
        rewrite::set_path(parts, &slashed)
    }
}

/// Tells the backend what the path was.
fn tell(parts: &mut request::Parts) {
    if let Ok(path) = HeaderValue::from_bytes(parts.uri.path().as_bytes()) {
        parts.headers.append(X_REPLACED_PATH, path);
    }
}

const X_REPLACED_PATH: HeaderName = HeaderName::from_static("x-replaced-path");
