//! `/events`: what happens, as server-sent events.

use std::{
    convert::Infallible,
    fmt::Write as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    bounds::Place,
    extract::Asked,
    problem::{Code, Problem},
};
use crate::events::{Event, EventId, Events, rfc3339};

/// An event as it comes over the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is written field by field")]
pub struct Told {
    /// `EPOCH-NUMBER`.
    id: String,
    /// Which kind; an id alone has none.
    event: Option<String>,
    /// The event, as JSON.
    data: Option<String>,
}

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct From {
    /// As the header `Last-Event-ID`, for those that cannot set headers.
    #[param(pattern = "^([0-9]{1,19}-[0-9]{1,19})?$")]
    last_event_id: Option<String>,
    /// Ends after so many events, 1 to 1,000,000.
    #[param(minimum = 1, maximum = 1_000_000)]
    limit: Option<u32>,
    /// `false`: ends after what has happened so far, and without `Last-Event-ID` begins with the oldest that is kept.
    #[serde(default = "yes")]
    #[param(default = true)]
    follow: bool,
}

/// What happens from now on, or after the event that `Last-Event-ID` names. If some of those are no longer kept, or belong to an
/// earlier process, the first event is `reset`: what is known has to be asked for anew. Before them comes an id alone: where to
/// go on if the connection is lost before the first event. A comment comes every 15 seconds.
#[utoipa::path(get, path = "/events", tag = "events", params(From, ("Last-Event-ID" = Option<String>, Header, pattern = "^([0-9]{1,19}-[0-9]{1,19})?$")), responses((status = 200, content_type = "text/event-stream", body = Told)))]
pub async fn follow(
    State(shared): State<Shared>,
    Asked(from): Asked<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let left = match from.limit {
        Some(limit @ 1..=1_000_000) => Some(limit),
        Some(limit) => return Err(Problem::invalid("limit", format!("is {limit}"), "1 to 1000000")),
        None => None,
    };
    let events = shared.traffic.events().clone();
    let last = match headers.get("last-event-id") {
        Some(header) => Some(header.to_str().unwrap_or("?").to_owned()),
        None => from.last_event_id,
    };
    let last = match last.filter(|text| !text.is_empty()) {
        None if from.follow => events.newest(),
        None => events.oldest(),
        Some(text) => match text.parse::<EventId>() {
            Ok(id) => id,
            Err(()) => return Err(Problem::new(Code::Malformed, format!("Last-Event-ID: {text:?} is no event's id"))),
        },
    };
    let (news, place) = (events.follow(), shared.bounds.stream()?);
    let stream = Stream { _place: place, events, news, last, left, follow: from.follow, begun: false };
    let body = Body::from_stream(stream::unfold(stream, |mut stream| async move {
        stream.next().await.map(|text| (Ok::<_, Infallible>(text), stream))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

struct Stream {
    _place: Place,
    events: Arc<Events>,
    news: watch::Receiver<u64>,
    last: EventId,
    left: Option<u32>,
    follow: bool,
    begun: bool,
}

impl Stream {
    /// The next piece of text: some events, or a comment where nothing happens; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if !self.begun {
            self.begun = true;
            // So that the head goes out. Without data it is no event (WHATWG HTML), and is kept as the last id all the same.
            return Some(format!("id: {}\n\n", self.last));
        }
        loop {
            let most = self.left.map_or(BATCH, |left| BATCH.min(left as usize));
            if most == 0 {
                return None;
            }
            self.news.mark_unchanged();
            match self.events.after(self.last, most) {
                Err(_) => {
                    // What has happened before the newest is lost to him.
                    self.last = self.events.newest();
                    self.left = self.left.map(|left| left - 1);
                    let data = json!({"id": self.last.to_string(), "at": rfc3339(SystemTime::now()), "type": "reset"});
                    return Some(format!("id: {}\nevent: reset\ndata: {data}\n\n", self.last));
                }
                Ok(events) if events.is_empty() && !self.follow => return None,
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    self.last = events[events.len() - 1].id;
                    self.left = self.left.map(|left| left - events.len() as u32);
                    return Some(written(&events));
                }
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = self.events.ended() => return None,
                () = tokio::time::sleep(QUIET) => return Some(": quiet\n\n".to_owned()),
            }
        }
    }
}

fn written(events: &[Arc<Event>]) -> String {
    let mut text = String::new();
    for event in events {
        // JSON has no line breaks of its own.
        let data = serde_json::to_string(&**event).unwrap_or_default();
        let kind = serde_json::to_value(event.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default();
        let _ = write!(text, "id: {}\nevent: {kind}\ndata: {data}\n\n", event.id);
    }
    text
}

fn yes() -> bool {
    true
}

/// At once.
const BATCH: usize = 256;

/// So long without events, a comment shows that the connection stands.
const QUIET: Duration = Duration::from_secs(15);
