//! What keeps a client where it is: `sticky` and `cohort`.

use crate::scalar::IpStrategy;

/// `sticky`: a cookie names the server or the version that a client was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// `cookie`.
    pub cookie: Cookie,
    /// `drain`, false: what has weight 0 keeps the clients that hold its cookie.
    pub drain: bool,
}

/// `cohort`: a key of the client's decides its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cohort {
    /// Exactly one kind.
    pub key: CohortKey,
    /// `salt`; `None`: the service's name alone tells its clients' order from another service's.
    pub salt: Option<String>,
}

/// What of a request is its cohort's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CohortKey {
    /// `cookie`: given to clients that come without it.
    Cookie(Cookie),
    /// `header`: its name, lower-cased.
    Header(String),
    /// `clientIP`.
    ClientIp(IpStrategy),
}

/// The cookie that a client is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// `name`, with `_` for each character that a cookie's name may not have; empty: derived from the service's.
    pub name: String,
    /// `secure`, false.
    pub secure: bool,
    /// `httpOnly`, false.
    pub http_only: bool,
    /// `sameSite`, none of them.
    pub same_site: Option<SameSite>,
    /// `maxAge` in seconds; 0 has no `Max-Age`, a negative one is 0 in the answer: the cookie is dropped at once.
    pub max_age: i64,
    /// `path`, `/`; empty has no `Path`.
    pub path: String,
    /// `domain`, without a leading dot; empty has no `Domain`.
    pub domain: String,
}

/// `cookie.sameSite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// `none`
    None,
    /// `lax`
    Lax,
    /// `strict`
    Strict,
}
