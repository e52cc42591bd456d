//! How soon a good canary is promoted, and how far a bad one comes.

use rollgate_analysis::{Advance, Settings, advance::default_margin};

use crate::{
    figures::Figures,
    world::{Piece, Rollout, seeded},
};

/// Weight and minimum time in seconds.
const STEPS: [(f64, u64); 4] = [(0.01, 30), (0.05, 60), (0.25, 120), (0.5, 120)];
/// 100 requests a second.
const REQUESTS_IN_A_TICK: u64 = 10;
const TICKS_IN_A_SECOND: u64 = 10;
/// A day, after which nobody waits any longer.
const MOST_TICKS: u64 = 86_400 * TICKS_IN_A_SECOND;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ended {
    Promoted { seconds: f64 },
    RolledBack { step: usize, canary: u64 },
    Waiting,
}

/// A ramp that looks at every error, and goes on at a tick once it may.
fn ramp(settings: Settings, margin: fn(f64) -> f64, canary: f64, stable: f64, run: u64) -> Ended {
    let mut rng = seeded(run);
    let mut rollout = Rollout::new(settings);
    let (mut step, mut since, mut tick) = (0, 0, 0);
    while tick < MOST_TICKS {
        let (w, least) = STEPS[step];
        let piece = Piece { requests: REQUESTS_IN_A_TICK, w, canary, stable };
        if rollout.play(&piece, u64::MAX, &mut rng) {
            return Ended::RolledBack { step, canary: rollout.canary };
        }
        tick += 1;
        let ready = tick - since >= least * TICKS_IN_A_SECOND
            && matches!(rollout.rule.advance(margin(w)).answer, Advance::NotInferior | Advance::PromiseKept);
        if ready {
            (step, since) = (step + 1, tick);
        }
        if step == STEPS.len() {
            return Ended::Promoted { seconds: tick as f64 / TICKS_IN_A_SECOND as f64 };
        }
    }
    Ended::Waiting
}

fn seconds(scene: &str, runs: u64, play: impl Fn(u64) -> Ended) -> Figures {
    let ended = (0..runs).map(play);
    let promoted = ended.filter_map(|ended| if let Ended::Promoted { seconds } = ended { Some(seconds) } else { None });
    let figures = Figures::of(promoted.collect());
    figures.show(scene);
    figures
}

#[test]
fn a_good_canary_is_promoted_within_ten_minutes() {
    let figures = seconds("promoted, margins 5/3/2/2, seconds", 1_000, |run| {
        ramp(Settings::default(), default_margin, 0.01, 0.01, run)
    });
    assert!(figures.len() >= 985, "nearly all of them: {}", figures.len());
    assert!(figures.median() <= 500.0);
    assert!(figures.quantile(0.95) <= 800.0);

    let narrow = seconds("promoted, margin 2 throughout, seconds", 300, |run| {
        ramp(Settings::default(), |_| 2.0, 0.01, 0.01, run)
    });
    assert!(narrow.median() > 2.0 * figures.median(), "why the first margins are wide");
}

#[test]
fn a_service_with_hardly_an_error_is_promoted_by_its_promise() {
    let settings = Settings { promise: Some(0.01), ..Settings::default() };
    let figures = seconds("promoted by a promise of 1%, 0.01% fail, seconds", 300, |run| {
        ramp(settings, default_margin, 0.0001, 0.0001, run)
    });
    assert!(figures.len() >= 297);
    assert!(figures.median() <= 700.0);
}

#[test]
fn a_bad_canary_is_never_promoted() {
    for (rate, runs, median) in [(0.05, 1_000, 160.0), (0.02, 300, 2_000.0)] {
        let scene = format!("a canary with {rate} on a ramp");
        let ended: Vec<Ended> =
            (0..runs).map(|run| ramp(Settings::default(), default_margin, rate, 0.01, run)).collect();
        let rolled_back = ended.iter().filter_map(|ended| match ended {
            Ended::RolledBack { canary, .. } => Some(*canary as f64),
            Ended::Promoted { .. } | Ended::Waiting => None,
        });
        let figures = Figures::of(rolled_back.collect());
        figures.show(&scene);
        assert_eq!(figures.len(), ended.len(), "{scene}: every one is rolled back");
        assert!(figures.median() <= median, "{scene}");
        let past = ended.iter().filter(|ended| matches!(ended, Ended::RolledBack { step: 1.., .. })).count();
        println!("{scene}: {past} of {runs} passed the first step");
        assert!(rate < 0.05 || past as f64 <= 0.07 * runs as f64, "{scene}: {past}");
    }
}
