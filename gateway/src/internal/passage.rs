//! The way from a worker to the control plane and back: requests for the admin API.
//!
//! Workers answer in its place when it hangs: it shows that it lives by a beat, and what it has not begun when a caller has
//! given up is never begun.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use parking_lot::Mutex;
use rollgate_config::static_config::Role;
use tokio::sync::{mpsc, oneshot};

use super::problem;
use crate::{
    body::{AnswerBody, RequestBody},
    call::Call,
    clock,
    error::{BodyError, Error},
    relay,
};

/// A request for the control plane.
pub struct Asked {
    /// Its body whole, its path from `/api` on.
    pub request: Request<Bytes>,
    /// Who asks, and what he may do.
    pub caller: Caller,
    /// Where the answer goes; closed where nobody waits for it any more.
    pub answer: oneshot::Sender<Response<AdminBody>>,
}

/// An answer's body. It may be without end: then it is dropped when the client goes away.
pub type AdminBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// `loopback`, a token's name, or `certificate NAME`.
    pub name: Arc<str>,
    /// What he may do.
    pub role: Role,
    /// Where he comes from.
    pub address: SocketAddr,
    /// Over TLS.
    pub tls: bool,
}

/// One per process.
#[derive(Debug)]
pub(crate) struct Passage {
    requests: mpsc::Sender<Asked>,
    /// Until the control plane has it.
    taken: Mutex<Option<mpsc::Receiver<Asked>>>,
    /// When the control plane last showed that it lives, in milliseconds since the process started.
    beat: AtomicU64,
}

impl Default for Passage {
    fn default() -> Self {
        let (requests, taken) = mpsc::channel(WAITING);
        Self { requests, taken: Mutex::new(Some(taken)), beat: AtomicU64::new(0) }
    }
}

impl Passage {
    /// What workers hand over; once.
    pub(crate) fn requests(&self) -> Option<mpsc::Receiver<Asked>> {
        self.taken.lock().take()
    }

    /// The control plane lives.
    pub(crate) fn beat(&self, now: Instant) {
        self.beat.store(milliseconds(now), Relaxed);
    }

    fn is_alive(&self, now: Instant) -> bool {
        let silent = milliseconds(now).saturating_sub(self.beat.load(Relaxed));
        silent <= SILENCE.as_millis() as u64
    }

    /// Hands a request over and waits for its answer.
    async fn ask(&self, request: Request<Bytes>, caller: Caller) -> Response<AnswerBody> {
        let began = tokio::time::Instant::now();
        let (answer, mut answered) = oneshot::channel();
        if !self.is_alive(began.into_std()) {
            return unavailable("the control plane does not answer");
        }
        match tokio::time::timeout(PLACE, self.requests.reserve()).await {
            Ok(Ok(place)) => place.send(Asked { request, caller, answer }),
            Ok(Err(_)) => return unavailable("the control plane has ended"),
            Err(_) => return unavailable("too many requests wait for the control plane"),
        }
        loop {
            tokio::select! {
                biased;
                response = &mut answered => return match response {
                    Ok(response) => response.map(|body| AnswerBody::Filtered(Box::pin(Passed(body)))),
                    Err(_) => unavailable("the control plane has ended"),
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = tokio::time::Instant::now();
            if !self.is_alive(now.into_std()) || now.duration_since(began) > LONGEST {
                return unavailable("the control plane does not answer; what was asked for may or may not be done");
            }
        }
    }
}

/// Answers a request for the admin API.
pub(crate) async fn pass(call: &mut Call<'_>, caller: Caller) -> Result<Response<AnswerBody>, Error> {
    let Some(body) = whole(std::mem::replace(&mut call.body, RequestBody::Empty)).await? else {
        let detail = format!("a body may have {MAX_BODY} bytes here");
        let refusal = problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long", &detail);
        return Ok(refusal.map(AnswerBody::Whole));
    };
    let connection = call.exchange.connection.clone();
    let base = connection.entry.api.as_deref().unwrap_or_default();
    let mut request = Request::new(body);
    *request.method_mut() = call.parts.method.clone();
    *request.headers_mut() = call.parts.headers.clone();
    // Nobody behind has use for them, and they are not to be found anywhere.
    request.headers_mut().remove(header::AUTHORIZATION);
    request.headers_mut().remove(header::COOKIE);
    *request.uri_mut() = below(base, &call.parts.uri);
    Ok(connection.worker.shared.passage.ask(request, caller).await)
}

/// The path without what stands before `/api`.
fn below(base: &str, uri: &Uri) -> Uri {
    let whole = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = whole.strip_prefix(base).unwrap_or(whole);
    rest.parse().unwrap_or_else(|_| Uri::from_static("/api"))
}

/// `None`: it is longer than it may be.
async fn whole(mut body: RequestBody) -> Result<Option<Bytes>, Error> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| relay::blame_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > MAX_BODY {
            return Ok(None);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes.freeze()))
}

fn unavailable(detail: &str) -> Response<AnswerBody> {
    let title = "The control plane is not there";
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "control-unavailable", title, detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response.map(AnswerBody::Whole)
}

/// The control plane's body as an answer's.
struct Passed(AdminBody);

impl HttpBody for Passed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.0).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Control)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn milliseconds(now: Instant) -> u64 {
    clock::elapsed(now).as_millis() as u64
}

/// Requests that may wait for the control plane.
const WAITING: usize = 64;

/// How long one waits for a place among those.
const PLACE: Duration = SILENCE;

/// Bytes of a request's body.
const MAX_BODY: usize = 1 << 20;

/// A control plane that shows nothing for so long hangs. With [`LOOK`] it is within a second that a caller is told.
const SILENCE: Duration = Duration::from_millis(900);

/// How often a waiting request looks whether it lives.
const LOOK: Duration = Duration::from_millis(50);

/// What a request may take where it lives.
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
