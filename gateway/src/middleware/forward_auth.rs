//! `forwardAuth`: another server is asked whether a request may pass.
//!
//! ```text
//! head -> asking (what it is told) -> the server, over the worker's own pools -> answering (what becomes of its answer)
//! ```
//!
//! What is collected is bounded: the client's body if it is told too, and the server's answer. It has 30 s, as in Traefik;
//! if the client goes away meanwhile, the question is taken back.

mod answering;
mod asking;

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use regex::Regex;
use rollgate_config::dynamic::middleware::{ClientTls, ForwardAuth as Config};
use tokio::time::timeout;
use url::Url;

use super::{Answer, CompileError, Making, Note};
use crate::{
    body::{
        RequestBody,
        replay::{Lost, Replay},
    },
    call::Call,
    cookie::hexadecimal,
    error::{BodyError, Chain, Error},
    limits,
    pool::Target,
    relay::ask::{self, Asked},
    tls::client::Transport,
};

/// One `forwardAuth`.
pub(crate) struct ForwardAuth {
    target: Arc<Target>,
    /// Keeps the transport for the next snapshot.
    _reach: Arc<Reach>,
    address: Url,
    /// The address's path and query.
    uri: Uri,
    trust_forward_header: Option<bool>,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
    response_headers_regex: Option<Regex>,
    max_response_body_size: usize,
    cookies: Vec<String>,
    header_field: Option<HeaderName>,
    forward_body: bool,
    max_body_size: u64,
    preserve_location_header: bool,
    preserve_request_method: bool,
    signin_url: Option<HeaderValue>,
}

/// How a server is reached; the same for all who reach theirs in the same way.
struct Reach(Result<Arc<Transport>, String>);

impl ForwardAuth {
    pub(crate) fn compile(config: &Config, making: &Making<'_>) -> Result<Self, CompileError> {
        let address = config.address.value.clone();
        let reach = reach(&config.tls, address.scheme() == "https", making);
        let transport = reach.0.clone().map_err(CompileError::Tls)?;
        let path =
            format!("{}{}", address.path(), address.query().map(|query| format!("?{query}")).unwrap_or_default());
        Ok(Self {
            target: making.targets.of_url(&transport, &address, making.workers),
            _reach: reach,
            uri: path.parse().map_err(|_| CompileError::Path(path))?,
            address,
            trust_forward_header: config.trust_forward_header,
            request_headers: names(&config.auth_request_headers)?,
            response_headers: names(&config.auth_response_headers)?,
            response_headers_regex: config.auth_response_headers_regex.as_ref().map(|pattern| pattern.0.clone()),
            max_response_body_size: usize::try_from(config.max_response_body_size).unwrap_or(usize::MAX),
            cookies: config.add_auth_cookies_to_response.clone(),
            header_field: config.header_field.as_deref().map(name).transpose()?,
            forward_body: config.forward_body,
            max_body_size: config.max_body_size,
            preserve_location_header: config.preserve_location_header,
            preserve_request_method: config.preserve_request_method,
            signin_url: config.auth_signin_url.as_ref().map(|url| value(url)).transpose()?,
        })
    }

    /// Whether answers get cookies of the server that was asked.
    pub(crate) fn has_response_half(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Asks, and does what the answer says.
    pub(crate) async fn settle(&self, call: &mut Call<'_>) -> Result<Note, Box<Answer>> {
        let body = if self.forward_body { self.collect(call).await? } else { None };
        let request = self.question(call, body.as_ref())?;
        let answer = match timeout(TIMEOUT, self.ask(call, request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Failure::TooLong)) => return Err(empty(StatusCode::UNAUTHORIZED)),
            Ok(Err(Failure::Error(error))) => return Err(failed(call, &Chain(&error))),
            Err(_) => return Err(failed(call, &"the server that was asked took too long")),
        };
        if let Some(body) = body {
            call.body = RequestBody::Replayed(Box::new(body.again().map_err(|lost| failed(call, &lost_body(lost)))?));
        }
        if let (Some(record), Some(name)) = (&mut call.exchange.record, &self.header_field)
            && let Some(user) = answer.headers().get(name)
        {
            record.username = Some(String::from_utf8_lossy(user.as_bytes()).into());
        }
        if answer.status().is_success() {
            self.admit(&mut call.parts.headers, answer.headers());
            return Ok(self.cookies_of(answer.headers()));
        }
        Err(Box::new(self.refusal(&call.parts.method, answer)))
    }

    /// The client's body, all of it, to be sent twice; `None` without one.
    async fn collect(&self, call: &mut Call<'_>) -> Result<Option<Replay<RequestBody>>, Box<Answer>> {
        // What follows a request for another protocol is no body.
        if call.upgrade.is_some() {
            return Ok(None);
        }
        let room = call.exchange.connection.worker.replays.clone();
        let Some(replay) = call.body.replayable(self.max_body_size, &room) else { return Ok(None) };
        while replay.lost().is_none() {
            match call.body.frame().await {
                None => return Ok(Some(replay)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
            }
        }
        Err(match replay.lost() {
            Some(Lost::TooLong) => empty(StatusCode::UNAUTHORIZED),
            _ => {
                call.exchange.connection.worker.metrics.refused("forward_auth_body");
                overloaded()
            }
        })
    }

    fn question(
        &self,
        call: &Call<'_>,
        body: Option<&Replay<RequestBody>>,
    ) -> Result<Request<RequestBody>, Box<Answer>> {
        let body = match body.map(Replay::again) {
            None => RequestBody::Empty,
            Some(Ok(body)) => RequestBody::Replayed(Box::new(body)),
            Some(Err(lost)) => return Err(failed(call, &lost_body(lost))),
        };
        let mut request = Request::new(body);
        *request.method_mut() = if self.preserve_request_method { call.parts.method.clone() } else { Method::GET };
        *request.uri_mut() = self.uri.clone();
        let connection = &call.exchange.connection;
        *request.headers_mut() = self.told(&call.parts, &connection.peer.ip_value, connection.tls.is_some());
        request.headers_mut().insert(header::HOST, self.target.authority.clone());
        Ok(request)
    }

    async fn ask(&self, call: &Call<'_>, request: Request<RequestBody>) -> Result<Response<bytes::Bytes>, Failure> {
        let worker = &call.exchange.connection.worker;
        let Asked { response, lease } = ask::ask(worker, &self.target, request).await?;
        let (parts, body) = response.into_parts();
        let body = read(body, self.max_response_body_size).await?;
        lease.give_back(worker);
        Ok(Response::from_parts(parts, body))
    }
}

/// Why there is no answer.
enum Failure {
    Error(Error),
    /// It has more than `maxResponseBodySize`.
    TooLong,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

async fn read(body: Incoming, most: usize) -> Result<bytes::Bytes, Failure> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLong),
        Err(error) => Err(error.downcast().map_or_else(
            |_| Error::BadAnswer("its body could not be read").into(),
            |error: Box<hyper::Error>| Error::Upstream(*error).into(),
        )),
    }
}

/// 500: the server could not be asked, which is nobody's business outside.
fn failed(call: &Call<'_>, why: &dyn fmt::Display) -> Box<Answer> {
    let connection = &call.exchange.connection;
    tracing::debug!(client = %connection.client, error = %why, "forwardAuth: nobody could be asked");
    connection.worker.metrics.refused("forward_auth");
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

fn empty(status: StatusCode) -> Box<Answer> {
    Box::new(Answer { status, headers: http::HeaderMap::new(), body: bytes::Bytes::new() })
}

/// The worker holds as many bodies as it may.
fn overloaded() -> Box<Answer> {
    let mut answer = Answer::error(StatusCode::SERVICE_UNAVAILABLE, "overloaded\n");
    answer.headers.insert(header::RETRY_AFTER, limits::RETRY_AFTER);
    Box::new(answer)
}

/// What a client gets whose body broke off.
fn broken(error: &BodyError) -> Box<Answer> {
    let error = crate::relay::blame_body(error);
    let mut answer = Answer::status(error.status());
    answer.body = error.body();
    Box::new(answer)
}

fn lost_body(lost: Lost) -> String {
    format!("the request's body was lost: {lost:?}")
}

fn reach(tls: &ClientTls, encrypted: bool, making: &Making<'_>) -> Arc<Reach> {
    let mut config = tls.transport(rollgate_config::problem::Place::of_default());
    // A question and its answer at a time.
    config.disable_http2 = true;
    let meaning = format!("{encrypted} {}", tls.meaning());
    let name = hexadecimal(digest::digest(&digest::SHA256, meaning.as_bytes()).as_ref());
    making
        .states
        .of("forwardAuth", &name, || Reach(Transport::load(&config, "tls", encrypted).map_err(|problem| problem.what)))
}

fn names(names: &[String]) -> Result<Vec<HeaderName>, CompileError> {
    names.iter().map(|written| name(written)).collect()
}

fn name(name: &str) -> Result<HeaderName, CompileError> {
    name.parse().map_err(|_| CompileError::HeaderName(name.to_owned()))
}

fn value(value: &str) -> Result<HeaderValue, CompileError> {
    value.parse().map_err(|_| CompileError::HeaderValue(value.to_owned()))
}

impl fmt::Debug for ForwardAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForwardAuth").field("address", &self.address.as_str()).finish_non_exhaustive()
    }
}

/// Traefik's own, for the question and the whole answer.
const TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
