//! Stages whose canary is not drawn: outages of both versions do not count, a canary that fails alone is stopped.

use rollgate_analysis::{Audience, AudienceVerdict, Settings, Tally};

use crate::{
    figures::{Figures, share},
    world::seeded,
};

/// At most 1% fails; half a per cent does.
const PROMISE: f64 = 0.01;
const BASE: f64 = 0.005;
const REQUESTS_IN_A_TICK: u64 = 10;

/// A minute, `outage` seconds in which both fail at `rate`, and another minute, at 100 requests a second. Whether it
/// is rolled back.
fn through_an_outage(audience: f64, rate: f64, outage: u64, run: u64) -> bool {
    let mut rng = seeded(run);
    let settings = Settings { promise: Some(PROMISE), min_errors: 2, ..Settings::default() };
    let mut stage = Audience::new(settings).expect("with a promise");
    (0..10 * (120 + outage)).any(|tick| {
        let rate = if (600..600 + 10 * outage).contains(&tick) { rate } else { BASE };
        let [canary, stable] = play(audience, [rate; 2], &mut rng);
        stage.tick(&canary, &stable).verdict == AudienceVerdict::RollBack
    })
}

/// One tick's answers.
fn play(audience: f64, rates: [f64; 2], rng: &mut fastrand::Rng) -> [Tally; 2] {
    let mut tallies = [Tally::default(); 2];
    for _ in 0..REQUESTS_IN_A_TICK {
        let version = usize::from(rng.f64() >= audience);
        tallies[version].requests += 1;
        tallies[version].errors += u64::from(rng.f64() < rates[version]);
    }
    tallies
}

#[test]
fn an_outage_of_both_does_not_roll_back() {
    for (rate, outage) in [(0.3, 20), (0.03, 100)] {
        let scene = format!("audience 2%, outage {rate} for {outage} s");
        let rolled_back = share(&scene, 2_000, |run| through_an_outage(0.02, rate, outage, *run));
        assert!(rolled_back <= 0.01, "{scene}: {rolled_back}");
    }
    share("audience 20%, outage 0.3 for 20 s", 500, |run| through_an_outage(0.2, 0.3, 20, *run));
}

#[test]
fn a_canary_that_fails_alone_is_stopped() {
    let settings = Settings { promise: Some(PROMISE), min_errors: 2, ..Settings::default() };
    for (audience, median) in [(0.02, 2.0), (0.5, 5.0)] {
        let values = (0..5_000).map(|run| {
            let mut rng = seeded(run);
            let mut stage = Audience::new(settings).expect("with a promise");
            let mut canary = 0;
            loop {
                let tallies = play(audience, [1.0, BASE], &mut rng);
                canary += tallies[0].requests;
                if stage.tick(&tallies[0], &tallies[1]).verdict == AudienceVerdict::RollBack {
                    return canary as f64;
                }
            }
        });
        let figures = Figures::of(values.collect());
        let scene = format!("audience {audience}, fails always");
        figures.show(&scene);
        assert!(figures.median() <= median, "{scene}");
    }
}
