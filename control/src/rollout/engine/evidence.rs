//! What a look at a trial has seen, as it is kept.

use std::{collections::BTreeMap, mem};

use rollgate_config::scalar::Share;
use serde::{Deserialize, Serialize};

use super::text;

/// All numbers of a look. Those that are not whole are kept to six places.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The canary's, since the trial was laid.
    pub canary: Tally,
    /// Stable's, likewise.
    pub stable: Tally,
    /// The canary's that came in the step, of those that count.
    pub step_requests: u64,
    /// `ln E` against the canary, by the kind of evidence; at most 8.
    pub ln_e: BTreeMap<String, f64>,
    /// What those have to reach for the canary to be taken back. Each kind has a part of alpha to itself.
    #[serde(default)]
    pub ln_needed: BTreeMap<String, f64>,
    /// `ln E` for a canary that is not worse by the margin.
    pub ln_not_inferior: Option<f64>,
    /// `ln E` for a promise that is kept.
    pub ln_kept: Option<f64>,
    /// `ln E` for one that is broken.
    pub ln_broken: Option<f64>,
    /// What that has to reach for it to count as broken.
    #[serde(default)]
    pub ln_broken_needed: Option<f64>,
    /// How many times as many errors as stable's.
    pub ratio: Option<Ratio>,
    /// It is enough for the step's margin, and nothing speaks against the canary.
    pub advance: bool,
    /// The canary is new to its traffic, and nothing is counted yet.
    pub discarding: bool,
    /// The second with the most requests since the trial was laid.
    pub busiest: Option<Busiest>,
    /// All of it in a sentence.
    pub says: String,
}

/// What a version has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Requests that came to their end.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Those of the others that were slow.
    pub slow: u64,
}

/// An estimate and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ratio {
    /// The likeliest.
    pub estimate: f64,
    /// At least so much.
    pub lower: f64,
    /// At most.
    pub upper: f64,
}

/// Requests in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Busiest {
    /// So many.
    pub requests: u64,
    /// They were this share of what the canary will have: its own weight's if they are its own, all if they are both versions'.
    #[serde(with = "text")]
    pub share: Share,
}

impl Evidence {
    /// As it can be kept and read again: in bounds, and without numbers that JSON does not have.
    pub(in super::super) fn tidy(mut self) -> Self {
        for value in [&mut self.ln_not_inferior, &mut self.ln_kept, &mut self.ln_broken, &mut self.ln_broken_needed] {
            *value = value.map(rounded);
        }
        self.ratio = self.ratio.map(|ratio| Ratio {
            estimate: rounded(ratio.estimate),
            lower: rounded(ratio.lower),
            upper: rounded(ratio.upper),
        });
        for values in [&mut self.ln_e, &mut self.ln_needed] {
            let some = mem::take(values).into_iter().take(FAMILIES);
            *values = some.map(|(family, value)| (text::short(family, 64), rounded(value))).collect();
        }
        self.says = text::short(self.says, text::REASON);
        self
    }
}

/// To six places, which JSON reads as they are written; what is no number says nothing.
pub(super) fn rounded(value: f64) -> f64 {
    let value = if value.is_nan() { 0.0 } else { value.clamp(-LARGEST, LARGEST) };
    // No -0, which is not read back as such by everyone.
    (value * 1e6).round() / 1e6 + 0.0
}

/// Beyond that, six places are more than a double has.
const LARGEST: f64 = 1e9;

const FAMILIES: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(value in any::<f64>(), small in -1e4..1e4_f64) {
            for value in [value, small, -0.0, f64::INFINITY, f64::NAN] {
                let evidence = Evidence { ln_kept: Some(value), ..Evidence::default() }.tidy();
                let text = serde_json::to_string(&evidence).unwrap();
                let read: Evidence = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&read, &evidence, "{}", text);
                prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
            }
        }
    }
}
