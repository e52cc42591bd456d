//! `http.middlewares`: a table of the kinds, each read in a file of its own.

mod addresses;
mod buffering;
mod circuit_breaker;
mod compress;
mod error_pages;
mod forward_auth;
mod headers;
mod pass_tls_client_cert;
mod paths;
mod rate_limit;
mod redirects;
mod redis;
mod retry;
mod source;
mod users;

pub(super) use self::{addresses::ip_strategy, circuit_breaker::condition, headers::pairs, retry::bytes_or_any};
use super::{entry_point, router::reference, service::only_kind};
use crate::{
    dynamic::middleware::{Middleware, MiddlewareKind},
    fields::{Fields, Sink, Value, boolean, text},
    static_config::EncodedCharacters,
};

type Reader = fn(Value<'_>, &mut Sink) -> Option<MiddlewareKind>;

const KINDS: &[(&str, Reader)] = &[
    ("headers", headers::read),
    ("addPrefix", paths::add_prefix),
    ("stripPrefix", paths::strip_prefix),
    ("stripPrefixRegex", paths::strip_prefix_regex),
    ("replacePath", paths::replace_path),
    ("replacePathRegex", paths::replace_path_regex),
    ("redirectScheme", redirects::redirect_scheme),
    ("redirectRegex", redirects::redirect_regex),
    ("chain", chain),
    ("ipAllowList", addresses::ip_allow_list),
    ("circuitBreaker", circuit_breaker::read),
    ("rateLimit", rate_limit::rate_limit),
    ("inFlightReq", rate_limit::in_flight_req),
    ("retry", retry::retry),
    ("buffering", buffering::buffering),
    ("errors", error_pages::error_pages),
    ("compress", compress::compress),
    ("grpcWeb", grpc_web),
    ("basicAuth", users::basic_auth),
    ("digestAuth", users::digest_auth),
    ("forwardAuth", forward_auth::read),
    ("contentType", content_type),
    ("encodedCharacters", encoded_characters),
    ("passTLSClientCert", pass_tls_client_cert::read),
];

const OTHER_KINDS: [&str; 2] = ["ipWhiteList", "plugin"];

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Middleware> {
    let read = value.section(out, |fields| {
        let only = only_kind(fields, KINDS.iter().map(|(kind, _)| *kind), &OTHER_KINDS);
        let mut found = None;
        for (kind, read) in KINDS {
            // All of them are read, for their problems.
            let read = fields.read(kind, read);
            if only == Some(kind) {
                found = read;
            }
        }
        unsupported_kinds(fields);
        let kind = match only? {
            // Allowed though unsupported: nothing is done.
            other if OTHER_KINDS.contains(&other) => MiddlewareKind::Chain(Vec::new()),
            _ => found?,
        };
        Some(Middleware { at: fields.at.clone(), kind })
    });
    read.flatten()
}

fn unsupported_kinds(fields: &mut Fields<'_>) {
    let [old, others @ ..] = &OTHER_KINDS;
    fields.unsupported_as(old, "key \"ipWhiteList\" is not supported, ipAllowList is its name in v3");
    fields.unsupported(others);
}

fn chain(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| MiddlewareKind::Chain(fields.list("middlewares", reference)))
}

fn grpc_web(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| MiddlewareKind::GrpcWeb(fields.list("allowOrigins", text)))
}

/// `autoDetect` is of v2, and there it was what asked for it.
fn content_type(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let mut auto_detect = true;
        fields.set("autoDetect", &mut auto_detect, boolean);
        MiddlewareKind::ContentType { auto_detect }
    })
}

fn encoded_characters(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let mut allowed = EncodedCharacters::NONE;
        entry_point::encoded_characters(fields, &mut allowed);
        MiddlewareKind::EncodedCharacters(allowed)
    })
}
