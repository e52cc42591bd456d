//! From an expression and the history to values.

use std::{cell::Cell, collections::BTreeMap, fmt};

use super::{
    arithmetic::{arithmetic, or},
    expr::{Aggregate, Expr, Grouping, Over, Selector},
    quantile::quantiles,
    value::{NAME, Row, Value},
};
use crate::history::{History, Looked, Track};

/// When values are asked for, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    pub start: i64,
    /// Not before the start.
    pub end: i64,
    /// Above 0.
    pub step: i64,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// The query cannot be.
    Wrong(String),
    /// It asks for too much, or for what is not known whole.
    NotPossible(String),
    /// It took too long.
    Late,
}

impl Times {
    /// One.
    pub fn at(time: i64) -> Self {
        Self { start: time, end: time, step: 1 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        usize::try_from((self.end - self.start) / self.step.max(1)).map_or(0, |steps| steps.saturating_add(1))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = i64> {
        let (start, step) = (self.start, self.step);
        (0..self.count()).map(move |index| start.saturating_add(step.saturating_mul(index as i64)))
    }
}

/// Values of an expression at each time, unless it is late by then: that is asked before each series.
pub fn evaluate(expr: &Expr, history: &History, times: Times, is_late: &dyn Fn() -> bool) -> Result<Value, Failed> {
    Evaluation { history, times, is_late, left: Cell::new(MOST_VALUES) }.value(expr)
}

struct Evaluation<'h> {
    history: &'h History,
    times: Times,
    is_late: &'h dyn Fn() -> bool,
    /// How many values more the whole query may take.
    left: Cell<usize>,
}

impl Evaluation<'_> {
    fn value(&self, expr: &Expr) -> Result<Value, Failed> {
        self.in_time()?;
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(*number)),
            Expr::Vector(number) => {
                self.take_row()?;
                let values = vec![Some(*number); self.times.count()];
                Ok(Value::Vector(vec![Row { labels: BTreeMap::new(), values }]))
            }
            Expr::Selector(selector) => self.rows(selector, 0, &|track, at| track.value(self.sampled(at)?)),
            Expr::Over(over, selector, window) => {
                self.rows(selector, *window, &|track, at| self.over(*over, track, at, *window))
            }
            Expr::Quantile(quantile, of) => Ok(Value::Vector(quantiles(*quantile, self.vector(of)?))),
            Expr::Aggregate(aggregate, grouping, of) => {
                Ok(Value::Vector(aggregated(*aggregate, grouping, self.vector(of)?)))
            }
            Expr::Arithmetic(operation, left, right) => arithmetic(*operation, self.value(left)?, self.value(right)?),
            Expr::Or(left, right) => or(self.value(left)?, self.value(right)?),
        }
    }

    fn in_time(&self) -> Result<(), Failed> {
        if (self.is_late)() { Err(Failed::Late) } else { Ok(()) }
    }

    /// There is one series more.
    fn take_row(&self) -> Result<(), Failed> {
        let left = self.left.get().checked_sub(self.times.count().saturating_add(ROW));
        let left = left.ok_or_else(|| {
            let what = format!("it takes more than {MOST_VALUES} values, {ROW} for a series itself: narrow it down");
            Failed::NotPossible(what)
        })?;
        self.left.set(left);
        Ok(())
    }

    fn vector(&self, expr: &Expr) -> Result<Vec<Row>, Failed> {
        match self.value(expr)? {
            Value::Vector(rows) => Ok(rows),
            Value::Scalar(_) => Err(Failed::Wrong("series have to stand there, and a number is none".to_owned())),
        }
    }

    /// The rise in the window before a time, from sample to sample.
    fn over(&self, over: Over, track: &Track, at: i64, window: i64) -> Option<f64> {
        let (oldest, _) = self.history.span()?;
        let to = self.sampled(at)?;
        let from = self.history.sampled(at - window).unwrap_or(oldest);
        if from >= to {
            return None;
        }
        let rise = track.increase(from, to)?;
        Some(match over {
            Over::Rate => rise / ((to - from) as f64 / 1e3),
            Over::Increase => rise,
        })
    }

    /// The last sample before a time; none for a time that has not come, or was before everything.
    fn sampled(&self, at: i64) -> Option<i64> {
        let (_, newest) = self.history.span()?;
        if at > newest + AHEAD { None } else { self.history.sampled(at) }
    }

    fn rows(
        &self,
        selector: &Selector,
        window: i64,
        value: &dyn Fn(&Track, i64) -> Option<f64>,
    ) -> Result<Value, Failed> {
        let of_service = |service: &str| selector.matchers.iter().all(|it| it.label != "service" || it.is(service));
        if let Some(service) = self.history.left_out(self.times.start.saturating_sub(window), of_service) {
            let what = format!("{service} has more series than there was room for: it is not known whole");
            return Err(Failed::NotPossible(what));
        }
        let fits = |looked: &Looked<'_>| {
            self.in_time()?;
            Ok(selector.matchers.iter().all(|matcher| match &*matcher.label {
                NAME => matcher.is(selector.metric),
                label => matcher.is(looked.label(label)),
            }))
        };
        let mut rows = Vec::new();
        self.history.tracks(selector.name, &fits, &mut |track| {
            self.take_row()?;
            let values: Vec<Option<f64>> = self.times.all().map(|at| value(track, at)).collect();
            if values.iter().any(Option::is_some) {
                let labels = track.labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
                let named = (window == 0).then(|| (NAME.to_owned(), selector.metric.to_owned()));
                rows.push(Row { labels: labels.chain(named).collect(), values });
            }
            Ok(())
        })?;
        rows.sort_by(|a: &Row, b| a.labels.cmp(&b.labels));
        Ok(Value::Vector(rows))
    }
}

fn aggregated(aggregate: Aggregate, grouping: &Grouping, rows: Vec<Row>) -> Vec<Row> {
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<Vec<Option<f64>>>> = BTreeMap::new();
    for row in rows {
        let mut row = row.unnamed();
        row.labels.retain(|label, _| grouping.labels.contains(label) != grouping.without);
        groups.entry(row.labels).or_default().push(row.values);
    }
    let of_group = |(labels, rows): (_, Vec<Vec<Option<f64>>>)| {
        let times = rows.iter().map(Vec::len).max().unwrap_or_default();
        let values = (0..times).map(|time| {
            let mut there = rows.iter().filter_map(|values| values.get(time).copied().flatten());
            let first = there.next()?;
            let count = 1.0 + there.clone().count() as f64;
            Some(match aggregate {
                Aggregate::Sum => there.fold(first, |sum, value| sum + value),
                Aggregate::Average => there.fold(first, |sum, value| sum + value) / count,
                Aggregate::Least => there.fold(first, f64::min),
                Aggregate::Most => there.fold(first, f64::max),
                Aggregate::Count => count,
            })
        });
        Row { labels, values: values.collect() }
    };
    groups.into_iter().map(of_group).collect()
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(what) | Self::NotPossible(what) => f.write_str(what),
            Self::Late => f.write_str("it takes too long: narrow it down"),
        }
    }
}

/// A time that is so many milliseconds after the newest sample is still answered by it: samples are seconds apart.
const AHEAD: i64 = 15_000;

/// Series times times, of all selectors together.
const MOST_VALUES: usize = 1_000_000;

/// A series' labels take as much room as so many values.
const ROW: usize = 32;
