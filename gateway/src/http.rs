//! The one seam to hyper's servers: how a connection is spoken to, and with which limits.

mod refusal;

use std::{
    convert::Infallible,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    rt::bounds::Http2ServerConnExec,
    server::conn::{http1 as hyper1, http2 as hyper2},
    service::{HttpService, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};

use crate::{
    body::Body,
    clock,
    connection::{Connection, Ending},
    entry_point::EntryPoint,
    error::Chain,
    proxy,
    stream::{
        Stream,
        frames::{Fault, Frames},
        gather::{Gathered, gather},
    },
};

/// Spawns on the worker's own thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}

/// Serves HTTP/1 until the connection ends.
pub(crate) async fn serve_http1(stream: Stream, connection: Rc<Connection>) {
    http1(stream, connection, proxy::handle).await;
}

/// Serves HTTP/2 until the connection ends.
pub(crate) async fn serve_http2(stream: Stream, connection: Rc<Connection>) {
    http2(stream, connection, proxy::handle).await;
}

async fn http1<H, F>(mut stream: Stream, connection: Rc<Connection>, handle: H)
where
    H: Fn(Rc<Connection>, Request<Incoming>) -> F + Copy,
    F: Future<Output = Response<Body>>,
{
    let mut builder = http1_builder(&connection.entry);
    match connection.entry.settings.http.max_header_fields {
        // Where hyper is asked for as many, it makes a table of them on the heap for each head.
        more if more > FIELDS => stream.has_room_for(FIELDS),
        asked => drop(builder.max_headers(asked)),
    }
    loop {
        let serving = connection.clone();
        let service = service_fn(move |request| isolated(|| handle(serving.clone(), request)));
        // Boxed, so that a parked connection holds no room for it.
        let mut serving = Box::pin(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let driven = drive(&connection, serving.as_mut(), |_| Poll::Ready(Ok(()))).await;
        if driven == Driven::Ended {
            return;
        }
        // What else there is goes here and now.
        let Some(hyper1::Parts { io, read_buf, .. }) = Pin::into_inner(serving).into_parts() else { return };
        stream = io.into_inner();
        if driven == Driven::ToHaveRoom {
            builder.max_headers(connection.entry.settings.http.max_header_fields);
            stream.give_again(BytesMut::from(read_buf));
        } else {
            // It is empty, and 8 KiB.
            drop(read_buf);
            connection.parked(&stream).await;
        }
    }
}

async fn http2<H, F>(stream: Stream, connection: Rc<Connection>, handle: H)
where
    H: Fn(Rc<Connection>, Request<Incoming>) -> F,
    F: Future<Output = Response<Body>> + 'static,
{
    let builder = http2_builder(&connection.entry);
    let serving = connection.clone();
    let service = service_fn(move |request| isolated(|| handle(serving.clone(), request)));
    let settings = &connection.entry.settings;
    let http = &settings.http;
    let frames = Frames::new(settings.http2, http.max_header_fields, http.max_header_bytes);
    let phase = stream.phase.clone();
    phase.waits_for_more(Some(clock::coarse()));
    let (stream, outlet) = gather(stream, frames, phase);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    let drain = |cx: &mut Context<'_>| {
        connection.answers_stand(outlet.unended_answers(), outlet.moved());
        outlet.poll_drain(cx)
    };
    drive(&connection, serving, drain).await;
    if let Some(fault) = outlet.fault() {
        refused(&connection, fault);
        outlet.go_away(fault.reason()).await;
    } else if connection.ending() == Ending::Calm {
        outlet.go_away(h2::Reason::ENHANCE_YOUR_CALM).await;
    }
}

/// Counts and logs why an HTTP/2 connection ends: a budget like the other limits, a broken rule like those that h2 watches.
fn refused(connection: &Connection, fault: Fault) {
    match fault {
        Fault::Excess(excess) => connection.refused(excess.label()),
        Fault::Violation(violation) => {
            let refusal = refusal::of_http2(violation.reason());
            connection.worker.refused_head(connection, refusal.reason, refusal.status);
        }
    }
}

fn http1_builder(entry: &EntryPoint) -> hyper1::Builder {
    let http = &entry.settings.http;
    let mut builder = hyper1::Builder::new();
    // Never `pipeline_flush`: it eats hyper's own 400, 414 and 431.
    builder.max_header_size(http.max_header_bytes).max_buf_size(http.max_header_bytes.max(MIN_READ_BUFFER));
    builder
}

fn http2_builder(entry: &EntryPoint) -> hyper2::Builder<LocalExecutor> {
    let mut builder = hyper2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(entry.settings.http2.max_concurrent_streams)
        .max_header_list_size(u32::try_from(entry.settings.http.max_header_bytes).unwrap_or(u32::MAX))
        // As many as the frames' own budget allows at most, so that what ends a flood has one name.
        .max_pending_accept_reset_streams(entry.settings.http2.max_resets.saturating_mul(2).max(PENDING_RESETS) as usize)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// How far a connection was driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driven {
    Ended,
    /// It is idle, and shall hold no more than it must.
    ToBeParked,
    /// A head has come that has more fields than hyper has room for.
    ToHaveRoom,
}

/// Polls a connection to its end, and tells it when it has to close. After each poll, `drain` lets out what was written.
async fn drive(
    connection: &Rc<Connection>,
    serving: impl Drains,
    drain: impl Fn(&mut Context<'_>) -> Poll<io::Result<()>>,
) -> Driven {
    let mut serving = std::pin::pin!(serving);
    let mut closing = false;
    let mut patience = None;
    let ended = std::future::poll_fn(|cx| {
        connection.wake_by(cx.waker());
        match connection.ending() {
            Ending::Open => {}
            Ending::Now | Ending::Calm => return Poll::Ready(Ok(Driven::Ended)),
            Ending::Graceful => {
                if !closing && connection.may_close(&mut patience, cx) {
                    closing = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
        let ended = serving.as_mut().poll(cx);
        match (drain(cx), ended) {
            // Nobody is there to read the rest.
            (Poll::Ready(Err(_)), _) => Poll::Ready(Ok(Driven::Ended)),
            (_, Poll::Pending) if connection.parks() => Poll::Ready(Ok(Driven::ToBeParked)),
            (_, Poll::Pending) if connection.wants_room() => Poll::Ready(Ok(Driven::ToHaveRoom)),
            (_, ended) => ended.map_ok(|()| Driven::Ended),
        }
    })
    .await;
    ended.unwrap_or_else(|error| {
        if let Some(refusal) = refusal::of(&error) {
            connection.worker.refused_head(connection, refusal.reason, refusal.status);
        }
        tracing::debug!(client = %connection.client, error = %Chain(&error), "connection ended");
        Driven::Ended
    })
}

/// A connection that can be told to end after what is under way: hyper's two kinds have no trait for it.
trait Drains: Future<Output = hyper::Result<()>> {
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<S> Drains for Pin<&mut hyper1::UpgradeableConnection<TokioIo<Stream>, S>>
where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        hyper1::UpgradeableConnection::graceful_shutdown(self.get_mut().as_mut());
    }
}

impl<S> Drains for hyper2::Connection<TokioIo<Gathered<Stream>>, S, LocalExecutor>
where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
    S::Future: 'static,
    LocalExecutor: Http2ServerConnExec<S::Future, Body>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// A request whose panic costs only itself: it is answered with 500.
fn isolated<F>(request: impl FnOnce() -> F) -> Isolated<F> {
    // The room first: the future begins in its place, and is not copied there, most of it empty.
    let room = Box::new_uninit();
    Isolated(Box::into_pin(Box::write(room, request())))
}

/// Boxed, so that a connection that waits for its next request holds no room for one.
struct Isolated<F>(Pin<Box<F>>);

impl<F: Future<Output = Response<Body>>> Future for Isolated<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(Poll::Ready(response)) => Poll::Ready(Ok(response)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_panic) => {
                let mut response = Response::new(Body::of_no_exchange(Bytes::from_static(b"Internal Server Error")));
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                Poll::Ready(Ok(response))
            }
        }
    }
}

/// Streams that a client may reset before they are looked at, whatever `maxResetsPerSecond` says (CVE-2023-44487).
const PENDING_RESETS: u32 = 20;
/// Streams of a connection, in all its life, that may end by the client's own faults (CVE-2025-8671).
const LOCAL_RESETS: usize = 1024;
/// Fields of a head that hyper has room for on its stack; it is its own limit where it is told none.
const FIELDS: usize = 100;
/// hyper's own floor for its read buffer.
const MIN_READ_BUFFER: usize = 8192;
/// What a client may send on one HTTP/2 stream before we have passed it on.
const STREAM_WINDOW: u32 = 1 << 20;
/// And on all of a connection's streams.
const CONNECTION_WINDOW: u32 = 1 << 20;

#[cfg(test)]
mod tests;
