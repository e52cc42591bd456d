//! Without a terminal: a line for each thing that has happened, and one whenever the rollout has come further. In JSON, each line is
//! the rollout, with what has happened since the line before as its `history`.

use serde_json::Value;

use super::{
    super::{
        super::{Done, client::Client, events::Pauses, failure::Failure, screen::Screen},
        Look,
        contract::Happening,
        look, tell,
    },
    LOOK, done,
};

/// What was told of a rollout.
#[derive(Debug, Default)]
struct Told {
    progress: Option<String>,
    /// How long its history was, and what stood at its end.
    length: usize,
    newest: Option<Value>,
}

/// What is new.
#[derive(Debug, PartialEq)]
struct News {
    /// It has come further, or was not told of before.
    moved: bool,
    happened: Vec<Value>,
}

/// Tells of a rollout until it has ended. A gateway that is lost is asked again for as long as it takes.
pub(super) fn follow(id: &str, client: &Client, screen: &Screen) -> Result<Done, Failure> {
    let mut told = Told::default();
    let mut pauses = Pauses::new();
    loop {
        match look(id, client) {
            Ok(look) => {
                pauses = Pauses::new();
                let is_first = told.progress.is_none();
                let news = told.news(&look);
                match screen.json {
                    true => json(&look, news).map_or(Ok(()), |line| screen.value_line(&line))?,
                    false => text(&look, &news, is_first).iter().try_for_each(|line| screen.line(line))?,
                }
                if look.rollout.has_ended() {
                    return Ok(done(&look.rollout));
                }
                std::thread::sleep(LOOK);
            }
            Err(failure) if told.progress.is_some() && failure.is_passing() => {
                screen.note(&format!("{}; asking again", failure.lines().swap_remove(0)));
                std::thread::sleep(pauses.next());
            }
            Err(failure) => return Err(failure),
        }
    }
}

impl Told {
    fn news(&mut self, look: &Look) -> News {
        let history = &look.rollout.history;
        let is_newest =
            |place: &usize| place.checked_sub(1).and_then(|place| history.get(place)) == self.newest.as_ref();
        // The oldest of a long history is forgotten, which moves the rest.
        let before = Some(self.length).filter(is_newest);
        let before = before.or_else(|| (1..=history.len()).rev().find(is_newest)).unwrap_or(0);
        let happened = history[before.min(history.len())..].to_vec();
        let moved = self.progress.as_ref() != Some(&look.rollout.progress);
        *self = Self {
            progress: Some(look.rollout.progress.clone()),
            length: history.len(),
            newest: history.last().cloned(),
        };
        News { moved, happened }
    }
}

fn json(look: &Look, news: News) -> Option<Value> {
    if !news.moved && news.happened.is_empty() {
        return None;
    }
    let mut line = look.body.clone();
    line["history"] = Value::Array(news.happened);
    Some(line)
}

fn text(look: &Look, news: &News, is_first: bool) -> Vec<String> {
    let rollout = &look.rollout;
    let mut lines = Vec::new();
    if is_first {
        lines.push(format!(
            "{} of {}: {}, {}",
            rollout.id,
            rollout.pipeline,
            rollout.service,
            tell::versions_named(rollout)
        ));
    }
    lines.extend(news.happened.iter().map(|entry| {
        let Happening { at, says } = Happening::of(entry);
        format!("{} {says}", at.map(tell::moment).unwrap_or_default())
    }));
    if news.moved {
        // The answer's time is in whole seconds; it comes after all that is in it.
        let newest = rollout.happenings().next_back().and_then(|happening| happening.at);
        let at = newest.unwrap_or(i64::MIN).max(look.at);
        let further = match (rollout.has_ended(), &rollout.reason) {
            (false, _) => format!("; waits for {}", rollout.waits_for),
            (true, Some(reason)) => format!(": {reason}"),
            (true, None) => String::new(),
        };
        lines.push(format!("{} {}{further}", tell::moment(at), rollout.progress));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::super::contract::Rollout, *};

    fn look(progress: &str, history: &[u64]) -> Look {
        let history: Vec<Value> = history.iter().map(|number| json!({ "at": number })).collect();
        let rollout = Rollout { progress: progress.to_owned(), history, ..Rollout::default() };
        Look { rollout, body: json!({ "id": "r", "history": "all of it" }), at: 0 }
    }

    #[test]
    fn each_thing_is_told_once_also_when_the_oldest_are_forgotten() {
        let mut told = Told::default();
        let mut news = |progress: &str, history: &[u64]| {
            let News { moved, happened } = told.news(&look(progress, history));
            let happened: Vec<u64> = happened.iter().map(|entry| entry["at"].as_u64().unwrap()).collect();
            (moved, happened)
        };
        assert_eq!(news("a", &[]), (true, vec![]));
        assert_eq!(news("a", &[1, 2]), (false, vec![1, 2]));
        assert_eq!(news("a", &[1, 2]), (false, vec![]));
        // The same twice is two.
        assert_eq!(news("b", &[1, 2, 2]), (true, vec![2]));
        assert_eq!(news("b", &[2, 2, 3, 4]), (false, vec![3, 4]));
        // All of it is new where nothing is left of what was told.
        assert_eq!(news("b", &[7, 8]), (false, vec![7, 8]));
    }

    #[test]
    fn a_line_of_json_has_what_is_new_as_its_history() {
        let mut told = Told::default();
        let first = look("a", &[1]);
        let line = json(&first, told.news(&first)).unwrap();
        assert_eq!(line, json!({ "id": "r", "history": [{ "at": 1 }] }));
        assert_eq!(json(&first, told.news(&first)), None);
    }
}
