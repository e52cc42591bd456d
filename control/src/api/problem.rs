//! Errors as problem documents (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{store::StoreError, traffic::Refused};

/// Why a request is refused: a problem document, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:rollgate:problem:` and a code.
    #[serde(rename = "type")]
    #[schema(example = "urn:rollgate:problem:invalid")]
    pub kind: String,
    /// What such problems have in common.
    pub title: &'static str,
    /// The answer's status.
    #[schema(example = 422)]
    pub status: u16,
    /// What is wrong with this request.
    pub detail: String,
    /// Where in the body or in the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "weights.canary")]
    pub field: Option<String>,
    /// What would be right there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// Who decides about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The names that could be meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// The current entity tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Everything that is wrong with a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<super::providers::ConfigProblem>,
}

/// Each code with its status and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    NotFound,
    AmbiguousName,
    Owned,
    NothingLeft,
    BrakedAgain,
    NotPossible,
    No,
    Forbidden,
    Invalid,
    IdempotencyMismatch,
    PreconditionFailed,
    Malformed,
    MethodNotAllowed,
    StoreUnavailable,
    ControlUnavailable,
    Busy,
}

impl Code {
    fn known(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such thing"),
            Self::AmbiguousName => ("ambiguous-name", StatusCode::CONFLICT, "The name could mean more than one thing"),
            Self::Owned => ("owned", StatusCode::CONFLICT, "Somebody else decides about these weights"),
            Self::NothingLeft => ("nothing-left", StatusCode::CONFLICT, "No version would be left that takes requests"),
            Self::NotPossible => ("not-possible", StatusCode::CONFLICT, "This is not possible as things are"),
            Self::No => ("no", StatusCode::CONFLICT, "The answer is no"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "This is not allowed"),
            Self::BrakedAgain => ("braked-again", StatusCode::CONFLICT, "Somebody braked it again"),
            Self::Invalid => ("invalid", StatusCode::UNPROCESSABLE_ENTITY, "A value cannot be"),
            Self::IdempotencyMismatch => (
                "idempotency-mismatch",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The idempotency key was used for another request",
            ),
            Self::PreconditionFailed => {
                ("precondition-failed", StatusCode::PRECONDITION_FAILED, "It has changed in the meantime")
            }
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "The request cannot be read"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "This cannot be done with it")
            }
            Self::ControlUnavailable => {
                ("control-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The control plane does not do it now")
            }
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too much is under way at once"),
            Self::StoreUnavailable => {
                ("store-unavailable", StatusCode::SERVICE_UNAVAILABLE, "The change could not be kept, and was not made")
            }
        }
    }
}

impl Problem {
    /// A problem without more than its text.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (name, status, title) = code.known();
        Self {
            kind: format!("urn:rollgate:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            allowed: None,
            owner: None,
            candidates: Vec::new(),
            etag: None,
            problems: Vec::new(),
        }
    }

    /// A value that cannot be.
    pub fn invalid(field: impl Into<String>, what: impl std::fmt::Display, allowed: impl Into<String>) -> Self {
        let field = field.into();
        let detail = format!("{field} {what}");
        Self {
            field: Some(field),
            allowed: Some(allowed.into()).filter(|text: &String| !text.is_empty()),
            ..Self::new(Code::Invalid, detail)
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::NotFound { .. } => Self::new(Code::NotFound, detail),
            Refused::Ambiguous { candidates, .. } => Self { candidates, ..Self::new(Code::AmbiguousName, detail) },
            Refused::NotWeighted { .. } => Self::new(Code::NotFound, detail),
            Refused::Owned { owner, .. } => Self { owner: Some(owner.to_string()), ..Self::new(Code::Owned, detail) },
            Refused::Invalid { field, what, allowed } => Self::invalid(field, what, allowed),
            Refused::NothingLeft { .. } => Self::new(Code::NothingLeft, detail),
            Refused::BrakedAgain { .. } => Self::new(Code::BrakedAgain, detail),
            Refused::Precondition { etag, .. } => {
                Self { etag: Some(etag), ..Self::new(Code::PreconditionFailed, detail) }
            }
            Refused::KeyReused => Self::new(Code::IdempotencyMismatch, detail),
            Refused::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new(Code::StoreUnavailable, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
