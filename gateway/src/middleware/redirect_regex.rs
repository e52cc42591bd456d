//! `redirectRegex`: sends the client elsewhere if the whole URL matches.

use std::{borrow::Cow, ops::ControlFlow};

use http::header;
use regex::Regex;

use super::{Answer, Head, redirect};

/// Rewrites `scheme://host/path?query` as the client sent it (the path in normal form).
#[derive(Debug, Clone)]
pub(crate) struct RedirectRegex {
    regex: Regex,
    replacement: Box<str>,
    permanent: bool,
}

impl RedirectRegex {
    pub(super) fn new(regex: &Regex, replacement: &str, permanent: bool) -> Self {
        Self { regex: regex.clone(), replacement: replacement.into(), permanent }
    }

    pub(super) fn request(&self, head: &Head<'_>) -> ControlFlow<Answer> {
        let Some(target) = head.parts.uri.path_and_query() else {
            return ControlFlow::Continue(());
        };
        let scheme = if head.tls { "https://" } else { "http://" };
        let host = head.parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let url = [scheme, host, target.as_str()].concat();
        match self.regex.replace_all(&url, &*self.replacement) {
            Cow::Owned(location) if location != url => {
                ControlFlow::Break(redirect::answer(&location, &head.parts.method, self.permanent))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}
