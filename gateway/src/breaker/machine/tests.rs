use proptest::prelude::*;

use super::{Decision::Deny, Event::*, Phase::*, *};

const DURATIONS: Durations = Durations { fallback: ms(10_000), recovery: ms(10_000) };

const fn ms(milliseconds: u64) -> Time {
    Time::from_millis(milliseconds)
}

/// A breaker and what became of it.
struct Told {
    state: State,
    durations: Durations,
    transitions: Vec<(u64, Phase, Phase)>,
}

impl Told {
    fn new() -> Self {
        Self { state: State::Standby, durations: DURATIONS, transitions: Vec::new() }
    }

    fn on(&mut self, event: Event, at: u64) -> Decision {
        let step = step(self.state, event, ms(at), self.durations);
        self.state = step.state;
        if let Reconfigured(durations) = event {
            self.durations = durations;
        }
        let told = |turn: Transition| (u64::try_from(turn.at.as_millis()).unwrap(), turn.from, turn.to);
        self.transitions.extend(step.transitions.into_iter().map(told));
        step.decision
    }

    fn phase_at(&mut self, at: u64) -> Phase {
        self.on(Passed, at);
        self.state.phase()
    }
}

#[test]
fn each_state_lasts_to_the_millisecond() {
    let mut told = Told::new();
    told.on(Held, 5_000);
    for (at, phase) in
        [(5_000, Tripped), (14_999, Tripped), (15_000, Recovering), (24_999, Recovering), (25_000, Standby)]
    {
        assert_eq!(told.phase_at(at), phase, "at {at} ms");
    }
    let turns = [(5_000, Standby, Tripped), (15_000, Tripped, Recovering), (25_000, Recovering, Standby)];
    assert_eq!(told.transitions, turns);
}

#[test]
fn who_comes_after_a_long_silence_finds_every_transition_at_its_time() {
    let mut told = Told::new();
    told.on(Held, 1_000);
    assert_eq!(told.on(Asked, 60_000), Decision::Pass);
    let turns = [(1_000, Standby, Tripped), (11_000, Tripped, Recovering), (21_000, Recovering, Standby)];
    assert_eq!(told.transitions, turns);
}

#[test]
fn a_tripped_breaker_says_how_long_it_stays_so() {
    let mut told = Told::new();
    told.on(Held, 0);
    for (at, left) in [(0, 10_000), (1, 9_999), (9_999, 1)] {
        assert_eq!(told.on(Asked, at), Deny(ms(left)), "at {at} ms");
    }
    assert_eq!(told.on(Asked, 10_000), Deny(ms(0)), "the first one of the recovery");
}

#[test]
fn a_condition_that_holds_while_tripped_changes_nothing() {
    let mut told = Told::new();
    told.on(Held, 0);
    told.on(Held, 9_000);
    assert_eq!(told.phase_at(10_000), Recovering);
}

#[test]
fn a_condition_that_holds_while_recovering_trips_for_a_whole_fallback_again() {
    let mut told = Told::new();
    told.on(Held, 0);
    told.on(Held, 15_000);
    assert_eq!(told.phase_at(24_999), Tripped);
    assert_eq!(told.phase_at(25_000), Recovering);
    assert_eq!(told.state, State::Recovering { since: ms(25_000), allowed: 0, denied: 0 }, "the ramp begins anew");
}

#[test]
fn other_durations_hold_for_the_state_that_is_there() {
    let shorter = |fallback, recovery| Reconfigured(Durations { fallback: ms(fallback), recovery: ms(recovery) });
    for (change, at, expected) in [
        // Not over yet: it ends by the new duration.
        (shorter(6_000, 10_000), 5_000, vec![(6_000, Tripped, Recovering), (16_000, Recovering, Standby)]),
        (shorter(20_000, 1_000), 5_000, vec![(20_000, Tripped, Recovering), (21_000, Recovering, Standby)]),
        // Over by it: it ends now, and the recovery has its whole time.
        (shorter(1_000, 2_000), 5_000, vec![(5_000, Tripped, Recovering), (7_000, Recovering, Standby)]),
        (shorter(5_000, 2_000), 5_000, vec![(5_000, Tripped, Recovering), (7_000, Recovering, Standby)]),
        (shorter(10_000, 1_000), 15_000, vec![(10_000, Tripped, Recovering), (15_000, Recovering, Standby)]),
    ] {
        let mut told = Told::new();
        told.on(Held, 0);
        told.on(change, at);
        told.on(Passed, 60_000);
        assert_eq!(told.transitions[1..], expected, "{change:?} at {at}");
    }
}

#[test]
fn a_recovery_begins_with_a_denial_and_ends_with_a_half() {
    let mut told = Told::new();
    told.on(Held, 0);
    assert_ne!(told.on(Asked, 10_000), Decision::Pass);
    let mut allowed = 0;
    for at in 10_001..20_000 {
        allowed += usize::from(told.on(Asked, at) == Decision::Pass);
    }
    let share = allowed as f64 / 9_999.0;
    assert!((0.49..0.5).contains(&share), "{share} of all");
    assert_eq!(told.on(Asked, 20_000), Decision::Pass);
    assert_eq!(told.state, State::Standby);
}

/// As oxy's: at each of ten thousand requests, a millisecond apart, the share let through is the one that is due, to one
/// place.
#[test]
fn the_share_let_through_grows_evenly() {
    let mut told = Told::new();
    told.on(Held, 0);
    let (mut allowed, mut all) = (0.0, 0.0);
    for millisecond in 0..10_000 {
        allowed += f64::from(told.on(Asked, 10_000 + millisecond) == Decision::Pass);
        all += 1.0;
        let due = 0.5 * millisecond as f64 / 10_000.0;
        assert!((allowed / all - due).abs() < 0.05, "{} of {due} after {millisecond} ms", allowed / all);
    }
}

proptest! {
    /// Whatever happens: nothing is let through while tripped, the way is always the same, states last as they should,
    /// and the share let through while recovering stays below what is due.
    #[test]
    fn no_order_of_events_leaves_the_way(events in prop::collection::vec((0u64..4_000, 0u8..10), 1..400)) {
        let mut told = Told::new();
        let mut now = 0;
        for (after, what) in events {
            now += after;
            let event = match what { 0 => Held, 1 => Passed, _ => Asked };
            let before = told.phase_at(now);
            let decision = told.on(event, now);
            match (before, event) {
                (Tripped, Asked) => prop_assert_ne!(decision, Decision::Pass),
                (Standby, Asked) => prop_assert_eq!(decision, Decision::Pass),
                _ => {}
            }
            if let State::Recovering { since, allowed, denied } = told.state && allowed > 0 {
                let due = 0.5 * (ms(now) - since).as_secs_f64() / 10.0;
                prop_assert!(allowed as f64 / ((allowed + denied) as f64) < due + 1e-9);
            }
        }
        let mut before = (0, Recovering, Standby);
        for turn in told.transitions {
            prop_assert_eq!(before.2, turn.1);
            match (turn.1, turn.2) {
                (Standby | Recovering, Tripped) => {}
                (Tripped, Recovering) | (Recovering, Standby) => prop_assert_eq!(turn.0 - before.0, 10_000),
                _ => prop_assert!(false, "{:?}", turn),
            }
            before = turn;
        }
    }
}
