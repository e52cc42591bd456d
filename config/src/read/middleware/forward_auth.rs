//! The `forwardAuth` middleware.

use url::Url;

use super::users::optional_header;
use crate::{
    dynamic::{
        middleware::{ClientTls, ForwardAuth, MiddlewareKind, Pattern},
        tls::{Certificate, PemSource},
    },
    fields::{Fields, Sink, Value, boolean, header_name, header_value, integer, is_token, pattern, quoted, text},
    problem::Located,
    read::{tls::located_pem, url::to_connect_to},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    let read = value.section(out, |fields| {
        let address = fields.required("address", address);
        let unwritten = || Located { value: Url::parse("http://0").expect("it is a URL"), at: fields.at.clone() };
        // Without an address there is a problem already; the rest is read for its own.
        let mut auth = ForwardAuth::new(address.unwrap_or_else(unwritten));
        fields.set("tls", &mut auth.tls, client_tls);
        fields.set_some("trustForwardHeader", &mut auth.trust_forward_header, boolean);
        fields.set("preserveLocationHeader", &mut auth.preserve_location_header, boolean);
        fields.set("preserveRequestMethod", &mut auth.preserve_request_method, boolean);
        fields.set_some("headerField", &mut auth.header_field, optional_header);
        fields.set_some("authSigninURL", &mut auth.auth_signin_url, signin_url);
        headers(fields, &mut auth);
        fields.set("maxResponseBodySize", &mut auth.max_response_body_size, size);
        fields.set("forwardBody", &mut auth.forward_body, boolean);
        fields.set("maxBodySize", &mut auth.max_body_size, size);
        MiddlewareKind::ForwardAuth(Box::new(auth))
    })?;
    Some(read)
}

fn headers(fields: &mut Fields<'_>, auth: &mut ForwardAuth) {
    auth.auth_response_headers = fields.list("authResponseHeaders", header_name);
    fields.set_some("authResponseHeadersRegex", &mut auth.auth_response_headers_regex, |value, out| {
        let written = text(value, out)?;
        if written.is_empty() { None } else { pattern(value, out).map(Pattern) }
    });
    auth.auth_request_headers = fields.list("authRequestHeaders", header_name);
    auth.add_auth_cookies_to_response = fields.list("addAuthCookiesToResponse", cookie_name);
}

fn address(value: Value<'_>, out: &mut Sink) -> Option<Located<Url>> {
    let fragment = |url: &Url| url.fragment().map(|_| "has a fragment");
    to_connect_to(&["http", "https"], "like https://auth.internal/check; http or https", fragment)(value, out)
}

/// `tls` of a client: `caOptional` is the servers' business, and Traefik does nothing with it either.
pub(super) fn client_tls(value: Value<'_>, out: &mut Sink) -> Option<ClientTls> {
    let read = value.section(out, |fields| {
        let mut tls = ClientTls { ca: fields.read("ca", located_pem), ..ClientTls::default() };
        fields.set("insecureSkipVerify", &mut tls.insecure_skip_verify, boolean);
        let cert: Option<Located<PemSource>> = fields.read("cert", located_pem);
        let key: Option<Located<PemSource>> = fields.read("key", located_pem);
        fields.inert(&["caOptional"]);
        match (fields.has("cert"), fields.has("key")) {
            (true, false) => fields.problem("cert", "is there without a key", "both or none"),
            (false, true) => fields.problem("key", "is there without a certificate", "both or none"),
            _ => {}
        }
        tls.certificate =
            cert.zip(key).map(|(cert, key)| Certificate { at: cert.at, cert: cert.value, key: key.value });
        tls
    })?;
    Some(read)
}

/// The URL of a page, or a path on the host that was asked for.
fn signin_url(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let url = header_value(value, out)?;
    if url.is_empty() {
        return None;
    }
    let is_path = url.starts_with('/');
    let is_url = || Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || !(is_path || is_url()) {
        let allowed = "an http or https URL, or a path that begins with /; visible ASCII";
        out.problem(&value.node.at, value.path, format!("{} is no URL", quoted(&url)), allowed);
        return None;
    }
    Some(url)
}

fn cookie_name(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let name = text(value, out)?;
    if !is_token(&name) {
        out.problem(&value.node.at, value.path, format!("{} is no cookie's name", quoted(&name)), "");
        return None;
    }
    Some(name)
}

/// A number of bytes; a negative one is as much as there may be at all.
fn size(value: Value<'_>, out: &mut Sink) -> Option<u64> {
    let bytes: i64 = integer(i64::MIN..=LARGEST)(value, out)?;
    Some(u64::try_from(bytes).unwrap_or(LARGEST as u64))
}

/// 64 MiB: what is collected is held in memory.
const LARGEST: i64 = 64 << 20;
