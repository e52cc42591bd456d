//! A process that is killed anywhere goes on where it was, and the rollout ends as it would have.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::*,
    world::{Killer, Scenario, World},
};

/// Nobody is killed; the points are counted.
#[derive(Default)]
struct Nobody(usize);

/// At each point, once.
#[derive(Default)]
struct Everywhere(BTreeSet<String>);

/// At the nth point.
struct Once(usize);

impl Killer for Nobody {
    fn kills(&mut self, _: &str) -> bool {
        self.0 += 1;
        false
    }
}

impl Killer for Everywhere {
    fn kills(&mut self, point: &str) -> bool {
        self.0.insert(point.to_owned())
    }
}

impl Killer for Once {
    fn kills(&mut self, _: &str) -> bool {
        let is_it = self.0 == 0;
        self.0 = self.0.wrapping_sub(1);
        is_it
    }
}

/// What a rollout has come to, and what it has left.
fn end(world: &World, rollout: &Rollout) -> String {
    let stages = rollout.stages.iter().chain(&rollout.on_failure);
    let stages = stages.map(|record| format!("{} {:?} {}", record.name, record.state, record.attempt));
    let stages = stages.collect::<Vec<_>>().join(", ");
    // Numbers of looks depend on how long it took.
    format!(
        "{} because {:?}: {stages}; share {:?}, weights {:?}, brake {} {}, protection {:?}",
        rollout.status,
        rollout.reason,
        rollout.share,
        world.live,
        rollout.brake.is_some(),
        world.brake,
        world.protection.as_ref().map(Protection::says)
    )
}

fn run(seed: u64, killer: &mut dyn Killer) -> (String, World) {
    let mut world = World::new(Scenario::of(seed));
    let rollout = world.run(killer);
    (end(&world, &rollout), world)
}

#[test]
fn a_killed_process_goes_on_and_ends_as_it_would_have() {
    let mut ends = BTreeMap::<String, u32>::new();
    for seed in 0..256 {
        let mut points = Nobody::default();
        let (expected, undisturbed) = run(seed, &mut points);
        assert!(undisturbed.done.values().all(|times| *times == 1), "seed {seed}");
        let mut everywhere = Everywhere::default();
        assert_eq!(run(seed, &mut everywhere).0, expected, "seed {seed}, killed everywhere");
        for part in [1, 2, 3] {
            let at = points.0 * part / 4;
            assert_eq!(run(seed, &mut Once(at)).0, expected, "seed {seed}, killed at point {at}");
        }
        let status = expected.split(' ').next().unwrap_or_default().to_owned();
        *ends.entry(status).or_default() += 1;
    }
    // All ends are met, so that something was seen.
    for status in ["SUCCEEDED", "ROLLED_BACK", "FAILED", "CANCELED"] {
        assert!(ends.get(status).is_some_and(|times| *times >= 8), "{ends:?}");
    }
}

#[test]
fn a_process_is_killed_at_every_single_point_of_some_rollouts() {
    for seed in 0..6 {
        let mut points = Nobody::default();
        let (expected, _) = run(seed, &mut points);
        for at in 0..points.0 {
            assert_eq!(run(seed, &mut Once(at)).0, expected, "seed {seed}, killed at point {at} of {}", points.0);
        }
    }
}
