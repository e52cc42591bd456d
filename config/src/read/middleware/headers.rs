//! The `headers` middleware.

use crate::{
    dynamic::middleware::{Headers, MiddlewareKind, Pattern},
    fields::{Fields, Sink, Value, boolean, header_name, header_value, integer, is_token, pattern, quoted, text},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let mut headers = Headers {
            custom_request_headers: pairs(fields, "customRequestHeaders"),
            custom_response_headers: pairs(fields, "customResponseHeaders"),
            allowed_hosts: fields.list("allowedHosts", text),
            hosts_proxy_headers: fields.list("hostsProxyHeaders", header_name),
            ssl_proxy_headers: pairs(fields, "sslProxyHeaders"),
            ..Headers::default()
        };
        access_control(fields, &mut headers);
        security(fields, &mut headers);
        of_version_2(fields);
        MiddlewareKind::Headers(Box::new(headers))
    })
}

fn access_control(fields: &mut Fields<'_>, headers: &mut Headers) {
    fields.set("accessControlAllowCredentials", &mut headers.access_control_allow_credentials, boolean);
    headers.access_control_allow_headers = fields.list("accessControlAllowHeaders", header_value);
    headers.access_control_allow_methods = fields.list("accessControlAllowMethods", header_value);
    headers.access_control_allow_origin_list = fields.list("accessControlAllowOriginList", header_value);
    headers.access_control_allow_origin_list_regex =
        fields.list("accessControlAllowOriginListRegex", |value, out| pattern(value, out).map(Pattern));
    headers.access_control_expose_headers = fields.list("accessControlExposeHeaders", header_value);
    fields.set_some("accessControlMaxAge", &mut headers.access_control_max_age, integer(i64::MIN..=i64::MAX));
    fields.set("addVaryHeader", &mut headers.add_vary_header, boolean);
}

fn security(fields: &mut Fields<'_>, headers: &mut Headers) {
    fields.set("stsSeconds", &mut headers.sts_seconds, integer(0..=i64::MAX));
    fields.set("stsIncludeSubdomains", &mut headers.sts_include_subdomains, boolean);
    fields.set("stsPreload", &mut headers.sts_preload, boolean);
    fields.set("forceSTSHeader", &mut headers.force_sts_header, boolean);
    fields.set("frameDeny", &mut headers.frame_deny, boolean);
    fields.set_some("customFrameOptionsValue", &mut headers.custom_frame_options_value, present_value);
    fields.set("contentTypeNosniff", &mut headers.content_type_nosniff, boolean);
    fields.set("browserXssFilter", &mut headers.browser_xss_filter, boolean);
    fields.set_some("customBrowserXSSValue", &mut headers.custom_browser_xss_value, present_value);
    fields.set_some("contentSecurityPolicy", &mut headers.content_security_policy, present_value);
    fields.set_some("contentSecurityPolicyReportOnly", &mut headers.content_security_policy_report_only, present_value);
    fields.set_some("publicKey", &mut headers.public_key, present_value);
    fields.set_some("referrerPolicy", &mut headers.referrer_policy, present_value);
    fields.set_some("permissionsPolicy", &mut headers.permissions_policy, present_value);
    fields.set("isDevelopment", &mut headers.is_development, boolean);
}

/// What Traefik still reads, tells of in its log, and does nothing with.
fn of_version_2(fields: &mut Fields<'_>) {
    for (key, instead) in [
        ("sslRedirect", "entryPoints.N.http.redirections or redirectScheme"),
        ("sslTemporaryRedirect", "entryPoints.N.http.redirections or redirectScheme"),
        ("sslHost", "redirectRegex"),
        ("sslForceHost", "redirectRegex"),
        ("featurePolicy", "permissionsPolicy"),
    ] {
        fields.unsupported_as(key, &format!("key {key:?} is not supported, {instead} stands for it in v3"));
    }
}

/// A header's value; an empty one is none.
fn present_value(value: Value<'_>, out: &mut Sink) -> Option<String> {
    header_value(value, out).filter(|value| !value.is_empty())
}

/// Names and values of headers, names lower-cased.
pub(in crate::read) fn pairs(fields: &mut Fields<'_>, key: &'static str) -> Vec<(String, String)> {
    fields.named(key, |key, value, out| {
        if !is_token(&key.name) {
            out.problem(&key.at, value.path, format!("{} is no header name", quoted(&key.name)), "");
            return None;
        }
        Some((key.name.to_ascii_lowercase(), header_value(value, out)?))
    })
}
