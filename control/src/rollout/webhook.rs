//! Asks somebody else over HTTP. Redirects are not followed and proxies are not asked: what is sent may be secret, and goes to
//! the address that was written.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Read as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{Method, Request};
use rollgate_config::dynamic::rollout::stage::Webhook;
use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It is as it should be; the answer's beginning.
    Done(String),
    /// It is not, in words; whether the same may go well a moment later.
    Failed {
        /// What was wrong.
        why: String,
        /// No answer, 429, or 5xx.
        is_passing: bool,
    },
}

/// One attempt. Blocks.
pub fn ask(webhook: &Webhook, values: &BTreeMap<&'static str, String>) -> Attempt {
    let failed = |why: String, is_passing| Attempt::Failed { why, is_passing };
    let body = body(webhook, values);
    let method = webhook.method.parse::<Method>().unwrap_or(Method::POST);
    let has_body = !matches!(method, Method::GET | Method::DELETE);
    let mut request = Request::builder().method(method).uri(webhook.url.value.as_str());
    if has_body && !webhook.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in &webhook.headers {
        request = request.header(name, &value.0);
    }
    let request = match request.body(if has_body { body } else { String::new() }) {
        Ok(request) => request,
        Err(error) => return failed(format!("it cannot be sent: {error}"), false),
    };
    let request = agent().configure_request(request).timeout_global(Some(webhook.timeout)).build();
    let mut response = match agent().run(request) {
        Ok(response) => response,
        Err(error) => return failed(format!("no answer: {error}"), true),
    };
    let status = response.status();
    let mut text = Vec::new();
    let read = response.body_mut().as_reader().take(MOST).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    if let Err(error) = read {
        return failed(format!("its answer broke off: {error}"), true);
    }
    if !webhook.status.contains(status.as_u16()) {
        let is_passing = status.is_server_error() || status.as_u16() == 429;
        return failed(format!("it answered {status}: {}", short(&text)), is_passing);
    }
    match &webhook.json {
        None => Attempt::Done(short(&text)),
        Some((pointer, expected)) => match found(&text, pointer) {
            Some(found) if found == *expected => Attempt::Done(short(&text)),
            Some(found) => failed(format!("its answer has {} at {pointer}, not {expected}", short(&found)), true),
            None => failed(format!("its answer has nothing at {pointer}: {}", short(&text)), true),
        },
    }
}

/// How long to wait before an attempt; the first retry is 1.
pub fn pause(retry: u32) -> Duration {
    Duration::from_secs(1 << retry.saturating_sub(1).min(6)).min(Duration::from_secs(60))
}

/// What is sent: the text with its `${names}` replaced, or all values as an object.
fn body(webhook: &Webhook, values: &BTreeMap<&'static str, String>) -> String {
    let Some(template) = &webhook.body else {
        return serde_json::to_string(values).unwrap_or_default();
    };
    let mut text = String::with_capacity(template.len());
    let mut rest = template.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let known = after.split_once('}').and_then(|(name, after)| Some((values.get(name)?, after)));
        match known {
            Some((value, after)) => {
                let quoted = Value::from(value.as_str()).to_string();
                text.push_str(&quoted[1..quoted.len() - 1]);
                rest = after;
            }
            None => {
                text.push_str("${");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn found(text: &str, pointer: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let value = value.pointer(pointer)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// For a record and for people.
fn short(text: &str) -> String {
    let mut short: String = text.trim().chars().take(SHOWN).collect();
    if text.trim().chars().nth(SHOWN).is_some() {
        let _written = write!(short, "...");
    }
    short
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        // A machine without a certificate store reaches nobody over TLS: verification fails, and says so.
        let roots = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("rollgate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.root_certs(RootCerts::new_with_certs(&roots)).build())
            .build();
        Agent::new_with_config(config)
    })
}

/// Of an answer: more is not read.
const MOST: u64 = 1 << 20;
/// Characters of an answer that are kept.
const SHOWN: usize = 1_000;

#[cfg(test)]
mod tests;
