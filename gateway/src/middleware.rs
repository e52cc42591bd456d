//! Policies that look at the head of a request and of its response.
//!
//! ```text
//! memo? -> request (forward over the chain; may answer) -> ... -> response (in reverse over those passed)
//! ```
//!
//! Each is compiled once from its configuration; names, values and expressions are parsed then. A middleware without a
//! response half, and a chain that needs no memo, cost nothing on the way back.
//!
//! What they rely on: `parts.headers[HOST]` is set and is what is forwarded; `parts.uri` holds the path in normal form
//! ([`crate::path::normalise`]); `X-Forwarded-*` are those of trusted peers, and the peer's own address is appended to
//! `X-Forwarded-For` only after the middlewares.

mod add_prefix;
mod answer;
mod client;
mod headers;
mod ip_allow_list;
mod redirect;
mod redirect_regex;
mod redirect_scheme;
mod replace_path;
mod rewrite;
mod strip_prefix;

use std::{net::IpAddr, ops::ControlFlow};

use http::{HeaderValue, request, response};
use rollgate_config::dynamic::middleware::MiddlewareKind;
use thiserror::Error;

pub use self::{
    add_prefix::AddPrefix,
    answer::Answer,
    client::ClientAddress,
    headers::{Headers, WithoutForwardedFor},
    ip_allow_list::IpAllowList,
    redirect_regex::RedirectRegex,
    redirect_scheme::RedirectScheme,
    replace_path::{ReplacePath, ReplacePathRegex},
    strip_prefix::{StripPrefix, StripPrefixRegex},
};

/// One policy, ready to run.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is the key's own name, and its type says what it does")]
pub enum Middleware {
    Headers(Box<Headers>),
    AddPrefix(AddPrefix),
    StripPrefix(StripPrefix),
    StripPrefixRegex(StripPrefixRegex),
    ReplacePath(ReplacePath),
    ReplacePathRegex(ReplacePathRegex),
    RedirectScheme(RedirectScheme),
    RedirectRegex(RedirectRegex),
    IpAllowList(IpAllowList),
}

/// The head of a request on its way through the chain.
#[derive(Debug)]
pub struct Head<'a> {
    /// What is forwarded.
    pub parts: &'a mut request::Parts,
    /// The peer's address, after PROXY protocol.
    pub client: IpAddr,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The entry point's local port.
    pub port: u16,
}

/// What a response half must know of the request as the client sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memo {
    /// `Origin`.
    pub origin: Option<HeaderValue>,
    /// Whether the client is on TLS, here or at a proxy in front.
    pub secure: bool,
}

/// Why a kind cannot be compiled: something that validation should have refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CompileError {
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
}

impl Middleware {
    /// Compiles one kind.
    pub fn compile(kind: &MiddlewareKind) -> Result<Self, CompileError> {
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
        })
    }

    /// Whether [`Self::memo`] is to be called before [`Self::request`], and its result given to [`Self::response`].
    pub fn needs_memo(&self) -> bool {
        matches!(self, Self::Headers(headers) if headers.needs_memo())
    }

    /// What the response half will need of the request; taken before any middleware changes it.
    pub fn memo(&self, head: &Head<'_>) -> Memo {
        match self {
            Self::Headers(headers) => headers.memo(head),
            _ => Memo::default(),
        }
    }

    /// The request half: changes the head, or answers in the backend's place.
    pub fn request(&self, head: &mut Head<'_>) -> ControlFlow<Answer> {
        match self {
            Self::Headers(headers) => headers.request(head),
            Self::AddPrefix(prefix) => prefix.request(head.parts),
            Self::StripPrefix(prefixes) => prefixes.request(head.parts),
            Self::StripPrefixRegex(prefixes) => prefixes.request(head.parts),
            Self::ReplacePath(path) => path.request(head.parts),
            Self::ReplacePathRegex(path) => path.request(head.parts),
            Self::RedirectScheme(redirect) => redirect.request(head),
            Self::RedirectRegex(redirect) => redirect.request(head),
            Self::IpAllowList(list) => list.request(head),
        }
    }

    /// Whether [`Self::response`] does anything.
    pub fn has_response_half(&self) -> bool {
        matches!(self, Self::Headers(headers) if headers.has_response_half())
    }

    /// The response half, for a middleware whose request half was passed.
    pub fn response(&self, memo: &Memo, parts: &mut response::Parts) {
        if let Self::Headers(headers) = self {
            headers.response(memo, &mut parts.headers);
        }
    }
}

#[cfg(test)]
mod tests;
