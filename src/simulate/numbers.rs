//! Numbers for people.

/// A share from 0 to 1 in per cent, with a place as long as that says something.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let places = if percent < 0.1 && percent > 0.0 { 2 } else { usize::from(percent < 99.95) };
    let text = format!("{percent:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// A whole number with commas.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + 4);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number as short as it is exact, in at most six places.
pub(super) fn plain(number: f64) -> String {
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds in the two largest units that say something: `0.55s`, `7m02s`, `3h05m`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{}s", plain((seconds * 100.0).round() / 100.0));
    }
    let whole = seconds.round() as u64;
    match whole {
        ..60 => format!("{whole}s"),
        60..3_600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h{:02}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        let of = [0.0, 0.0003, 0.0084, 0.05, 0.999, 0.9999, 1.0];
        assert_eq!(of.map(percent), ["0%", "0.03%", "0.8%", "5%", "99.9%", "100%", "100%"]);
    }

    #[test]
    fn times_and_counts() {
        let of = [0.0, 0.548, 9.94, 9.96, 59.6, 422.4, 11_100.0, 200_000.0];
        assert_eq!(of.map(seconds), ["0s", "0.55s", "9.94s", "10s", "1m00s", "7m02s", "3h05m", "2d07h"]);
        assert_eq!([0.0, 999.0, 1e3, 1_234_567.0].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([100.0, 0.5, 0.001].map(plain), ["100", "0.5", "0.001"]);
    }
}
