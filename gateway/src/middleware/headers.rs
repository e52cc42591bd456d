//! `headers`: fields set or removed on the way in and out, CORS, and the fields that harden a browser.
//!
//! Order, as in Traefik: a preflight is answered first; then request fields; then the host is checked. On the way back
//! the hardening fields come first, then the response fields, then CORS, each overwriting what is there.

mod cors;
mod security;

use std::ops::ControlFlow;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use rollgate_config::dynamic::middleware as config;

use self::{cors::Cors, security::Security};
use super::{Answer, Asked, CompileError, Head};

/// Sets, removes and checks header fields.
#[derive(Debug, Clone)]
pub(crate) struct Headers {
    request: Box<[Field]>,
    response: Box<[Field]>,
    cors: Option<Cors>,
    security: Security,
}

/// An extension of the request: `X-Forwarded-For` was removed on purpose, so the forwarder does not start a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WithoutForwardedFor;

/// A field and its value; `None` removes it.
type Field = (HeaderName, Option<HeaderValue>);

impl Headers {
    pub(super) fn compile(headers: &config::Headers) -> Result<Self, CompileError> {
        Ok(Self {
            request: fields(&headers.custom_request_headers)?,
            response: fields(&headers.custom_response_headers)?,
            cors: Cors::compile(headers)?,
            security: Security::compile(headers)?,
        })
    }

    pub(super) fn looks_ahead(&self) -> bool {
        self.cors.as_ref().is_some_and(Cors::names_origins) || self.security.asks_for_tls()
    }

    pub(super) fn look_ahead(&self, head: &Head<'_>) -> Asked {
        let origin = head.parts.headers.get(header::ORIGIN).filter(|origin| !origin.is_empty());
        Asked { origin: origin.cloned(), secure: self.security.is_secure(head) }
    }

    pub(super) fn request(&self, head: &mut Head<'_>) -> ControlFlow<Answer> {
        if let Some(answer) = self.cors.as_ref().and_then(|cors| cors.preflight(head.parts)) {
            return ControlFlow::Break(answer);
        }
        let asked = self.security.checks_hosts().then(|| self.look_ahead(head));
        self.change_request(head);
        if self.security.allows_host(&head.parts.headers) {
            return ControlFlow::Continue(());
        }
        let mut answer = security::bad_host();
        self.change_response(&asked.unwrap_or_default(), &mut answer.headers);
        ControlFlow::Break(answer)
    }

    pub(super) fn has_response_half(&self) -> bool {
        !self.response.is_empty() || self.security.has_response_half() || self.cors.is_some()
    }

    pub(super) fn response(&self, asked: &Asked, headers: &mut HeaderMap) {
        self.security.response(asked, headers);
        self.change_response(asked, headers);
    }

    fn change_request(&self, head: &mut Head<'_>) {
        for (name, value) in &self.request {
            match value {
                Some(value) => {
                    head.parts.headers.insert(name, value.clone());
                }
                // There is no request without one.
                None if name == header::HOST => {}
                None => {
                    head.parts.headers.remove(name);
                    if *name == X_FORWARDED_FOR {
                        head.parts.extensions.insert(WithoutForwardedFor);
                    }
                }
            }
        }
    }

    fn change_response(&self, asked: &Asked, headers: &mut HeaderMap) {
        for (name, value) in &self.response {
            match value {
                Some(value) => {
                    headers.insert(name, value.clone());
                }
                None => {
                    headers.remove(name);
                }
            }
        }
        if let Some(cors) = &self.cors {
            cors.response(asked.origin.as_ref(), headers);
        }
    }
}

fn fields(fields: &[(String, String)]) -> Result<Box<[Field]>, CompileError> {
    let compiled = fields.iter().map(|(name, text)| {
        let text = text.as_str();
        Ok((field_name(name)?, if text.is_empty() { None } else { Some(field_value(text)?) }))
    });
    compiled.collect()
}

fn field_name(name: &str) -> Result<HeaderName, CompileError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| CompileError::HeaderName(name.to_owned()))
}

fn field_value(value: &str) -> Result<HeaderValue, CompileError> {
    HeaderValue::from_bytes(value.as_bytes()).map_err(|_| CompileError::HeaderValue(value.to_owned()))
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

#[cfg(test)]
mod tests;
