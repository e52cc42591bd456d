//! What happens to the versions of each rollout.

use std::time::Duration;

use fastrand::Rng;

/// A rollout with its users.
pub struct Scene {
    /// Of its service, pipeline and host.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// Whether a short run has it.
    pub in_short: bool,
    /// What the canary gets.
    pub ramp: Ramp,
    /// Users keep their version.
    pub keeps_users: bool,
    /// Whether a request fails at stable, and at the canary.
    pub fails: fn(&Moment, &mut Rng) -> [bool; 2],
    /// Requests of the canary before it breaks.
    pub breaks: u64,
    /// When it is over, if its rollout has not ended.
    pub until: Until,
    /// What has to come of it.
    pub asked: Asked,
}

/// The steps.
pub enum Ramp {
    /// One of 5% that does not end.
    Five,
    /// 1, 5, 25 and 50%, as they are if nothing is said.
    Usual,
    /// 5, 10, 25 and 50% with so much time that every step has a share of the requests.
    Long,
}

pub enum Until {
    /// The canary had as many requests as the promise is about.
    Requests,
    /// It has ended.
    Ended,
}

pub enum Asked {
    /// Not rolled back.
    Stays,
    /// The canary has all users in the end.
    Promoted,
    /// Rolled back, within so many of the canary's requests if that is promised of each single run.
    Braked { most: Option<u64> },
}

/// When a request is sent.
pub struct Moment {
    /// Of the scene's requests.
    pub number: u64,
    /// Since the scene began; ten times as fast in a short run.
    pub elapsed: Duration,
    /// Requests that the canary has answered.
    pub canary: u64,
    /// Who sends it.
    pub user: u64,
}

impl Scene {
    /// Its stages, in YAML's flow form.
    pub fn stages(&self, short: bool) -> String {
        let steps = match (&self.ramp, short) {
            (Ramp::Five, _) => "{steps: [{weight: 5%, minDuration: 24h}]}",
            (Ramp::Usual, false) => "{}",
            (Ramp::Usual, true) => {
                "{steps: [{weight: 5%, minDuration: 1s, margin: 100}, {weight: 50%, minDuration: 1s, margin: 100}]}"
            }
            (Ramp::Long, _) => {
                "{steps: [{weight: 5%, minDuration: 250s}, {weight: 10%, minDuration: 125s}, {weight: 25%, minDuration: 50s}, {weight: 50%, minDuration: 25s}]}"
            }
        };
        format!("{{ramp: {steps}}}, {{promote: {{}}}}")
    }

    /// Of the canary, after which it is over.
    pub fn requests(&self, short: bool) -> u64 {
        if short { REQUESTS / 20 } else { REQUESTS }
    }
}

fn both(share: f64, random: &mut Rng) -> [bool; 2] {
    [(); 2].map(|()| random.f64() < share)
}

fn each(stable: f64, canary: f64, random: &mut Rng) -> [bool; 2] {
    [stable, canary].map(|share| random.f64() < share)
}

/// In an outage of ten seconds.
fn outage(moment: &Moment, share: f64, random: &mut Rng) -> [bool; 2] {
    let is_out = (300..310).contains(&moment.elapsed.as_secs());
    both(if is_out { share } else { BASE }, random)
}

/// The canary breaks after its first requests.
fn breaking(moment: &Moment, share: f64, random: &mut Rng) -> [bool; 2] {
    each(BASE, if moment.canary >= REQUESTS { share } else { BASE }, random)
}

/// What is usual for a canary that is not worse.
const GOOD: Scene = Scene {
    name: "",
    what: "",
    in_short: false,
    ramp: Ramp::Five,
    keeps_users: false,
    fails: |_, random| both(BASE, random),
    breaks: 0,
    until: Until::Requests,
    asked: Asked::Stays,
};

/// And for one that is.
const BAD: Scene = Scene { until: Until::Ended, asked: Asked::Braked { most: None }, ..GOOD };

/// All of them.
pub static SCENES: [Scene; 13] = [
    Scene { name: "flat", what: "as good as stable, 1% of both fail", in_short: true, ..GOOD },
    Scene {
        name: "drift",
        what: "as good, ramp of 5, 10, 25 and 50%, what fails drifts from 0.5 to 2% and back",
        ramp: Ramp::Long,
        fails: |moment, random| {
            let turn = moment.elapsed.as_secs_f64() / 600.0 * std::f64::consts::TAU;
            both(0.0125 - 0.0075 * turn.cos(), random)
        },
        until: Until::Ended,
        asked: Asked::Promoted,
        ..GOOD
    },
    Scene {
        name: "outage-30",
        what: "as good, 30% of both fail for 10 s",
        fails: |moment, random| outage(moment, 0.3, random),
        ..GOOD
    },
    Scene {
        name: "outage-100",
        what: "as good, all of both fail for 10 s",
        fails: |moment, random| outage(moment, 1.0, random),
        ..GOOD
    },
    Scene { name: "brown-out", what: "as good, 3% of both fail", fails: |_, random| both(0.03, random), ..GOOD },
    Scene {
        name: "period",
        what: "as good, every 20th request of a client that asks in turn fails",
        in_short: true,
        fails: |moment, _| [moment.number % 20 == 0; 2],
        ..GOOD
    },
    Scene {
        name: "cohort",
        what: "as good, users keep their version, a few of them ask most and some always fail",
        in_short: true,
        keeps_users: true,
        // One user in a hundred, whatever the version.
        fails: |moment, random| if moment.user % 100 == 7 { [true; 2] } else { both(0.002, random) },
        ..GOOD
    },
    Scene {
        name: "good",
        what: "as good, the usual ramp of 1, 5, 25 and 50%",
        in_short: true,
        ramp: Ramp::Usual,
        until: Until::Ended,
        asked: Asked::Promoted,
        ..GOOD
    },
    Scene {
        name: "always",
        what: "always fails",
        in_short: true,
        fails: |_, random| each(BASE, 1.0, random),
        asked: Asked::Braked { most: Some(5) },
        ..BAD
    },
    Scene { name: "fifth", what: "fails 20%", in_short: true, fails: |_, random| each(BASE, 0.2, random), ..BAD },
    Scene { name: "twentieth", what: "fails 5%", fails: |_, random| each(BASE, 0.05, random), ..BAD },
    Scene {
        name: "always-late",
        what: "always fails after 5,000 good ones",
        fails: |moment, random| breaking(moment, 1.0, random),
        breaks: REQUESTS,
        ..BAD
    },
    Scene {
        name: "fifth-late",
        what: "fails 20% after 5,000 good ones",
        fails: |moment, random| breaking(moment, 0.2, random),
        breaks: REQUESTS,
        ..BAD
    },
];

/// What fails where nothing is wrong.
const BASE: f64 = 0.01;

/// Of the canary: what a promise is about.
pub const REQUESTS: u64 = 5_000;
