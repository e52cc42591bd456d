//! The types of single values, decoded as Traefik decodes them: from their text, whatever a file format calls them.

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::{Sink, Value, of_choices};
use crate::{problem::Located, scalar::Weight, tree::Kind};

/// Any text.
pub(crate) fn text(value: Value<'_>, out: &mut Sink) -> Option<String> {
    plain(&value, out).map(str::to_owned)
}

/// A text that is not empty.
pub(crate) fn present_text(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let text = text(value, out)?;
    if text.trim().is_empty() {
        out.problem(&value.node.at, value.path, "is empty", "");
        return None;
    }
    Some(text)
}

/// A text that is not empty, and its place.
pub(crate) fn located_text(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    located(value, out, present_text)
}

/// What `decode` reads, and its place.
pub(crate) fn located<T>(
    value: Value<'_>,
    out: &mut Sink,
    decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
) -> Option<Located<T>> {
    decode(value, out).map(|read| Located { value: read, at: value.node.at.clone() })
}

/// A path that is not empty.
pub(crate) fn path(value: Value<'_>, out: &mut Sink) -> Option<PathBuf> {
    present_text(value, out).map(PathBuf::from)
}

/// Go's words for true and false.
pub(crate) fn boolean(value: Value<'_>, out: &mut Sink) -> Option<bool> {
    let text = match &value.node.kind {
        Kind::Scalar(scalar) if scalar.bare => return Some(true),
        _ => plain(&value, out)?,
    };
    match parse_boolean(text) {
        Some(boolean) => Some(boolean),
        None => refuse(&value, out, "is no boolean", "true or false"),
    }
}

pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A whole number within bounds.
pub(crate) fn integer<T>(range: RangeInclusive<i64>) -> impl FnOnce(Value<'_>, &mut Sink) -> Option<T>
where
    T: TryFrom<i64>,
{
    move |value, out| {
        let text = plain(&value, out)?.trim();
        let digits = text.trim_start_matches(['-', '+']);
        let octal = digits.len() > 1 && digits.starts_with('0');
        let number = text.parse::<i64>().ok().filter(|_| !octal);
        let within = number.filter(|number| range.contains(number));
        match (within.and_then(|number| T::try_from(number).ok()), number) {
            (Some(number), _) => Some(number),
            (None, Some(_)) => refuse(&value, out, "is out of bounds", bounds(&range)),
            (None, None) => refuse(&value, out, "is no whole number", bounds(&range)),
        }
    }
}

fn bounds(range: &RangeInclusive<i64>) -> String {
    match (*range.start(), *range.end()) {
        (i64::MIN, i64::MAX) => String::new(),
        (i64::MIN, end) => format!("at most {end}"),
        (start, i64::MAX) => format!("at least {start}"),
        (start, end) => format!("from {start} to {end}"),
    }
}

/// `404` or `500-599`.
pub(crate) fn status_range(value: Value<'_>, out: &mut Sink) -> Option<(u16, u16)> {
    let text = plain(&value, out)?;
    let range = parse_status_range(text);
    if range.is_none() {
        return refuse(&value, out, "is no range of status codes", "like 404 or 500-599");
    }
    range
}

/// One status or two with a `-` between them.
pub(crate) fn parse_status_range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=999).contains(code));
    code(from).zip(code(to)).filter(|(from, to)| from <= to)
}

/// A length of time that is not negative.
pub(crate) fn duration(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    match parse_duration(plain(&value, out)?) {
        Some((false, duration)) => Some(duration),
        Some((true, duration)) if duration.is_zero() => Some(duration),
        Some(_) => refuse(&value, out, "is negative", DURATION),
        None => refuse(&value, out, "is no duration", DURATION),
    }
}

/// A length of time; a negative one is zero.
pub(crate) fn signed_duration(value: Value<'_>, out: &mut Sink) -> Option<Duration> {
    match parse_duration(plain(&value, out)?) {
        Some((negative, duration)) => Some(if negative { Duration::ZERO } else { duration }),
        None => refuse(&value, out, "is no duration", DURATION),
    }
}

const DURATION: &str = "like 100ms, 1.5s or 1m30s; a bare number is seconds";

/// Go's duration text, or whole seconds; and whether it is negative. At most what Go can hold, 292 years.
pub(crate) fn parse_duration(text: &str) -> Option<(bool, Duration)> {
    let text = text.trim();
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = rest.parse().ok()?;
        let duration = Duration::from_secs(seconds);
        return (duration.as_nanos() <= MAX_NANOS).then_some((negative, duration));
    }
    let mut total: u128 = 0;
    loop {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_ends);
        let unit_ends = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_ends);
        total += nanoseconds(number, unit)?;
        if total > MAX_NANOS {
            return None;
        }
        if after.is_empty() {
            let nanos = u64::try_from(total).ok()?;
            return Some((negative, Duration::from_nanos(nanos)));
        }
        rest = after;
    }
}

const MAX_NANOS: u128 = i64::MAX as u128;

fn nanoseconds(number: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) || whole.len() > 19 {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(18)];
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(whole * unit + part * unit / 10_u128.pow(u32::try_from(fraction.len()).ok()?))
}

/// A weight: a decimal with at most six places. Decimals are ours.
pub(crate) fn weight(value: Value<'_>, out: &mut Sink) -> Option<Weight> {
    let text = plain(&value, out)?.trim();
    let Ok(weight) = text.parse::<Weight>() else {
        return refuse(&value, out, "is no weight", "a decimal from 0 to 1000000 with at most six places");
    };
    if weight.0 % Weight::ONE.0 != 0 {
        out.extension(&value.node.at, value.path, format!("a decimal weight, {text}, is Rollgate's own"));
    }
    Some(weight)
}

/// A network, `10.0.0.0/8`, or one address.
pub(crate) fn network(value: Value<'_>, out: &mut Sink) -> Option<IpNet> {
    match parse_network(plain(&value, out)?) {
        Some(network) => Some(network),
        None => refuse(&value, out, "is no network", "an IP address or a CIDR like 10.0.0.0/8"),
    }
}

/// A network or one address, its host bits cleared.
pub(crate) fn parse_network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().map(|network| network.trunc()).or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

/// One of some words, and what each means.
pub(crate) fn choice<T: Copy, const N: usize>(
    choices: [(&'static str, T); N],
) -> impl Fn(Value<'_>, &mut Sink) -> Option<T> {
    move |value, out| {
        let text = plain(&value, out)?;
        match choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
            Some(&(_, meaning)) => Some(meaning),
            None => refuse(&value, out, "is not one of the choices", of_choices(text, &choices.map(|(word, _)| word))),
        }
    }
}

/// A regular expression in linear time.
pub(crate) fn pattern(value: Value<'_>, out: &mut Sink) -> Option<regex::Regex> {
    let text = plain(&value, out)?;
    match regex::Regex::new(text) {
        Ok(regex) => Some(regex),
        Err(error) => refuse(&value, out, format!("is no regular expression: {}", regex_error(&error)), ""),
    }
}

/// The last line of a regular expression's error, which says what is wrong.
pub(crate) fn regex_error(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("it compiles to more than {limit} bytes"),
        other => {
            let text = other.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    }
}

/// A header's name, lower-cased.
pub(crate) fn header_name(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let text = plain(&value, out)?;
    if !is_token(text) {
        return refuse(&value, out, "is no header name", "");
    }
    Some(text.to_ascii_lowercase())
}

/// Whether a text is a token, RFC 9110 section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A header's value: no control characters but the tab.
pub(crate) fn header_value(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let text = plain(&value, out)?;
    if text.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
        return refuse(&value, out, "is no header value", "no line breaks or other control characters");
    }
    Some(text.to_owned())
}

fn plain<'v>(value: &Value<'v>, out: &mut Sink) -> Option<&'v str> {
    match &value.node.kind {
        Kind::Scalar(scalar) if scalar.bare => {
            out.problem(&value.node.at, value.path, "has no value", "");
            None
        }
        Kind::Scalar(scalar) => Some(&scalar.text),
        Kind::Sequence(_) if value.node.at.line == 0 => {
            out.problem(&value.node.at, value.path, "is given more than once", "");
            None
        }
        _ => {
            out.problem(&value.node.at, value.path, format!("is {}", value.node.noun()), "a single value");
            None
        }
    }
}

/// A problem with a value, which is quoted.
fn refuse<T>(value: &Value<'_>, out: &mut Sink, what: impl std::fmt::Display, allowed: impl Into<String>) -> Option<T> {
    let text = match &value.node.kind {
        Kind::Scalar(scalar) => &*scalar.text,
        _ => "",
    };
    out.problem(&value.node.at, value.path, format!("{} {what}", quoted(text)), allowed);
    None
}

/// A text in quotes, shortened.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{:?}", start + "...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos_or_seconds() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("0", Some(ms(0))),
            ("15", Some(ms(15_000))),
            ("1m30s", Some(ms(90_000))),
            ("100ms", Some(ms(100))),
            ("1.5h", Some(ms(5_400_000))),
            (".5s", Some(ms(500))),
            ("2us", Some(Duration::from_micros(2))),
            ("3ns", Some(Duration::from_nanos(3))),
            ("", None),
            ("s", None),
            ("1x", None),
            ("1.5", None),
            ("1s2", None),
            ("99999999999h", None),
            ("999999999999", None),
        ] {
            assert_eq!(parse_duration(text).map(|(_, duration)| duration), expected, "{text}");
        }
        assert_eq!(parse_duration("-1s"), Some((true, ms(1000))));
    }

    #[test]
    fn networks_lose_their_host_bits() {
        for (text, expected) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("::1", Some("::1/128")),
            ("10.0.0.0/33", None),
            ("x", None),
        ] {
            assert_eq!(parse_network(text).map(|network| network.to_string()).as_deref(), expected, "{text}");
        }
    }
}
