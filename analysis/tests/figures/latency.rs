//! Slow answers, by a threshold that is estimated from stable's own and renewed while the day goes on.

use std::ops::ControlFlow;

use rollgate_analysis::{
    Answers, Rule, Settings, Tally, Verdict,
    latency::{Answer, Threshold},
};

use crate::{
    figures::{Figures, share},
    world::{Piece, Seen, of, one, seeded},
};

const W: f64 = 0.05;
/// Answers of stable's that a threshold is made from.
const WINDOW: u64 = 2_000;
/// Requests of the canary in a run.
const MOST: u64 = 5_000;

fn slow(seen: Seen) -> Answers {
    of(seen.is_canary(), Tally { slow: u64::from(seen.is_error()), ..one(false) })
}

/// Latencies with an exponential distribution: its tail above a threshold is known, so only slow answers are played.
/// Its mean grows by `drift` from one restart to the next, and the canary's mean is `factor` times stable's.
fn requests_until_rolled_back(drift: f64, factor: f64, run: u64) -> Option<u64> {
    let mut rng = seeded(run);
    let mut rule =
        Rule::new(Settings { latency: Some(1.0), ..Settings::default() }).expect("settings that it can be judged by");
    let mut threshold = Threshold::new(0.95);
    let (mut mean, mut canary) = (100_000.0, 0);
    while canary < MOST {
        for _ in 0..WINDOW {
            threshold.see(Answer::After((-mean * (1.0 - rng.f64()).ln()) as u64));
        }
        threshold.renew();
        mean *= drift;
        let micros = threshold.micros().expect("a window that is full") as f64;
        let [of_canary, of_stable] = [factor, 1.0].map(|factor| (-micros / (mean * factor)).exp());
        let piece = Piece { requests: u64::MAX, w: W, canary: of_canary, stable: of_stable };
        let mut rolled_back = false;
        let _ = piece.play(&mut rng, |seen| {
            canary += u64::from(seen.is_canary());
            let restarted = rule.add(W, &slow(seen));
            rolled_back = seen == Seen::CanaryError && matches!(rule.look().verdict, Verdict::RollBack(_));
            if restarted || rolled_back { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if rolled_back {
            return Some(canary);
        }
    }
    None
}

#[test]
fn a_canary_as_slow_as_stable_is_not_rolled_back() {
    for (scene, drift) in
        [("slow answers, an even day", 1.0), ("slow answers, a day that gets slower by 5% in a segment", 1.05)]
    {
        let rolled_back = share(scene, 2_000, |run| requests_until_rolled_back(drift, 1.0, *run).is_some());
        assert!(rolled_back <= 0.003, "a tenth of alpha is theirs: {scene}: {rolled_back}");
    }
}

/// A version that was just started has 10% of slow answers where stable has 5%, and is let pass.
#[test]
fn a_canary_slower_by_what_is_let_pass_is_not_rolled_back() {
    let rolled_back = share("slow answers, twice as often and let pass", 2_000, |run| {
        let mut rng = seeded(*run);
        let mut rule = Rule::new(Settings { latency: Some(2.0), ..Settings::default() }).expect("settings");
        let mut rolled_back = false;
        let piece = Piece { requests: MOST, w: W, canary: 0.1, stable: 0.05 };
        let _ = piece.play(&mut rng, |seen| {
            rule.add(W, &slow(seen));
            rolled_back |= seen == Seen::CanaryError && matches!(rule.look().verdict, Verdict::RollBack(_));
            if rolled_back { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        rolled_back
    });
    assert!(rolled_back <= 0.003, "a tenth of alpha is theirs: {rolled_back}");
}

#[test]
fn a_slower_canary_is_rolled_back() {
    // 5% become 25% by a mean that is 2.16 times as long.
    let figures =
        Figures::of((0..1_000).map(|run| requests_until_rolled_back(1.0, 2.16, run).unwrap_or(MOST) as f64).collect());
    figures.show("slow answers, 25% instead of an estimated 5%");
    assert!(figures.median() <= 60.0);
    for (margin, tail, median) in
        [(1.0, 1.0, 6.0), (1.0, 0.25, 55.0), (1.0, 0.1, 520.0), (2.0, 1.0, 8.0), (2.0, 0.25, 120.0)]
    {
        let values = (0..1_000).map(|run| {
            let mut rule = Rule::new(Settings { latency: Some(margin), ..Settings::default() })
                .expect("settings that it can be judged by");
            let mut canary = 0.0;
            let _ = Piece { requests: u64::MAX, w: W, canary: tail, stable: 0.05 }.play(&mut seeded(run), |seen| {
                rule.add(W, &slow(seen));
                canary += f64::from(seen.is_canary());
                let rolled_back = seen == Seen::CanaryError && matches!(rule.look().verdict, Verdict::RollBack(_));
                if rolled_back { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            canary
        });
        let figures = Figures::of(values.collect());
        let scene = format!("slow answers, {tail} instead of 5%, {margin} times let pass");
        figures.show(&scene);
        assert!(figures.median() <= median, "{scene}");
    }
}
