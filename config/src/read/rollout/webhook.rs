//! `webhook`.

use super::values::{SECOND, TEN_MINUTES, length, section};
use crate::{
    dynamic::rollout::stage::Webhook,
    fields::{Fields, Sink, Value, choice, did_you_mean, integer, is_token, quoted, status_range, text},
    problem::{Located, Place},
    read::url::to_connect_to,
    scalar::Secret,
    tree::Key,
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Webhook> {
    let read = section(value, out, |fields| {
        let url = fields.required("url", url);
        // What is written beside a wrong URL is looked at all the same.
        let mut webhook = Webhook::new(url.clone().unwrap_or_else(|| nowhere(fields.at)));
        fields.set("method", &mut webhook.method, |value, out| choice(METHODS)(value, out).map(str::to_owned));
        fields.named("headers", |key, value, out| {
            let (name, secret) = header(key, value, out)?;
            if webhook.headers.insert(name, secret).is_some() {
                out.problem(&key.at, value.path, format!("{} is given twice", quoted(&key.name)), "");
            }
            Some(())
        });
        fields.set_some("body", &mut webhook.body, body);
        fields.set("timeout", &mut webhook.timeout, length(SECOND..=TEN_MINUTES));
        fields.set("retries", &mut webhook.retries, integer(0..=100));
        fields.read("success", |value, out| section(value, out, |fields| success(fields, &mut webhook)));
        url.map(|_| webhook)
    });
    read.flatten()
}

fn nowhere(at: &Place) -> Located<url::Url> {
    Located { value: url::Url::parse("http://nowhere/").expect("it is a URL"), at: at.clone() }
}

fn url(value: Value<'_>, out: &mut Sink) -> Option<Located<url::Url>> {
    let fragment = |url: &url::Url| url.fragment().is_some().then_some("has a fragment, which is never sent");
    to_connect_to(&["http", "https"], "like https://host/path; http or https", fragment)(value, out)
}

/// Its value is not quoted: it may be a secret.
fn header(key: &Key, value: Value<'_>, out: &mut Sink) -> Option<(String, Secret)> {
    let name = key.name.to_ascii_lowercase();
    if !is_token(&name) {
        out.problem(&key.at, value.path, format!("{} is no header name", quoted(&key.name)), "");
        return None;
    }
    if TAKEN.contains(&&*name) {
        let what = format!("{} is not for a webhook to set", quoted(&key.name));
        out.problem(&key.at, value.path, what, "the host is set by url, the length by body");
        return None;
    }
    let text = text(value, out)?;
    if text.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        out.problem(&value.node.at, value.path, "is no header value", "no line breaks or other control characters");
        return None;
    }
    Some((name, Secret(text)))
}

/// What stands between `${` and `}` has a meaning.
fn body(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let body = text(value, out)?;
    for after in body.split("${").skip(1) {
        let name = after.split_once('}').map(|(name, _)| name);
        if name.is_some_and(|name| Webhook::PLACEHOLDERS.contains(&name)) {
            continue;
        }
        let what = match name {
            Some(name) => format!("{} is not known here", quoted(&format!("${{{name}}}"))),
            None => "\"${\" has no end".to_owned(),
        };
        let near = name.and_then(|name| did_you_mean(name, Webhook::PLACEHOLDERS));
        let allowed = near.unwrap_or_else(|| Webhook::PLACEHOLDERS.map(|name| format!("${{{name}}}")).join(", "));
        out.problem(&value.node.at, value.path, what, allowed);
    }
    Some(body)
}

fn success(fields: &mut Fields<'_>, webhook: &mut Webhook) {
    fields.set("status", &mut webhook.status.0, |value, out| value.items(out, status_range));
    if fields.has("status") && !fields.has_items("status") {
        fields.problem("status", "no answer would be a success", "like 200-299");
    }
    fields.set_some("json", &mut webhook.json, json);
}

fn json(value: Value<'_>, out: &mut Sink) -> Option<(String, String)> {
    let read = section(value, out, |fields| {
        let pointer = fields.required("pointer", pointer);
        let wanted = fields.required("value", text);
        Some((pointer?, wanted?))
    });
    read.flatten()
}

/// RFC 6901 section 3.
fn pointer(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let pointer = text(value, out)?;
    let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
    if !(pointer.is_empty() || pointer.starts_with('/')) || !pointer.split('~').skip(1).all(is_escaped) {
        let what = format!("{} is no JSON pointer", quoted(&pointer));
        out.problem(&value.node.at, value.path, what, "like /status; ~ is written ~0, and / in a name ~1");
        return None;
    }
    Some(pointer)
}

const METHODS: [(&str, &str); 5] =
    [("GET", "GET"), ("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH"), ("DELETE", "DELETE")];

/// What says where a request goes and where it ends.
const TAKEN: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];
