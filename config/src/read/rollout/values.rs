//! Single values within bounds.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use crate::{
    fields::{Fields, Sink, Value, duration, path, quoted, text},
    scalar::{Share, Weight},
    tree::{Kind, Node},
};

/// A share of a whole, in millionths.
pub(super) fn share(range: RangeInclusive<u32>) -> impl Fn(Value<'_>, &mut Sink) -> Option<Share> {
    move |value, out| {
        let written = text(value, out)?;
        let read = written.trim().parse::<Share>();
        match read {
            Ok(share) if range.contains(&share.0) => Some(share),
            _ => {
                let what = if read.is_ok() { "is out of bounds" } else { "is no share of a whole" };
                let allowed = format!("{}; written like 5% or 0.05", said_of_shares(&range));
                out.problem(&value.node.at, value.path, format!("{} {what}", quoted(&written)), allowed);
                None
            }
        }
    }
}

/// The smallest share and the largest that is not all stand for `above 0` and `below 100%`.
fn said_of_shares(range: &RangeInclusive<u32>) -> String {
    let least = match *range.start() {
        1 => "above 0".to_owned(),
        least => format!("at least {}", Share(least)),
    };
    let most = match *range.end() {
        999_999 => "below 100%".to_owned(),
        most => format!("at most {}", Share(most)),
    };
    format!("{least}, {most}")
}

/// A length of time.
pub(super) fn length(range: RangeInclusive<Duration>) -> impl Fn(Value<'_>, &mut Sink) -> Option<Duration> {
    move |value, out| {
        let length = duration(value, out)?;
        if range.contains(&length) {
            return Some(length);
        }
        let what = if length < *range.start() { "is too short" } else { "is too long" };
        let least = match *range.start() {
            Duration::ZERO => String::new(),
            least if least <= INSTANT => "above 0, ".to_owned(),
            least => format!("at least {}, ", said_of_time(least)),
        };
        out.problem(&value.node.at, value.path, what, format!("{least}at most {}", said_of_time(*range.end())));
        None
    }
}

/// In the largest unit in which it is a whole number.
fn said_of_time(length: Duration) -> String {
    match (length.as_secs(), length.subsec_millis()) {
        (seconds, 0) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, 0) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        (seconds, 0) => format!("{seconds}s"),
        _ => format!("{}ms", length.as_millis()),
    }
}

/// A decimal with at most six places, above or from `least`.
pub(super) fn decimal(least: Weight, is_above: bool, most: Weight) -> impl Fn(Value<'_>, &mut Sink) -> Option<f64> {
    move |value, out| {
        let written = text(value, out)?;
        let read = written.trim().parse::<Weight>();
        match read {
            Ok(number) if number <= most && (number > least || !is_above && number == least) => {
                Some(number.0 as f64 / Weight::ONE.0 as f64)
            }
            _ => {
                let what = if read.is_ok() { "is out of bounds" } else { "is no decimal" };
                let from = if is_above { "above" } else { "at least" };
                let allowed = format!("{from} {least}, at most {most}, with at most six places");
                out.problem(&value.node.at, value.path, format!("{} {what}", quoted(&written)), allowed);
                None
            }
        }
    }
}

/// A text that may be given to a command or another process: without the character that ends it there.
pub(super) fn without_nul(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let text = text(value, out)?;
    // Not quoted: it may be a secret.
    if text.contains('\0') {
        out.problem(&value.node.at, value.path, "holds the character NUL", "");
        return None;
    }
    Some(text)
}

/// The path of a file or a folder.
pub(super) fn file(value: Value<'_>, out: &mut Sink) -> Option<PathBuf> {
    without_nul(value, out)?;
    path(value, out)
}

/// A section; `false`, which elsewhere takes one away, has no meaning here.
pub(super) fn section<T>(value: Value<'_>, out: &mut Sink, body: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
    if is_false(value.node) {
        out.problem(&value.node.at, value.path, "is false", "a section, or nothing");
        return None;
    }
    value.section(out, body)
}

pub(super) fn is_false(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.eq_ignore_ascii_case("false"))
}

/// A list, and nothing that would have to be taken apart to be one.
pub(super) fn strict_list<T>(
    example: &'static str,
    item: impl FnMut(Value<'_>, &mut Sink) -> Option<T>,
) -> impl FnOnce(Value<'_>, &mut Sink) -> Option<Vec<T>> {
    move |value, out| {
        if let Kind::Scalar(_) = value.node.kind {
            out.problem(&value.node.at, value.path, "is a single value", format!("a list: {example}"));
            return None;
        }
        value.items(out, item)
    }
}

/// Whether there are more than `most`; that is a problem then.
pub(super) fn too_many(count: usize, most: usize, noun: &str, value: Value<'_>, out: &mut Sink) -> bool {
    if count > most {
        out.problem(&value.node.at, value.path, format!("holds {count} {noun}"), format!("at most {most}"));
    }
    count > most
}

pub(super) const HUNDRED: Weight = Weight(100 * Weight::ONE.0);
pub(super) const INSTANT: Duration = Duration::from_nanos(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const TEN_MINUTES: Duration = Duration::from_secs(600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
/// Longer than anybody watches a rollout.
pub(super) const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
