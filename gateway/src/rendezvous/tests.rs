use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

fn salt(service: &str) -> Salt<'_> {
    Salt { purpose: "test", text: "", service, rollout: "" }
}

fn of<'n>(names: &'n [&'n str]) -> Candidates {
    Candidates::new(salt("s"), names.iter().copied())
}

fn nearest(candidates: &Candidates, weights: &[u64], key: u64) -> Option<usize> {
    candidates.nearest(candidates.hash(&key.to_le_bytes()), |index| weights[index])
}

/// A weight that an operator writes, in millionths.
fn weight() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..=100, 1u64..1_000_000_000].prop_map(|weight| weight * 1000)
}

proptest! {
    #[test]
    fn raising_a_weight_only_brings_keys_to_it_and_lowering_it_only_takes_them(
        weights in prop::collection::vec(weight(), 2..=5),
        changed in 0usize..5,
        new in weight(),
        first_key: u64,
    ) {
        let changed = changed % weights.len();
        let mut after = weights.clone();
        after[changed] = new;
        let candidates = of(&NAMES[..weights.len()]);
        for key in (0..200).map(|offset| first_key.wrapping_add(offset)) {
            let (was, is) = (nearest(&candidates, &weights, key), nearest(&candidates, &after, key));
            if was != is {
                let moved = if new > weights[changed] { is } else { was };
                prop_assert_eq!(moved, Some(changed), "key {} went from {:?} to {:?}", key, was, is);
            }
        }
    }

    #[test]
    fn removing_a_name_only_moves_its_keys(
        weights in prop::collection::vec(1u64..1_000_000, 3..=5),
        gone in 0usize..5,
        first_key: u64,
    ) {
        let gone = gone % weights.len();
        let (mut names, mut rest) = (NAMES[..weights.len()].to_vec(), weights.clone());
        names.remove(gone);
        rest.remove(gone);
        let (all, without) = (of(&NAMES[..weights.len()]), of(&names));
        for key in (0..200).map(|offset| first_key.wrapping_add(offset)) {
            let was = nearest(&all, &weights, key).unwrap();
            if was != gone {
                prop_assert_eq!(names[nearest(&without, &rest, key).unwrap()], NAMES[was]);
            }
        }
    }

    #[test]
    fn the_order_of_the_names_changes_nothing(
        weights in prop::collection::vec(weight(), 2..=5),
        turn in 0usize..5,
        first_key: u64,
    ) {
        let names = &NAMES[..weights.len()];
        let turn = turn % weights.len();
        let (mut turned, mut turned_weights) = (names.to_vec(), weights.clone());
        turned.rotate_left(turn);
        turned_weights.rotate_left(turn);
        let (one, other) = (of(names), of(&turned));
        for key in (0..200).map(|offset| first_key.wrapping_add(offset)) {
            let a = nearest(&one, &weights, key).map(|index| names[index]);
            let b = nearest(&other, &turned_weights, key).map(|index| turned[index]);
            prop_assert_eq!(a, b);
        }
    }
}

/// Pearson's chi-square of how many of `count` keys are nearest to each, against the weights.
fn chi_square(candidates: &Candidates, weights: &[u64], count: u64) -> f64 {
    let mut counts = vec![0u64; weights.len()];
    (0..count).for_each(|key| counts[nearest(candidates, weights, key).unwrap()] += 1);
    let total: u64 = weights.iter().sum();
    let expected = weights.iter().map(|weight| *weight as f64 / total as f64 * count as f64);
    counts.iter().zip(expected).map(|(count, expected)| (*count as f64 - expected).powi(2) / expected).sum()
}

#[test]
fn every_one_is_the_nearest_for_its_share_of_the_keys() {
    // 27.9: p = 10^-5 with four degrees of freedom. The keys are fixed, so this either holds or does not.
    for weights in [&[90, 10][..], &[1, 1, 1, 1, 1], &[70, 20, 10], &[999, 1], &[5, 4, 3, 2, 1]] {
        let statistic = chi_square(&of(&NAMES[..weights.len()]), weights, 200_000);
        assert!(statistic < 27.9, "{weights:?}: chi-square {statistic}");
    }
}

#[test]
fn names_that_differ_only_in_their_last_character_have_their_shares_too() {
    // Here FNV-1a without more, as Traefik uses it, gives all keys to the last one.
    let statistic = chi_square(&of(&["service1", "service2", "service3"]), &[10, 20, 30], 60_000);
    assert!(statistic < 23.1, "chi-square {statistic}");
}

#[test]
fn a_name_that_is_there_twice_has_both_shares() {
    let candidates = of(&["a", "a", "b"]);
    let to_b = (0..40_000).filter(|key| nearest(&candidates, &[10, 10, 20], *key) == Some(2)).count();
    assert!((19_600..20_400).contains(&to_b), "{to_b}");
}

#[test]
fn services_salts_and_rollouts_have_orders_of_their_own() {
    let names = &NAMES[..2];
    let plain = of(names);
    let others = [
        Salt { text: "x", ..salt("s") },
        salt("sx"),
        Salt { rollout: "x", ..salt("s") },
        Salt { purpose: "other", ..salt("s") },
        Salt { text: "s", ..salt("") },
    ];
    for other in others {
        let candidates = Candidates::new(other, names.iter().copied());
        let is_second = |candidates, key| nearest(candidates, &[90, 10], key) == Some(1);
        let in_both = (0..10_000).filter(|key| is_second(&plain, *key) && is_second(&candidates, *key)).count();
        // Independent: 10% of 10%.
        assert!((60..150).contains(&in_both), "{other:?}: {in_both}");
    }
}

#[test]
fn a_name_as_a_key_is_a_key_like_any_other() {
    let with_itself = (0..200).filter(|service| {
        let service = service.to_string();
        let candidates = Candidates::new(salt(&service), NAMES[..2].iter().copied());
        candidates.nearest(candidates.hash(NAMES[1].as_bytes()), |index| [99, 1][index]) == Some(1)
    });
    assert!(with_itself.count() < 10);
}

#[test]
fn the_same_key_leads_to_the_same_name_in_every_build() {
    // A release that chose differently would move clients while replicas of both run: these are never to change.
    let candidates = of(&NAMES[..3]);
    let near = |key: &str| candidates.nearest(candidates.hash(key.as_bytes()), |index| [50, 30, 20][index]).unwrap();
    let found: String = (0..40).map(|user| char::from(b'a' + near(&format!("user-{user}")) as u8)).collect();
    assert_eq!(found, "aaabcacacacacabbbcbbacabbaaaababbccccacb");
    assert_eq!(candidates.hash_address("::ffff:10.0.0.1".parse().unwrap()), candidates.hash(&[10, 0, 0, 1]));
}

#[test]
fn distances_are_the_same_to_the_last_bit_on_every_machine() {
    let cases = [
        (0, 1, 0),
        (1 << 11, 1, 0x3ca0_0000_0000_0000),
        (1 << 63, 1, 0x3fe6_2e42_fefa_39ef),
        (0x0123_4567_89ab_cdef, 3, 0x3f58_53a2_16f1_bdb9),
        (0xfedc_ba98_7654_3210, 90_000_000, 0x3e70_2776_49b3_ae42),
        (u64::MAX, 1, 0x4042_5e4f_7b27_37fa),
        (u64::MAX, 1_000_000_000_000, 0x3dc4_323e_bb19_0e08),
    ];
    for (hash, weight, bits) in cases {
        let distance = distance(hash, weight);
        assert_eq!(distance.to_bits(), bits, "{hash:#x} {weight}: {distance:e} {:#x}", distance.to_bits());
    }
}

#[test]
fn equal_distances_go_by_rank() {
    assert_eq!(nearer(&(0, 1.0, 1), &(1, 1.0, 0)), Ordering::Greater);
    assert_eq!(nearer(&(0, 1.0, 1), &(1, 2.0, 0)), Ordering::Less);
    assert_eq!(of(&[]).nearest(7, |_| 1), None);
    assert_eq!(of(&["a"]).nearest(7, |_| 0), None);
}
