//! Routers: what of them is printed as it was written.

use super::{Key, duration, section, sections, text, texts};

/// `tls`.
pub(in crate::api::traefik) const TLS: &[Key] =
    &[text("options"), text("certResolver"), sections("domains", &[text("main"), texts("sans")])];

/// What of a router is printed as written and nowhere else decided.
pub(in crate::api::traefik) const ROUTER: &[Key] =
    &[text("ruleSyntax"), section("timeouts", &[duration("request"), duration("backendRequest")])];
