//! `rollgate events`: what changes, as it changes.

use std::{io, time::Duration};

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    Common, Done,
    client::{Asked, Client},
    contract::plain,
    difference::difference,
    failure::Failure,
    screen::Screen,
    sse::{Event, EventReader},
};

/// The command line of `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Waits for more, and connects again where it left off if the connection is lost
    #[arg(long, short)]
    follow: bool,
    /// Begins after the event with this id
    #[arg(long, value_name = "ID", value_parser = id)]
    since: Option<String>,
    /// Ends after so many events; without --follow and --since these are the oldest that are kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Only events of this type, as `weights.set`, or `weights` for all of that family; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn run(arguments: &EventsArgs, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let mut last_id = arguments.since.clone();
    let mut left = arguments.limit;
    let mut pauses = Pauses::new();
    let mut was_connected = false;
    loop {
        let lost = match client.stream(&asked(arguments, last_id.as_deref())) {
            Ok(stream) => {
                was_connected = true;
                let mut events = EventReader::new(stream, last_id.take());
                let ended = show(&mut events, arguments, &mut left, &mut pauses, screen)?;
                last_id = events.last_id().map(str::to_owned);
                match ended {
                    Ended::Enough => return Ok(Done::Well),
                    Ended::Closed if !arguments.follow => return Ok(Done::Well),
                    Ended::Closed => "the stream has ended".to_owned(),
                    Ended::Broken(error) => error.to_string(),
                }
            }
            Err(failure) if was_connected && failure.is_passing() => failure.lines().swap_remove(0),
            Err(failure) => return Err(failure),
        };
        if !arguments.follow {
            return Err(Failure::misunderstood(lost));
        }
        screen.note(&format!("{lost}; connecting again"));
        std::thread::sleep(pauses.next());
    }
}

/// Why no more events come from a connection.
enum Ended {
    /// There are as many as were asked for.
    Enough,
    Closed,
    Broken(io::Error),
}

fn show(
    events: &mut EventReader<impl io::Read>,
    arguments: &EventsArgs,
    left: &mut Option<u64>,
    pauses: &mut Pauses,
    screen: &Screen,
) -> Result<Ended, Failure> {
    loop {
        let event = match events.next() {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(Ended::Closed),
            Err(error) => return Ok(Ended::Broken(error)),
        };
        *pauses = Pauses::new();
        if !is_wanted(&event.kind, &arguments.types) {
            continue;
        }
        print(&event, screen)?;
        if let Some(left) = left {
            *left -= 1;
            if *left == 0 {
                return Ok(Ended::Enough);
            }
        }
    }
}

fn print(event: &Event, screen: &Screen) -> Result<(), Failure> {
    let parsed = serde_json::from_str::<Map<String, Value>>(&event.data);
    let mut data = parsed.map_err(|error| Failure::misunderstood(format!("an event is not understood: {error}")))?;
    if screen.json {
        // A `reset` of an older gateway holds nothing.
        data.entry("type").or_insert_with(|| json!(event.kind));
        return screen.value_line(&Value::Object(data));
    }
    screen.line(&line(&event.kind, &data))
}

/// `AT TYPE SERVICE, then what else there is, by whom, why`.
fn line(kind: &str, data: &Map<String, Value>) -> String {
    if kind == "reset" {
        return "reset: what has happened in between is not known any more".to_owned();
    }
    let text = |key: &str| data.get(key).filter(|value| !value.is_null()).map(plain);
    let mut words: Vec<String> = text("at").into_iter().collect();
    words.push(format!("{kind:<16}"));
    words.extend(text("service"));
    if let (Some(rollout), Some(stage), Some(says)) = (text("rollout"), text("stage"), text("says")) {
        words.push(format!("{rollout} {}, {stage}: {says}", text("status").unwrap_or_default()));
        words.extend(text("actor").map(|actor| format!("by {actor}")));
        words.extend(text("cause").map(|cause| format!("({cause})")));
        return words.join(" ");
    }
    if let (Some(from), Some(to)) = (data.get("from"), data.get("to")) {
        words.push(difference(from, to));
    }
    let more = data.iter().filter(|(key, value)| !SAID.contains(&key.as_str()) && !value.is_null());
    words.extend(more.map(|(key, value)| format!("{key}={}", plain(value))));
    words.extend(text("actor").map(|actor| format!("by {actor}")));
    words.extend(text("cause").map(|cause| format!("({cause})")));
    words.join(" ").trim_end().to_owned()
}

fn asked(arguments: &EventsArgs, last_id: Option<&str>) -> Asked {
    let headers = last_id.map(|id| ("Last-Event-ID", id.to_owned())).into_iter().collect();
    // The gateway does not count what is not of a wanted type apart.
    let limit = arguments.limit.filter(|_| arguments.types.is_empty() && !arguments.follow);
    let follow = (!arguments.follow).then_some(false);
    Asked { headers, ..Asked::get("/events") }.with("limit", limit).with("follow", follow)
}

/// What was lost is told to everybody.
fn is_wanted(kind: &str, types: &[String]) -> bool {
    let is_of = |family: &String| {
        kind.strip_prefix(family.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    types.is_empty() || kind == "reset" || types.iter().any(is_of)
}

fn id(text: &str) -> Result<String, String> {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("not the id of an event".to_owned()),
    }
}

/// Longer and longer, up to [`LONGEST`].
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause
    }
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// What has a place of its own in a line.
const SAID: [&str; 8] = ["id", "at", "type", "actor", "cause", "service", "from", "to"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_all_that_an_event_holds() {
        let data = json!({
            "id": "e-7", "at": "2026-11-26T10:00:00Z", "type": "weights.set", "actor": "spinnaker", "cause": "stage 2",
            "service": "pro@file", "generation": 17, "from": {"a@file": "90"}, "to": {"a@file": "95"}, "reason": null,
        });
        let expected =
            "2026-11-26T10:00:00Z weights.set      pro@file a@file 90 -> 95 generation=17 by spinnaker (stage 2)";
        assert_eq!(line("weights.set", data.as_object().unwrap()), expected);
        assert!(line("reset", &Map::new()).starts_with("reset: "));
        let step = json!({
            "id": "e-8", "at": "2026-11-26T10:00:00Z", "type": "rollout.step", "actor": "spinnaker", "cause": "looks good",
            "service": "pro@file", "rollout": "release-1", "pipeline": "release@file", "stage": "look", "status": "RUNNING",
            "says": "approve", "happened": {"what": "acted", "action": "approve"},
        });
        let expected =
            "2026-11-26T10:00:00Z rollout.step     pro@file release-1 RUNNING, look: approve by spinnaker (looks good)";
        assert_eq!(line("rollout.step", step.as_object().unwrap()), expected);
    }

    #[test]
    fn a_family_is_all_of_its_types() {
        let types = ["weights".to_owned(), "brake.set".to_owned()];
        for (kind, wanted) in [
            ("weights.set", true),
            ("weightsx", false),
            ("brake.set", true),
            ("brake.released", false),
            ("reset", true),
        ] {
            assert_eq!(is_wanted(kind, &types), wanted, "{kind}");
        }
        assert!(is_wanted("server.changed", &[]));
    }

    #[test]
    fn pauses_grow_to_an_end() {
        let mut pauses = Pauses::new();
        let all: Vec<u64> = std::iter::repeat_with(|| pauses.next().as_millis() as u64).take(8).collect();
        assert_eq!(all, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
