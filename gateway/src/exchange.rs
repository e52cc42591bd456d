//! One request and its answer: what is counted and logged about it, and what it holds. Finishing happens once: at the
//! last frame of the answer, or in `Drop` when the client or the server went away before.

mod elsewhere;
mod judged;
mod seldom;

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use smallvec::SmallVec;

pub(crate) use self::elsewhere::Aside;
use self::seldom::Seldom;
use crate::{
    access_log::{Origin, Record},
    balancer::InFlight,
    breaker::Verdict,
    connection::Connection,
    error::BodyError,
    metrics::{Finished, LabelValues, Outcome, Protocol, RouterId, ServiceId, VersionId},
    middleware::Note,
    pool::{Http1, Shared, Target},
    trial::{Booking, Ended},
    worker::Worker,
};

/// Everything that is known of a request while it is under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) connection: Rc<Connection>,
    pub(crate) started: Instant,
    pub(crate) method: Method,
    pub(crate) protocol: Protocol,
    pub(crate) router: Option<RouterId>,
    pub(crate) service: Option<ServiceId>,
    pub(crate) versions: SmallVec<[VersionId; 2]>,
    pub(crate) count: bool,
    /// It is a copy for a mirror: the service has it, and no entry point.
    is_copy: bool,
    /// Bytes of the request's head that count against its connection; 0 over HTTP/1.
    head: u32,
    /// 0 until there is an answer.
    pub(crate) status: u16,
    pub(crate) request_bytes: Rc<Cell<u64>>,
    pub(crate) response_bytes: u64,
    grpc_status: Option<u16>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) lease: Option<Lease>,
    /// Keeps the shared connection from being closed as idle.
    pub(crate) shared: Option<Shared>,
    pub(crate) in_flight: Option<InFlight>,
    /// The server that was chosen last, by [`Target::unique`].
    pub(crate) server: Option<u64>,
    /// That server may have seen something of the request.
    pub(crate) sent: bool,
    /// The gateway has sent it once more by its own decision, which it does once.
    pub(crate) repeated: bool,
    /// A server has failed, whatever the status that the client gets.
    failed: bool,
    /// When its answer must have gone out.
    pub(crate) answer_by: Option<Instant>,
    /// Bytes of the server's answer, where they are not those that the client gets.
    origin_bytes: Option<Rc<Cell<u64>>>,
    seldom: Option<Box<Seldom>>,
    /// Of middlewares, for as long as the exchange lasts.
    pub(crate) notes: SmallVec<[Note; 1]>,
    /// The draws that are judged.
    pub(crate) bookings: SmallVec<[Booking; 1]>,
    /// What breakers said when the version was drawn; empty as long as nothing is wrong.
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) record: Option<Box<Record>>,
    pub(crate) header_labels: Option<LabelValues>,
}

/// A pooled connection on loan: it goes back when the answer has been read to its end, and is closed otherwise.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) connection: Http1,
    pub(crate) target: Arc<Target>,
}

impl Lease {
    /// The answer has been read to its end; the connection can serve another.
    pub(crate) fn give_back(self, worker: &Worker) {
        worker.pools.checkin(&self.target, self.connection);
    }
}

impl Exchange {
    pub(crate) fn begin(connection: &Rc<Connection>, method: Method, started: Instant) -> Box<Self> {
        connection.request_began();
        Box::new(Self {
            connection: connection.clone(),
            started,
            method,
            protocol: Protocol::Http,
            router: None,
            service: None,
            versions: SmallVec::new(),
            count: connection.entry.settings.metrics,
            is_copy: false,
            head: 0,
            status: 0,
            request_bytes: connection.byte_counter(),
            response_bytes: 0,
            grpc_status: None,
            outcome: None,
            lease: None,
            shared: None,
            in_flight: None,
            server: None,
            sent: false,
            repeated: false,
            failed: false,
            answer_by: None,
            origin_bytes: None,
            seldom: None,
            notes: SmallVec::new(),
            bookings: SmallVec::new(),
            verdicts: Vec::new(),
            record: None,
            header_labels: None,
        })
    }

    /// Holds so many bytes of a head until the end; what all requests of its connection hold.
    pub(crate) fn hold_head(&mut self, bytes: u32) -> u32 {
        self.head = bytes;
        self.connection.hold_head(bytes)
    }

    /// A copy of the request for a mirror, on a connection of its own.
    pub(crate) fn copied(&self, connection: &Rc<Connection>) -> Box<Self> {
        let mut copied = Self::begin(connection, self.method.clone(), Instant::now());
        copied.is_copy = true;
        (copied.protocol, copied.count) = (self.protocol, self.count);
        copied.header_labels = self.header_labels.clone();
        copied
    }

    /// The server that has the request is not to get it again if there is another one, and what it holds of the request is
    /// let go.
    pub(crate) fn give_up_server(&mut self) {
        (self.lease, self.shared, self.in_flight) = (None, None, None);
        if let Some(server) = self.server.take() {
            self.seldom.get_or_insert_default().tried.push(server);
        }
    }

    /// A frame went to the client.
    pub(crate) fn passed(&mut self, frame: &Frame<Bytes>, bytes: u64) {
        self.response_bytes += bytes;
        if let Some(trailers) = frame.trailers_ref() {
            self.note_grpc_status(trailers);
        }
    }

    /// gRPC's own status stands in the trailers, or in the head of an answer without a body.
    pub(crate) fn note_grpc_status(&mut self, headers: &HeaderMap) {
        if matches!(self.protocol, Protocol::Grpc | Protocol::GrpcWeb)
            && let Some(status) = headers.get("grpc-status")
        {
            self.grpc_status = status.to_str().ok().and_then(|status| status.parse().ok());
        }
    }

    /// Where the bytes of the server's answer are counted, which are not those that the client gets.
    pub(crate) fn count_origin_bytes(&mut self) -> Rc<Cell<u64>> {
        self.origin_bytes.insert(Rc::default()).clone()
    }

    /// It is sent to a server once more.
    pub(crate) fn retried(&mut self) {
        if let Some(service) = self.service {
            self.connection.worker.metrics.retried(service);
        }
        if let Some(record) = &mut self.record {
            record.retries += 1;
        }
    }

    /// An attempt is over whose answer goes to nobody. The service has answered all the same, so its own families count
    /// it, as in Traefik.
    pub(crate) fn attempt_ended(&mut self, status: StatusCode, took: Duration) {
        self.count_attempt(status, took);
        self.give_up_server();
        (self.grpc_status, self.failed) = (None, false);
        self.unlearn();
    }

    /// Counts an attempt whose answer does not go to the client, for the service alone.
    pub(crate) fn count_attempt(&self, status: StatusCode, took: Duration) {
        if self.count && self.service.is_some() {
            self.connection.worker.metrics.finish(&Finished {
                entry_point: None,
                router: None,
                service: self.service,
                versions: &[],
                method: &self.method,
                protocol: self.protocol,
                code: status.as_u16(),
                tls: self.connection.tls_labels(),
                duration: took,
                request_bytes: 0,
                response_bytes: 0,
                outcome: Outcome::Error,
                header_labels: self.header_labels.as_ref(),
            });
        }
    }

    /// An answer of this status counts, though the client may get another one.
    pub(crate) fn was_answered(&mut self, status: StatusCode) {
        self.failed |= status.is_server_error();
    }

    /// The server's answer has been read to its end.
    pub(crate) fn server_done(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back(&self.connection.worker);
        }
    }

    /// The answer has gone out whole; the connection to the server can serve another.
    pub(crate) fn complete(mut self: Box<Self>) {
        self.server_done();
        let failed = self.failed || self.status >= 500;
        self.outcome.get_or_insert(if failed { Outcome::Error } else { Outcome::Ok });
    }

    /// What follows is no answer any more, and may take hours: who measures answers has seen this one's end.
    pub(crate) fn switched(&mut self) {
        self.notes.retain(|note| !note.ends_with_answer());
        self.book_switched();
    }

    /// The answer broke off in the middle.
    pub(crate) fn broken(mut self: Box<Self>, error: &BodyError) {
        self.ends(Ended::of_body(error));
        self.outcome = Some(Outcome::Error);
        self.notes.iter_mut().for_each(|note| note.learns(StatusCode::BAD_GATEWAY));
    }

    fn finish(&mut self) {
        if self.outcome.is_none() {
            self.connection.request_taken_back();
        }
        let now = Instant::now();
        let duration = now.saturating_duration_since(self.started);
        self.notes.drain(..).for_each(|note| note.finish(now));
        // Without an answer, the client went away first; Traefik's code for it is 499.
        let status = if self.status == 0 { 499 } else { self.status };
        if !self.bookings.is_empty() {
            self.book(duration);
        }
        let entry = &self.connection.entry;
        let in_body = self.seldom.as_ref().and_then(|seldom| seldom.grpc_status.get());
        if self.count {
            self.connection.worker.metrics.finish(&Finished {
                entry_point: (!self.is_copy).then_some(entry.id),
                router: self.router,
                service: self.service,
                versions: &self.versions,
                method: &self.method,
                protocol: self.protocol,
                code: self.grpc_status.or(in_body).unwrap_or(status),
                tls: self.connection.tls_labels(),
                duration,
                request_bytes: self.request_bytes.get(),
                response_bytes: self.response_bytes,
                outcome: self.outcome.unwrap_or(Outcome::Client),
                header_labels: self.header_labels.as_ref(),
            });
        }
        if let Some(mut record) = self.record.take() {
            record.duration = duration;
            record.status = status;
            record.bytes = self.response_bytes;
            record.request_bytes = self.request_bytes.get();
            if let Some(Origin { duration: took, bytes, .. }) = &mut record.origin {
                *took = duration;
                *bytes = self.origin_bytes.as_ref().map_or(self.response_bytes, |bytes| bytes.get());
            }
            self.connection.worker.log_access(record);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.connection.worker.metrics.panicked();
            self.outcome = Some(Outcome::Error);
            if self.status == 0 {
                self.status = StatusCode::INTERNAL_SERVER_ERROR.as_u16();
            }
        }
        self.finish();
        self.connection.release_head(self.head);
        self.connection.request_ended();
    }
}
