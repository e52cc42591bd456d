//! `sticky` and `cohort`.

use super::middleware::ip_strategy;
use crate::{
    dynamic::affinity::{Cohort, CohortKey, Cookie, SameSite, Sticky},
    fields::{Fields, Sink, Value, boolean, choice, header_name, integer, present_text, quoted, text},
    scalar::IpStrategy,
};

/// `sticky`; without a cookie there is none, as in Traefik.
pub(super) fn sticky(value: Value<'_>, out: &mut Sink) -> Option<Sticky> {
    let read = value.section(out, |fields| {
        let cookie = fields.read("cookie", |value, out| cookie(value, out, Cookie::of_sessions()));
        fields.ours("drain");
        let mut drain = false;
        fields.set("drain", &mut drain, boolean);
        if drain && !fields.has("cookie") {
            fields.problem("drain", "there is no cookie that could be kept", "cookie: {}");
        }
        Some(Sticky { cookie: cookie?, drain })
    });
    read.flatten()
}

/// `cohort`, Rollgate's own.
pub(super) fn cohort(value: Value<'_>, out: &mut Sink) -> Option<Cohort> {
    let read = value.section(out, |fields| {
        let cookie = fields.read("cookie", |value, out| cookie(value, out, Cookie::of_cohorts()));
        let header = fields.read("header", header_name);
        let client = fields.read("clientIP", client_ip);
        let salt = fields.read("salt", present_text);
        only_key(fields)?;
        let keys = [cookie.map(CohortKey::Cookie), header.map(CohortKey::Header), client.map(CohortKey::ClientIp)];
        keys.into_iter().flatten().next().map(|key| Cohort { key, salt })
    });
    read.flatten()
}

/// A cohort has exactly one key.
fn only_key(fields: &mut Fields<'_>) -> Option<()> {
    const KEYS: [&str; 3] = ["cookie", "header", "clientIP"];
    let present: Vec<&str> = KEYS.into_iter().filter(|key| fields.has(key)).collect();
    let what = match present[..] {
        [_] => return Some(()),
        [] => "has no key".to_owned(),
        [..] => format!("has several keys: {}", present.join(", ")),
    };
    fields.out.problem(fields.at, fields.path, what, "exactly one of cookie, header and clientIP");
    None
}

fn client_ip(value: Value<'_>, out: &mut Sink) -> Option<IpStrategy> {
    value.section(out, |fields| {
        let mut strategy = IpStrategy::default();
        ip_strategy(fields, &mut strategy);
        strategy
    })
}

fn cookie(value: Value<'_>, out: &mut Sink, mut cookie: Cookie) -> Option<Cookie> {
    value.section(out, |fields| {
        fields.set("name", &mut cookie.name, cookie_name);
        fields.set("secure", &mut cookie.secure, boolean);
        fields.set("httpOnly", &mut cookie.http_only, boolean);
        fields.set_some("sameSite", &mut cookie.same_site, same_site);
        fields.set("maxAge", &mut cookie.max_age, integer(-MAX_AGE..=MAX_AGE));
        fields.set("path", &mut cookie.path, cookie_path);
        fields.set("domain", &mut cookie.domain, cookie_domain);
        cookie
    })
}

/// As Traefik does it: `_` for what is no token, and for `_` itself.
fn cookie_name(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "!#$%&'*+-.^`|~".contains(character);
    let name = text(value, out)?;
    Some(name.chars().map(|character| if allowed(character) { character } else { '_' }).collect())
}

fn same_site(value: Value<'_>, out: &mut Sink) -> Option<SameSite> {
    if text(value, out)?.is_empty() {
        return None;
    }
    choice([("none", SameSite::None), ("lax", SameSite::Lax), ("strict", SameSite::Strict)])(value, out)
}

/// RFC 6265 section 4.1.1: any visible character but `;`.
fn cookie_path(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let path = text(value, out)?;
    if path.bytes().any(|byte| !(b' '..=b'~').contains(&byte) || byte == b';') {
        out.problem(&value.node.at, value.path, format!("{} is no path of a cookie", quoted(&path)), "no ; in it");
        return None;
    }
    Some(path)
}

/// A host's name, perhaps with a dot before it that browsers ignore.
fn cookie_domain(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let domain = text(value, out)?;
    let bare = domain.strip_prefix('.').unwrap_or(&domain);
    let is_host = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    if !is_host || bare.len() > MAX_DOMAIN {
        out.problem(&value.node.at, value.path, format!("{} is no domain", quoted(&domain)), "like shop.example.com");
        return None;
    }
    Some(bare.to_owned())
}

/// Browsers keep no cookie for longer than 400 days; a hundred years is more than anybody means.
const MAX_AGE: i64 = 100 * 366 * 24 * 3600;

/// RFC 1035 section 2.3.4.
const MAX_DOMAIN: usize = 255;
