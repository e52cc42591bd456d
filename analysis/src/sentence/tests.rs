use super::*;
use crate::{Settings, Unit};

fn tally(requests: u64, errors: u64) -> Tally {
    Tally { requests, errors, ..Tally::default() }
}

fn answers(canary: (u64, u64), stable: (u64, u64)) -> Answers {
    Answers { canary: tally(canary.0, canary.1), stable: tally(stable.0, stable.1) }
}

fn promising(p0: f64) -> Settings {
    Settings { promise: Some(p0), ..Settings::default() }
}

fn after(settings: Settings, counts: &[(f64, Answers)]) -> Rule {
    let mut rule = Rule::new(settings).unwrap();
    for (w, answers) in counts {
        rule.add(*w, answers);
    }
    rule
}

fn said(settings: Settings, counts: &[(f64, Answers)]) -> String {
    let rule = after(settings, counts);
    of_look(&rule, &rule.look())
}

fn advance(settings: Settings, margin: f64, counts: &[(f64, Answers)]) -> String {
    let rule = after(settings, counts);
    of_progress(&rule, margin, &rule.advance(margin))
}

#[test]
fn rollbacks() {
    let default = Settings::default();
    assert_eq!(
        said(default, &[(0.05, answers((160, 8), (3_040, 25)))]),
        "canary fails 6.1 times as often: 8 of 160 against 25 of 3,040; E = 200 >= 100"
    );
    assert_eq!(
        said(default, &[(0.05, answers((3, 3), (57, 0)))]),
        "canary fails and stable does not: 3 of 3 against 0 of 57; E = 1,046 >= 100"
    );
    assert_eq!(
        said(default, &[(0.01, answers((100, 40), (9_900, 99))), (0.05, answers((200, 80), (3_800, 38)))]),
        "canary fails 40 times as often: 120 of 300 against 137 of 13,700; E = over 1,000,000 >= 100"
    );
    let slow = |requests, slow| Tally { requests, slow, ..Tally::default() };
    assert_eq!(
        said(
            Settings { latency: Some(1.0), ..default },
            &[(0.05, Answers { canary: slow(160, 40), stable: slow(3_040, 152) })]
        ),
        "canary is slow 5 times as often: 40 of 160 against 152 of 3,040; E = over 1,000,000 >= 1,000"
    );
    assert_eq!(
        said(
            Settings { latency: Some(2.0), ..default },
            &[(0.05, Answers { canary: slow(160, 40), stable: slow(3_040, 152) })]
        ),
        "canary is slow 5 times as often, where 2 times are let pass: 40 of 160 against 152 of 3,040; E = 7,337 >= 1,000"
    );
    let users = |requests, first, again| Tally { requests, errors: first * 3, first, again, slow: 0 };
    assert_eq!(
        said(
            Settings { unit: Unit::User, ..default },
            &[(0.05, Answers { canary: users(900, 9, 0), stable: users(17_000, 20, 0) })]
        ),
        "canary fails for users 8.8 times as often: 9 users in 900 requests against 20 in 17,000; E = 3,842 >= 100"
    );
    assert_eq!(
        said(
            Settings { unit: Unit::UserTwice, ..default },
            &[(0.05, Answers { canary: users(900, 5, 5), stable: users(17_000, 90, 0) })]
        ),
        "canary fails again for users and stable does not: 5 users in 900 requests against 0 in 17,000; \
         E = 237,473 >= 200"
    );
}

#[test]
fn holds() {
    assert_eq!(
        said(promising(0.01), &[(0.05, answers((100, 31), (1_900, 570)))]),
        "held: both versions fail more than the promised 1%: lately 31 of 100 against 570 of 1,900; \
         between them E = 0.1 < 100"
    );
    assert_eq!(
        said(promising(0.003), &[(0.5, answers((4, 4), (4, 0)))]),
        "held: canary fails more than the promised 0.3%, and it is not clear yet whether stable does too: \
         lately 4 of 4 against 0 of 4; between them E = 8.2 < 100"
    );
    assert_eq!(
        said(Settings { veto: true, ..promising(0.2) }, &[(0.05, answers((160, 8), (3_040, 25)))]),
        "held: canary fails 6.1 times as often: 8 of 160 against 25 of 3,040, but it keeps the promise of 20%; \
         E = 200 >= 100"
    );
}

#[test]
fn nothing_to_say() {
    assert_eq!(said(Settings::default(), &[]), "nothing against canary: 0 of 0 against 0 of 0; E = 1 < 100");
    assert_eq!(
        said(Settings { min_errors: 9, ..Settings::default() }, &[(0.05, answers((160, 8), (3_040, 25)))]),
        "nothing against canary: 8 of 160 against 25 of 3,040; E = 200 >= 100, but too few errors of canary to decide"
    );
}

#[test]
fn more() {
    assert_eq!(
        advance(Settings::default(), 3.0, &[(0.05, answers((400, 2), (7_600, 76)))]),
        "canary fails less than 3 times as often as stable: 2 of 400 against 76 of 7,600; E = 188 >= 20"
    );
    assert_eq!(
        advance(promising(0.01), 2.0, &[(0.05, answers((391, 0), (7_000, 0)))]),
        "canary keeps the promise of 1%: 0 of 391 failed; E = 28 >= 20"
    );
    assert_eq!(
        advance(promising(0.01), 2.0, &[(0.05, answers((122, 1), (2_300, 20)))]),
        "not enough evidence yet: 1 of 122 against 20 of 2,300; for less than 2 times as often, E = 1.4 < 20; for a \
         kept promise of 1%, E = 0.4 < 20"
    );
    assert_eq!(
        advance(Settings::default(), 2.0, &[(0.05, answers((400, 2), (7_600, 0)))]),
        "held: canary fails and stable does not: 2 of 400 against 0 of 7,600, which is not certain yet; E = 76 >= 10"
    );
    assert_eq!(
        advance(Settings::default(), 2.0, &[(0.05, answers((3, 3), (57, 0)))]),
        said(Settings::default(), &[(0.05, answers((3, 3), (57, 0)))])
    );
}

#[test]
fn audiences() {
    let mut audience = Audience::new(promising(0.01)).unwrap();
    let look = audience.tick(&tally(38, 0), &tally(500, 2));
    assert_eq!(
        of_audience(&audience, &look),
        "canary: 0 of 38 failed; that it breaks the promise of 1%, E = 0.4 < 100; \
         no comparison, its clients are chosen and not drawn"
    );
    let look = audience.tick(&tally(5, 5), &tally(500, 2));
    assert_eq!(
        of_audience(&audience, &look),
        "canary breaks the promise of 1%: 5 of 43 failed; E = 561 >= 100; \
         no comparison, its clients are chosen and not drawn"
    );
    let look = audience.tick(&tally(5, 5), &tally(500, 400));
    assert_eq!(
        of_audience(&audience, &look),
        "stable breaks the promise of 1% too: 5 requests of canary left out; \
         no comparison, its clients are chosen and not drawn"
    );
}

#[test]
fn numbers() {
    let shown = [0.0, 3.0, 9.94, 9.96, 1_234.4, 999_999.7].map(|times| Times(times).to_string());
    assert_eq!(shown, ["0", "3", "9.9", "10", "1,234", "1,000,000"]);
    assert_eq!(
        [0, 12, 123, 1_234, 1_234_567].map(|count| Count(count).to_string()),
        ["0", "12", "123", "1,234", "1,234,567"]
    );
    assert_eq!([0.01, 0.003, 0.2, 0.000_001].map(|p| Percent(p).to_string()), ["1%", "0.3%", "20%", "0.0001%"]);
    for (reached, needed, expected) in [
        (100_f64.ln(), 100_f64.ln(), "100 >= 100"),
        (111.4_f64.ln(), 111.1_f64.ln(), "111 >= 111"),
        (99.7_f64.ln(), 100_f64.ln(), "just below 100"),
        (f64::MIN, 20_f64.ln(), "0 < 20"),
        (f64::MAX, 1e9, "over 1,000,000 >= over 1,000,000"),
    ] {
        assert_eq!(Against(reached, needed).to_string(), expected);
    }
}
