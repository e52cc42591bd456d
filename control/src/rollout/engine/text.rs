//! Values as texts, in JSON and in sentences.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serializer, de::Error};

use super::Millis;

/// By `Display` and `FromStr`: for `#[serde(with)]`.
pub(super) fn serialize<T: fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// See [`serialize`].
pub(super) fn deserialize<'d, T: FromStr, D: Deserializer<'d>>(from: D) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| D::Error::custom(format_args!("`{text}` is not a value of its kind")))
}

/// The same for what may be missing.
pub(super) mod option {
    use super::{Deserialize, Deserializer, Error, FromStr, Serializer, fmt};

    pub(in super::super) fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'d, T: FromStr, D: Deserializer<'d>>(from: D) -> Result<Option<T>, D::Error> {
        let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let value = text.parse();
        value.map(Some).map_err(|_| D::Error::custom(format_args!("`{text}` is not a value of its kind")))
    }
}

/// At most so many bytes of a text that somebody else has written; `...` stands for the rest.
pub(super) fn short(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most.saturating_sub(3)));
        text.push_str("...");
    }
    text
}

/// A span as people say it: `1 h 5 min`, `40 s`, `250 ms`. At most two units.
pub(super) fn span(millis: Millis) -> String {
    let millis = millis.max(0);
    if millis < 1000 {
        return format!("{millis} ms");
    }
    let seconds = millis / 1000;
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(units.len() - 1);
    let told = units[first..].iter().take(2).filter(|(count, _)| *count > 0);
    told.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// A number of something: `1 request`, `2 requests`.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What a job or an endpoint has said.
pub(super) const OUTPUT: usize = 4096;

/// Why, in somebody's words.
pub(super) const REASON: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_two_units() {
        for (millis, told) in [
            (-5, "0 ms"),
            (250, "250 ms"),
            (40_000, "40 s"),
            (60_000, "1 min"),
            (3_900_000, "1 h 5 min"),
            (3_605_000, "1 h"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(span(millis), told);
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(short("abcdef".to_owned(), 6), "abcdef");
        assert_eq!(short("äöüäöü".to_owned(), 8), "äö...");
    }
}
