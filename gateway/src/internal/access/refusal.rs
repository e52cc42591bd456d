//! Why somebody is not let in, as a problem document (RFC 9457).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::internal::problem;

/// Nothing secret is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The problem's type, and the label in metrics.
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<Duration>,
    /// He may try again with a token.
    pub(crate) challenge: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, title: &'static str, detail: String) -> Self {
        Self { status, code, title, detail, retry_after: None, challenge: false }
    }

    pub(crate) fn response(&self) -> Response<Bytes> {
        let mut response = problem(self.status, self.code, self.title, &self.detail);
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.challenge {
            let challenge = HeaderValue::from_static("Bearer realm=\"rollgate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
