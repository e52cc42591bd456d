//! Bodies on their way: counted while they pass, and not buffered unless the configuration says so.

pub(crate) mod base64;
pub(crate) mod replay;
mod resumed;
pub(crate) mod spool;
pub(crate) mod tee;

use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use self::replay::{Lost, Replay, Replayed, Room};
pub(crate) use self::resumed::Resumed;
use crate::{connection::Connection, error::BodyError, exchange::Exchange, forwarded, limits};

/// What goes to a server.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Streaming(Box<Streaming>),
    /// One that can be sent again.
    Replayed(Box<Replayed<Self>>),
    /// Made of another one's frames, or of what was kept of one.
    Made(Made),
}

/// A body that is neither the client's nor as it came.
pub(crate) struct Made(Filtered);

/// A client's body as it arrives.
#[derive(Debug)]
pub(crate) struct Streaming {
    incoming: Incoming,
    bytes: Rc<Cell<u64>>,
    arrival: Arrival,
    connection: Rc<Connection>,
}

/// What goes to a client. The exchange is finished when the last frame has been taken, or with a drop when the client
/// has gone away.
pub(crate) struct Body {
    kind: AnswerBody,
    exchange: Option<Box<Exchange>>,
    deadline: Option<Box<Deadline>>,
    /// HTTP/2 only: a client that opens no window for what is there is not waited for for ever.
    outflow: Option<Outflow>,
}

/// An answer's body before it goes to the client: middlewares that wrap the call may put a filter over it.
pub(crate) enum AnswerBody {
    /// All of it.
    Whole(Bytes),
    #[cfg(test)]
    Panicking(Option<Bytes>),
    /// A server's, as it arrives.
    Upstream(Incoming),
    /// Made of another one's frames.
    Filtered(Filtered),
}

/// Makes a body of another one.
pub(crate) type Filtered = Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError>>>;

/// When something must be over; a timer only once something has had to wait.
#[derive(Debug)]
struct Deadline {
    at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

// === impl RequestBody ===

impl RequestBody {
    /// A client's body, within the bounds of its entry point; the exchange counts what has passed.
    pub(crate) fn new(incoming: Incoming, exchange: &Exchange) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let timeouts = &exchange.connection.entry.settings.timeouts;
        Self::Streaming(Box::new(Streaming {
            incoming,
            bytes: exchange.request_bytes.clone(),
            arrival: Arrival::new(exchange.started, timeouts.read, timeouts.body_idle),
            connection: exchange.connection.clone(),
        }))
    }
}

impl RequestBody {
    /// Makes it one that can be sent again, as long as at most `limit` bytes of it have passed and its worker has room. An
    /// empty one needs nothing kept: `None`.
    pub(crate) fn replayable(&mut self, limit: u64, room: &Rc<Room>) -> Option<Replay<Self>> {
        if matches!(self, Self::Empty) {
            return None;
        }
        let (replay, body) = replay::replayable(std::mem::replace(self, Self::Empty), limit, room);
        *self = Self::Replayed(Box::new(body));
        Some(replay)
    }

    /// The body once more; without a replay it was empty.
    ///
    /// # Errors
    /// Something has passed that was not kept.
    pub(crate) fn again(replay: Option<&Replay<Self>>) -> Result<Self, Lost> {
        replay.map_or(Ok(Self::Empty), |replay| Ok(Self::Replayed(Box::new(replay.again()?))))
    }
}

impl RequestBody {
    /// One that is made of something else.
    pub(crate) fn made(body: impl HttpBody<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Self::Made(Made(Box::pin(body)))
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Made")
    }
}

impl Streaming {
    /// Counts what has passed; an error where it is more than a body may be.
    fn passed(&self, bytes: u64) -> Result<(), BodyError> {
        let total = self.bytes.get() + bytes;
        self.bytes.set(total);
        if limits::is_too_long(total, &self.connection.entry.settings.http) {
            self.connection.refused(limits::BODY_BYTES);
            return Err(BodyError::TooLong);
        }
        Ok(())
    }

    fn late(&self, error: BodyError) -> BodyError {
        let reason = if matches!(error, BodyError::Idle) { limits::BODY_IDLE } else { limits::READ_TIMEOUT };
        self.connection.refused(reason);
        error
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = match &mut *self {
            Self::Empty => return Poll::Ready(None),
            Self::Streaming(body) => body,
            Self::Replayed(body) => return Pin::new(&mut **body).poll_frame(cx),
            Self::Made(Made(body)) => return body.as_mut().poll_frame(cx),
        };
        let Poll::Ready(frame) = Pin::new(&mut body.incoming).poll_frame(cx) else {
            let late = ready!(body.arrival.poll_late(cx));
            return Poll::Ready(Some(Err(body.late(late))));
        };
        body.arrival.came();
        let mut frame = frame;
        if let Some(Ok(frame)) = &mut frame {
            if let Err(too_long) = body.passed(data_length(frame)) {
                return Poll::Ready(Some(Err(too_long)));
            }
            sanitise_trailers(frame);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Http)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming(body) => body.incoming.is_end_stream(),
            Self::Replayed(body) => body.is_end_stream(),
            Self::Made(Made(body)) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming(body) => body.incoming.size_hint(),
            Self::Replayed(body) => body.size_hint(),
            Self::Made(Made(body)) => body.size_hint(),
        }
    }
}

// === impl Body ===

impl Body {
    /// An answer's body, to go out within `limit` of the exchange's start (zero: no limit) if it has to be waited for.
    pub(crate) fn new(kind: AnswerBody, exchange: Box<Exchange>, limit: Duration) -> Self {
        let limited = (!limit.is_zero()).then(|| exchange.started + limit);
        let by = [limited, exchange.answer_by].into_iter().flatten().min();
        let by = by.filter(|_| !matches!(kind, AnswerBody::Whole(_)));
        let deadline = by.map(|at| Box::new(Deadline { at, sleep: None }));
        let outflow = Outflow::new(&exchange.connection);
        let mut body = Self { kind, exchange: Some(exchange), deadline, outflow };
        // hyper never polls a body that says it is over (HEAD, 204, 304, length 0).
        if body.is_end_stream() {
            body.complete();
        }
        body
    }

    /// Nothing, which belongs to no exchange.
    pub(crate) fn empty() -> Self {
        Self::of_no_exchange(Bytes::new())
    }

    /// Bytes that belong to no exchange.
    pub(crate) fn of_no_exchange(bytes: Bytes) -> Self {
        Self { kind: AnswerBody::Whole(bytes), exchange: None, deadline: None, outflow: None }
    }

    /// One that panics after its first frame.
    #[cfg(test)]
    pub(crate) fn panicking(first: &'static [u8], exchange: Box<Exchange>) -> Self {
        Self::new(AnswerBody::Panicking(Some(Bytes::from_static(first))), exchange, Duration::ZERO)
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
        if let Some(outflow) = &mut self.outflow {
            outflow.taken();
        }
        if expired(self.deadline.as_deref_mut(), cx) {
            self.exchange.iter_mut().for_each(|exchange| exchange.ran_out());
            return Poll::Ready(Some(Err(BodyError::WriteTimeout)));
        }
        let frame = ready!(Pin::new(&mut self.kind).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.passed(frame, data_length(frame));
                }
                if let Some(outflow) = &mut self.outflow {
                    outflow.given();
                }
                // Trailers are the last frame, after which hyper asks for no other.
                if frame.is_trailers() || self.is_end_stream() {
                    self.complete();
                }
            }
            Some(Err(error)) => {
                if let Some(exchange) = self.exchange.take() {
                    exchange.broken(error);
                }
            }
            None => self.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.kind.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.kind.size_hint()
    }
}

// === impl AnswerBody ===

impl Default for AnswerBody {
    /// An empty one.
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            #[cfg(test)]
            Self::Panicking(first) => Poll::Ready(Some(Ok(Frame::data(first.take().expect("it panics on purpose"))))),
            Self::Upstream(incoming) => {
                let mut frame = ready!(Pin::new(incoming).poll_frame(cx));
                if let Some(Ok(frame)) = &mut frame {
                    sanitise_trailers(frame);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Http)))
            }
            Self::Filtered(filtered) => filtered.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            #[cfg(test)]
            Self::Panicking(_) => false,
            Self::Upstream(incoming) => incoming.is_end_stream(),
            Self::Filtered(filtered) => filtered.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            #[cfg(test)]
            Self::Panicking(_) => SizeHint::default(),
            Self::Upstream(incoming) => incoming.size_hint(),
            Self::Filtered(filtered) => filtered.size_hint(),
        }
    }
}

// === impl Outflow ===

/// What an HTTP/2 stream has to send. hyper asks for a frame before there is room for it and for the next one when it is
/// gone: a body that has given a frame and was not asked again waits for its client, any other for its server.
#[derive(Debug)]
struct Outflow {
    connection: Rc<Connection>,
    waiting: bool,
}

impl Outflow {
    fn new(connection: &Rc<Connection>) -> Option<Self> {
        connection.http2.then(|| Self { connection: connection.clone(), waiting: false })
    }

    fn given(&mut self) {
        self.connection.begins_to_wait();
        self.waiting = true;
    }

    fn taken(&mut self) {
        if std::mem::take(&mut self.waiting) {
            self.connection.ends_to_wait();
        }
    }
}

impl Drop for Outflow {
    fn drop(&mut self) {
        self.taken();
    }
}

// === impl Arrival ===

/// When a request's body must have come, whole and piece by piece. One timer at most, which is set anew only when it
/// fires.
#[derive(Debug)]
struct Arrival {
    whole: Option<Instant>,
    idle: Duration,
    /// Since when a piece is waited for; the time in which nobody asked for one does not count.
    waiting: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Arrival {
    /// Zero is no limit.
    fn new(started: Instant, whole: Duration, idle: Duration) -> Self {
        let whole = (!whole.is_zero()).then(|| started + whole);
        Self { whole, idle, waiting: None, sleep: None }
    }

    fn came(&mut self) {
        self.waiting = None;
    }

    /// Ready when the time is up.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let waiting = *self.waiting.get_or_insert_with(Instant::now);
        let Some((next, late)) = self.due(waiting) else { return Poll::Pending };
        let next = tokio::time::Instant::from(next);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
        // It may be for a piece that has come since: what comes next is never earlier than what it is set to.
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= next {
                return Poll::Ready(late);
            }
            sleep.as_mut().reset(next);
        }
    }

    /// When it is too late for what is waited for since then, and why.
    fn due(&self, waiting: Instant) -> Option<(Instant, BodyError)> {
        let idle = (!self.idle.is_zero()).then(|| waiting + self.idle);
        match (self.whole, idle) {
            (Some(whole), Some(idle)) if idle < whole => Some((idle, BodyError::Idle)),
            (Some(whole), _) => Some((whole, BodyError::ReadTimeout)),
            (None, idle) => Some((idle?, BodyError::Idle)),
        }
    }
}

// === impl Deadline ===

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_has_its_time_and_all_of_them_have_theirs() {
        let started = Instant::now();
        let after = |seconds| started + Duration::from_secs(seconds);
        for (whole, idle, waiting, due) in [
            (100, 30, 0, Some((30, "the request stopped arriving"))),
            (100, 30, 20, Some((50, "the request stopped arriving"))),
            (100, 30, 80, Some((100, "the request took too long to arrive"))),
            (100, 0, 80, Some((100, "the request took too long to arrive"))),
            (0, 30, 80, Some((110, "the request stopped arriving"))),
            (0, 0, 80, None),
        ] {
            let arrival = Arrival::new(started, Duration::from_secs(whole), Duration::from_secs(idle));
            let told = arrival.due(after(waiting)).map(|(at, late)| (at, late.to_string()));
            assert_eq!(told, due.map(|(at, late)| (after(at), late.to_owned())), "{whole} {idle} {waiting}");
        }
    }
}
