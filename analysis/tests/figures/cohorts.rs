//! Users that keep their version: some send thousands of requests, some always fail, and each counts once.

use rollgate_analysis::{Cohort, Rule, Settings, Tally, Unit, Verdict};

use crate::{
    figures::{Figures, share},
    world::{Gaps, of, one, seeded},
};

/// What users send and how often they fail. A user's errors and the canary's successes are all that is played.
struct Users {
    each: Vec<User>,
    /// Errors of all users per request, and the part of them up to each.
    errors: f64,
    up_to: Vec<f64>,
}

struct User {
    /// The user's part of all requests.
    requests: f64,
    /// How often one of them fails.
    fails: f64,
}

impl Users {
    /// With parts of the requests as Zipf has them. One in a hundred always fails, one in ten often.
    fn zipf(count: u32, exponent: f64) -> Self {
        let weight = |rank: u32| f64::from(rank + 1).powf(-exponent);
        let all: f64 = (0..count).map(weight).sum();
        let fails = |rank: u32| match rank % 100 {
            37 => 1.0,
            3 | 13 | 23 | 33 | 43 | 53 | 63 | 73 | 83 | 93 => 0.05,
            _ => 0.003,
        };
        Self::of((0..count).map(|rank| User { requests: weight(rank) / all, fails: fails(rank) }).collect())
    }

    fn of(each: Vec<User>) -> Self {
        let mut errors = 0.0;
        let up_to = each.iter().map(|user| {
            errors += user.requests * user.fails;
            errors
        });
        let up_to = up_to.collect();
        Self { each, errors, up_to }
    }

    /// Whose error the next one is.
    fn failing(&self, rng: &mut fastrand::Rng) -> usize {
        let point = rng.f64() * self.errors;
        self.up_to.partition_point(|up_to| *up_to <= point).min(self.each.len() - 1)
    }
}

/// Where a user stands between 0 and 1: below the weight, it has the canary.
fn place(salt: u64, user: usize) -> f64 {
    let mut hash = (salt ^ user as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for shift in [30, 27, 31] {
        hash = (hash ^ (hash >> shift)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether a rollout of two equal versions is rolled back, through steps of a weight and a number of requests.
fn is_rolled_back(users: &Users, unit: Unit, steps: &[(f64, u64)], run: u64) -> bool {
    let mut rng = seeded(run);
    let salt = rng.u64(..);
    let mut cohort = Cohort::new(100_000);
    let mut rule = Rule::new(Settings { unit, ..Settings::default() }).expect("settings that it can be judged by");
    for (step, (w, requests)) in steps.iter().enumerate() {
        if step > 0 {
            rule.restart();
        }
        let of_canary = |(user, sends): (usize, &User)| {
            if place(salt, user) < *w { sends.requests * (1.0 - sends.fails) } else { 0.0 }
        };
        let successes: f64 = users.each.iter().enumerate().map(of_canary).sum();
        let any = users.errors + successes;
        let mut gaps = Gaps::new(any);
        let mut at = gaps.next(&mut rng);
        while at < *requests {
            at += 1 + gaps.next(&mut rng);
            if rng.f64() * any >= users.errors {
                rule.add(*w, &of(true, one(false)));
                continue;
            }
            let user = users.failing(&mut rng);
            let tally = counted(&mut cohort, user, users.each[user].fails, &mut rng);
            let canary = place(salt, user) < *w;
            rule.add(*w, &of(canary, tally));
            if canary && matches!(rule.look().verdict, Verdict::RollBack(_)) {
                return true;
            }
        }
    }
    false
}

/// What one more error of a user counts as. The user's successes since the last are drawn at once.
fn counted(cohort: &mut Cohort, user: usize, fails: f64, rng: &mut fastrand::Rng) -> Tally {
    let since = Gaps::new(fails).next(rng);
    (0..since.min(30)).for_each(|_| cohort.success(user as u64));
    let counted = cohort.error(user as u64);
    Tally { requests: 1, errors: 1, first: u64::from(counted.first), again: u64::from(counted.again), slow: 0 }
}

const FLAT: [(f64, u64); 1] = [(0.05, 100_000)];
const RAMP: [(f64, u64); 4] = [(0.01, 20_000), (0.05, 20_000), (0.25, 20_000), (0.5, 20_000)];

#[test]
fn users_with_heavy_tails_of_whom_some_always_fail() {
    for exponent in [0.8, 0.95, 1.1] {
        let users = Users::zipf(5_000, exponent);
        let scene = format!("cohorts, Zipf {exponent}");
        let rolled_back = share(&scene, 5_000, |run| is_rolled_back(&users, Unit::User, &FLAT, *run));
        assert!(rolled_back <= 0.01, "{scene}: {rolled_back}");
    }
    let users = Users::zipf(5_000, 1.0);
    for (scene, unit, steps) in [
        ("cohorts, Zipf 1, ramp", Unit::User, &RAMP[..]),
        ("cohorts, Zipf 1, errors that come again count too", Unit::UserTwice, &FLAT),
        ("cohorts, Zipf 1, ramp, errors that come again count too", Unit::UserTwice, &RAMP),
    ] {
        let rolled_back = share(scene, 5_000, |run| is_rolled_back(&users, unit, steps, *run));
        assert!(rolled_back <= 0.01, "{scene}: {rolled_back}");
    }
    let every_error =
        share("cohorts, Zipf 1, every error counted", 300, |run| is_rolled_back(&users, Unit::Request, &FLAT, *run));
    assert!(every_error > 0.05, "the scene is one that counting every error does not survive: {every_error}");
}

/// Three requests of a user follow each other. Requests of the canary until it is rolled back.
#[test]
fn a_bad_canary_meets_users_of_three_requests() {
    for (rate, median) in [(1.0, 8.0), (0.2, 24.0), (0.05, 180.0)] {
        let values = (0..3_000).map(|run| {
            let mut rng = seeded(run);
            let mut cohort = Cohort::new(100_000);
            let mut rule = Rule::new(Settings { unit: Unit::User, ..Settings::default() })
                .expect("settings that it can be judged by");
            let mut requests = 0.0;
            for user in 0_u64.. {
                let canary = rng.f64() < 0.05;
                for _ in 0..3 {
                    requests += f64::from(canary);
                    let failed = rng.f64() < if canary { rate } else { 0.01 };
                    let first = u64::from(failed && cohort.error(user).first);
                    let tally = Tally { first, ..one(failed) };
                    rule.add(0.05, &of(canary, tally));
                    if canary && failed && matches!(rule.look().verdict, Verdict::RollBack(_)) {
                        return requests;
                    }
                }
            }
            f64::INFINITY
        });
        let figures = Figures::of(values.collect());
        let scene = format!("cohorts, users of three requests in a row, fails {rate}");
        figures.show(&scene);
        assert!(figures.median() <= median, "{scene}");
    }
}

/// 500 users of 200 requests each: with 1% of errors, nearly all have a first one, whichever version they have.
#[test]
fn a_canary_that_fails_at_five_per_cent_is_not_missed_where_users_send_much() {
    const USERS: u32 = 500;
    let misses = |unit: Unit, run: u64| {
        let mut rng = seeded(run);
        let salt = rng.u64(..);
        let user = |user: u32| {
            let canary = place(salt, user as usize) < 0.05;
            User { requests: 1.0 / f64::from(USERS), fails: if canary { 0.05 } else { 0.01 } }
        };
        let users = Users::of((0..USERS).map(user).collect());
        !is_rolled_back(&users, unit, &[(0.05, u64::from(USERS) * 200)], run)
    };
    let twice =
        share("cohorts, 200 requests per user, 5% canary missed, errors that come again count too", 500, |run| {
            misses(Unit::UserTwice, *run)
        });
    let once = share("cohorts, 200 requests per user, 5% canary missed, first errors only", 500, |run| {
        misses(Unit::User, *run)
    });
    assert!(twice <= 0.03, "{twice}");
    assert!(once > 0.1, "why users count twice: {once}");
}
