use proptest::prelude::*;

use super::*;
use crate::relative;

fn tally(requests: u64, errors: u64) -> Tally {
    Tally { requests, errors, ..Tally::default() }
}

fn answers(canary: (u64, u64), stable: (u64, u64)) -> Answers {
    Answers { canary: tally(canary.0, canary.1), stable: tally(stable.0, stable.1) }
}

fn promising(p0: f64) -> Settings {
    Settings { promise: Some(p0), ..Settings::default() }
}

fn rule(settings: Settings) -> Rule {
    Rule::new(settings).unwrap()
}

#[test]
fn a_canary_that_always_fails_is_rolled_back_with_its_third_error() {
    let mut rule = rule(Settings::default());
    let mut verdicts = Vec::new();
    for _ in 0..3 {
        rule.add(0.05, &answers((1, 1), (19, 0)));
        verdicts.push(rule.look().verdict);
    }
    assert_eq!(verdicts, [Verdict::Continue, Verdict::Continue, Verdict::RollBack(Family::Errors)]);
}

#[test]
fn it_waits_for_the_errors_that_it_is_told_to() {
    let settings = Settings { min_errors: 10, ..Settings::default() };
    let mut rule = rule(settings);
    rule.add(0.05, &answers((9, 9), (0, 0)));
    assert_eq!(rule.look().verdict, Verdict::Continue);
    rule.add(0.05, &answers((1, 1), (0, 0)));
    assert_eq!(rule.look().verdict, Verdict::RollBack(Family::Errors));
}

#[test]
fn each_family_has_its_share_of_alpha() {
    let settings = Settings { latency: Some(1.0), ..Settings::default() };
    let with = |slow| Tally { requests: slow, slow, ..Tally::default() };
    let mut rule = rule(settings);
    assert!((rule.needed(Family::Errors) - (100.0_f64 / 0.9).ln()).abs() < 1e-12);
    assert!((rule.needed(Family::Slow) - 1_000_f64.ln()).abs() < 1e-12);
    assert_eq!(rule.needed(Family::First), f64::INFINITY);
    rule.add(0.05, &Answers { canary: with(3), stable: with(0) });
    let slow = rule.look().ln_e[3].unwrap();
    assert!(slow < 1_000_f64.ln() + 1.0 && slow > 6.0, "{slow}");
    rule.add(0.05, &Answers { canary: with(2), stable: with(0) });
    assert_eq!(rule.look().verdict, Verdict::RollBack(Family::Slow));
}

#[test]
fn users_count_with_their_first_error_and_once_more() {
    let canary = Tally { requests: 100, errors: 100, first: 2, again: 4, slow: 0 };
    let counted = Answers { canary, stable: tally(1_900, 0) };
    for (unit, verdict) in [
        (Unit::Request, Verdict::RollBack(Family::Errors)),
        (Unit::User, Verdict::Continue),
        (Unit::UserTwice, Verdict::RollBack(Family::Again)),
    ] {
        let mut rule = rule(Settings { unit, ..Settings::default() });
        rule.add(0.05, &counted);
        assert_eq!(rule.look().verdict, verdict, "{unit:?}");
    }
}

#[test]
fn an_outage_of_both_holds_and_ends() {
    let mut rule = rule(promising(0.01));
    rule.add(0.05, &answers((1_000, 5), (19_000, 95)));
    assert_eq!(rule.look().verdict, Verdict::Continue);
    for _ in 0..50 {
        rule.add(0.05, &answers((1, 1), (19, 19)));
    }
    assert_eq!(rule.look().verdict, Verdict::Hold(Hold::BothFail));
    assert_eq!(rule.advance(2.0).answer, Advance::Verdict(Verdict::Hold(Hold::BothFail)));
    let good = (1..).find(|_| {
        rule.add(0.05, &answers((1, 0), (19, 0)));
        rule.look().verdict == Verdict::Continue
    });
    assert!(good.is_some_and(|good| (250..=500).contains(&good)), "{good:?}");
    assert!(rule.look().ln_broken.is_some_and(|ln_e| ln_e > 100_f64.ln()), "the evidence itself stays");
}

#[test]
fn a_broken_promise_alone_holds_until_it_is_clear_who_breaks_it() {
    let mut rule = rule(promising(0.01));
    rule.add(0.5, &answers((4, 4), (4, 0)));
    assert_eq!(rule.look().verdict, Verdict::Hold(Hold::PromiseBroken));
    rule.add(0.5, &answers((5, 5), (5, 0)));
    assert_eq!(rule.look().verdict, Verdict::RollBack(Family::Errors));
}

#[test]
fn a_veto_lets_a_canary_fail_more_often_within_the_promise() {
    let settings = Settings { veto: true, latency: Some(1.0), ..promising(0.2) };
    let mut rule = rule(settings);
    rule.add(0.05, &answers((100, 10), (1_900, 19)));
    assert_eq!(rule.look().verdict, Verdict::Hold(Hold::Vetoed(Family::Errors)));
    let mut broken = rule.clone();
    broken.add(0.05, &answers((40, 40), (760, 8)));
    assert_eq!(broken.look().verdict, Verdict::RollBack(Family::Errors));

    let slow = |requests, slow| Tally { requests, slow, ..Tally::default() };
    let mut slower = Rule::new(settings).unwrap();
    slower.add(0.05, &Answers { canary: slow(100, 60), stable: slow(1_900, 90) });
    assert_eq!(slower.look().verdict, Verdict::RollBack(Family::Slow), "the promise says nothing of slow answers");
}

#[test]
fn slow_answers_count_as_far_as_they_come_more_often_than_is_let_pass() {
    let slow = |requests, slow| Tally { requests, slow, ..Tally::default() };
    let mut colder = rule(Settings { latency: Some(1.0), ..Settings::default() });
    let mut let_pass = rule(Settings { latency: Some(2.0), ..Settings::default() });
    for _ in 0..20 {
        let answers = Answers { canary: slow(500, 40), stable: slow(9_500, 500) };
        colder.add(0.05, &answers);
        let_pass.add(0.05, &answers);
    }
    assert_eq!(colder.look().verdict, Verdict::RollBack(Family::Slow), "1.5 times as often");
    assert_eq!(let_pass.look().verdict, Verdict::Continue);
    assert!(let_pass.look().ln_e[3].unwrap() < 0.0);
    let_pass.add(0.05, &Answers { canary: slow(100, 40), stable: slow(1_900, 100) });
    assert_eq!(let_pass.look().verdict, Verdict::RollBack(Family::Slow), "8 times as often");
}

#[test]
fn more_is_given_for_either_proof_and_not_while_it_looks_worse() {
    let mut good = rule(Settings::default());
    good.add(0.05, &answers((400, 2), (7_600, 76)));
    assert_eq!(good.advance(3.0).answer, Advance::NotInferior);
    assert_eq!(good.advance(1.2).answer, Advance::TooLittle);
    assert_eq!(good.advance(0.5).answer, Advance::TooLittle, "a margin below 1 is none");

    let mut silent = rule(promising(0.01));
    silent.add(0.05, &answers((331, 0), (6_000, 0)));
    assert_eq!(silent.advance(2.0).answer, Advance::TooLittle);
    silent.add(0.05, &answers((60, 0), (1_000, 0)));
    assert_eq!(silent.advance(2.0).answer, Advance::PromiseKept);

    let mut suspicious = rule(promising(0.2));
    suspicious.add(0.05, &answers((400, 2), (7_600, 0)));
    assert_eq!(suspicious.look().verdict, Verdict::Continue);
    assert_eq!(suspicious.advance(2.0).answer, Advance::Suspicion(Family::Errors));

    assert_eq!(rule(promising(0.01)).advance(2.0).answer, Advance::TooLittle, "no data holds");
}

#[test]
fn it_starts_again_after_so_many_requests_of_the_canary_whatever_they_were() {
    let mut rule = rule(Settings::default());
    assert!(!rule.add(0.05, &answers((249, 1), (4_000, 40))));
    assert!(!rule.add(0.05, &answers((0, 0), (4_000, 40))));
    assert!(!rule.add(1.0, &answers((500, 0), (0, 0))), "not drawn, not counted");
    assert!(rule.add(0.05, &answers((1, 0), (0, 0))));
    assert!(!rule.add(0.05, &answers((249, 0), (0, 0))));
    rule.restart();
    assert!(!rule.add(0.05, &answers((249, 0), (0, 0))));
    assert_eq!(rule.state().families[0].unwrap().restarts, 2);
}

#[test]
fn a_state_of_other_settings_is_refused() {
    let mut with_promise = rule(promising(0.01));
    with_promise.add(0.05, &answers((3, 1), (50, 1)));
    let state = with_promise.state();
    assert!(Rule::resume(promising(0.01), state.clone()).is_ok());
    let slow = Settings { latency: Some(1.0), ..promising(0.01) };
    for settings in [Settings::default(), promising(0.02), promising(2.0), slow] {
        assert!(Rule::resume(settings, state.clone()).is_err(), "{settings:?}");
    }
}

fn any_tally(most: u64) -> impl Strategy<Value = Tally> {
    (0..=most, 0..=most, 0..=most, 0..=most, 0..=most).prop_map(|(requests, errors, first, again, slow)| Tally {
        requests,
        errors,
        first,
        again,
        slow,
    })
}

fn any_answers(most: u64) -> impl Strategy<Value = (f64, Answers)> {
    let w = prop_oneof![Just(0.01), Just(0.05), Just(0.5), Just(1.0), 0.0..1.0_f64];
    (w, any_tally(most), any_tally(most)).prop_map(|(w, canary, stable)| (w, Answers { canary, stable }))
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let unit = prop_oneof![Just(Unit::Request), Just(Unit::User), Just(Unit::UserTwice)];
    let latency = proptest::option::of(1.0..=100.0_f64);
    (unit, latency, any::<bool>()).prop_map(|(unit, latency, veto)| Settings { unit, latency, veto, ..promising(0.01) })
}

proptest! {
    /// Looks need only be taken at errors of the canary: nothing else makes a verdict worse.
    #[test]
    fn successes_and_errors_of_stable_are_no_evidence_against_the_canary(
        before in proptest::collection::vec(any_answers(20), 0..20), then in any_answers(600),
        settings in any_settings(),
    ) {
        let mut rule = rule(settings);
        for (w, answers) in before {
            rule.add(w, &answers);
        }
        let was = rule.look();
        let (w, mut then) = then;
        then.canary = Tally { requests: then.canary.requests, ..Tally::default() };
        rule.add(w, &then);
        for (is, was) in rule.look().ln_e.into_iter().zip(was.ln_e) {
            prop_assert!(is.unwrap_or(0.0) <= was.unwrap_or(0.0) + 1e-9);
        }
    }

    #[test]
    fn it_goes_on_from_what_was_stored(
        before in proptest::collection::vec(any_answers(100), 0..10),
        after in proptest::collection::vec(any_answers(100), 0..10),
        settings in any_settings(),
    ) {
        let mut rule = rule(settings);
        for (w, answers) in &before {
            rule.add(*w, answers);
        }
        let mut resumed = Rule::resume(settings, rule.state()).unwrap();
        for (w, answers) in after {
            prop_assert_eq!(resumed.add(w, &answers), rule.add(w, &answers));
        }
        prop_assert_eq!(resumed.look(), rule.look());
        prop_assert_eq!(resumed.advance(2.0), rule.advance(2.0));
        prop_assert_eq!(resumed.state(), rule.state());
    }

    #[test]
    fn no_counts_leave_the_range(
        all in proptest::collection::vec(any_answers(u64::MAX), 0..10),
        settings in any_settings(), margin in any::<f64>(),
    ) {
        let mut rule = rule(settings);
        for (w, answers) in all {
            rule.add(w, &answers);
            let look = rule.look();
            prop_assert!(look.ln_e.iter().flatten().chain(&look.ln_broken).all(|ln_e| ln_e.is_finite()));
            let progress = rule.advance(margin);
            prop_assert!(!progress.ln_not_inferior.is_nan() && progress.ln_kept.is_none_or(f64::is_finite));
            prop_assert!(!crate::sentence::of_look(&rule, &look).is_empty());
            prop_assert!(!crate::sentence::of_progress(&rule, margin, &progress).is_empty());
        }
    }

    #[test]
    fn the_evidence_is_that_of_the_errors_alone(w in 0.01..0.9_f64, canary in 0..40_u64, stable in 0..400_u64) {
        let mut rule = rule(Settings::default());
        rule.add(w, &answers((canary.min(200), canary), (stable, stable)));
        let expected = (0.9 * relative::ln_e([crate::Segment::new(w, canary, stable)]).exp() + 0.1).ln();
        prop_assert!((rule.look().ln_e[0].unwrap() - expected).abs() < 1e-9);
    }
}
