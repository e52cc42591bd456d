//! How many requests a bad canary costs until it is stopped.

use rollgate_analysis::Settings;

use crate::{
    figures::Figures,
    world::{Piece, judged, seeded},
};

const BASE: f64 = 0.01;

/// Requests of the canary after `good` good ones until it is rolled back, over the runs that got so far.
fn until_rolled_back(scene: &str, settings: Settings, w: f64, rate: f64, good: u64, runs: u64) -> Figures {
    let broken = Piece { requests: u64::MAX, w, canary: rate, stable: BASE };
    let values = (0..runs).filter_map(|run| {
        let mut rng = seeded(run);
        if good == 0 {
            return Some(judged(settings, &[broken], &mut rng).canary as f64);
        }
        let before = Piece { requests: (good as f64 / w) as u64, w, canary: BASE, stable: BASE };
        late(settings, before, broken, rng)
    });
    let figures = Figures::of(values.collect());
    figures.show(scene);
    figures
}

/// The same world twice: what it took of the good canary's requests is taken off.
fn late(settings: Settings, before: Piece, broken: Piece, rng: fastrand::Rng) -> Option<f64> {
    let first = judged(settings, &[before], &mut rng.clone());
    (!first.rolled_back).then(|| (judged(settings, &[before, broken], &mut rng.clone()).canary - first.canary) as f64)
}

#[test]
fn a_canary_that_always_fails() {
    let figures = until_rolled_back("fails always", Settings::default(), 0.05, 1.0, 0, 200_000);
    assert_eq!(figures.median(), 3.0);
    assert!(figures.quantile(0.999) <= 5.0);

    let with_latency = Settings { latency: true, ..Settings::default() };
    let figures = until_rolled_back("fails always, latency judged too", with_latency, 0.05, 1.0, 0, 200_000);
    assert_eq!(figures.median(), 3.0);
    assert!(figures.quantile(0.999) <= 5.0);
}

#[test]
fn a_canary_that_fails_every_fifth_time() {
    let figures = until_rolled_back("fails 20%", Settings::default(), 0.05, 0.2, 0, 20_000);
    assert!(figures.median() <= 20.0);
    assert!(figures.quantile(0.95) <= 50.0);
}

#[test]
fn a_canary_that_fails_five_times_as_often_as_stable() {
    let figures = until_rolled_back("fails 5%", Settings::default(), 0.05, 0.05, 0, 20_000);
    assert!(figures.median() <= 160.0);
    assert!(figures.quantile(0.95) <= 450.0);
}

#[test]
fn a_canary_that_breaks_after_five_thousand_good_requests() {
    for (rate, median) in [(1.0, 8.0), (0.2, 50.0), (0.05, 420.0)] {
        let scene = format!("fails {rate} after 5,000 good requests");
        let figures = until_rolled_back(&scene, Settings::default(), 0.05, rate, 5_000, 2_000);
        assert!(figures.median() <= median, "{scene}");
    }
}

#[test]
fn at_other_weights() {
    for (w, always, fifth) in [(0.01, 3.0, 18.0), (0.1, 4.0, 22.0), (0.25, 6.0, 32.0), (0.5, 9.0, 50.0)] {
        for (rate, median) in [(1.0, always), (0.2, fifth)] {
            let scene = format!("fails {rate} at weight {w}");
            let figures = until_rolled_back(&scene, Settings::default(), w, rate, 0, 5_000);
            assert!(figures.median() <= median, "{scene}");
        }
    }
}
