//! Policies between a router or a service and the server.
//!
//! ```text
//! request (forward over the chain; may answer or wait) -> ... -> response (in reverse over those passed)
//! ```
//!
//! There are three ways to act. Most look at the head of the request and answer or let it pass; a decision that takes time
//! is a [`Wait`]. Those with a response half see the answer's head too, whoever gave it; a [`Note`] is what they
//! keep in between. Those that wrap the call ([`around`]) run what is left of the way themselves, and may put a filter over the
//! answer's body.
//!
//! Each is compiled once from its configuration; names, values and expressions are parsed then. A middleware without a
//! response half costs nothing on the way back. What is counted beyond a request (buckets, breakers, requests in flight) is
//! [state](crate::compile::States) that outlives the snapshot.
//!
//! What they rely on: `parts.headers[HOST]` is set and is what is forwarded; `parts.uri` holds the path in normal form
//! ([`crate::path::normalise`]); `X-Forwarded-*` are those of trusted peers, and the peer's own address is appended to
//! `X-Forwarded-For` only after the middlewares.

mod add_prefix;
mod admission;
mod answer;
pub(crate) mod around;
mod basic_auth;
mod buffering;
mod circuit_breaker;
mod client;
mod compress;
mod content_type;
mod digest_auth;
mod encoded_characters;
mod error_pages;
mod forward_auth;
mod grpc_web;
mod headers;
mod in_flight;
mod ip_allow_list;
mod making;
mod note;
mod pass_tls_client_cert;
pub(crate) mod rate_limit;
mod redirect;
mod redirect_regex;
mod redirect_scheme;
mod replace_path;
pub(crate) mod retry;
mod rewrite;
mod sharded;
mod source;
mod strip_prefix;
mod wait;

use std::{net::IpAddr, ops::ControlFlow, sync::Arc, time::Instant};

use http::{request, response};
use rollgate_config::dynamic::middleware::{BadLine, MiddlewareKind};
use thiserror::Error;

pub(crate) use self::{
    add_prefix::AddPrefix,
    answer::Answer,
    basic_auth::{BasicAuth, Checking},
    buffering::Buffering,
    circuit_breaker::CircuitBreaker,
    client::ClientAddress,
    compress::Compress,
    content_type::ContentType,
    digest_auth::DigestAuth,
    encoded_characters::EncodedCharacters,
    error_pages::ErrorPages,
    forward_auth::ForwardAuth,
    grpc_web::GrpcWeb,
    headers::{Headers, WithoutForwardedFor},
    in_flight::InFlightReq,
    ip_allow_list::IpAllowList,
    making::{Making, Place},
    note::{Asked, Note},
    pass_tls_client_cert::PassTlsClientCert,
    rate_limit::RateLimit,
    redirect_regex::RedirectRegex,
    redirect_scheme::RedirectScheme,
    replace_path::{ReplacePath, ReplacePathRegex},
    retry::Retry,
    strip_prefix::{StripPrefix, StripPrefixRegex},
    wait::Wait,
};
use crate::{
    access_log::Record,
    breaker::{Breaker, Verdict},
    clock::Moment,
    tls::client_chain::ClientChain,
};

/// One policy, ready to run.
#[derive(Debug, Clone)]
pub(crate) enum Middleware {
    Headers(Box<Headers>),
    AddPrefix(AddPrefix),
    StripPrefix(StripPrefix),
    StripPrefixRegex(StripPrefixRegex),
    ReplacePath(ReplacePath),
    ReplacePathRegex(ReplacePathRegex),
    RedirectScheme(RedirectScheme),
    RedirectRegex(RedirectRegex),
    IpAllowList(IpAllowList),
    RateLimit(RateLimit),
    InFlightReq(InFlightReq),
    Retry(Box<Retry>),
    CircuitBreaker(Box<CircuitBreaker>),
    BasicAuth(Arc<BasicAuth>),
    DigestAuth(Arc<DigestAuth>),
    ForwardAuth(Arc<ForwardAuth>),
    Errors(Box<ErrorPages>),
    Compress(Box<Compress>),
    Buffering(Box<Buffering>),
    GrpcWeb(GrpcWeb),
    ContentType(ContentType),
    EncodedCharacters(EncodedCharacters),
    PassTlsClientCert(Box<PassTlsClientCert>),
}

/// The head of a request on its way through the chain.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    /// What is forwarded.
    pub(crate) parts: &'a mut request::Parts,
    /// The peer's address, after PROXY protocol.
    pub(crate) client: IpAddr,
    /// Whether it came over TLS.
    pub(crate) tls: bool,
    /// The certificates that its connection was made with.
    pub(crate) certificates: Option<&'a ClientChain>,
    /// Whether the peer is one of the entry point's `trustedIPs`.
    pub(crate) known_peer: bool,
    /// What is logged of the request, if it is.
    pub(crate) record: Option<&'a mut Record>,
    /// The place of the worker whose request it is, from 0.
    pub(crate) worker: usize,
    /// Once somebody has asked; see [`Head::now`].
    pub(crate) now: Option<Instant>,
    /// The same, as a number.
    pub(crate) moment: Option<Moment>,
    /// What breakers said when the version was drawn.
    pub(crate) verdicts: Vec<Verdict>,
}

#[cfg(test)]
impl<'a> Head<'a> {
    /// As it is in clear text, when nothing has been asked yet.
    pub(crate) fn plain(parts: &'a mut request::Parts, client: IpAddr) -> Self {
        Self {
            parts,
            client,
            tls: false,
            certificates: None,
            known_peer: false,
            record: None,
            worker: 0,
            now: None,
            moment: None,
            verdicts: Vec::new(),
        }
    }
}

impl Head<'_> {
    /// The time, the same for all that ask in one go through a chain: read once, and only if somebody asks.
    pub(crate) fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }

    /// Likewise, for those that reckon with it.
    pub(crate) fn moment(&mut self) -> Moment {
        *self.moment.get_or_insert_with(Moment::now)
    }
}

/// Why a request half does not let a request pass.
#[derive(Debug)]
pub(crate) enum Halt {
    /// It answers in the server's place.
    Answer(Box<Answer>),
    /// It has to wait for its decision.
    Wait(Box<Wait>),
}

/// Why a kind cannot be compiled: something that validation should have refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CompileError {
    /// A chain stands for other middlewares; it is replaced by them before.
    #[error("a chain is not a middleware of its own")]
    Chain,
    /// Not a header's name.
    #[error("{0:?} is not a header name")]
    HeaderName(String),
    /// Not a header's value.
    #[error("{0:?} is not a header value")]
    HeaderValue(String),
    /// A path with a `%` that two hexadecimal digits do not follow.
    #[error("{0:?} has a bad percent-encoding")]
    Path(String),
    /// Not a status that ends a request.
    #[error("{0} is not a status from 200 to 599")]
    Status(u16),
    /// The machine has no thread for what has to be asked elsewhere.
    #[error("there is no thread that could ask servers")]
    Helper,
    /// A bucket that never fills.
    #[error("an empty bucket would take years to fill")]
    Rate,
    /// Not a hash that its library takes.
    #[error("a stored bcrypt hash is damaged")]
    PasswordHash,
    /// Lines of a file with users.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Users(Vec<BadLine>),
    /// Nobody could pass.
    #[error("there is no user, so nobody could pass")]
    NoUser,
    /// Certificates that cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The machine has none.
    #[error("there is no randomness for a key")]
    Randomness,
}

impl Middleware {
    /// Compiles one kind.
    pub(crate) fn compile(kind: &MiddlewareKind, making: &Making<'_>) -> Result<Self, CompileError> {
        Ok(match kind {
            MiddlewareKind::Headers(headers) => Self::Headers(Box::new(Headers::compile(headers)?)),
            MiddlewareKind::AddPrefix(prefix) => Self::AddPrefix(AddPrefix::new(prefix)),
            MiddlewareKind::StripPrefix(prefixes) => Self::StripPrefix(StripPrefix::compile(prefixes)?),
            MiddlewareKind::StripPrefixRegex(regexes) => Self::StripPrefixRegex(StripPrefixRegex::new(regexes)),
            MiddlewareKind::ReplacePath(path) => Self::ReplacePath(ReplacePath::compile(path)?),
            MiddlewareKind::ReplacePathRegex { regex, replacement } => {
                Self::ReplacePathRegex(ReplacePathRegex::new(regex, replacement))
            }
            MiddlewareKind::RedirectScheme { scheme, port, permanent } => {
                Self::RedirectScheme(RedirectScheme::new(scheme, *port, *permanent))
            }
            MiddlewareKind::RedirectRegex { regex, replacement, permanent } => {
                Self::RedirectRegex(RedirectRegex::new(regex, replacement, *permanent))
            }
            MiddlewareKind::Chain(_) => return Err(CompileError::Chain),
            MiddlewareKind::IpAllowList { source_range, strategy, reject_status } => {
                Self::IpAllowList(IpAllowList::compile(source_range, strategy, *reject_status)?)
            }
            MiddlewareKind::RateLimit(limit) => Self::RateLimit(RateLimit::compile(limit, making)?),
            MiddlewareKind::InFlightReq(limit) => Self::InFlightReq(InFlightReq::compile(limit, making)?),
            MiddlewareKind::Retry(retry) => Self::Retry(Box::new(Retry::new(retry))),
            MiddlewareKind::Buffering(buffering) => Self::Buffering(Box::new(Buffering::new(buffering))),
            MiddlewareKind::Errors(pages) => Self::Errors(Box::new(ErrorPages::compile(pages)?)),
            MiddlewareKind::Compress(compress) => Self::Compress(Box::new(Compress::new(compress))),
            MiddlewareKind::GrpcWeb(origins) => Self::GrpcWeb(GrpcWeb::new(origins)),
            MiddlewareKind::EncodedCharacters(allowed) => Self::EncodedCharacters(EncodedCharacters::new(*allowed)),
            MiddlewareKind::PassTlsClientCert(pass) => Self::PassTlsClientCert(Box::new(PassTlsClientCert::new(pass))),
            MiddlewareKind::ContentType { auto_detect } => Self::ContentType(ContentType::new(*auto_detect)),
            MiddlewareKind::CircuitBreaker(breaker) => {
                Self::CircuitBreaker(Box::new(CircuitBreaker::compile(breaker)?))
            }
            MiddlewareKind::BasicAuth(auth) => Self::BasicAuth(Arc::new(BasicAuth::compile(auth, making)?)),
            MiddlewareKind::DigestAuth(auth) => Self::DigestAuth(Arc::new(DigestAuth::compile(auth, making)?)),
            MiddlewareKind::ForwardAuth(auth) => Self::ForwardAuth(Arc::new(ForwardAuth::compile(auth, making)?)),
        })
    }

    /// The same middleware in its place, where each place has a state of its own; `None`: it is the same everywhere.
    pub(crate) fn placed(&self, place: &Place<'_>, making: &Making<'_>) -> Option<Self> {
        match self {
            Self::RateLimit(limit) => limit.placed(place, making).map(Self::RateLimit),
            Self::InFlightReq(limit) => limit.placed(place, making).map(Self::InFlightReq),
            Self::CircuitBreaker(breaker) => Some(Self::CircuitBreaker(Box::new(breaker.placed(place, making)))),
            _ => None,
        }
    }

    /// Whether it turns requests away just now whose share other versions are to have.
    pub(crate) fn gives_up_share(&self, now: Instant) -> bool {
        self.redistributing().is_some_and(|breaker| breaker.is_tripped(now))
    }

    /// The breaker that it is, if other versions are to have what that turns away.
    pub(crate) fn redistributing(&self) -> Option<&Arc<Breaker>> {
        match self {
            Self::CircuitBreaker(breaker) => breaker.redistributing(),
            _ => None,
        }
    }

    /// Whether it wraps the call: [`around::run`] is its only half.
    pub(crate) fn wraps(&self) -> bool {
        match self {
            Self::Retry(_) | Self::Errors(_) | Self::Compress(_) | Self::Buffering(_) | Self::GrpcWeb(_) => true,
            Self::ContentType(kind) => kind.detects(),
            _ => false,
        }
    }

    /// Whether it must see the request before any middleware of its chain changes it.
    pub(crate) fn looks_ahead(&self) -> bool {
        matches!(self, Self::Headers(headers) if headers.looks_ahead())
    }

    /// What it notes of the request as it comes to the chain.
    pub(crate) fn look_ahead(&self, head: &Head<'_>) -> Note {
        match self {
            Self::Headers(headers) => Note::Asked(headers.look_ahead(head)),
            _ => Note::Nothing,
        }
    }

    /// The request half: lets the request pass, perhaps changed, or halts it.
    pub(crate) fn request(&self, head: &mut Head<'_>) -> Result<Note, Halt> {
        let decision = match self {
            Self::Headers(headers) => headers.request(head),
            Self::AddPrefix(prefix) => prefix.request(head.parts),
            Self::StripPrefix(prefixes) => prefixes.request(head.parts),
            Self::StripPrefixRegex(prefixes) => prefixes.request(head.parts),
            Self::ReplacePath(path) => path.request(head.parts),
            Self::ReplacePathRegex(path) => path.request(head.parts),
            Self::RedirectScheme(redirect) => redirect.request(head),
            Self::RedirectRegex(redirect) => redirect.request(head),
            Self::IpAllowList(list) => list.request(head),
            Self::EncodedCharacters(allowed) => allowed.request(head.parts),
            Self::PassTlsClientCert(pass) => pass.request(head),
            Self::RateLimit(limit) => return limit.request(head),
            Self::InFlightReq(limit) => return limit.request(head),
            Self::CircuitBreaker(breaker) => return breaker.request(head),
            Self::BasicAuth(auth) => return auth.request(head),
            Self::DigestAuth(auth) => return auth.request(head),
            Self::ForwardAuth(auth) => return Err(Halt::Wait(Box::new(Wait::Question(auth.clone())))),
            // They wrap the call.
            Self::Retry(_)
            | Self::Errors(_)
            | Self::Compress(_)
            | Self::Buffering(_)
            | Self::GrpcWeb(_)
            | Self::ContentType(_) => ControlFlow::Continue(()),
        };
        match decision {
            ControlFlow::Continue(()) => Ok(Note::Nothing),
            ControlFlow::Break(answer) => Err(Halt::Answer(Box::new(answer))),
        }
    }

    /// Whether [`Self::response`] does anything.
    pub(crate) fn has_response_half(&self) -> bool {
        match self {
            Self::Headers(headers) => headers.has_response_half(),
            Self::RateLimit(limit) => limit.has_response_half(),
            // What it notes is to be held.
            Self::InFlightReq(_) => true,
            Self::CircuitBreaker(_) => true,
            Self::ForwardAuth(auth) => auth.has_response_half(),
            Self::GrpcWeb(_) => true,
            _ => false,
        }
    }

    /// The response half, for a middleware whose request half was passed.
    pub(crate) fn response(&self, note: &mut Note, parts: &mut response::Parts) {
        match (self, note) {
            (Self::Headers(headers), Note::Asked(asked)) => headers.response(asked, &mut parts.headers),
            (Self::Headers(headers), _) => headers.response(&Asked::default(), &mut parts.headers),
            (Self::RateLimit(limit), Note::Quota(quota)) => limit.response(quota, parts),
            (Self::CircuitBreaker(_), note) => CircuitBreaker::response(note, parts),
            (Self::ForwardAuth(auth), Note::Cookies(cookies)) => auth.response(cookies, &mut parts.headers),
            (Self::GrpcWeb(web), Note::Asked(asked)) => web.response(asked, &mut parts.headers),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
