//! `addPrefix`: the backend's paths begin with a prefix that clients do not send.

use std::ops::ControlFlow;

use http::request;

use super::{Answer, rewrite};

/// Puts a prefix before the path.
#[derive(Debug, Clone)]
pub(crate) struct AddPrefix(Box<str>);

impl AddPrefix {
    pub(super) fn new(prefix: &str) -> Self {
        // Every path begins with a slash: one at the prefix's end would be doubled.
        Self(prefix.trim_end_matches('/').into())
    }

    pub(super) fn request(&self, parts: &mut request::Parts) -> ControlFlow<Answer> {
        if !rewrite::has_path(parts) {
            return ControlFlow::Continue(());
        }
        let path = [&*self.0, parts.uri.path()].concat();
        rewrite::set_path(parts, &path)
    }
}
