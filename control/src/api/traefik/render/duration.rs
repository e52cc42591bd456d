//! Lengths of time as Go writes them: `1m30s`, `1.5s`, `250ms`.

/// By nanoseconds.
pub(in crate::api::traefik) fn duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let nanoseconds = nanoseconds.unsigned_abs();
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let units = [("ns", 1_u64), ("µs", 1_000), ("ms", 1_000_000)];
    if let Some((unit, size)) = units.into_iter().rev().find(|(_, size)| *size <= nanoseconds && nanoseconds < SECOND) {
        return format!("{sign}{}{unit}", fraction(nanoseconds, size));
    }
    let (minutes, rest) = (nanoseconds / MINUTE, nanoseconds % MINUTE);
    let seconds = fraction(rest, SECOND);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// By milliseconds.
pub(in crate::api::traefik) fn milliseconds(number: i64) -> String {
    duration(number.saturating_mul(1_000_000))
}

/// In units of a size, with as many places as there are.
fn fraction(number: u64, size: u64) -> String {
    let (whole, rest) = (number / size, number % size);
    if rest == 0 {
        return whole.to_string();
    }
    let width = size.ilog10() as usize;
    let places = format!("{rest:0width$}");
    format!("{whole}.{}", places.trim_end_matches('0'))
}

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanoseconds, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (2_200_000, "2.2ms"),
            (250_000_000, "250ms"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (90_000_000_001, "1m30.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
            (5_400_000_000_000, "1h30m0s"),
            (-1_000_000, "-1ms"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(duration(nanoseconds), expected);
        }
        assert_eq!(milliseconds(i64::MAX), "2562047h47m16.854775807s");
    }
}
