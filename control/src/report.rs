//! What an operator is told of the files: in the log once for each change, in `/ready` and in metrics for as long as it holds.

use std::{collections::BTreeSet, fmt};

use rollgate_config::problem::{Place, Problem};
use rollgate_gateway::Gateway;

use crate::file::{FILE, REST, last_good::Name};

/// What there is to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// All that is wrong with the newest texts, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// The files whose newest text is not live.
    pub held_back: Vec<Held>,
    /// What takes effect at the next start.
    pub restart: Vec<Problem>,
}

/// A file whose newest text is not live.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Its name.
    pub name: Name,
    /// Since when its last good text has been live, in seconds since 1970; `None`: it has none and is left out.
    pub since: Option<i64>,
}

impl Report {
    fn key(problem: &Problem) -> (&Place, &str, &str) {
        (&problem.at, &problem.path, &problem.what)
    }

    /// Puts problems into their order, each once.
    pub fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
        problems.sort_by(|a, b| Self::key(a).cmp(&Self::key(b)));
        problems.dedup();
        problems
    }

    /// Writes to the log what is new since `before`, and all of what is wrong with the files in `changed`.
    pub fn log(&self, before: &Self, changed: &BTreeSet<Name>, now: i64) {
        // There may be ten thousand.
        let told = |problems| -> BTreeSet<_> { Iterator::map(<[Problem]>::iter(problems), Self::key).collect() };
        let is_new = |problem: &Problem, told: &BTreeSet<_>| {
            !told.contains(&Self::key(problem)) || changed.contains(&problem.at.source)
        };
        let (told_problems, told_restart) = (told(&before.problems), told(&before.restart));
        let problems = self.problems.iter().filter(|problem| is_new(problem, &told_problems));
        problems.for_each(|problem| tracing::error!("{problem}"));
        let told_held: BTreeSet<_> = before.held_back.iter().collect();
        for held in &self.held_back {
            if !told_held.contains(held) || changed.contains(&held.name) {
                tracing::error!("{held}{}", held.age(now));
            }
        }
        for problem in self.restart.iter().filter(|problem| is_new(problem, &told_restart)) {
            tracing::warn!("{problem}");
        }
        if self.problems.is_empty() && !before.problems.is_empty() {
            tracing::info!("nothing is wrong with the configuration any more");
        }
    }

    /// Shows it in `/ready` and, for each of these providers, in metrics.
    pub fn show(&self, gateway: &Gateway, providers: &[&str]) {
        let held = self.held_back.iter().map(ToString::to_string);
        let notes: Vec<String> = held.chain(self.restart.iter().map(ToString::to_string)).collect();
        gateway.report_problems(&self.problems, &notes);
        for provider in providers {
            let problems = self.problems.iter().filter(|problem| provider_of(&problem.at.source) == *provider);
            let held_back = self.held_back.iter().filter(|held| provider_of(&held.name) == *provider);
            gateway.count_problems(provider, problems.count(), held_back.count());
        }
        gateway.report_restart(self.restart.iter().map(|problem| &*problem.path));
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, since } = self;
        if &**name == REST && since.is_none() {
            return write!(f, "{name}: what was sent is left out; it is not good with the files that are live");
        }
        match since.and_then(|since| jiff::Timestamp::from_second(since).ok()) {
            Some(since) => write!(f, "{name}: its last good text serves on, live since {since}"),
            None => write!(f, "{name}: is left out; no text of it was good yet"),
        }
    }
}

impl Held {
    fn age(&self, now: i64) -> String {
        self.since.map(|since| format!(", {} old", age(now - since))).unwrap_or_default()
    }
}

/// Whose text has this name. What is wrong with flags and folders is the files' matter too.
pub fn provider_of(name: &str) -> &'static str {
    if name == REST { REST } else { FILE }
}

/// A time in the largest unit of which there are two.
fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copys_age_is_told_in_a_unit_that_is_read_at_a_glance() {
        let ages = [-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800, 8_640_000].map(age);
        assert_eq!(ages, ["0 s", "0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d", "100 d"]);
    }

    #[test]
    fn fifty_thousand_files_with_problems_are_held_against_the_last_time_in_a_moment() {
        let at = |number: u32| Place { source: format!("conf/{number:06}.yml").into(), line: 1, column: 1 };
        let report = Report {
            problems: (0..50_000).map(|number| Problem::new(&at(number), "http", "is wrong", "")).collect(),
            held_back: (0..50_000).map(|number| Held { name: at(number).source, since: None }).collect(),
            restart: Vec::new(),
        };
        let began = std::time::Instant::now();
        report.log(&report, &BTreeSet::new(), 0);
        // Each with each takes minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
