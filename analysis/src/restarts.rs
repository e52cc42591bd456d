//! A process that starts again and again, so that a canary that breaks late is found as soon as one that was broken
//! from the start.
//!
//! ```text
//!            started with 0.9          0.1 / 2          0.1 / 6
//! evidence:  |-----------------------|----------------|-----------> ln E = ln(mean of the products + cash)
//!            start                   restart 1        restart 2
//! ```
//!
//! One product over the whole rollout must first undo its own good history: after 5,000 good requests a canary that
//! fails always would be found after 30 more instead of 6. So a part of the stake is kept back as cash and put in at
//! each restart. It is still one bet that cannot win on average, and a restart itself changes `E` by nothing. The
//! price is `ln(1 / 0.9)` at the start.
//!
//! Restarts come with a step's start and after every [`RESTART_EVERY`] requests of the canary, never because of
//! errors. An error costs eight multiplications to add and eight `exp` to look at.

use crate::{
    kernel::{LN_THETA, THETA, costs, l, lme, logaddexp},
    segment::{Segment, is_drawn},
};

/// After how many requests of the canary a process starts again.
pub const RESTART_EVERY: u64 = 250;

/// All that has to be kept of a [`Restarted`]: plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct State {
    /// How often it has started again; the cash left follows from it.
    pub restarts: u64,
    /// What the stakes have become by the last restart, for each of [`THETA`], as logarithms.
    pub stakes: [f64; THETA.len()],
    /// What since then came in under other weights than `current`'s, likewise.
    pub others: [f64; THETA.len()],
    /// What came in since the last restart, under the weight of what came in last.
    pub current: Segment,
}

/// The process. Against a promise it is the same, with the promised probability for `w` and successes for stable's
/// errors.
#[derive(Debug, Clone)]
pub struct Restarted {
    state: State,
    /// What each trial of the current segment costs.
    costs: [f64; THETA.len()],
}

impl Restarted {
    /// At its start.
    pub fn new() -> Self {
        let state = State {
            restarts: 0,
            stakes: [(1.0 - KEPT_BACK).ln(); THETA.len()],
            others: [0.0; THETA.len()],
            current: Segment::default(),
        };
        Self { state, costs: costs(0.0) }
    }

    /// As it was stored; `None` if no process has such a state.
    pub fn resume(state: State) -> Option<Self> {
        let finite = state.stakes.iter().chain(&state.others).all(|value| value.is_finite());
        let current = is_drawn(state.current.w) || state.current == Segment::default();
        (finite && current).then(|| Self { state, costs: costs(state.current.w) })
    }

    /// The same, against a promise of `p0`; `None` if it was another one.
    pub(crate) fn resume_against(p0: f64, state: State) -> Option<Self> {
        let same = state.current.w == p0 || state.current == Segment::default();
        Self::resume(state).filter(|_| same)
    }

    /// What has to be kept of it.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Adds errors of draws that went to the canary with probability `w`, also those that come in after the weight
    /// has changed. Draws without a choice (`w` outside (0, 1)) are not counted.
    pub fn add(&mut self, w: f64, canary: u64, stable: u64) {
        if !is_drawn(w) || (canary == 0 && stable == 0) {
            return;
        }
        if w != self.state.current.w {
            self.turn_to(w);
        }
        let current = &mut self.state.current;
        current.canary = current.canary.saturating_add(canary);
        current.stable = current.stable.saturating_add(stable);
    }

    /// Starts again: with what there is, and a part of the cash.
    pub fn restart(&mut self) {
        let products = self.products();
        let state = &mut self.state;
        state.restarts = state.restarts.saturating_add(1);
        let stake = stake(state.restarts).ln();
        state.stakes = products.map(|product| logaddexp(product, stake));
        state.others = [0.0; THETA.len()];
        state.current = Segment::new(state.current.w, 0, 0);
    }

    /// The evidence up to now, as a logarithm.
    pub fn ln_e(&self) -> f64 {
        logaddexp(lme(&self.products()), cash(self.state.restarts).ln())
    }

    /// What the stakes have become by now, as logarithms.
    fn products(&self) -> [f64; THETA.len()] {
        let Segment { canary, .. } = self.state.current;
        let (canary, all) = (canary as f64, self.state.current.errors() as f64);
        std::array::from_fn(|k| {
            let current = canary * LN_THETA[k] - all * self.costs[k];
            self.state.stakes[k] + self.state.others[k] + current
        })
    }

    fn turn_to(&mut self, w: f64) {
        let Segment { w: before, canary, .. } = self.state.current;
        let all = self.state.current.errors();
        if all > 0 {
            for (other, theta) in self.state.others.iter_mut().zip(THETA) {
                *other += l(canary, all, before, theta);
            }
        }
        self.state.current = Segment::new(w, 0, 0);
        self.costs = costs(w);
    }
}

impl Default for Restarted {
    fn default() -> Self {
        Self::new()
    }
}

/// What is put in at restart `j`, from 1.
fn stake(j: u64) -> f64 {
    let j = j as f64;
    KEPT_BACK / (j * (j + 1.0))
}

/// What is left after `j` restarts.
fn cash(j: u64) -> f64 {
    KEPT_BACK / (j as f64 + 1.0)
}

/// The part of the stake that is kept back for restarts.
const KEPT_BACK: f64 = 0.1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::relative;

    #[test]
    fn vectors() {
        let mut process = Restarted::new();
        process.add(0.05, 50, 950);
        process.restart();
        process.add(0.05, 4, 2);
        assert!((process.ln_e() - 4.157_572_388_347_344).abs() < 1e-9, "{}", process.ln_e());

        let mut process = Restarted::new();
        process.add(0.01, 10, 990);
        process.restart();
        process.add(0.05, 50, 950);
        process.restart();
        process.add(0.25, 9, 3);
        assert!((process.ln_e() - 1.366_497_333_577_604).abs() < 1e-9, "{}", process.ln_e());
    }

    #[test]
    fn all_that_is_put_in_and_kept_back_is_one() {
        let mut put_in = 1.0 - KEPT_BACK;
        for j in 1..10_000 {
            put_in += stake(j);
            assert!((put_in + cash(j) - 1.0).abs() < 1e-12, "{j}");
        }
        let mut process = Restarted::new();
        for _ in 0..10_000 {
            assert!(process.ln_e().abs() < 1e-9, "{}", process.ln_e());
            process.restart();
        }
    }

    #[test]
    fn without_a_restart_it_is_the_product_but_for_what_was_kept_back() {
        let mut process = Restarted::new();
        process.add(0.05, 8, 25);
        let expected = (0.9 * relative::ln_e([Segment::new(0.05, 8, 25)]).exp() + 0.1).ln();
        assert!((process.ln_e() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_state_that_cannot_be_is_refused() {
        let good = *Restarted::new().state();
        for bad in [
            State { stakes: [f64::NAN; 8], ..good },
            State { others: [f64::INFINITY; 8], ..good },
            State { current: Segment::new(1.0, 1, 0), ..good },
            State { current: Segment::new(f64::NAN, 1, 0), ..good },
            State { current: Segment::new(0.0, 1, 0), ..good },
        ] {
            assert!(Restarted::resume(bad).is_none(), "{bad:?}");
        }
    }

    /// What happens to a process.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Errors(f64, u64, u64),
        Restart,
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let w = prop_oneof![Just(0.01), Just(0.05), Just(0.5), 1e-6..0.999_f64];
        let errors = (w, 0..20_u64, 0..60_u64).prop_map(|(w, canary, stable)| Event::Errors(w, canary, stable));
        proptest::collection::vec(prop_oneof![4 => errors, 1 => Just(Event::Restart)], 0..30)
    }

    fn after(events: &[Event]) -> Restarted {
        let mut process = Restarted::new();
        for event in events {
            match *event {
                Event::Errors(w, canary, stable) => process.add(w, canary, stable),
                Event::Restart => process.restart(),
            }
        }
        process
    }

    proptest! {
        /// The reason why it may be looked at after every error, with any restarts before it.
        #[test]
        fn one_more_error_changes_nothing_on_average(events in events(), w in 1e-6..0.999_f64) {
            let process = after(&events);
            let with = |canary, stable| {
                let mut next = process.clone();
                next.add(w, canary, stable);
                (next.ln_e() - process.ln_e()).exp()
            };
            let mean = w * with(1, 0) + (1.0 - w) * with(0, 1);
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }

        #[test]
        fn a_restart_itself_is_no_evidence(events in events()) {
            let mut process = after(&events);
            let before = process.ln_e();
            process.restart();
            prop_assert!((process.ln_e() - before).abs() < 1e-9);
        }

        #[test]
        fn it_never_falls_below_its_cash(events in events()) {
            let process = after(&events);
            prop_assert!(process.ln_e() >= cash(process.state().restarts).ln());
        }

        #[test]
        fn the_order_in_which_weights_come_in_does_not_matter(mut events in events(), tail in events()) {
            events.retain(|event| matches!(event, Event::Errors(..)));
            let there = after(&[&events[..], &tail].concat());
            events.reverse();
            let back = after(&[&events[..], &tail].concat());
            prop_assert!((there.ln_e() - back.ln_e()).abs() < 1e-9);
        }

        #[test]
        fn it_goes_on_from_what_was_stored(events in events(), tail in events()) {
            let mut resumed = Restarted::resume(*after(&events).state()).unwrap();
            for event in &tail {
                match *event {
                    Event::Errors(w, canary, stable) => resumed.add(w, canary, stable),
                    Event::Restart => resumed.restart(),
                }
            }
            prop_assert_eq!(resumed.ln_e(), after(&[&events[..], &tail].concat()).ln_e());
        }

        #[test]
        fn draws_without_a_choice_are_no_evidence(events in events(), canary in any::<u64>(), stable in any::<u64>()) {
            let mut process = after(&events);
            let before = *process.state();
            for w in [0.0, 1.0, f64::NAN, -0.5, 2.0] {
                process.add(w, canary, stable);
            }
            prop_assert_eq!(*process.state(), before);
        }

        #[test]
        fn no_counts_leave_the_range(
            counts in proptest::collection::vec((0.0..1.0_f64, any::<u64>(), any::<u64>(), any::<bool>()), 1..20),
        ) {
            let mut process = Restarted::new();
            for (w, canary, stable, restart) in counts {
                process.add(w, canary, stable);
                prop_assert!(process.ln_e().is_finite());
                if restart {
                    process.restart();
                    prop_assert!(process.ln_e().is_finite());
                }
            }
            prop_assert!(Restarted::resume(*process.state()).is_some());
        }
    }
}
