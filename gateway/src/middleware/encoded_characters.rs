//! `encodedCharacters`: paths in which two hops might see different separators are not let through here.
//!
//! What an entry point does for all of its requests ([`path::normalise`]), for those of a router, on the path as it is at
//! this place in the chain.

use std::ops::ControlFlow;

use http::request;
use rollgate_config::static_config::EncodedCharacters as Allowed;

use super::Answer;
use crate::path;

/// Compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedCharacters(Allowed);

impl EncodedCharacters {
    pub(super) fn new(allowed: Allowed) -> Self {
        Self(allowed)
    }

    pub(super) fn request(self, parts: &request::Parts) -> ControlFlow<Answer> {
        match path::check_encoded(&self.0, parts.uri.path()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Answer::bad_request()),
        }
    }
}
