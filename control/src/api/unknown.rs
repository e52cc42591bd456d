//! What no other route is for: Traefik's own paths, and a problem for the rest.

use std::time::SystemTime;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Method, Request},
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;

use super::{
    Shared,
    problem::{Code, Problem},
    traefik::{ServiceStatus, TraefikAnswer, View, answer},
};
use crate::file;

/// Answers by Traefik's paths below `/api`.
pub async fn unknown(State(shared): State<Shared>, request: Request<Body>) -> Response {
    let uri = request.uri().clone();
    let Some(path) = uri.path().strip_prefix("/api/").map(str::to_owned) else { return nothing(&request) };
    let query = uri.query().unwrap_or_default().to_owned();
    // All of ten thousand routers takes its time.
    let consulted = shared.clone();
    match shared.bounds.heavy(move || answered(&path, &query, &consulted)).await {
        Ok(Some(_)) if request.method() != Method::GET => wrong_method(request).await,
        Ok(Some(answer)) => response(answer),
        Ok(None) => nothing(&request),
        Err(problem) => problem.into_response(),
    }
}

/// A route is there, and not for this method.
pub async fn wrong_method(request: Request<Body>) -> Response {
    let detail = format!("{} is not done with {}", request.method(), request.uri().path());
    Problem::new(Code::MethodNotAllowed, detail).into_response()
}

fn nothing(request: &Request<Body>) -> Response {
    Problem::new(Code::NotFound, format!("there is no {}", request.uri().path())).into_response()
}

fn answered(path: &str, query: &str, shared: &Shared) -> Option<TraefikAnswer> {
    let known = shared.providers.known();
    let documents = file::documents(&known.texts).unwrap_or_default();
    let documents = documents
        .into_iter()
        .flat_map(|(provider, documents)| documents.into_iter().map(move |document| (provider, document)));
    let documents: Vec<_> = documents.collect();
    let services = |name: &str| {
        let status = shared.gateway.status(name)?;
        Some(ServiceStatus { servers: status.servers.iter().map(|(url, up)| (url.to_string(), *up)).collect() })
    };
    let view = View {
        configuration: &shared.traffic.configuration(),
        statics: &known.statics,
        documents: &documents,
        services: &services,
        version: env!("CARGO_PKG_VERSION"),
        started: at(shared.started),
        now: at(SystemTime::now()),
    };
    answer(path, query, &view)
}

fn at(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

fn response(answer: TraefikAnswer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    if let Ok(status) = answer.status.try_into() {
        *response.status_mut() = status;
    }
    let headers =
        answer.headers.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)));
    response.headers_mut().extend(headers.map(|(name, value)| (http::HeaderName::from_static(name), value)));
    response
}
