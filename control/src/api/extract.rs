//! What handlers take: every refusal is a problem document that names the field.

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use rollgate_gateway::Caller;
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};
use crate::traffic::{Actor, IfMatch, Key};

/// A name or more from the path.
#[derive(Debug)]
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(rejection) => Err(Problem::new(Code::Malformed, rejection.body_text())),
        }
    }
}

/// The query's fields.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(fields)) => Ok(Self(fields)),
            Err(rejection) => Err(Problem::new(Code::Malformed, rejection.body_text())),
        }
    }
}

/// Who asks.
#[derive(Debug)]
pub struct By(pub Actor);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>();
        let caller = caller.ok_or_else(|| Problem::new(Code::Malformed, "it is not known who asks"))?;
        Ok(Self(Actor { name: caller.name.clone(), role: caller.role.name(), address: Some(caller.address) }))
    }
}

/// Of a request that is right whatever is so by now, and however often it comes: an `If-Match` would be a reason not to do it,
/// and is refused before anybody relies on it; an `Idempotency-Key` has nothing to add.
#[derive(Debug)]
pub struct Unconditional;

impl<S: Send + Sync> FromRequestParts<S> for Unconditional {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(header::IF_MATCH) {
            return Err(Problem::invalid("If-Match", "is not looked at here", "none"));
        }
        if let Some(value) = parts.headers.get("idempotency-key") {
            let key = value.to_str().map_err(|_| wrong_key("Idempotency-Key"))?;
            key_of("Idempotency-Key", key, [0; 32])?;
        }
        Ok(Self)
    }
}

/// A request that changes something: its body, and what makes it safe to send it again.
#[derive(Debug)]
pub struct Changing<T> {
    /// The body.
    pub value: T,
    /// `Idempotency-Key`, with what it belongs to.
    pub key: Option<Key>,
    /// `If-Match`.
    pub if_match: Option<IfMatch>,
    /// Of method, path and body.
    pub digest: [u8; 32],
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Changing<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = whole(body).await?;
        let mut digest = Context::new(&SHA256);
        for part in [parts.method.as_str().as_bytes(), parts.uri.path().as_bytes(), &body] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finish().as_ref().try_into().unwrap_or_default();
        let key = match parts.headers.get("idempotency-key") {
            None => None,
            Some(value) => {
                let key = value.to_str().map_err(|_| wrong_key("Idempotency-Key"))?;
                Some(key_of("Idempotency-Key", key, digest)?)
            }
        };
        // A DELETE may come without a body.
        let value = parse(if body.is_empty() { b"null" } else { &body })?;
        Ok(Self { value, key, if_match: if_match(&parts.headers)?, digest })
    }
}

/// An idempotency key as it may be: 1 to 255 visible characters; the quotes of a structured field (RFC 9651) are not part
/// of it.
pub fn key_of(field: &str, text: &str, digest: [u8; 32]) -> Result<Key, Problem> {
    let text = text.trim();
    let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let text = unquoted.filter(|text| !text.is_empty()).unwrap_or(text);
    if text.is_empty() || text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(wrong_key(field));
    }
    Ok(Key { key: text.to_owned(), digest })
}

fn wrong_key(field: &str) -> Problem {
    Problem::invalid(field, "is no key", "1 to 255 printable ASCII characters")
}

fn if_match(headers: &HeaderMap) -> Result<Option<IfMatch>, Problem> {
    let mut tags = Vec::new();
    for line in headers.get_all(header::IF_MATCH) {
        let wrong =
            || Problem::invalid("If-Match", "is no list of entity tags", "* or tags with their quotes, like \"1a2b\"");
        let line = line.to_str().map_err(|_| wrong())?;
        for tag in line.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if tag == "*" {
                return Ok(Some(IfMatch::Any));
            }
            let quoted = tag.strip_prefix("W/").unwrap_or(tag);
            if quoted.len() < 2 || !quoted.starts_with('"') || !quoted.ends_with('"') {
                return Err(wrong());
            }
            // A weak one never matches here (RFC 9110 section 13.1.1).
            tags.push(tag.to_owned());
        }
    }
    Ok((headers.contains_key(header::IF_MATCH)).then_some(IfMatch::Tags(tags)))
}

async fn whole(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, MAX_BODY).await.map_err(|error| Problem::new(Code::Malformed, format!("the body: {error}")))
}

/// A JSON body's value.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        if inner.is_syntax() || inner.is_eof() {
            return Problem::new(Code::Malformed, format!("the body is no JSON: {inner}"));
        }
        let field = if path == "." { "body".to_owned() } else { path };
        Problem { detail: format!("{field}: {inner}"), ..Problem::invalid(field, "", "") }
    })?;
    deserializer.end().map_err(|error| Problem::new(Code::Malformed, format!("after the body: {error}")))?;
    Ok(value)
}

/// As much as the workers let through.
const MAX_BODY: usize = 1 << 20;
