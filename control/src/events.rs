//! What has happened, for whoever follows it: the newest some thousands of events, in their order.

use std::{
    collections::VecDeque,
    fmt,
    str::FromStr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

/// The events of this process.
#[derive(Debug)]
pub struct Events {
    epoch: u64,
    kept: Mutex<VecDeque<Arc<Event>>>,
    /// The number of the newest.
    newest: watch::Sender<u64>,
    ending: watch::Sender<bool>,
    bound: usize,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// `EPOCH-NUMBER`.
    #[serde(serialize_with = "as_text")]
    pub id: EventId,
    /// When, RFC 3339.
    pub at: String,
    /// Which kind.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// Who caused it: a caller's name, or `gateway`.
    pub actor: Arc<str>,
    /// Why, in words.
    pub cause: Option<String>,
    /// The service that it is about, by its qualified name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Arc<str>>,
    /// What else there is to say.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

/// An event's place: in which process, and the how-manieth there, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId {
    /// When the process began, in milliseconds since 1970.
    pub epoch: u64,
    /// Counts up by one.
    pub number: u64,
}

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each is its own name")]
pub enum EventKind {
    #[serde(rename = "weights.set")]
    WeightsSet,
    #[serde(rename = "weights.reset")]
    WeightsReset,
    #[serde(rename = "weights.dropped")]
    WeightsDropped,
    #[serde(rename = "weights.drift")]
    WeightsDrift,
    #[serde(rename = "brake.set")]
    BrakeSet,
    #[serde(rename = "brake.released")]
    BrakeReleased,
    #[serde(rename = "config.applied")]
    ConfigApplied,
    #[serde(rename = "config.refused")]
    ConfigRefused,
    #[serde(rename = "breaker.changed")]
    BreakerChanged,
    #[serde(rename = "server.changed")]
    ServerChanged,
    #[serde(rename = "rollout.step")]
    RolloutStep,
}

/// What is told of an event that happens now.
#[derive(Debug, Clone)]
pub struct News {
    /// Which kind.
    pub kind: EventKind,
    /// Who.
    pub actor: Arc<str>,
    /// Why.
    pub cause: Option<String>,
    /// About what.
    pub service: Option<Arc<str>>,
    /// What else.
    pub details: Map<String, Value>,
}

/// Events after one that is no longer kept, or that this process has never had: all may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld;

impl Events {
    /// Keeps the newest `bound`, 1 at least.
    pub fn new(epoch: u64, bound: usize) -> Self {
        Self {
            epoch,
            kept: Mutex::default(),
            newest: watch::Sender::new(0),
            ending: watch::Sender::new(false),
            bound: bound.max(1),
        }
    }

    /// Takes note of one that happens `now`.
    pub fn add(&self, news: News, now: SystemTime) -> EventId {
        let mut kept = self.kept.lock();
        let number = *self.newest.borrow() + 1;
        let id = EventId { epoch: self.epoch, number };
        let News { kind, actor, cause, service, details } = news;
        if kept.len() == self.bound {
            kept.pop_front();
        }
        kept.push_back(Arc::new(Event { id, at: rfc3339(now), kind, actor, cause, service, details }));
        self.newest.send_replace(number);
        id
    }

    /// Those after `last`, at most `most`, the oldest first.
    ///
    /// # Errors
    /// If some of them are no longer there.
    pub fn after(&self, last: EventId, most: usize) -> Result<Vec<Arc<Event>>, TooOld> {
        let kept = self.kept.lock();
        let newest = *self.newest.borrow();
        let oldest = newest - kept.len() as u64;
        if last.epoch != self.epoch || last.number > newest || last.number < oldest {
            return Err(TooOld);
        }
        Ok(kept.iter().skip((last.number - oldest) as usize).take(most).cloned().collect())
    }

    /// The place after the newest.
    pub fn newest(&self) -> EventId {
        EventId { epoch: self.epoch, number: *self.newest.borrow() }
    }

    /// The process ends: whoever follows is to come to the next one.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }

    /// Returns when the process ends.
    pub async fn ended(&self) {
        // It has a sender as long as this is there.
        drop(self.ending.subscribe().wait_for(|ending| *ending).await);
    }

    /// The place before the oldest that is kept.
    pub fn oldest(&self) -> EventId {
        let kept = self.kept.lock();
        EventId { epoch: self.epoch, number: *self.newest.borrow() - kept.len() as u64 }
    }

    /// Is told when there are new ones.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

/// A time as it is written in answers: in UTC, to the millisecond.
pub fn rfc3339(at: SystemTime) -> String {
    milliseconds_as_text(at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64))
}

/// The same, of milliseconds since 1970.
pub fn milliseconds_as_text(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.number)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (epoch, number) = text.split_once('-').ok_or(())?;
        let number_of = |text: &str| text.parse().map_err(drop);
        Ok(Self { epoch: number_of(epoch)?, number: number_of(number)? })
    }
}

fn as_text<S: serde::Serializer>(id: &EventId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(number: u64) -> News {
        let details = Map::from_iter([("number".to_owned(), number.into())]);
        News { kind: EventKind::ConfigApplied, actor: "gateway".into(), cause: None, service: None, details }
    }

    fn filled(events: u64, bound: usize) -> Events {
        let all = Events::new(7, bound);
        for number in 1..=events {
            all.add(news(number), UNIX_EPOCH);
        }
        all
    }

    fn numbers(events: &Events, epoch: u64, after: u64, most: usize) -> Result<Vec<u64>, TooOld> {
        let found = events.after(EventId { epoch, number: after }, most)?;
        Ok(found.iter().map(|event| event.id.number).collect())
    }

    #[test]
    fn whoever_comes_back_gets_what_he_has_missed_or_is_told_that_it_is_gone() {
        let events = filled(5, 3);
        assert_eq!(numbers(&events, 7, 2, 10), Ok(vec![3, 4, 5]));
        assert_eq!(numbers(&events, 7, 3, 1), Ok(vec![4]));
        assert_eq!(numbers(&events, 7, 5, 10), Ok(vec![]));
        assert_eq!(numbers(&events, 7, 1, 10), Err(TooOld));
        assert_eq!(numbers(&events, 7, 6, 10), Err(TooOld), "one that never was");
        assert_eq!(numbers(&events, 6, 4, 10), Err(TooOld), "another process's");
        assert_eq!(numbers(&filled(0, 3), 7, 0, 10), Ok(vec![]));
        for (count, oldest) in [(0, 0), (3, 0), (5, 2)] {
            assert_eq!(filled(count, 3).oldest(), EventId { epoch: 7, number: oldest });
        }
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = EventId { epoch: 1_700_000_000_000, number: 12 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "-", "1", "1-", "-1", "1-2-3", "a-1", "1-99999999999999999999"] {
            assert!(EventId::from_str(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_is_one_flat_object() {
        let events = filled(1, 3);
        let event = &events.after(EventId { epoch: 7, number: 0 }, 1).unwrap()[0];
        let text = serde_json::to_string(&**event).unwrap();
        insta::assert_snapshot!(text, @r#"{"id":"7-1","at":"1970-01-01T00:00:00.000Z","type":"config.applied","actor":"gateway","cause":null,"number":1}"#);
    }
}
