//! Shares, evidence and times for people.

use jiff::SignedDuration;

/// A share from 0 to 1 in per cent, with at most so many places. What is more than nothing is never shown as nothing.
pub(super) fn percent(share: f64, places: usize) -> String {
    let text = format!("{:.places$}", share * 100.0);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if share > 0.0 && text == "0" {
        return format!("<{:.places$}%", 10_f64.powi(-i32::try_from(places).unwrap_or(0)));
    }
    format!("{text}%")
}

/// Each of these weights' share of all of them; none if there is nothing to share.
pub(super) fn shares<'a>(weights: impl Iterator<Item = &'a String> + Clone) -> impl Iterator<Item = Option<f64>> {
    let weight = |text: &String| text.parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0);
    let sum: f64 = weights.clone().filter_map(weight).sum();
    weights.map(move |text| weight(text).filter(|_| sum > 0.0).map(|weight| weight / sum))
}

/// How many times, or how much evidence: with a place after the point where that says something.
pub(super) fn times(value: f64) -> String {
    match value {
        _ if value > MOST_TIMES => format!("over {MOST_TIMES}"),
        _ if value < 0.05 => "0".to_owned(),
        _ if value < 9.95 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.0}"),
    }
}

/// A time in milliseconds: `250ms`, `40s`, `1h 5m`. Two units at most, and nothing below seconds from a second on.
pub(super) fn span(millis: i64) -> String {
    let millis = millis.max(0);
    let grain = match millis {
        0..1_000 => 1,
        1_000..3_600_000 => 1_000,
        3_600_000..86_400_000 => 60_000,
        _ => 3_600_000,
    };
    let told = SignedDuration::from_millis(millis / grain * grain);
    match millis / 86_400_000 {
        0 => format!("{told:#}"),
        days => {
            let hours = told.as_hours() - days * 24;
            if hours == 0 { format!("{days}d") } else { format!("{days}d {hours}h") }
        }
    }
}

/// Beyond it, nobody needs the digits.
const MOST_TIMES: f64 = 1_000_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_and_ratios_have_the_digits_that_say_something() {
        for (value, expected) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.949, "0.9"),
            (1.0, "1"),
            (9.96, "10"),
            (111.1, "111"),
            (1e9, "over 1000000"),
            (f64::INFINITY, "over 1000000"),
        ] {
            assert_eq!(times(value), expected, "{value}");
        }
    }

    #[test]
    fn times_have_two_units_at_most() {
        for (millis, expected) in [
            (-3, "0s"),
            (250, "250ms"),
            (2_210, "2s"),
            (61_000, "1m 1s"),
            (3_605_000, "1h"),
            (3_900_000, "1h 5m"),
            (86_400_000, "1d"),
            (90_061_000, "1d 1h"),
        ] {
            assert_eq!(span(millis), expected, "{millis}");
        }
    }

    #[test]
    fn shares_have_as_many_places_as_they_need() {
        for (share, places, expected) in [
            (0.95, 2, "95%"),
            (1.0 / 3.0, 2, "33.33%"),
            (1.0, 2, "100%"),
            (1.0, 0, "100%"),
            (0.0, 2, "0%"),
            (0.000_01, 2, "<0.01%"),
            (0.0004, 1, "<0.1%"),
            (0.001, 0, "<1%"),
        ] {
            assert_eq!(percent(share, places), expected, "{share} {places}");
        }
    }

    #[test]
    fn weights_share_what_there_is() {
        let of = |weights: &[&str]| {
            let weights: Vec<String> = weights.iter().map(ToString::to_string).collect();
            shares(weights.iter()).collect::<Vec<_>>()
        };
        assert_eq!(of(&["90", "10"]), [Some(0.9), Some(0.1)]);
        assert_eq!(of(&["0", "0.5"]), [Some(0.0), Some(1.0)]);
        assert_eq!(of(&["0", "0"]), [None, None]);
        assert_eq!(of(&["1", "many"]), [Some(1.0), None]);
    }
}
