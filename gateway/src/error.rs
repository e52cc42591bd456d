//! Why a request was not answered by a server, and whose fault it was. Status, label and body stand beside the enum.

use std::{borrow::Cow, fmt, io};

use bytes::Bytes;
use http::StatusCode;

/// Everything that ends a request early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The client sent what two hops could read differently, or what the configuration refuses.
    #[error("{0}")]
    Refused(Refusal),
    /// No router matches.
    #[error("no router matches")]
    NoRouter,
    /// Every version or server is without weight or missing.
    #[error("no available server")]
    NoServer,
    /// The server could not be reached.
    #[error("connecting to the server")]
    Connect(#[source] io::Error),
    /// The server could not be reached in `dialTimeout`.
    #[error("connecting to the server took too long")]
    ConnectTimeout,
    /// The server's certificate or its handshake is wrong.
    #[error("TLS to the server")]
    UpstreamTls(#[source] io::Error),
    /// The server's answer broke off or was not HTTP.
    #[error("the server's answer")]
    Upstream(#[source] hyper::Error),
    /// The server's answer is framed so that two hops could read it differently.
    #[error("the server's answer: {0}")]
    BadAnswer(&'static str),
    /// The server's machine acknowledges nothing any more (`tcpUserTimeout`, `tcpKeepAlive`).
    #[error("the server vanished")]
    Vanished(#[source] hyper::Error),
    /// No response head within `responseHeaderTimeout`.
    #[error("the server took too long to answer")]
    ResponseTimeout,
    /// No whole answer within the router's `timeouts.request`.
    #[error("the request took too long to be answered")]
    RequestTimeout,
    /// The server switched protocols although nobody asked.
    #[error("the server switched protocols unasked")]
    UnaskedUpgrade,
    /// The client's body did not arrive within `readTimeout`, or nothing of it within `bodyIdleTimeout`.
    #[error("the request took too long to arrive")]
    SlowBody,
    /// The client's body is longer than `maxBodyBytes`.
    #[error("the request's body is too long")]
    LongBody,
    /// There is too little memory left for another request.
    #[error("too little memory is left")]
    Overloaded,
    /// The client went away before its request was whole.
    #[error("the client went away")]
    ClientGone,
    /// An answer that is collected is longer than it may be.
    #[error("the server's answer is too long")]
    LongAnswer,
    /// An answer that is collected finds no space where others are kept.
    #[error("there is no space to keep the server's answer")]
    NoSpace,
    /// A body that is collected could not be kept.
    #[error("keeping a body")]
    Disk(#[source] io::Error),
    /// The gateway could not build a request from what it was given.
    #[error("the request could not be forwarded: {0}")]
    Unforwardable(&'static str),
}

/// Why a client's request is refused. The label counts in `rollgate_refused_total{reason}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// 400, 417, 421, 431, 501, 503.
    pub(crate) status: StatusCode,
    /// One word or two, joined by `_`.
    pub(crate) reason: &'static str,
    /// What the client reads.
    pub(crate) says: Cow<'static, str>,
}

/// An error and its causes, in one line, for the log: what hyper says alone tells little.
pub(crate) struct Chain<'e>(pub(crate) &'e (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says.trim_end())
    }
}

impl Error {
    /// Bad request with a label and a reason.
    pub(crate) fn bad_request(reason: &'static str, says: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused(Refusal { status: StatusCode::BAD_REQUEST, reason, says: says.into() })
    }

    /// The status that the client gets: Traefik's (its table: 502 dial refused or broken answer, 504 timeouts, 503 no
    /// server, 500 for a certificate that does not verify).
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status,
            Self::NoRouter => StatusCode::NOT_FOUND,
            Self::NoServer | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Connect(_) | Self::Upstream(_) | Self::BadAnswer(_) | Self::UnaskedUpgrade => StatusCode::BAD_GATEWAY,
            Self::ConnectTimeout | Self::ResponseTimeout | Self::RequestTimeout | Self::Vanished(_) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::LongBody => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientGone => client_closed_request(),
            Self::UpstreamTls(_) | Self::LongAnswer | Self::NoSpace | Self::Disk(_) | Self::Unforwardable(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The body that the client gets.
    pub(crate) fn body(&self) -> Bytes {
        Bytes::from_static(
            match self {
                Self::Refused(refusal) => return Bytes::from(refusal.says.clone().into_owned()),
                Self::NoRouter => "404 page not found\n",
                Self::NoServer => "no available server\n",
                Self::Connect(_) | Self::Upstream(_) | Self::BadAnswer(_) | Self::UnaskedUpgrade => "Bad Gateway",
                Self::ConnectTimeout | Self::ResponseTimeout | Self::RequestTimeout | Self::Vanished(_) => {
                    "Gateway Timeout"
                }
                Self::SlowBody => "Request Timeout",
                Self::LongBody => "the request's body is too long\n",
                Self::Overloaded => "overloaded\n",
                Self::ClientGone => "Client Closed Request",
                Self::UpstreamTls(_) | Self::LongAnswer | Self::NoSpace | Self::Disk(_) | Self::Unforwardable(_) => {
                    "Internal Server Error"
                }
            }
            .as_bytes(),
        )
    }

    /// Whether an HTTP/1 connection closes with the answer: where the next request on it would begin cannot be trusted.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.status != StatusCode::MISDIRECTED_REQUEST,
            // A body that could not be kept may be the request's, of which more is to come.
            Self::SlowBody | Self::LongBody | Self::Disk(_) | Self::Overloaded => true,
            Self::NoRouter
            | Self::NoServer
            | Self::Connect(_)
            | Self::ConnectTimeout
            | Self::UpstreamTls(_)
            | Self::Upstream(_)
            | Self::ResponseTimeout
            | Self::RequestTimeout
            | Self::UnaskedUpgrade
            | Self::BadAnswer(_)
            | Self::Vanished(_)
            | Self::ClientGone
            | Self::LongAnswer
            | Self::NoSpace
            | Self::Unforwardable(_) => false,
        }
    }

    /// Whether the server that was asked is at fault.
    pub(crate) fn is_servers_fault(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::UpstreamTls(_)
            | Self::Upstream(_)
            | Self::BadAnswer(_)
            | Self::Vanished(_)
            | Self::ResponseTimeout
            | Self::UnaskedUpgrade => true,
            Self::Refused(_)
            | Self::NoRouter
            | Self::NoServer
            | Self::RequestTimeout
            | Self::SlowBody
            | Self::LongBody
            | Self::Overloaded
            | Self::ClientGone
            | Self::LongAnswer
            | Self::NoSpace
            | Self::Disk(_)
            | Self::Unforwardable(_) => false,
        }
    }

    /// Whether the body goes out as Go's `http.Error` sends it: text/plain and nosniff.
    pub(crate) fn plain_text(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::NoRouter | Self::NoServer | Self::LongBody | Self::Overloaded)
    }
}

/// Nobody reads it; it is for the counters.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).expect("499 is three digits")
}

/// What breaks a body on its way.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// From hyper: the peer broke off or framed it wrongly.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// The request did not arrive within `readTimeout`.
    #[error("the request took too long to arrive")]
    ReadTimeout,
    /// Nothing of the request arrived within `bodyIdleTimeout`.
    #[error("the request stopped arriving")]
    Idle,
    /// The request is longer than `maxBodyBytes`.
    #[error("the request's body is too long")]
    TooLong,
    /// The response did not go out within `writeTimeout`.
    #[error("the response took too long")]
    WriteTimeout,
    /// Compressing failed.
    #[error("the answer could not be compressed")]
    Encoder(#[source] io::Error),
    /// What was kept of it in a file cannot be read.
    #[error("the body that was kept in a file")]
    Disk(#[source] io::Error),
    /// The control plane broke off.
    #[error("the control plane's answer")]
    Control(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It is not in the coding that it says.
    #[error("the body is no {0}")]
    Coding(&'static str),
    /// The request is sent once more, and its body with it: this sending has it no longer.
    #[error("the request is sent again")]
    Superseded,
    /// It is a copy, and no more of the body was copied.
    #[error("no more of the body was copied")]
    Uncopied,
}

impl BodyError {
    /// Chunks or trailers that cannot be read, or that are over a bound; not a peer that went away.
    pub(crate) fn is_malformed(&self) -> bool {
        let error = match self {
            Self::Http(error) => error,
            Self::Coding(_) => return true,
            _ => return false,
        };
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
        cause.is_some_and(|cause| matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_shows_every_cause_once() {
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "refused");
        assert_eq!(Chain(&Error::Connect(refused)).to_string(), "connecting to the server: refused");
        assert_eq!(Chain(&Error::BadAnswer("no length")).to_string(), "the server's answer: no length");
        assert_eq!(Chain(&Error::bad_request("host", "two hosts\n")).to_string(), "two hosts");
    }
}
