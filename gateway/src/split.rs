//! Which version a request goes to: drawn by weight, each request for itself, so that no pattern of a client's
//! requests can meet a pattern of ours, and counts of independent draws stay comparable.

use crate::snapshot::Child;

/// The index of the version drawn, or `None` where no available version has weight.
///
/// `random` is uniform over all 64 bits. A version that is not available gives its share to the others in proportion
/// to their weights; weight 0 receives nothing. The draw is exact to 2^-64 of the total.
pub(crate) fn draw(children: &[Child], random: u64, available: impl Fn(&Child) -> bool) -> Option<usize> {
    let total: u64 = children.iter().filter(|child| available(child)).map(|child| child.weight).sum();
    let mut point = ((u128::from(random) * u128::from(total)) >> 64) as u64;
    for (index, child) in children.iter().enumerate() {
        if !available(child) {
            continue;
        }
        if point < child.weight {
            return Some(index);
        }
        point -= child.weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{metrics::Metrics, snapshot::ServiceIndex};

    fn child(weight: u64) -> Child {
        let version = Metrics::new(None).unwrap().version_id("split", "version");
        Child { service: ServiceIndex(0), weight, available: true, version }
    }

    proptest! {
        #[test]
        fn every_version_gets_its_exact_share_of_the_random_numbers(weights in prop::collection::vec(0u64..1_000_000_000_000, 1..6)) {
            let children: Vec<_> = weights.iter().copied().map(child).collect();
            let total: u64 = weights.iter().sum();
            // Walks the range in equal steps: each version must be hit in proportion, to one step at each border.
            let steps = 1000u64;
            let mut hits = vec![0u64; weights.len()];
            for step in 0..steps {
                match draw(&children, step * (u64::MAX / steps), |_| true) {
                    Some(index) => hits[index] += 1,
                    None => prop_assert_eq!(total, 0),
                }
            }
            for (weight, hits) in weights.iter().zip(hits) {
                if total == 0 { continue; }
                if *weight == 0 { prop_assert_eq!(hits, 0); }
                let expected = *weight as f64 * steps as f64 / total as f64;
                prop_assert!((hits as f64 - expected).abs() <= 1.5, "{} of {}", hits, expected);
            }
        }

        #[test]
        fn an_unavailable_version_is_never_drawn(random: u64, weights in prop::collection::vec(1u64..100, 2..5), gone in 0usize..2) {
            let children: Vec<_> = weights.iter().copied().map(child).collect();
            let drawn = draw(&children, random, |child| !std::ptr::eq(child, &children[gone]));
            prop_assert!(drawn.is_some());
            prop_assert_ne!(drawn, Some(gone));
        }
    }

    #[test]
    fn nothing_is_drawn_where_nothing_has_weight() {
        assert_eq!(draw(&[child(0), child(0)], u64::MAX, |_| true), None);
        assert_eq!(draw(&[child(5)], 7, |_| false), None);
        assert_eq!(draw(&[], 7, |_| true), None);
    }
}
