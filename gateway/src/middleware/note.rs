//! What a middleware keeps of a request between its halves.

use std::time::Instant;

use http::{HeaderValue, StatusCode};

use super::{in_flight::Permit, rate_limit::Quota};
use crate::breaker::Ticket;

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
    Permit(#[expect(dead_code, reason = "it is there to be dropped")] Permit),
    /// `circuitBreaker`: what records the answer.
    Ticket(Ticket),
    /// `forwardAuth`: cookies of the server that was asked, for the answer.
    Cookies(Box<[HeaderValue]>),
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
            Self::Nothing | Self::Asked(_) | Self::Quota(_) | Self::Cookies(_) => false,
            Self::Permit(_) | Self::Ticket(_) => true,
        }
    }

    /// Whether the bytes of another protocol that follow an answer are nothing to it.
    pub(crate) fn ends_with_answer(&self) -> bool {
        matches!(self, Self::Ticket(_))
    }

    /// The status of an answer that no response half sees: it is thrown away, or it is what became of a body that broke off.
    pub(crate) fn learns(&mut self, status: StatusCode) {
        match self {
            Self::Nothing | Self::Asked(_) | Self::Quota(_) | Self::Cookies(_) | Self::Permit(_) => {}
            Self::Ticket(ticket) => ticket.learns(status.as_u16()),
        }
    }

    /// The answer is out, or nobody waits for it any longer.
    pub(crate) fn finish(self, now: Instant) {
        match self {
            Self::Nothing | Self::Asked(_) | Self::Quota(_) | Self::Cookies(_) | Self::Permit(_) => {}
            Self::Ticket(ticket) => ticket.finish(now),
        }
    }

    /// One that was taken ahead, for a step that may be passed more than once.
    pub(crate) fn copied(&self) -> Self {
        match self {
            // Only those of `headers` are taken ahead.
            Self::Nothing | Self::Quota(_) | Self::Permit(_) | Self::Ticket(_) => Self::Nothing,
            Self::Asked(asked) => Self::Asked(asked.clone()),
            Self::Cookies(cookies) => Self::Cookies(cookies.clone()),
        }
    }
}
