//! A logarithmic axis, with round numbers on it.

use super::super::numbers::{count, plain, seconds};

/// From left to right.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// The least value on it.
    pub(super) from: f64,
    /// The largest.
    pub(super) to: f64,
    /// Where it begins and ends.
    pub(super) place: (f64, f64),
    marks: &'static [f64],
    name: fn(f64) -> String,
}

impl Axis {
    /// Of times in seconds that hold all of these.
    pub(super) fn of_times(values: impl Iterator<Item = f64>, place: (f64, f64)) -> Self {
        Self::over(values, place, &TIMES, |time| if time < 1.0 { format!("{}s", plain(time)) } else { whole(time) })
    }

    /// Of counts.
    pub(super) fn of_counts(values: impl Iterator<Item = f64>, place: (f64, f64)) -> Self {
        Self::over(values, place, &COUNTS, count)
    }

    fn over(
        values: impl Iterator<Item = f64>,
        place: (f64, f64),
        marks: &'static [f64],
        name: fn(f64) -> String,
    ) -> Self {
        let (least, most) = (marks[0], marks[marks.len() - 1]);
        let within = |(from, to): (f64, f64), value: f64| {
            let value = value.clamp(least, most);
            (from.min(value), to.max(value))
        };
        let (from, to) = values.fold((most, least), within);
        // There is one more behind it.
        let from = marks[..marks.len() - 1].iter().rev().find(|mark| **mark <= from).copied().unwrap_or(least);
        let to = marks.iter().find(|mark| **mark >= to && **mark > from).copied().unwrap_or(most);
        Self { from, to, place, marks, name }
    }

    /// Where a value is.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (left, right) = self.place;
        let part = (value.clamp(self.from, self.to) / self.from).ln() / (self.to / self.from).ln();
        left + part * (right - left)
    }

    /// What stands on it.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        let on_it = self.marks.iter().filter(|mark| (self.from..=self.to).contains(mark));
        on_it.map(|mark| (*mark, (self.name)(*mark)))
    }
}

/// A time that is a whole number of a unit.
fn whole(time: f64) -> String {
    match seconds(time) {
        text if text.ends_with("m00s") || text.ends_with("h00m") || text.ends_with("d00h") => {
            text[..text.len() - 3].to_owned()
        }
        text => text,
    }
}

const TIMES: [f64; 13] = [
    0.01,
    0.1,
    1.0,
    10.0,
    60.0,
    600.0,
    3_600.0,
    36_000.0,
    86_400.0,
    864_000.0,
    8_640_000.0,
    86_400_000.0,
    864_000_000.0,
];
const COUNTS: [f64; 10] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: (f64, f64) = (100.0, 200.0);

    fn ticks(axis: &Axis) -> Vec<String> {
        axis.ticks().map(|(_, name)| name).collect()
    }

    #[test]
    fn it_holds_all_values_between_round_numbers() {
        let axis = Axis::of_times([0.5, 422.0].into_iter(), PLACE);
        assert_eq!(ticks(&axis), ["0.1s", "1s", "10s", "1m", "10m"]);
        assert_eq!([0.1, 600.0, 0.0, 1e9].map(|value| axis.at(value)), [100.0, 200.0, 100.0, 200.0]);
        assert_eq!(ticks(&Axis::of_times([7_200.0].into_iter(), PLACE)), ["1h", "10h"]);
        let axis = Axis::of_counts([3.0, 4_000.0].into_iter(), PLACE);
        assert_eq!(ticks(&axis), ["1", "10", "100", "1,000", "10,000"]);
        assert!((axis.at(100.0) - 150.0).abs() < 1e-9);
    }

    #[test]
    fn there_is_one_for_anything() {
        for values in [vec![], vec![0.0], vec![f64::MAX], vec![1.0, 1.0]] {
            for axis in [Axis::of_counts, Axis::of_times].map(|of: fn(_, _) -> _| of(values.clone().into_iter(), PLACE))
            {
                assert!(axis.from < axis.to && axis.ticks().count() >= 2, "{values:?}: {axis:?}");
            }
        }
    }
}
