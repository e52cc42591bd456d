//! `redirectScheme`: sends the client to the same place by another scheme or port.

use std::ops::ControlFlow;

use http::{HeaderName, StatusCode, header};

use super::{Answer, Head, redirect};
use crate::authority;

/// Redirects unless scheme and port are already the wanted ones.
#[derive(Debug, Clone)]
pub(crate) struct RedirectScheme {
    scheme: Box<str>,
    /// `None` for the scheme's own.
    port: Option<u16>,
    permanent: bool,
}

impl RedirectScheme {
    pub(super) fn new(scheme: &str, port: Option<u16>, permanent: bool) -> Self {
        Self { scheme: scheme.into(), port: port.filter(|port| !is_default(scheme, *port)), permanent }
    }

    pub(super) fn request(&self, head: &Head<'_>) -> ControlFlow<Answer> {
        let Some(target) = head.parts.uri.path_and_query() else {
            return ControlFlow::Continue(());
        };
        let host = head.parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let Ok(authority) = authority::parse(host) else {
            return ControlFlow::Break(Answer::status(StatusCode::BAD_REQUEST));
        };
        let scheme = scheme(head);
        let port = authority.port.filter(|port| !is_default(scheme, *port));
        if *self.scheme == *scheme && port == self.port {
            return ControlFlow::Continue(());
        }
        let name = authority.host;
        let brackets = if name.contains(':') { ("[", "]") } else { ("", "") };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let parts = [&*self.scheme, "://", brackets.0, name, brackets.1, &port, target.as_str()];
        ControlFlow::Break(redirect::answer(&parts.concat(), &head.parts.method, self.permanent))
    }
}

/// The scheme the client used: what a proxy in front says, or this connection's own. A WebSocket's counts as HTTP's.
fn scheme(head: &Head<'_>) -> &'static str {
    let told = head.parts.headers.get(X_FORWARDED_PROTO).map_or(&[][..], |value| value.as_bytes());
    let is = |names: [&str; 2]| names.iter().any(|name| told.eq_ignore_ascii_case(name.as_bytes()));
    if is(["https", "wss"]) || (head.tls && !is(["http", "ws"])) { "https" } else { "http" }
}

fn is_default(scheme: &str, port: u16) -> bool {
    matches!((scheme, port), ("http", 80) | ("https", 443))
}

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
