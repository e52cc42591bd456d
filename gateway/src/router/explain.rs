//! Why a request goes where it goes: for a person, so it may format and allocate.

use std::fmt;

use super::{
    facts::{Facts, decoded},
    matcher::{Condition, HostPattern, Test, written},
    table::Table,
};

/// What became of one route that could have taken a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'t> {
    /// The index of the route in what the table was built from.
    pub route: usize,
    /// The route's qualified name.
    pub name: &'t str,
    /// Its rule as it was written.
    pub rule: &'t str,
    /// Its priority.
    pub priority: i64,
    /// Whether it takes the request, and why not.
    pub outcome: Outcome<'t>,
}

/// What became of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'t> {
    /// It takes the request.
    Wins,
    /// It matches too, but this route is asked first.
    Behind(&'t str),
    /// It does not match; which matcher and what it saw.
    Fails(String),
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wins => f.write_str("takes the request"),
            Self::Behind(winner) => write!(f, "matches too, but {winner} is asked first"),
            Self::Fails(reason) => f.write_str(reason),
        }
    }
}

impl Table {
    /// Every route that could have taken a request for this host, in the order in which they are asked.
    ///
    /// Routes that need another host are left out: there may be thousands.
    pub fn explain(&self, facts: &Facts<'_>) -> Vec<Verdict<'_>> {
        let mut winner = None;
        let candidates = self.candidates(facts.host).map(|rank| &self.ranked[rank]);
        let verdicts = candidates.map(|route| {
            let outcome = match (route.condition.failure(facts), winner) {
                (Some(reason), _) => Outcome::Fails(reason),
                (None, Some(winner)) => Outcome::Behind(winner),
                (None, None) => {
                    winner = Some(route.name.as_str());
                    Outcome::Wins
                }
            };
            Verdict { route: route.given, name: &route.name, rule: &route.text, priority: route.priority, outcome }
        });
        verdicts.collect()
    }
}

impl Condition {
    /// Why it does not hold; `None` if it does.
    fn failure(&self, facts: &Facts<'_>) -> Option<String> {
        match self {
            Self::Test(test) => {
                (!self.holds(facts)).then(|| format!("{test} does not match: {}", test.observation(facts)))
            }
            Self::All(parts) => parts.iter().find_map(|part| part.failure(facts)),
            Self::Any(parts) => {
                let failures: Option<Vec<_>> = parts.iter().map(|part| part.failure(facts)).collect();
                failures.map(|failures| failures.join("; "))
            }
            Self::Not(inner) => inner.holds(facts).then(|| format!("{self} does not match: {inner} does")),
        }
    }
}

impl Test {
    /// What it saw instead of what it wants.
    fn observation(&self, facts: &Facts<'_>) -> String {
        match self {
            Self::Host(_) | Self::HostRegexp(_) if facts.host.is_empty() => "the request names no host".to_owned(),
            Self::Host(HostPattern::Below(_)) if facts.host.matches('.').count() > 1 => {
                format!("the host is `{}`, and `*` stands for exactly one label", facts.host)
            }
            Self::Host(_) | Self::HostRegexp(_) => format!("the host is `{}`", facts.host),
            Self::Path(_) | Self::PathPrefix(_) | Self::PathRegexp(_) => {
                format!("the path is `{}`", facts.path)
            }
            Self::Method(_) => format!("the method is {}", facts.method),
            Self::Header(name, _) | Self::HeaderRegexp(name, _) => {
                let lines = facts.headers.get_all(name).iter();
                let values = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
                listed(values, "no such header", &written(name))
            }
            Self::Query(key, _) | Self::QueryRegexp(key, _) => {
                let values = facts.query_values(key).map(|value| decoded(value).collect::<Vec<_>>());
                let values = values.map(|value| String::from_utf8_lossy(&value).into_owned());
                listed(values, "no such parameter", key)
            }
            Self::ClientIp(_) => format!("the client is {}", facts.client.to_canonical()),
            Self::Never { why, .. } => (*why).to_owned(),
        }
    }
}

fn listed(values: impl Iterator<Item = String>, none: &str, name: &str) -> String {
    let quoted: Vec<_> = values.map(|value| format!("`{value}`")).collect();
    if quoted.is_empty() { none.to_owned() } else { format!("{name} is {}", quoted.join(", ")) }
}
