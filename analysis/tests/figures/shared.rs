//! A canary that is as good as stable, whatever happens to both of them, is rolled back in at most 1% of 5,000
//! rollouts.

use rollgate_analysis::{Rule, Settings, Verdict};

use crate::{
    figures::share,
    world::{Piece, is_rolled_back, of, one, seeded},
};

/// Enough for 5,000 requests of a canary with 5%.
const REQUESTS: u64 = 100_000;

fn same(requests: u64, w: f64, rate: f64) -> Piece {
    Piece { requests, w, canary: rate, stable: rate }
}

fn hold_at_most_one_per_cent(scene: &str, pieces: impl Fn(&mut fastrand::Rng) -> Vec<Piece>) {
    let rolled_back = share(scene, 5_000, |run| {
        let mut rng = seeded(*run);
        let pieces = pieces(&mut rng);
        is_rolled_back(Settings::default(), &pieces, &mut rng)
    });
    assert!(rolled_back <= 0.01, "{scene}: {rolled_back}");
}

#[test]
fn nothing_happens() {
    hold_at_most_one_per_cent("flat 1%", |_| vec![same(REQUESTS, 0.05, 0.01)]);
    hold_at_most_one_per_cent("flat 0.1%, twice as long", |_| vec![same(2 * REQUESTS, 0.05, 0.001)]);
    for w in [0.01, 0.25, 0.5] {
        let requests = (5_000.0 / w) as u64;
        hold_at_most_one_per_cent(&format!("flat 1% at {w}"), |_| vec![same(requests, w, 0.01)]);
    }
}

#[test]
fn a_ramp_while_the_rate_of_both_walks() {
    hold_at_most_one_per_cent("ramp 1/5/25/50, rate walks 0.2-3%", |rng| {
        let mut ln = 0.01_f64.ln();
        let mut pieces = Vec::new();
        for w in [0.01, 0.05, 0.25, 0.5] {
            for _ in 0..100 {
                ln = (ln + 0.1 * (rng.f64() - 0.5)).clamp(0.002_f64.ln(), 0.03_f64.ln());
                pieces.push(same(200, w, ln.exp()));
            }
        }
        pieces
    });
    hold_at_most_one_per_cent("ramp 1/5/25/50, rate steps from 0.5 to 2%", |_| {
        [0.01, 0.05, 0.25, 0.5]
            .into_iter()
            .zip([0.005, 0.01, 0.015, 0.02])
            .map(|(w, rate)| same(20_000, w, rate))
            .collect()
    });
}

#[test]
fn an_outage_of_both() {
    for rate in [0.3, 1.0] {
        hold_at_most_one_per_cent(&format!("outage {rate} of 1,000 requests"), |_| {
            vec![same(20_000, 0.05, 0.01), same(1_000, 0.05, rate), same(REQUESTS - 21_000, 0.05, 0.01)]
        });
        hold_at_most_one_per_cent(&format!("outage {rate} of 1,000 requests from the first on"), |_| {
            vec![same(1_000, 0.05, rate), same(REQUESTS - 1_000, 0.05, 0.01)]
        });
    }
    hold_at_most_one_per_cent("brown-out 3% of 15,000 requests", |_| {
        vec![same(20_000, 0.05, 0.01), same(15_000, 0.05, 0.03), same(REQUESTS - 35_000, 0.05, 0.01)]
    });
    hold_at_most_one_per_cent("bursts of 50%, 0.5% on average", |_| {
        (0..100).flat_map(|_| [same(990, 0.05, 0.0), same(10, 0.05, 0.5)]).collect()
    });
}

/// Every twentieth request of a client fails, as the share of the canary is one in twenty.
#[test]
fn a_client_with_a_period() {
    let rolled_back = share("client of period 20", 5_000, |run| {
        let mut rng = seeded(*run);
        let mut rule = Rule::new(Settings::default()).expect("settings that it can be judged by");
        (0..REQUESTS).any(|request| {
            let failed = request % 20 == 7;
            let canary = rng.f64() < 0.05;
            if canary || failed {
                rule.add(0.05, &of(canary, one(failed)));
            }
            canary && failed && matches!(rule.look().verdict, Verdict::RollBack(_))
        })
    });
    assert!(rolled_back <= 0.01, "{rolled_back}");
}

/// A step down, as an operator does in an outage: errors of ten seconds ago come in under the weight that they were
/// drawn with.
#[test]
fn a_step_down_during_an_outage_whose_errors_come_late() {
    let play = |run: u64, booked_by_draw: bool| {
        let mut rng = seeded(run);
        let mut rule = Rule::new(Settings::default()).expect("settings that it can be judged by");
        // 100 requests a second for a minute, each failing 10 s later: the first 30 s at 25%, then 5%.
        (0..6_000).any(|request| {
            let drawn = if request < 3_000 { 0.25 } else { 0.05 };
            let in_force = if request + 1_000 < 3_000 { 0.25 } else { 0.05 };
            if request == 2_000 {
                rule.restart();
            }
            let canary = rng.f64() < drawn;
            rule.add(if booked_by_draw { drawn } else { in_force }, &of(canary, one(true)));
            canary && matches!(rule.look().verdict, Verdict::RollBack(_))
        })
    };
    let by_draw = share("step down 25 to 5%, booked by draw", 5_000, |run| play(*run, true));
    assert!(by_draw <= 0.01, "{by_draw}");
    let in_force = share("step down 25 to 5%, booked by the weight in force", 200, |run| play(*run, false));
    assert!(in_force >= 0.99, "the scene is one that a wrong weight does not survive: {in_force}");
}

#[test]
fn a_million_requests_of_two_equal_versions() {
    let rolled_back = (0..100)
        .filter(|run| is_rolled_back(Settings::default(), &[same(1_000_000, 0.05, 0.01)], &mut seeded(*run)))
        .count();
    println!("100 runs of a million requests: {rolled_back} rolled back");
    assert!(rolled_back <= 3, "{rolled_back}");
}
