use proptest::prelude::*;
use rollgate_config::{
    condition::Condition,
    problem::{Located, Place},
    scalar::StatusRanges,
};

use super::{super::evidence::Busiest, *};

fn seen(rate: f64, requests: u64, errors: u64) -> Observed {
    Observed { rate, requests, errors, ..Observed::default() }
}

fn protect() -> Protect {
    Protect {
        rate_limit: Some(ProtectRate::Observed { headroom: 2.0, at_least: 1, at_most: 1_000_000 }),
        circuit_breaker: Some(ProtectBreaker::Observed {
            factor: 3.0,
            at_least: Share(50_000),
            at_most: Share(500_000),
        }),
    }
}

#[test]
fn limits_follow_what_was_seen_within_bounds() {
    let of = |observed| {
        let protection = Protection::of(&protect(), &observed, &ErrorRule::default()).unwrap();
        (protection.rate.unwrap().average, protection.breaker.unwrap())
    };
    for (observed, average, share) in [
        (seen(150.0, 1_000, 0), 300, "0.05"),
        (seen(150.1, 1_000, 17), 301, "0.051"),
        (seen(0.1, 1_000, 100), 1, "0.3"),
        (seen(1e9, 1_000, 1_000), 1_000_000, "0.5"),
        (seen(33.333_333, 3, 1), 67, "0.5"),
    ] {
        let expected = format!("ResponseCodeRatio(500, 600, 0, 600) > {share}");
        assert_eq!(of(observed), (average, expected), "{observed:?}");
    }
    let tenth = Protect {
        rate_limit: Some(ProtectRate::Observed { headroom: 1.1, at_least: 1, at_most: 1_000 }),
        circuit_breaker: None,
    };
    let protection = Protection::of(&tenth, &seen(100.0, 1, 0), &ErrorRule::default()).unwrap();
    assert_eq!(
        protection.rate,
        Some(Rate { average: 110, burst: 110 }),
        "1.1 x 100 is a little more than 110 in doubles"
    );
}

#[test]
fn the_rate_is_that_of_all_users() {
    let mut observed = Observed::default();
    let mut see = |requests, share, answers, errors| {
        let busiest = Some(Busiest { requests, share: Share(share) });
        let canary = Tally { requests: answers, errors, slow: 0 };
        observed.see(&Evidence { busiest, canary, ..Evidence::default() });
        observed
    };
    assert_eq!((see(3, 10_000, 40, 1).rate, see(20, 50_000, 90, 2).rate), (300.0, 400.0));
    assert_eq!(see(20, 500_000, 100, 2).rate, 400.0, "the highest counts");
    assert_eq!(see(20, 0, 100, 2).rate, 400.0, "an audience says nothing of all users");
    observed.carry();
    observed.see(&Evidence { canary: Tally { requests: 5, errors: 1, slow: 0 }, ..Evidence::default() });
    assert_eq!((observed.requests, observed.errors), (105, 3));
    observed.forget_errors();
    assert_eq!((observed.rate, observed.requests, observed.errors), (400.0, 0, 0));
}

#[test]
fn what_is_given_is_taken_and_what_was_not_seen_is_said() {
    let fixed = Protect {
        rate_limit: Some(ProtectRate::Fixed { average: 5, burst: 9 }),
        circuit_breaker: Some(ProtectBreaker::Fixed(Located {
            value: "NetworkErrorRatio() > 0.3".to_owned(),
            at: Place::whole("here"),
        })),
    };
    let nothing = Observed::default();
    let protection = Protection::of(&fixed, &nothing, &ErrorRule::default()).unwrap();
    assert_eq!((protection.rate, protection.observed), (Some(Rate { average: 5, burst: 9 }), None));
    let no_rate = Protection::of(&protect(), &seen(0.0, 10, 0), &ErrorRule::default()).unwrap_err();
    let no_answers = Protection::of(&protect(), &seen(5.0, 0, 0), &ErrorRule::default()).unwrap_err();
    insta::assert_snapshot!([protection.says(), no_rate, no_answers].join("\n"));
}

proptest! {
    #[test]
    fn every_breaker_is_one_that_can_be_read(
        ranges in proptest::collection::vec((100..=999_u16, 100..=999_u16), 0..40),
        requests in 1..u64::MAX,
        errors in any::<u64>(),
    ) {
        let rule = ErrorRule { status: StatusRanges(ranges), ..ErrorRule::default() };
        let protection = Protection::of(&protect(), &seen(1.0, requests, errors), &rule).unwrap();
        let breaker = protection.breaker.unwrap();
        prop_assert!(Condition::parse(&breaker).is_ok(), "{}", breaker);
    }
}
