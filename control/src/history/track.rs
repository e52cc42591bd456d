//! The course of one metric with one set of labels, as Prometheus names them.

use std::collections::BTreeMap;

use super::series::{Family, Series};

/// A metric whose course is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// Labels `service`, `version`, `outcome`.
    VersionRequests,
    /// Labels `service`, `code`, `method`, `protocol`; so have those that follow.
    ServiceRequests,
    /// And `le`.
    DurationBucket,
    /// As many as requests.
    DurationCount,
    /// Seconds.
    DurationSum,
}

/// Their names, in order.
pub const NAMES: [(&str, Name); 5] = [
    ("rollgate_version_requests_total", Name::VersionRequests),
    ("traefik_service_request_duration_seconds_bucket", Name::DurationBucket),
    ("traefik_service_request_duration_seconds_count", Name::DurationCount),
    ("traefik_service_request_duration_seconds_sum", Name::DurationSum),
    ("traefik_service_requests_total", Name::ServiceRequests),
];

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Without the name.
    pub labels: BTreeMap<&'static str, String>,
    first_seen: i64,
    last_seen: i64,
    /// What it was from a time on; the first one is before everything that is kept.
    values: Vec<(i64, f64)>,
    /// By how much it has risen until then, whatever was reset.
    risen: Vec<f64>,
}

impl Track {
    /// The value at a sample.
    pub fn value(&self, at: i64) -> Option<f64> {
        (self.first_seen <= at && at <= self.last_seen).then(|| self.values[self.index(at)].1)
    }

    /// By how much it rose between two samples; `None` if nobody saw it in between.
    pub fn increase(&self, from: i64, to: i64) -> Option<f64> {
        let is_seen = self.first_seen <= to && self.last_seen > from;
        is_seen.then(|| self.risen[self.index(to)] - self.risen[self.index(from)])
    }

    fn index(&self, at: i64) -> usize {
        self.values.partition_point(|(time, _)| *time <= at).saturating_sub(1)
    }

    fn new(labels: BTreeMap<&'static str, String>, series: &Series, values: Vec<(i64, f64)>) -> Self {
        let mut risen = Vec::with_capacity(values.len());
        let (mut sum, mut last) = (0.0, None);
        for (_, value) in &values {
            if let Some(last) = last {
                // A counter that falls has begun again at zero.
                sum += if *value >= last { value - last } else { *value };
            }
            risen.push(sum);
            last = Some(*value);
        }
        Self { labels, first_seen: series.first_seen(), last_seen: series.last_seen(), values, risen }
    }
}

/// The labels of a series that is looked at, before anything is made of it.
pub struct Looked<'s> {
    series: &'s Series,
    part: &'s Part,
}

impl Looked<'_> {
    /// A label's value; empty if it has none.
    pub fn label(&self, name: &str) -> &str {
        match &self.part.label {
            Some((label, value)) if *label == name => value,
            _ => self.series.labels().pairs().find(|(label, _)| *label == name).map_or("", |(_, value)| value),
        }
    }
}

/// Tells the courses of one metric that a series holds, as far as their labels fit.
pub fn each<E>(
    name: Name,
    parts: &[Part],
    series: &Series,
    fits: &dyn Fn(&Looked<'_>) -> Result<bool, E>,
    tell: &mut dyn FnMut(&Track) -> Result<(), E>,
) -> Result<(), E> {
    if series.labels().family != name.family() {
        return Ok(());
    }
    for part in parts {
        if !fits(&Looked { series, part })? {
            continue;
        }
        let mut labels: BTreeMap<_, _> =
            series.labels().pairs().map(|(name, value)| (name, value.to_owned())).collect();
        labels.extend(part.label.clone());
        let mut values: Vec<(i64, f64)> = Vec::new();
        series.each(|time, cells| {
            let value = part.of.value(cells);
            if values.last().is_none_or(|(_, last)| *last != value) {
                values.push((time, value));
            }
        });
        tell(&Track::new(labels, series, values))?;
    }
    Ok(())
}

/// A metric's own part of a series' cells.
pub struct Part {
    label: Option<(&'static str, String)>,
    of: Of,
}

#[derive(Clone, Copy)]
enum Of {
    /// One cell.
    Cell(usize),
    /// The first so many.
    First(usize),
    /// All but the last.
    Counts,
    /// The last, nanoseconds.
    Seconds,
}

impl Of {
    fn value(self, cells: &[u64]) -> f64 {
        let (counts, seconds) = cells.split_at(cells.len().saturating_sub(1));
        match self {
            Self::Cell(cell) => cells.get(cell).copied().unwrap_or_default() as f64,
            Self::First(count) => counts.iter().take(count).sum::<u64>() as f64,
            Self::Counts => counts.iter().sum::<u64>() as f64,
            Self::Seconds => seconds.first().copied().unwrap_or_default() as f64 / 1e9,
        }
    }
}

impl Name {
    fn family(self) -> Family {
        match self {
            Self::VersionRequests => Family::Version,
            Self::ServiceRequests | Self::DurationBucket | Self::DurationCount | Self::DurationSum => Family::Service,
        }
    }

    /// What it is of the cells of a series.
    pub fn parts(self, buckets: &[String]) -> Vec<Part> {
        let whole = |of| vec![Part { label: None, of }];
        match self {
            Self::VersionRequests => {
                let outcome = |(cell, outcome): (usize, &str)| Part {
                    label: Some(("outcome", outcome.to_owned())),
                    of: Of::Cell(cell),
                };
                ["ok", "error", "client"].into_iter().enumerate().map(outcome).collect()
            }
            Self::ServiceRequests | Self::DurationCount => whole(Of::Counts),
            Self::DurationSum => whole(Of::Seconds),
            Self::DurationBucket => {
                let bounds = buckets.iter().map(|bound| &**bound).chain(["+Inf"]);
                let bucket =
                    |(below, le): (usize, &str)| Part { label: Some(("le", le.to_owned())), of: Of::First(below + 1) };
                bounds.enumerate().map(bucket).collect()
            }
        }
    }
}
