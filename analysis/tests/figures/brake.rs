//! How many requests a bad canary costs until it is stopped.

use rollgate_analysis::Settings;

use crate::{
    figures::Figures,
    world::{Piece, Rollout, seeded},
};

const BASE: f64 = 0.01;

/// Requests of the canary until it is rolled back, of those after `good` good ones: over the runs that got so far.
fn until_rolled_back(
    scene: &str,
    settings: Settings,
    (w, rate): (f64, f64),
    runs: u64,
    good: impl Fn(&mut fastrand::Rng) -> u64,
) -> Figures {
    let piece = |canary| Piece { requests: u64::MAX, w, canary, stable: BASE };
    let values = (0..runs).filter_map(|run| {
        let mut rng = seeded(run);
        let mut rollout = Rollout::new(settings);
        let good = good(&mut rng);
        if good > 0 && rollout.play(&piece(BASE), good, &mut rng) {
            return None;
        }
        assert!(rollout.play(&piece(rate), u64::MAX, &mut rng));
        Some((rollout.canary - good) as f64)
    });
    let figures = Figures::of(values.collect());
    figures.show(scene);
    figures
}

fn from_the_start(scene: &str, settings: Settings, w: f64, rate: f64, runs: u64) -> Figures {
    until_rolled_back(scene, settings, (w, rate), runs, |_| 0)
}

#[test]
fn a_canary_that_always_fails() {
    let figures = from_the_start("fails always", Settings::default(), 0.05, 1.0, 200_000);
    assert_eq!(figures.median(), 3.0);
    assert!(figures.quantile(0.999) <= 5.0);

    let with_latency = Settings { latency: Some(1.0), ..Settings::default() };
    let figures = from_the_start("fails always, latency judged too", with_latency, 0.05, 1.0, 200_000);
    assert_eq!(figures.median(), 3.0);
    assert!(figures.quantile(0.999) <= 5.0);
}

#[test]
fn a_canary_that_fails_every_fifth_time() {
    let figures = from_the_start("fails 20%", Settings::default(), 0.05, 0.2, 20_000);
    assert!(figures.median() <= 20.0);
    assert!(figures.quantile(0.95) <= 50.0);
}

#[test]
fn a_canary_that_fails_five_times_as_often_as_stable() {
    let figures = from_the_start("fails 5%", Settings::default(), 0.05, 0.05, 20_000);
    assert!(figures.median() <= 160.0);
    assert!(figures.quantile(0.95) <= 450.0);
}

#[test]
fn a_canary_that_breaks_after_five_thousand_good_requests() {
    for (rate, median) in [(1.0, 8.0), (0.2, 50.0), (0.05, 420.0)] {
        let scene = format!("fails {rate} after 5,000 good requests");
        let figures = until_rolled_back(&scene, Settings::default(), (0.05, rate), 2_000, |_| 5_000);
        assert!(figures.median() <= median, "{scene}");
    }
}

/// 5,000 is where a process starts again. Anywhere else, what came in since the last restart has to be undone first.
#[test]
fn a_canary_that_breaks_somewhere_between_two_restarts() {
    for (rate, median) in [(1.0, 12.0), (0.2, 70.0), (0.05, 460.0)] {
        let scene = format!("fails {rate} after 4,875 to 5,125 good requests");
        let good = |rng: &mut fastrand::Rng| rng.u64(4_875..5_125);
        let figures = until_rolled_back(&scene, Settings::default(), (0.05, rate), 2_000, good);
        assert!(figures.median() <= median, "{scene}");
    }
}

#[test]
fn at_other_weights() {
    for (w, always, fifth) in [(0.01, 3.0, 18.0), (0.1, 4.0, 22.0), (0.25, 6.0, 32.0), (0.5, 9.0, 50.0)] {
        for (rate, median) in [(1.0, always), (0.2, fifth)] {
            let scene = format!("fails {rate} at weight {w}");
            let figures = from_the_start(&scene, Settings::default(), w, rate, 5_000);
            assert!(figures.median() <= median, "{scene}");
        }
    }
}
