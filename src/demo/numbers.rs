//! What the demo shows, read from the gateway's own metrics: what an operator's dashboard would read too.

use std::{collections::BTreeMap, time::Duration};

/// One look at the metrics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Numbers {
    /// By name, without its provider.
    pub(super) services: BTreeMap<String, Service>,
}

/// What is known of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Service {
    pub(super) requests: u64,
    pub(super) errors: u64,
    /// As a version of a weighted service: the share that its weight gives it, 0 to 1.
    pub(super) target: Option<f64>,
    /// And the share of the last minute's draws.
    pub(super) actual: Option<f64>,
    /// Requests to it as a version, those that went wrong too.
    pub(super) drawn: u64,
    /// The state of the breaker before it.
    pub(super) breaker: Option<String>,
}

/// The last look and what it was before that.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) last: Numbers,
    /// Requests per second by service, since the look before.
    pub(super) rates: BTreeMap<String, f64>,
    /// The share of each version, 0 to 1, since the look before; none if there were no requests.
    pub(super) shares: BTreeMap<String, f64>,
    /// The sum of all, one for each look, the newest last.
    pub(super) history: Vec<u64>,
}

impl Numbers {
    /// Reads Prometheus' text format, as far as it is needed.
    pub(super) fn read(text: &str) -> Self {
        let mut numbers = Self::default();
        for sample in text.lines().filter_map(Sample::read) {
            match sample.name {
                "traefik_service_requests_total" => {
                    let service = numbers.service(sample.label("service"));
                    service.requests += sample.value as u64;
                    if sample.label("code").starts_with('5') {
                        service.errors += sample.value as u64;
                    }
                }
                "rollgate_version_share" => {
                    let service = numbers.service(sample.label("version"));
                    match sample.label("kind") {
                        "target" => service.target = Some(sample.value),
                        _ => service.actual = Some(sample.value),
                    }
                }
                "rollgate_version_requests_total" => {
                    numbers.service(sample.label("version")).drawn += sample.value as u64;
                }
                "rollgate_circuit_breaker_state" if sample.value > 0.0 => {
                    numbers.service(sample.label("service")).breaker = Some(sample.label("state").to_owned());
                }
                _ => {}
            }
        }
        numbers
    }

    fn service(&mut self, name: &str) -> &mut Service {
        let bare = name.split('@').next().unwrap_or(name);
        self.services.entry(bare.to_owned()).or_default()
    }
}

impl Window {
    /// Takes a new look, so much after the one before.
    pub(super) fn push(&mut self, numbers: Numbers, after: Duration) {
        let seconds = after.as_secs_f64().max(0.001);
        for (name, service) in &numbers.services {
            let before = self.last.services.get(name).map_or(0, |before| before.requests);
            self.rates.insert(name.clone(), service.requests.saturating_sub(before) as f64 / seconds);
        }
        let versions = numbers.services.iter().filter(|(_, service)| service.target.is_some());
        let drawn = versions.map(|(name, service)| {
            let before = self.last.services.get(name).map_or(0, |before| before.drawn);
            (name.clone(), service.drawn.saturating_sub(before) as f64)
        });
        let drawn: Vec<(String, f64)> = drawn.collect();
        let all: f64 = drawn.iter().map(|(_, drawn)| drawn).sum();
        self.shares =
            drawn.into_iter().map(|(name, drawn)| (name, drawn / all)).filter(|(_, share)| share.is_finite()).collect();
        self.history.push(self.total_rate() as u64);
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
        self.last = numbers;
    }

    pub(super) fn total_rate(&self) -> f64 {
        self.rates.values().sum()
    }
}

/// A line of the text format.
struct Sample<'t> {
    name: &'t str,
    labels: &'t str,
    value: f64,
}

impl<'t> Sample<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Some(Self { name, labels: labels.trim_end_matches('}'), value: value.parse().ok()? })
    }

    /// The values that are looked for have neither commas nor quotes in them.
    fn label(&self, wanted: &str) -> &'t str {
        let mut pairs = self.labels.split(',').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == wanted).map_or("", |(_, value)| value.trim_matches('"'))
    }
}

/// How many looks the view can show.
const HISTORY: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP traefik_service_requests_total requests
traefik_service_requests_total{code=\"200\",method=\"GET\",protocol=\"http\",service=\"blue@file\"} 90
traefik_service_requests_total{code=\"503\",method=\"GET\",protocol=\"http\",service=\"blue@file\"} 10
rollgate_version_share{kind=\"target\",service=\"pro@file\",version=\"blue@file\"} 0.9
rollgate_version_share{kind=\"actual\",service=\"pro@file\",version=\"blue@file\"} 0.875
rollgate_version_requests_total{outcome=\"ok\",service=\"pro@file\",version=\"blue@file\"} 70
rollgate_version_requests_total{outcome=\"error\",service=\"pro@file\",version=\"blue@file\"} 10
rollgate_version_requests_total{outcome=\"ok\",service=\"pro@file\",version=\"green@file\"} 20
rollgate_version_share{kind=\"target\",service=\"pro@file\",version=\"green@file\"} 0.1
rollgate_circuit_breaker_state{middleware=\"cb@file\",service=\"blue@file\",state=\"standby\"} 0
rollgate_circuit_breaker_state{middleware=\"cb@file\",service=\"blue@file\",state=\"tripped\"} 1
process_threads 5
";

    #[test]
    fn requests_errors_and_shares_are_read_by_service() {
        let numbers = Numbers::read(TEXT);
        let blue = Service {
            requests: 100,
            errors: 10,
            target: Some(0.9),
            actual: Some(0.875),
            drawn: 80,
            breaker: Some("tripped".to_owned()),
        };
        let green = Service { target: Some(0.1), drawn: 20, ..Service::default() };
        assert_eq!(numbers.services, BTreeMap::from([("blue".to_owned(), blue), ("green".to_owned(), green)]));
    }

    #[test]
    fn a_rate_is_what_came_since_the_look_before() {
        let mut window = Window::default();
        window.push(Numbers::read(TEXT), Duration::from_secs(1));
        window.push(Numbers::read(&TEXT.replace(" 90", " 140")), Duration::from_secs(2));
        assert_eq!(window.total_rate(), 25.0);
        assert_eq!(window.history, [100, 25]);
    }

    #[test]
    fn a_share_is_that_of_the_requests_since_the_look_before() {
        let mut window = Window::default();
        window.push(Numbers::read(TEXT), Duration::from_secs(1));
        assert_eq!((window.shares["blue"], window.shares["green"]), (0.8, 0.2));
        window.push(Numbers::read(&TEXT.replace("} 70", "} 100")), Duration::from_secs(1));
        assert_eq!((window.shares["blue"], window.shares["green"]), (1.0, 0.0));
        window.push(Numbers::read(&TEXT.replace("} 70", "} 100")), Duration::from_secs(1));
        assert!(window.shares.is_empty(), "nobody asked");
    }
}
