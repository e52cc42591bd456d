//! `buffering`: reads a request to its end before a server hears of it, and an answer before the client does.
//!
//! ```text
//! request, whole -> what is left of the way -> answer, whole -> again, if the expression says so and the budget allows it
//! ```
//!
//! What is long goes to a file ([`crate::body::spool`]). What streams never ends, and hangs here, as in Traefik; a request
//! for another protocol is passed on as it is.

use std::{rc::Rc, time::Instant};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, response};
use rollgate_config::dynamic::middleware::{Buffering as Config, RetryBudget, retry_expression::Attempt};

use crate::{
    body::{
        AnswerBody, RequestBody,
        spool::{Bounds, Failed, Reading, Spool},
    },
    call::{Answered, Call, Way},
    deadline,
    error::{BodyError, Error, Refusal},
    limits,
    metrics::Skipped,
    relay,
};

/// Compiled.
#[derive(Debug, Clone)]
pub(crate) struct Buffering {
    config: Config,
    request: Bounds,
    answer: Bounds,
}

impl Buffering {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            request: Bounds { most: config.max_request_body_bytes, in_memory: config.mem_request_body_bytes },
            answer: Bounds { most: config.max_response_body_bytes, in_memory: config.mem_response_body_bytes },
        }
    }

    /// Runs what is left of the way between the two.
    pub(crate) async fn run<'s>(&self, call: &mut Call<'s>, way: Way<'s>) -> Result<Answered, Error> {
        if call.upgrade.is_some() {
            return call.run(way).await;
        }
        let request = self.collect(call).await?;
        let method = call.parts.method.clone();
        let mark = call.mark();
        let mut number = 1;
        loop {
            let head = self.config.retry_expression.is_some().then(|| call.parts.clone());
            call.body = body(request.as_ref());
            let started = Instant::now();
            let answered = match call.run(way).await {
                Ok(Answered::Response(response)) => self.whole(call, response).await,
                other => other,
            };
            if number == 1
                && let Some(balancer) = call.balancer()
            {
                balancer.retries.asked(call.exchange.connection.worker.index);
            }
            let Some(status) = status(&answered) else { return answered };
            let attempt = Attempt { method: method.as_str(), number, status: status.as_u16() };
            let (Some(head), true) = (head, self.is_repeated(attempt) && allowed(call, &answered)) else {
                return answered;
            };
            tracing::debug!(number, %status, "sent once more");
            call.throw_away(answered, mark, status, started.elapsed());
            call.parts = head;
            number += 1;
            call.exchange.retried();
        }
    }

    fn is_repeated(&self, attempt: Attempt<'_>) -> bool {
        let holds = self.config.retry_expression.as_ref().is_some_and(|expression| expression.holds(attempt));
        holds && attempt.number <= MOST_REPEATED
    }

    /// The request's body, all of it; `None` without one.
    async fn collect(&self, call: &mut Call<'_>) -> Result<Option<Rc<Spool>>, Error> {
        if matches!(call.body, RequestBody::Empty) {
            return Ok(None);
        }
        let incoming = std::mem::replace(&mut call.body, RequestBody::Empty);
        let connection = &call.exchange.connection;
        let worker = &connection.worker;
        let spool = match Spool::fill(incoming, self.request, &worker.replays, &worker.shared.disk).await {
            Ok(spool) => spool,
            Err(Failed::TooLong) => {
                connection.refused(limits::BODY_BYTES);
                return Err(Error::LongBody);
            }
            Err(Failed::Body(error)) => return Err(relay::blame_body(&error)),
            Err(Failed::Disk(error)) => return Err(not_kept(error)),
            Err(Failed::NoSpace) => return Err(no_space()),
        };
        say_length(&mut call.parts.headers, &spool);
        if spool.length() == 0 && !spool.has_trailers() {
            return Ok(None);
        }
        Ok(Some(Rc::new(spool)))
    }

    /// The answer, all of it.
    async fn whole(&self, call: &mut Call<'_>, response: Response<AnswerBody>) -> Result<Answered, Error> {
        let (mut parts, body) = response.into_parts();
        if !may_have_body(call, &parts) {
            return Ok(Answered::Response(Response::from_parts(parts, body)));
        }
        let (exchange, worker) = (&call.exchange, &call.exchange.connection.worker);
        let filling = Spool::fill(body, self.answer, &worker.replays, &worker.shared.disk);
        let filled = match exchange.answer_by {
            None => filling.await,
            Some(by) => {
                Box::pin(deadline::met(by.into(), filling)).await.unwrap_or(Err(Failed::Body(BodyError::WriteTimeout)))
            }
        };
        let spool = filled.map_err(|failed| match failed {
            Failed::TooLong => Error::LongAnswer,
            Failed::Body(BodyError::Http(error)) => relay::blame(error),
            Failed::Body(BodyError::WriteTimeout) => Error::ResponseTimeout,
            Failed::Body(_) => Error::BadAnswer("it broke off"),
            Failed::Disk(error) => not_kept(error),
            Failed::NoSpace => {
                worker.metrics.refused(limits::BUFFER_FILES);
                Error::NoSpace
            }
        });
        // Read to its end, its connection is free; otherwise it ends.
        match &spool {
            Ok(_) => call.exchange.server_done(),
            Err(_) => call.exchange.lease = None,
        }
        let spool = Rc::new(spool?);
        say_length(&mut parts.headers, &spool);
        let body = AnswerBody::Filtered(Box::pin(Reading::new(&spool)));
        Ok(Answered::Response(Response::from_parts(parts, body)))
    }
}

fn body(spool: Option<&Rc<Spool>>) -> RequestBody {
    spool.map_or(RequestBody::Empty, |spool| RequestBody::made(Reading::new(spool)))
}

/// Its length is known now; over HTTP/1 it cannot be said of a body that has trailers.
fn say_length(headers: &mut HeaderMap, spool: &Spool) {
    headers.remove(header::TRANSFER_ENCODING);
    if spool.has_trailers() {
        headers.remove(header::CONTENT_LENGTH);
    } else {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(spool.length()));
    }
}

/// The status of an attempt's answer; `None` where there is nothing to be sent again.
fn status(answered: &Result<Answered, Error>) -> Option<StatusCode> {
    match answered {
        Ok(Answered::Response(response)) => Some(response.status()),
        Ok(Answered::Tunnelled(..)) => None,
        Err(Error::ClientGone | Error::LongAnswer | Error::NoSpace | Error::RequestTimeout) => None,
        Err(error) => (!error.ends_connection()).then(|| error.status()),
    }
}

/// Whether the service's budget has an attempt left. One that found nobody listening costs nothing.
fn allowed(call: &Call<'_>, answered: &Result<Answered, Error>) -> bool {
    let Some(balancer) = call.balancer() else { return true };
    let allowed =
        matches!(answered, Err(Error::Connect(_))) || balancer.retries.allows(Instant::now(), RetryBudget::DEFAULT);
    if !allowed {
        call.exchange.connection.worker.metrics.retry_skipped(balancer.id, Skipped::Budget);
    }
    allowed
}

fn may_have_body(call: &Call<'_>, parts: &response::Parts) -> bool {
    let without = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    call.exchange.method != Method::HEAD && !without.contains(&parts.status)
}

fn not_kept(error: std::io::Error) -> Error {
    tracing::warn!(%error, "a body cannot be kept in a file");
    Error::Disk(error)
}

/// Counted where it is answered.
fn no_space() -> Error {
    Error::Refused(Refusal {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason: limits::BUFFER_FILES,
        says: "too much is kept of other requests\n".into(),
    })
}

/// As in Traefik.
const MOST_REPEATED: u32 = 10;
