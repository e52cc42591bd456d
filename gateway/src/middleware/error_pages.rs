//! `errors`: a page of a service in place of certain answers.
//!
//! The answer is held until the page is there, so that it can go on if the page cannot be had. The page's request is a GET
//! with the client's fields, or some of them; what the client gets is the page with the answer's status.

mod template;

use std::time::{Duration, Instant};

use http::{HeaderName, Method, Request, Response, StatusCode, header, request};
use rollgate_config::{dynamic::middleware::ErrorPages as Config, scalar::StatusRanges};

use self::template::Template;
use super::CompileError;
use crate::{
    body::{AnswerBody, RequestBody},
    call::{Answered, Call, Way, status_of},
    deadline,
    error::{Chain, Error},
    exchange::Aside,
    relay::discard::discard,
    snapshot::ServiceIndex,
};

/// Compiled.
#[derive(Debug, Clone)]
pub(crate) struct ErrorPages {
    status: StatusRanges,
    /// The first that holds a status says what it becomes.
    rewrites: Vec<((u16, u16), StatusCode)>,
    service: String,
    query: Template,
    /// `None`: all.
    headers: Option<Vec<HeaderName>>,
}

/// The answer that a page is to stand for.
struct Held {
    answered: Result<Response<AnswerBody>, Error>,
    /// The server that gave it.
    server: Aside,
}

impl ErrorPages {
    pub(crate) fn compile(config: &Config) -> Result<Self, CompileError> {
        let rewrite = |(from, to): &((u16, u16), u16)| {
            let status = StatusCode::from_u16(*to).map_err(|_| CompileError::Status(*to))?;
            Ok((*from, status))
        };
        let name = |name: &String| name.parse().map_err(|_| CompileError::HeaderName(name.clone()));
        let headers = config.error_request_headers.as_ref().map(|names| names.iter().map(name).collect());
        Ok(Self {
            status: config.status.clone(),
            rewrites: config.status_rewrites.iter().map(rewrite).collect::<Result<_, _>>()?,
            service: config.service.value.clone(),
            query: Template::new(&config.query),
            headers: headers.transpose()?,
        })
    }

    /// Runs what is left of the way, and asks for the page if that is to be replaced.
    pub(crate) async fn run<'s>(&self, call: &mut Call<'s>, way: Way<'s>) -> Result<Answered, Error> {
        let page = self.request(&call.parts);
        let mark = call.mark();
        let answered = call.run(way).await;
        let Some(status) = self.replaced(&answered) else { return answered };
        call.exchange.learns(&answered);
        let answered = match answered {
            Ok(Answered::Response(response)) => Ok(call.settle(response, mark)),
            Ok(Answered::Tunnelled(..)) => return answered,
            Err(error) => {
                // It is what the request has failed with there, whatever the page's status.
                call.passage.abandon(mark, status, false, &mut call.exchange);
                Err(error)
            }
        };
        call.exchange.was_answered(status);
        let shown = self.rewritten(status);
        let held = Held { answered, server: call.exchange.set_aside() };
        match self.page(call, page, (status, shown)).await {
            Some(page) => {
                held.let_go(call);
                Ok(Answered::Response(page))
            }
            None => held.give(call, shown),
        }
    }

    /// The status of an answer that is to be replaced. What ends a client's connection goes out as it is.
    fn replaced(&self, answered: &Result<Answered, Error>) -> Option<StatusCode> {
        status_of(answered).filter(|status| self.status.contains(status.as_u16()))
    }

    fn rewritten(&self, status: StatusCode) -> StatusCode {
        let holds = |((from, to), _): &&((u16, u16), StatusCode)| (*from..=*to).contains(&status.as_u16());
        self.rewrites.iter().find(holds).map_or(status, |(_, becomes)| *becomes)
    }

    /// The page's request but for its target, whose place the request's own holds.
    fn request(&self, asked: &request::Parts) -> request::Parts {
        let (mut page, ()) = Request::new(()).into_parts();
        page.uri = asked.uri.clone();
        page.extensions = asked.extensions.clone();
        match &self.headers {
            None => page.headers = asked.headers.clone(),
            Some(names) => {
                for name in names.iter().filter(|name| **name != header::HOST) {
                    for value in asked.headers.get_all(name) {
                        page.headers.append(name, value.clone());
                    }
                }
                if let Some(host) = asked.headers.get(header::HOST) {
                    page.headers.insert(header::HOST, host.clone());
                }
            }
        }
        // It has no body, and is no upgrade.
        for name in
            [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER, header::EXPECT, header::UPGRADE]
        {
            page.headers.remove(name);
        }
        page
    }

    /// Asks for the page; `None` if it cannot be had.
    async fn page(
        &self,
        call: &mut Call<'_>,
        mut page: request::Parts,
        (status, shown): (StatusCode, StatusCode),
    ) -> Option<Response<AnswerBody>> {
        let began = Instant::now();
        let service = *call.snapshot.pages.get(&*self.service)?;
        let scheme = if call.exchange.connection.tls.is_some() { "https" } else { "http" };
        let host = page.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let target = page.uri.path_and_query().map_or("/", |target| target.as_str());
        page.uri = self.query.fill(shown, status, &format!("{scheme}://{host}{target}")).parse().ok()?;
        // What is left of the client's body stays unread until the answer is out.
        let (before, wish) = (std::mem::replace(&mut call.body, RequestBody::Empty), call.upgrade.take());
        call.parts = page;
        let mark = call.mark();
        let answered = self.ask(call, service).await;
        drop((before, wish));
        let response = match answered {
            Ok(Answered::Response(response)) => response,
            // Nobody asked for one.
            Ok(Answered::Tunnelled(..)) => return None,
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "an error page cannot be had");
                call.exchange.count_attempt(error.status(), began.elapsed());
                call.passage.abandon(mark, error.status(), false, &mut call.exchange);
                return None;
            }
        };
        call.exchange.count_attempt(response.status(), began.elapsed());
        let (mut parts, body) = call.settle(response, mark).into_parts();
        parts.status = shown;
        if call.exchange.method == Method::HEAD || !may_have_body(shown) {
            discard(&call.exchange.connection.worker, call.exchange.lease.take(), body);
            return Some(Response::from_parts(parts, AnswerBody::default()));
        }
        Some(Response::from_parts(parts, body))
    }

    /// Asks the service of the page, within [`LONGEST`]. What the call knows of the request's own attempts stays.
    async fn ask(&self, call: &mut Call<'_>, service: ServiceIndex) -> Result<Answered, Error> {
        let before = (call.asked, call.try_timeout, call.backend_timeout);
        let by = tokio::time::Instant::now() + LONGEST;
        let asking = Box::pin(deadline::met(by, call.run(Way::to(service))));
        let answered = asking.await.unwrap_or(Err(Error::ResponseTimeout));
        (call.asked, call.try_timeout, call.backend_timeout) = before;
        answered
    }
}

impl Held {
    /// The page stands for it.
    fn let_go(self, call: &mut Call<'_>) {
        let lease = call.exchange.stand_for(self.server);
        if let Ok(response) = self.answered {
            discard(&call.exchange.connection.worker, lease, response.into_body());
        }
    }

    /// The answer after all, with the status that it was to be shown with.
    fn give(self, call: &mut Call<'_>, shown: StatusCode) -> Result<Answered, Error> {
        call.exchange.take_back(self.server);
        match self.answered {
            Ok(mut response) => {
                *response.status_mut() = shown;
                Ok(Answered::Response(response))
            }
            Err(error) if error.status() == shown => Err(error),
            Err(error) => {
                let mut response = Response::new(error.body());
                *response.status_mut() = shown;
                Ok(Answered::whole(response))
            }
        }
    }
}

fn may_have_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

/// As long as an answer that is there waits for the head of its page.
const LONGEST: Duration = Duration::from_secs(5);
