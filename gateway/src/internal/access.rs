//! Who may ask the internal entry point for what. Names it can be reached by come first: a page of another site must not
//! reach it through somebody's browser (DNS rebinding, cross-site requests). Then who asks, and what he may do.

mod lockout;
mod refusal;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use rollgate_config::static_config::{Api, LOOPBACK, Role};

pub(crate) use self::{lockout::Lockout, refusal::Refusal};
use super::passage::Caller;
use crate::{auth::credentials::Credentials, authority};

/// What is configured, ready for requests.
pub(crate) struct Policy {
    /// Lower-cased, without ports.
    hosts: Vec<String>,
    tokens: Vec<Known>,
    certificates: Vec<(String, Arc<str>, Role)>,
}

/// A token, of which only the hash is known.
struct Known {
    hash: [u8; 32],
    name: Arc<str>,
    role: Role,
}

/// What is known of a request and its connection.
pub(crate) struct Facts<'r> {
    /// Where its entry point listens.
    pub(crate) local: IpAddr,
    /// The other end of the connection.
    pub(crate) peer: SocketAddr,
    pub(crate) method: &'r Method,
    /// From `/api` on.
    pub(crate) path: &'r str,
    pub(crate) query: Option<&'r str>,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) has_body: bool,
    pub(crate) tls: bool,
    /// The names of a client certificate that was verified.
    pub(crate) certificate: &'r [String],
}

impl Policy {
    /// Without `api`, only callers of this machine are let in.
    pub(crate) fn new(api: Option<&Api>) -> Self {
        let Some(api) = api else { return Self { hosts: Vec::new(), tokens: Vec::new(), certificates: Vec::new() } };
        let known = |token: &rollgate_config::static_config::Token| Known {
            hash: token.hash,
            name: token.name.as_str().into(),
            role: token.role,
        };
        let certificates = api.client_certificates.iter().map(|certificate| {
            let shown = format!("certificate {}", certificate.name).into();
            (certificate.name.clone(), shown, certificate.role)
        });
        Self {
            hosts: api.hosts.clone(),
            tokens: api.tokens.iter().map(known).collect(),
            certificates: certificates.collect(),
        }
    }

    fn asks_for_credentials(&self) -> bool {
        !self.tokens.is_empty() || !self.certificates.is_empty()
    }

    /// The token with this text. Every hash is compared, each in the same time: how long it takes tells nothing.
    fn token(&self, text: &[u8]) -> Option<&Known> {
        let hash = digest(&SHA256, text);
        self.tokens.iter().fold(None, |found, token| {
            let same = verify_slices_are_equal(&token.hash, hash.as_ref()).is_ok();
            if same { Some(token) } else { found }
        })
    }
}

/// Whether a request for the internal entry point's own paths is let in, and as whose. `/ping` and `/metrics` are not asked about.
pub(crate) fn decide(policy: &Policy, lockout: &Lockout, facts: &Facts<'_>, now: Instant) -> Result<Caller, Refusal> {
    let host = host(policy, facts.headers)?;
    origin(facts.headers, &host)?;
    if is_answer_by_link(facts) {
        content_type(facts)?;
        return Ok(Caller { name: LINK.into(), role: Role::Read, address: facts.peer, tls: facts.tls });
    }
    let (name, role) = who(policy, lockout, facts, now)?;
    let needed = needed(facts.method, facts.path);
    if role < needed {
        let detail = format!("{name} has the role {}; this needs {}", role.name(), needed.name());
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed", detail));
    }
    content_type(facts)?;
    Ok(Caller { name, role, address: facts.peer, tls: facts.tls })
}

/// The one host that the request is for, as it was sent, if it is one of those that this entry point may be reached by.
fn host(policy: &Policy, headers: &HeaderMap) -> Result<String, Refusal> {
    let foreign = |shown: &str| {
        let detail = format!("Host {shown:?} is not this gateway's: an address, localhost, or one of `api.hosts`");
        Err(Refusal::new(StatusCode::FORBIDDEN, "foreign-host", "The request is for another host", detail))
    };
    let Some(line) = only(headers, &header::HOST).and_then(|line| line.to_str().ok()) else { return foreign("") };
    let Ok(parsed) = authority::parse(line) else { return foreign(line) };
    let name = authority::canonical_host(parsed.host);
    let name = name.trim_end_matches('.');
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if address.is_ok() || name == "localhost" || policy.hosts.iter().any(|host| host == name) {
        return Ok(line.to_ascii_lowercase());
    }
    foreign(line)
}

/// Browsers say which site a request comes from; it has to be this one.
fn origin(headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let foreign = |shown: &str| {
        let detail = format!("it comes from another site, {shown:?}");
        Err(Refusal::new(StatusCode::FORBIDDEN, "foreign-origin", "The request comes from another site", detail))
    };
    if let Some(site) = headers.get("sec-fetch-site")
        && (site == "cross-site" || site == "same-site")
    {
        return foreign(site.to_str().unwrap_or_default());
    }
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, &header::ORIGIN).and_then(|line| line.to_str().ok()).unwrap_or_default();
    let same = origin.parse::<Uri>().ok().and_then(|origin| {
        let authority = origin.authority()?.as_str().to_ascii_lowercase();
        let port = match origin.scheme_str()? {
            "https" => ":443",
            _ => ":80",
        };
        let without = |text: &str| text.strip_suffix(port).unwrap_or(text).to_owned();
        Some(without(&authority) == without(host))
    });
    if same == Some(true) { Ok(()) } else { foreign(origin) }
}

fn who(policy: &Policy, lockout: &Lockout, facts: &Facts<'_>, now: Instant) -> Result<(Arc<str>, Role), Refusal> {
    if !policy.asks_for_credentials() {
        if facts.local.is_loopback() {
            return Ok((LOOPBACK.into(), Role::Admin));
        }
        let detail = "on an address that others can reach, it is served only where `api.tokens` or \
                      `api.clientCertificates` say who may ask; `rollgate token create` makes a token"
            .to_owned();
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed", detail));
    }
    // Nobody guesses one: it is not held up by whoever guesses tokens at the same address.
    let certificate = policy.certificates.iter().find(|(name, ..)| facts.certificate.contains(name));
    if let Some((_, shown, role)) = certificate {
        return Ok((shown.clone(), *role));
    }
    if let Some(left) = lockout.left(facts.peer.ip(), now) {
        let detail = "too many wrong tokens came from this address".to_owned();
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", "Too many attempts", detail);
        return Err(Refusal { retry_after: Some(left), ..refusal });
    }
    let unauthorized = |detail: &str| {
        let refusal =
            Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", "It is not known who asks", detail.to_owned());
        Err(Refusal { challenge: true, ..refusal })
    };
    if !facts.headers.contains_key(header::AUTHORIZATION) {
        return unauthorized("a token is needed: `Authorization: Bearer TOKEN`");
    }
    let line = only(facts.headers, &header::AUTHORIZATION);
    // Whoever calls a hook may be able to say who he is in a URL alone.
    let basic = if facts.path.starts_with(HOOKS) { Credentials::of(facts.headers) } else { None };
    let token = line.and_then(|line| bearer(line.as_bytes())).or_else(|| basic.as_ref().map(Credentials::password));
    let Some(token) = token else {
        return unauthorized("`Authorization` has to be one line: `Bearer TOKEN`");
    };
    match policy.token(token) {
        Some(token) => Ok((token.name.clone(), token.role)),
        None => {
            lockout.failed(facts.peer.ip(), now);
            unauthorized("the token is not known")
        }
    }
}

/// The token of `Bearer TOKEN` (RFC 6750 section 2.1); the scheme's case does not matter.
fn bearer(line: &[u8]) -> Option<&[u8]> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = (&line[..space], line[space..].trim_ascii());
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

/// Whether it shows, or answers, the question of a rollout by the secret of that question. Whoever has that needs nothing else,
/// and gets nowhere else; whether it is the right one, the rollout knows.
fn is_answer_by_link(facts: &Facts<'_>) -> bool {
    let mut parts = facts.path.strip_prefix("/api/v1/rollouts/").into_iter().flat_map(|rest| rest.split('/'));
    let (id, action, end) = (parts.next(), parts.next(), parts.next());
    let is_its =
        matches!((facts.method, action), (&Method::GET, Some("approval")) | (&Method::POST, Some("approve" | "deny")));
    let has_secret = || {
        let query = facts.query.unwrap_or_default();
        query
            .strip_prefix("nonce=")
            .is_some_and(|nonce| nonce.len() == NONCE && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    id.is_some_and(|id| !id.is_empty()) && end.is_none() && is_its && has_secret()
}

/// Where a token may also be the password of `Authorization: Basic`.
const HOOKS: &str = "/api/v1/hooks/";

/// Who answers by a link.
const LINK: &str = "link";

/// Hexadecimal digits of a question's secret: 128 bits, which nobody guesses.
const NONCE: usize = 32;

/// What a request needs.
fn needed(method: &Method, path: &str) -> Role {
    let looks = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let asks = *method == Method::POST && (matches!(path, "/api/v1/explain" | "/api/v1/check") || is_by_others(path));
    if looks || asks {
        Role::Read
    } else if path.starts_with("/api/providers/") || path.starts_with("/api/v1/pipelines") {
        Role::Admin
    } else {
        Role::Operate
    }
}

/// Paths that other systems put together: of Prometheus' API and of Kayenta's remote judge. None of them changes anything.
pub(crate) fn is_by_others(path: &str) -> bool {
    path.starts_with("/prometheus/api/v1/") || matches!(path, "/prometheus/-/healthy" | "/kayenta/judge")
}

/// Queries that Prometheus' clients send as a form.
fn is_query(path: &str) -> bool {
    matches!(path, "/prometheus/api/v1/query" | "/prometheus/api/v1/query_range")
}

/// A form of another site cannot send JSON without asking first. Where it can, nothing is changed.
fn content_type(facts: &Facts<'_>) -> Result<(), Refusal> {
    let changes = !matches!(*facts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !(changes && facts.has_body) {
        return Ok(());
    }
    let line = only(facts.headers, &header::CONTENT_TYPE).and_then(|line| line.to_str().ok()).unwrap_or_default();
    let kind = line.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_form = kind == "application/x-www-form-urlencoded" && is_query(facts.path);
    if is_form || kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    let detail = format!("Content-Type {line:?} is not application/json");
    let title = "The body is in a form that is not read";
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail))
}

/// A field that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h http::HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens: Vec<&str> = self.tokens.iter().map(|token| &*token.name).collect();
        let certificates = &self.certificates;
        f.debug_struct("Policy")
            .field("hosts", &self.hosts)
            .field("tokens", &tokens)
            .field("certificates", certificates)
            .finish()
    }
}

#[cfg(test)]
mod tests;
