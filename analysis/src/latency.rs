//! What a slow answer is: one later than nearly all of stable's were before.
//!
//! The threshold is fixed before the answers that it is applied to, from stable's own, and is the same for both
//! versions. So an error in it costs no false rollback: it only moves how many of both versions' answers are slow. It
//! is renewed at restarts, from answers before them, so that it follows the day.
//!
//! Latencies are in microseconds, in 32 steps for each octave: a threshold is at most 3% too high.

/// The number of places in a histogram.
pub const PLACES: usize = (OCTAVES as usize + 1) << STEPS_LOG2;

/// Where a latency in microseconds is counted; the last place takes all that are longer than a day.
pub fn place(micros: u64) -> usize {
    let octave = micros.max(1).ilog2().saturating_sub(STEPS_LOG2);
    let place = (u64::from(octave) << STEPS_LOG2) + (micros >> octave);
    usize::try_from(place).map_or(PLACES - 1, |place| place.min(PLACES - 1))
}

/// The longest latency that is counted there, in microseconds.
pub fn longest(place: usize) -> u64 {
    if place >= PLACES - 1 {
        return u64::MAX;
    }
    let steps = 1 << STEPS_LOG2;
    let octave = (place / steps).saturating_sub(1);
    let step = place - octave * steps;
    ((step as u64 + 1) << octave) - 1
}

/// How a request ended, as far as its latency says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// After so many microseconds, without an error.
    After(u64),
    /// Not within its time, where that is not an error already.
    TimedOut,
    /// With an error. Errors count as such, and are fast or slow for reasons of their own.
    Failed,
}

/// Stable's latencies since the threshold was last renewed, and the threshold.
#[derive(Debug, Clone)]
pub struct Threshold {
    quantile: f64,
    micros: Option<u64>,
    window: Box<[u64; PLACES]>,
    answers: u64,
}

impl Threshold {
    /// None yet: the latency that a part of `quantile`, in (0, 1), of stable's answers do not exceed.
    pub fn new(quantile: f64) -> Self {
        Self { quantile, micros: None, window: Box::new([0; PLACES]), answers: 0 }
    }

    /// From one that was stored.
    pub fn resume(quantile: f64, micros: Option<u64>) -> Self {
        Self { micros, ..Self::new(quantile) }
    }

    /// The threshold in microseconds; `None` before the first renewal that had answers enough.
    pub fn micros(&self) -> Option<u64> {
        self.micros
    }

    /// Whether an answer, of either version, is slow. Nothing is, as long as there is no threshold.
    pub fn is_slow(&self, answer: Answer) -> bool {
        match answer {
            Answer::After(micros) => self.micros.is_some_and(|threshold| micros > threshold),
            Answer::TimedOut => self.micros.is_some(),
            Answer::Failed => false,
        }
    }

    /// Takes an answer of stable's into the window.
    pub fn see(&mut self, answer: Answer) {
        match answer {
            Answer::After(micros) => self.see_many(place(micros), 1),
            Answer::TimedOut => self.see_many(PLACES - 1, 1),
            Answer::Failed => {}
        }
    }

    /// Takes answers of stable's into the window that were counted by [`place`].
    pub fn see_many(&mut self, place: usize, answers: u64) {
        let count = &mut self.window[place.min(PLACES - 1)];
        *count = count.saturating_add(answers);
        self.answers = self.answers.saturating_add(answers);
    }

    /// At a restart: the threshold of the window, which is emptied. With fewer than [`ENOUGH`] answers expected above
    /// it, the old threshold stays, and the window goes on.
    pub fn renew(&mut self) {
        let above = (self.answers as f64 * (1.0 - self.quantile)).floor() as u64;
        if above < ENOUGH {
            return;
        }
        self.micros = Some(self.with_at_most_above(above));
        self.window.fill(0);
        self.answers = 0;
    }

    /// The lowest end of a place that at most so many answers exceed.
    fn with_at_most_above(&self, above: u64) -> u64 {
        let mut seen = 0_u64;
        let most = self.answers.saturating_sub(above);
        let place = self.window.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= most
        });
        longest(place.unwrap_or(PLACES - 1))
    }
}

/// Answers that are expected above a new threshold, at least: 200 in all for a quantile of 95%.
pub const ENOUGH: u64 = 10;

/// Steps of an octave, as a power of 2.
const STEPS_LOG2: u32 = 5;
/// Up to 2^37 microseconds, which is 38 hours.
const OCTAVES: u32 = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_follow_each_other_without_a_gap() {
        for index in 0..PLACES - 1 {
            let end = longest(index);
            assert_eq!((place(end), place(end + 1)), (index, index + 1), "{index}");
        }
        assert_eq!((place(0), place(u64::MAX), longest(PLACES - 1)), (0, PLACES - 1, u64::MAX));
        assert!(longest(PLACES - 2) > 24 * 3_600 * 1_000_000);
    }

    #[test]
    fn a_threshold_is_that_of_the_answers_before_it() {
        let mut threshold = Threshold::new(0.95);
        (1..=199).for_each(|micros| threshold.see(Answer::After(micros * 1_000)));
        threshold.renew();
        assert_eq!(threshold.micros(), None, "too few");
        assert!(!threshold.is_slow(Answer::TimedOut));

        threshold.see(Answer::After(200_000));
        threshold.see(Answer::Failed);
        threshold.renew();
        let micros = threshold.micros().unwrap();
        assert!((190_000..=195_700).contains(&micros), "{micros}");
        assert!(threshold.is_slow(Answer::After(micros + 1)) && threshold.is_slow(Answer::TimedOut));
        assert!(!threshold.is_slow(Answer::After(micros)) && !threshold.is_slow(Answer::Failed));

        (0..10).for_each(|_| threshold.see(Answer::After(1)));
        threshold.renew();
        assert_eq!(threshold.micros(), Some(micros), "too few for a new one");
        threshold.see_many(place(50), 1_000);
        threshold.renew();
        assert_eq!(threshold.micros(), Some(longest(place(50))));
        threshold.see_many(place(9_000), 200);
        threshold.renew();
        assert_eq!(threshold.micros(), Some(longest(place(9_000))), "of those since the last renewal only");
        assert_eq!(Threshold::resume(0.95, Some(7)).micros(), Some(7));
    }

    #[test]
    fn where_one_in_ten_times_out_nothing_that_is_answered_is_slow() {
        let mut threshold = Threshold::new(0.95);
        for index in 0..1_000 {
            threshold.see(if index % 10 == 0 { Answer::TimedOut } else { Answer::After(10) });
        }
        threshold.renew();
        assert!(!threshold.is_slow(Answer::After(u64::MAX)) && threshold.is_slow(Answer::TimedOut));
    }

    proptest! {
        #[test]
        fn a_place_is_at_most_three_per_cent_wide(micros in any::<u64>()) {
            let end = longest(place(micros));
            prop_assert!(end >= micros);
            prop_assert!(micros > 1 << 37 || end - micros <= micros / 32, "{micros} {end}");
        }

        #[test]
        fn no_counts_and_quantiles_make_it_panic(
            counts in proptest::collection::vec((any::<usize>(), any::<u64>()), 0..9), quantile in any::<f64>(),
        ) {
            let mut threshold = Threshold::new(quantile);
            for (place, answers) in counts {
                threshold.see_many(place, answers);
            }
            threshold.renew();
            let _ = threshold.is_slow(Answer::After(1));
        }

        #[test]
        fn no_more_answers_exceed_it_than_they_should(
            latencies in proptest::collection::vec(0..1_000_000_u64, 200..2_000),
        ) {
            let mut threshold = Threshold::new(0.95);
            latencies.iter().for_each(|micros| threshold.see(Answer::After(*micros)));
            threshold.renew();
            let slow = latencies.iter().filter(|micros| threshold.is_slow(Answer::After(**micros))).count();
            prop_assert!(slow as f64 <= 0.05 * latencies.len() as f64, "{slow} of {}", latencies.len());
        }
    }
}
