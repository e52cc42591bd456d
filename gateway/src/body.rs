//! Bodies on their way: counted while they pass, never buffered.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::{error::BodyError, exchange::Exchange, forwarded};

/// What goes to a server.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Streaming(Box<Streaming>),
}

/// A client's body as it arrives.
#[derive(Debug)]
pub(crate) struct Streaming {
    incoming: Incoming,
    bytes: Rc<Cell<u64>>,
    deadline: Option<Deadline>,
}

/// What goes to a client. The exchange is finished when the last frame has been taken, or with a drop when the client
/// has gone away.
#[derive(Debug)]
pub(crate) struct Body {
    kind: Kind,
    exchange: Option<Box<Exchange>>,
    deadline: Option<Box<Deadline>>,
}

#[derive(Debug)]
enum Kind {
    Whole(Bytes),
    Upstream(Incoming),
}

/// When something must be over; a timer only once something has had to wait.
#[derive(Debug)]
struct Deadline {
    at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

// === impl RequestBody ===

impl RequestBody {
    /// A client's body, to arrive within `limit` of `started` (zero: no limit). `bytes` counts what has passed.
    pub(crate) fn new(incoming: Incoming, bytes: &Rc<Cell<u64>>, started: Instant, limit: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        Self::Streaming(Box::new(Streaming { incoming, bytes: bytes.clone(), deadline: Deadline::new(started, limit) }))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Streaming(body) = &mut *self else { return Poll::Ready(None) };
        let frame = match Pin::new(&mut body.incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending if expired(body.deadline.as_mut(), cx) => {
                return Poll::Ready(Some(Err(BodyError::ReadTimeout)));
            }
            Poll::Pending => return Poll::Pending,
        };
        let mut frame = frame;
        if let Some(Ok(frame)) = &mut frame {
            body.bytes.set(body.bytes.get() + data_length(frame));
            sanitise_trailers(frame);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Http)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(body) => body.incoming.size_hint(),
        }
    }
}

// === impl Body ===

impl Body {
    /// A whole body of our own.
    pub(crate) fn whole(bytes: Bytes, exchange: Option<Box<Exchange>>) -> Self {
        Self::new(Kind::Whole(bytes), exchange, None)
    }

    /// A server's body, to go out within `limit` of the exchange's start (zero: no limit).
    pub(crate) fn upstream(incoming: Incoming, exchange: Box<Exchange>, limit: Duration) -> Self {
        let deadline = Deadline::new(exchange.started, limit).map(Box::new);
        Self::new(Kind::Upstream(incoming), Some(exchange), deadline)
    }

    fn new(kind: Kind, exchange: Option<Box<Exchange>>, deadline: Option<Box<Deadline>>) -> Self {
        let mut body = Self { kind, exchange, deadline };
        // hyper never polls a body that says it is over (HEAD, 204, 304, length 0).
        if body.is_end_stream() {
            body.complete();
        }
        body
    }

    fn complete(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.complete();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if expired(self.deadline.as_deref_mut(), cx) {
            return Poll::Ready(Some(Err(BodyError::WriteTimeout)));
        }
        let frame = match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => None,
            Kind::Whole(bytes) => Some(Ok(Frame::data(std::mem::take(bytes)))),
            Kind::Upstream(incoming) => {
                let mut frame = ready!(Pin::new(incoming).poll_frame(cx));
                if let Some(Ok(frame)) = &mut frame {
                    sanitise_trailers(frame);
                }
                frame.map(|frame| frame.map_err(BodyError::Http))
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.passed(frame, data_length(frame));
                }
                // Trailers are the last frame, after which hyper asks for no other.
                if frame.is_trailers() || self.is_end_stream() {
                    self.complete();
                }
            }
            Some(Err(_)) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.broken();
                }
            }
            None => self.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Upstream(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Upstream(incoming) => incoming.size_hint(),
        }
    }
}

// === impl Deadline ===

impl Deadline {
    fn new(started: Instant, limit: Duration) -> Option<Self> {
        (!limit.is_zero()).then(|| Self { at: started + limit, sleep: None })
    }
}

/// Whether the time is up; if not, the task is woken when it is.
fn expired(deadline: Option<&mut Deadline>, cx: &mut Context<'_>) -> bool {
    let Some(deadline) = deadline else { return false };
    let at = deadline.at;
    let sleep = deadline.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
    sleep.as_mut().poll(cx).is_ready()
}

/// Trailers are what their section may hold, both ways.
fn sanitise_trailers(frame: &mut Frame<Bytes>) {
    if let Some(trailers) = frame.trailers_mut() {
        forwarded::sanitise_trailers(trailers);
    }
}

fn data_length(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |data| data.len() as u64)
}

use std::future::Future as _;
