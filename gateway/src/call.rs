//! One request under way: what it consults, what it has passed, and what of it is forwarded.
//!
//! ```text
//! run: middlewares -> service (its middlewares, its draw) -> ... -> server
//! ```
//!
//! [`Call::run`] goes the rest of a [`Way`]. A middleware that wraps the call is handed what is left of the way, and may
//! run it, once, several times or not at all; all others are passed in a loop.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request, response};
use hyper::body::Incoming;

use crate::{
    access_log::Origin,
    body::{AnswerBody, RequestBody},
    deadline::{self, shorter},
    error::Error,
    exchange::Exchange,
    forwarded, internal,
    middleware::{Answer, Head, around},
    passage::{Mark, Passage, Stop},
    relay, service,
    snapshot::{LoadBalancer, Route, Server, ServiceIndex, ServiceKind, Step},
    upgrade,
    worker::Local,
};

/// One request under way.
pub(crate) struct Call<'s> {
    pub(crate) snapshot: &'s Rc<Local>,
    pub(crate) exchange: Box<Exchange>,
    pub(crate) passage: Passage<'s>,
    /// The head that is forwarded; taken when it is, so whoever runs a way twice keeps a copy.
    pub(crate) parts: request::Parts,
    /// The body that is forwarded; taken likewise.
    pub(crate) body: RequestBody,
    /// The client wants another protocol; taken when a server has switched.
    pub(crate) upgrade: Option<upgrade::Wanted>,
    /// Of each attempt: until its answer's head. Zero: no limit.
    pub(crate) try_timeout: Duration,
    /// Of each attempt: until its answer's end. Zero: no limit.
    pub(crate) backend_timeout: Duration,
    /// The load balancer that the request was sent to last.
    pub(crate) asked: Option<ServiceIndex>,
}

/// What is left of a request's way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'s> {
    pub(crate) steps: &'s [Step],
    /// Where it leads after the steps.
    pub(crate) service: ServiceIndex,
    /// The steps are the service's own.
    entered: bool,
    /// None of the steps has been taken.
    pub(crate) fresh: bool,
}

/// How a request was answered.
pub(crate) enum Answered {
    /// By a server, a middleware or the gateway.
    Response(Response<AnswerBody>),
    /// By a server that switched protocols; the tunnel takes the exchange over.
    Tunnelled(response::Parts, upgrade::Tunnel),
}

impl<'s> Way<'s> {
    /// From a router.
    pub(crate) fn of(route: &'s Route) -> Self {
        Self { steps: &route.middlewares, service: route.service, entered: false, fresh: true }
    }

    /// To a service.
    pub(crate) fn to(service: ServiceIndex) -> Self {
        Self { steps: &[], service, entered: false, fresh: true }
    }
}

impl<'s> Call<'s> {
    pub(crate) fn new(
        snapshot: &'s Rc<Local>,
        exchange: Box<Exchange>,
        parts: request::Parts,
        incoming: Incoming,
    ) -> Self {
        let body = RequestBody::new(incoming, &exchange);
        Self::copied(snapshot, exchange, parts, body)
    }

    /// A copy of a request, which no client waits for.
    pub(crate) fn copied(
        snapshot: &'s Rc<Local>,
        exchange: Box<Exchange>,
        parts: request::Parts,
        body: RequestBody,
    ) -> Self {
        let (try_timeout, backend_timeout) = (Duration::ZERO, Duration::ZERO);
        let passage = Passage::default();
        Self { snapshot, exchange, passage, parts, body, upgrade: None, try_timeout, backend_timeout, asked: None }
    }

    /// Goes the way to its end: the answer of a server, a middleware or the gateway.
    pub(crate) async fn run(&mut self, mut way: Way<'s>) -> Result<Answered, Error> {
        loop {
            match self.pass(&mut way) {
                Ok(()) => {}
                Err(Stop::Answer(answer)) => return Ok(Answered::own(*answer)),
                // What is seldom is boxed: its state would otherwise be part of every request's.
                Err(Stop::Wait { step, wait }) => match Box::pin(wait.settle(self)).await {
                    Ok(note) => {
                        self.passage.passed(step, note);
                        continue;
                    }
                    Err(answer) => return Ok(Answered::own(*answer)),
                },
                Err(Stop::Around(step)) => return Box::pin(around::run(self, step, way)).await,
            }
            let snapshot = self.snapshot;
            let service = snapshot.services.at(way.service);
            if !way.entered {
                way = Way { steps: &service.middlewares, entered: true, fresh: true, ..way };
                if !way.steps.is_empty() {
                    continue;
                }
            }
            match &service.kind {
                ServiceKind::LoadBalancer(balancer) => {
                    self.asked = Some(way.service);
                    return self.forward(balancer).await;
                }
                ServiceKind::Weighted(weighted) => way = Way::to(service::version(self, weighted)?),
                ServiceKind::Failover(failover) => match &failover.errors {
                    None => way = Way::to(service::failover::leg(self, failover)?),
                    Some(errors) => return Box::pin(service::failover::run(self, failover, errors)).await,
                },
                ServiceKind::Mirroring(mirroring) => {
                    service::mirroring::copy(self, way.service, mirroring);
                    way = Way::to(mirroring.service);
                }
                ServiceKind::Internal(internal) => {
                    return Ok(Answered::Response(Box::pin(internal::answer(self, *internal)).await?));
                }
            }
        }
    }

    /// Passes the middlewares that come next, up to one that stops the request.
    fn pass(&mut self, way: &mut Way<'s>) -> Result<(), Stop<'s>> {
        if way.steps.is_empty() {
            return Ok(());
        }
        let connection = &self.exchange.connection;
        let mut head = Head {
            parts: &mut self.parts,
            client: connection.client.ip(),
            tls: connection.tls.is_some(),
            certificates: connection.tls.as_ref().and_then(|tls| tls.client.as_deref()),
            known_peer: connection.peer.known,
            record: self.exchange.record.as_deref_mut(),
            worker: connection.worker.index,
            now: None,
            moment: None,
            verdicts: std::mem::take(&mut self.exchange.verdicts),
        };
        let passed = self.passage.enter(way, &mut head);
        self.exchange.verdicts = head.verdicts;
        passed
    }

    /// Sends the request to one of the servers, within the attempt's time.
    async fn forward(&mut self, balancer: &LoadBalancer) -> Result<Answered, Error> {
        let limit = shorter(self.try_timeout, self.backend_timeout);
        if limit.is_zero() {
            let answered = self.send(balancer).await;
            self.learn(balancer, &answered);
            return answered;
        }
        let began = Instant::now();
        let sent = Box::pin(deadline::met((began + limit).into(), self.send(balancer))).await;
        self.exchange.answer_by = (!self.backend_timeout.is_zero()).then(|| began + self.backend_timeout);
        let answered = sent.unwrap_or(Err(Error::ResponseTimeout));
        self.learn(balancer, &answered);
        answered
    }

    /// Tells what an answer says of its server's health.
    fn learn(&self, balancer: &LoadBalancer, answered: &Result<Answered, Error>) {
        let Some(servers) = &balancer.learns else { return };
        let is_asked = |server: &&Server| Some(server.target.unique) == self.exchange.server;
        let asked = balancer.servers.iter().find(is_asked).and_then(|server| server.health.as_deref());
        let Some(health) = asked else { return };
        match answered {
            Ok(Answered::Response(response)) if response.status().is_server_error() => servers.failed(health),
            Ok(_) => servers.succeeded(health),
            Err(error) if error.is_servers_fault() => servers.failed(health),
            // What the client has taken away says nothing.
            Err(_) => {}
        }
    }

    async fn send(&mut self, balancer: &LoadBalancer) -> Result<Answered, Error> {
        let parts = std::mem::replace(&mut self.parts, Request::new(()).into_parts().0);
        let body = std::mem::replace(&mut self.body, RequestBody::Empty);
        match &self.upgrade {
            None => {
                let response = relay::forward(&mut self.exchange, balancer, parts, body).await?;
                Ok(Answered::Response(self.relayed(response)))
            }
            Some(wanted) => {
                let switching = upgrade::forward(&mut self.exchange, balancer, wanted, parts, body);
                match Box::pin(switching).await? {
                    upgrade::Forwarded::Switched(parts, server) => {
                        let wanted = self.upgrade.take().expect("it was wanted");
                        Ok(Answered::Tunnelled(parts, wanted.tunnel(server)))
                    }
                    upgrade::Forwarded::Declined(response) => Ok(Answered::Response(self.relayed(response))),
                }
            }
        }
    }

    /// The load balancer that the request was sent to last.
    pub(crate) fn balancer(&self) -> Option<&'s LoadBalancer> {
        match &self.snapshot.services.at(self.asked?).kind {
            ServiceKind::LoadBalancer(balancer) => Some(balancer),
            _ => None,
        }
    }

    /// Where the request is now.
    pub(crate) fn mark(&self) -> Mark {
        self.passage.mark(&self.exchange)
    }

    /// An answer that is kept, with the response halves of what was passed since the mark.
    pub(crate) fn settle(&mut self, response: Response<AnswerBody>, mark: Mark) -> Response<AnswerBody> {
        let (mut parts, body) = response.into_parts();
        self.passage.leave_to(mark, &mut parts, &mut self.exchange);
        Response::from_parts(parts, body)
    }

    /// Forgets an attempt, and what it has passed since the mark: its answer goes to nobody.
    pub(crate) fn throw_away(
        &mut self,
        answered: Result<Answered, Error>,
        mark: Mark,
        status: StatusCode,
        took: Duration,
    ) {
        self.passage.abandon(mark, status, answered.is_ok(), &mut self.exchange);
        let lease = self.exchange.lease.take();
        self.exchange.attempt_ended(status, took);
        if let Ok(Answered::Response(response)) = answered {
            relay::discard::discard(&self.exchange.connection.worker, lease, response.into_body());
        }
    }

    /// A server's answer, as it goes on from here.
    fn relayed(&mut self, response: Response<Incoming>) -> Response<AnswerBody> {
        let (mut parts, incoming) = response.into_parts();
        if let Some(record) = &mut self.exchange.record {
            record.origin = Some(Origin { status: parts.status.as_u16(), duration: Duration::ZERO, bytes: 0 });
            record.origin_headers = self.exchange.connection.worker.kept_headers(&parts.headers);
        }
        forwarded::prepare_response(&mut parts.headers, false);
        // hyper writes the status line in the version it is given; a server's HTTP/1.0 is not the client's.
        parts.version = http::Version::HTTP_11;
        self.exchange.note_grpc_status(&parts.headers);
        Response::from_parts(parts, AnswerBody::Upstream(incoming))
    }
}

/// The status that a client would get, where another answer may be given in its place: not where protocols were switched,
/// nor where its connection ends.
pub(crate) fn status_of(answered: &Result<Answered, Error>) -> Option<StatusCode> {
    match answered {
        Ok(Answered::Response(response)) => Some(response.status()),
        Ok(Answered::Tunnelled(..)) | Err(Error::ClientGone) => None,
        Err(error) if error.ends_connection() => None,
        Err(error) => Some(error.status()),
    }
}

impl Answered {
    /// The answer of a middleware.
    pub(crate) fn own(answer: Answer) -> Self {
        let mut response = Response::new(AnswerBody::Whole(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Self::Response(response)
    }

    /// The gateway's own.
    pub(crate) fn whole(response: Response<Bytes>) -> Self {
        Self::Response(response.map(AnswerBody::Whole))
    }
}
