//! What a middleware keeps of a request between its halves.

use http::{HeaderValue, StatusCode};

use super::{in_flight::Permit, rate_limit::Quota};

/// One middleware's.
#[derive(Debug, Default)]
pub(crate) enum Note {
    #[default]
    Nothing,
    /// `headers`: of the request as the client sent it.
    Asked(Asked),
    /// `rateLimit`: what is left to the client.
    Quota(Quota),
    /// `inFlightReq`: the request counts as long as this is there.
    Permit(Permit),
}

/// What the response half of `headers` must know of the request as the client sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `Origin`.
    pub(crate) origin: Option<HeaderValue>,
    /// Whether the client is on TLS, here or at a proxy in front.
    pub(crate) secure: bool,
}

impl Note {
    /// Whether it is held until the last frame of the answer is out, or the client has gone away.
    pub(crate) fn lasts(&self) -> bool {
        match self {
            Self::Nothing | Self::Asked(_) | Self::Quota(_) => false,
            Self::Permit(_) => true,
        }
    }

    /// The answer at this place is thrown away; this was its status.
    pub(crate) fn learns(&mut self, _status: StatusCode) {
        match self {
            Self::Nothing | Self::Asked(_) | Self::Quota(_) | Self::Permit(_) => {}
        }
    }

    /// One that was taken ahead, for a step that may be passed more than once.
    pub(crate) fn copied(&self) -> Self {
        match self {
            // Only those of `headers` are taken ahead.
            Self::Nothing | Self::Quota(_) | Self::Permit(_) => Self::Nothing,
            Self::Asked(asked) => Self::Asked(asked.clone()),
        }
    }
}
