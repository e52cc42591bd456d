//! HTTP to the admin API. Redirects are not followed and proxies are not asked, so that the token goes to the address that
//! was named and nowhere else. A change has an `Idempotency-Key`, and so may be sent again after a failure on the way.

use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Response, header};
use jiff::{Timestamp, fmt::rfc2822};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use ureq::{Agent, Body, BodyReader};

use super::{contract::Problem, failure::Failure, reach::Reach, tls};

/// One gateway, and who asks it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    agent: Agent,
    base: String,
    authorization: Option<HeaderValue>,
    timeout: Duration,
}

/// A request: a path below `/api/v1` whose parts are encoded, and the query's pairs, which are not.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Value,
    pub(super) etag: Option<String>,
    /// When it was made, by the gateway's clock, to the second.
    pub(super) date: Option<Timestamp>,
}

/// What came of a change.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) answer: Result<Answer, Failure>,
    /// An earlier attempt may have been the one that changed it.
    pub(super) repeated: bool,
}

impl Asked {
    /// For what is there.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With a pair of the query, if there is a value.
    pub(super) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }
}

impl Client {
    /// Fails for options that are no good; connects to nobody yet.
    pub(super) fn new(reach: &Reach) -> Result<Self, Failure> {
        let base = reach.base()?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("rollgate/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls::config(reach, !base.starts_with("http:"))?)
            .build();
        let authorization = reach.authorization()?;
        Ok(Self { agent: Agent::new_with_config(config), base, authorization, timeout: reach.timeout })
    }

    /// One request, one answer, within the time that one may take.
    pub(super) fn ask(&self, asked: &Asked) -> Result<Answer, Failure> {
        let request = self.request(asked, "application/json");
        let request = self.agent.configure_request(request).timeout_global(Some(self.timeout)).build();
        let mut response = self.accepted(self.agent.run(request))?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let etag = text(header::ETAG).map(str::to_owned);
        let date = text(header::DATE).and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
        let body = self.bytes(response.body_mut())?;
        let body = serde_json::from_slice(&body);
        let body = body.map_err(|error| self.misunderstood(&asked.path, &error.to_string()))?;
        Ok(Answer { body, etag, date })
    }

    /// A request that changes something: sent again, a few times at most, if the gateway cannot be reached or is not ready.
    pub(super) fn change(&self, asked: &Asked) -> Changed {
        let began = Instant::now();
        let mut changed = Changed { answer: self.ask(asked), repeated: false };
        for pause in PAUSES {
            let is_passing = changed.answer.as_ref().is_err_and(Failure::is_passing);
            if !is_passing || began.elapsed() + pause >= REPEATED {
                break;
            }
            std::thread::sleep(pause);
            changed = Changed { answer: self.ask(asked), repeated: true };
        }
        changed
    }

    /// All pages of a list, or the first items.
    pub(super) fn list(&self, asked: &Asked, most: Option<usize>) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = asked.query.clone();
            query.extend(after.clone().map(|after| ("after", after)));
            let page = Asked { path: asked.path.clone(), query, ..Asked::default() };
            let mut page = self.ask(&page)?.body;
            let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) else {
                return Err(self.misunderstood(&asked.path, "no items in it"));
            };
            items.extend(more);
            let next = page.get("next").filter(|next| !next.is_null()).map(super::contract::plain);
            if let Some(most) = most.filter(|most| items.len() >= *most) {
                items.truncate(most);
                return Ok(items);
            }
            match next {
                None => return Ok(items),
                Some(_) if items.len() > MOST_ITEMS => return Err(self.misunderstood(&asked.path, "it has no end")),
                next if next == after => return Err(self.misunderstood(&asked.path, "a page follows itself")),
                next => after = next,
            }
        }
    }

    /// A stream of events; silence of more than [`SILENCE`] is its end.
    pub(super) fn stream(&self, asked: &Asked) -> Result<BodyReader<'static>, Failure> {
        let request = self.request(asked, "text/event-stream");
        let timeout = Some(self.timeout);
        let configured = self.agent.configure_request(request).timeout_resolve(timeout).timeout_connect(timeout);
        let configured = configured.timeout_recv_response(timeout).timeout_per_read(Some(SILENCE));
        let response = self.accepted(self.agent.run(configured.build()))?;
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(self.misunderstood(&asked.path, "not a stream of events"));
        }
        Ok(response.into_body().into_reader())
    }

    /// That an answer to this path is not what was promised.
    pub(super) fn misunderstood(&self, path: &str, what: &str) -> Failure {
        Failure::misunderstood(format!("{}/api/v1{path}: the answer is not understood: {what}", self.base))
    }

    /// An answer as the type that it is to have.
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self, path: &str, value: &Value) -> Result<T, Failure> {
        T::deserialize(value).map_err(|error| self.misunderstood(path, &error.to_string()))
    }

    fn request(&self, asked: &Asked, accept: &str) -> Request<Vec<u8>> {
        let mut url = format!("{}/api/v1{}", self.base, asked.path);
        for (index, (name, value)) in asked.query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(&format!("{name}={}", encoded(value)));
        }
        let mut request = Request::builder().method(asked.method.clone()).uri(url).header(header::ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        let body = asked.body.as_ref().map(|body| body.clone().into_bytes());
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(body.unwrap_or_default()).expect("its parts were checked when they were read")
    }

    /// Whatever is not a success is told as the problem that it is.
    fn accepted(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let mut response = answered.map_err(|error| self.unreached(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.bytes(response.body_mut())?;
        Err(match Problem::of(status.as_u16(), &body) {
            Some(problem) => Failure::Refused(Box::new(problem)),
            None => Failure::Unreached {
                what: format!("{}: answered {status}, and not as the admin API does; {API_HINT}", self.base),
                passing: status.as_u16() == 503,
            },
        })
    }

    fn bytes(&self, body: &mut Body) -> Result<Vec<u8>, Failure> {
        body.with_config().limit(MOST_BYTES).read_to_vec().map_err(|error| self.unreached(&error))
    }

    fn unreached(&self, error: &ureq::Error) -> Failure {
        // A handshake that failed fails again.
        let (what, passing) = match error {
            ureq::Error::Timeout(_) => (format!("no answer within {:?}", self.timeout), true),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => (error.to_string(), false),
            ureq::Error::Io(error) => (error.to_string(), true),
            ureq::Error::BodyExceedsLimit(limit) => (format!("the answer is larger than {limit} bytes"), false),
            other => (other.to_string(), false),
        };
        Failure::Unreached { what: format!("{}: {what}", self.base), passing }
    }
}

/// A name as one part of a path, or a value of a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A key that nobody has used before: 128 random bits.
pub(super) fn fresh_key() -> Result<String, Failure> {
    let mut bits = [0; 16];
    aws_lc_rs::rand::fill(&mut bits).map_err(|_| Failure::Usage("the machine has no random numbers".to_owned()))?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// RFC 3986 section 2.3: what stands for itself everywhere.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const API_HINT: &str = "does the static configuration have `api`?";

/// What an answer may have at most, in bytes: tens of thousands of services fit.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What a list may have at most.
const MOST_ITEMS: usize = 1_000_000;

/// After how much silence a stream is taken for dead; the gateway says something more often.
const SILENCE: Duration = Duration::from_secs(60);

/// Before each repeat of a change.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900), Duration::from_millis(2_700)];

/// No repeat is begun later than this after the first attempt.
const REPEATED: Duration = Duration::from_secs(10);
