//! The draw of a version by weight: independent for each request, so that no pattern of a client's requests can meet a
//! pattern of ours, and counts of draws stay comparable.

use crate::snapshot::Child;

/// The range of all random numbers, cut in proportion to the weights when the snapshot is compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draw {
    /// Where each version's part ends, but for the last one's, which has all the rest.
    borders: Box<[u64]>,
    /// Those that have a part.
    drawable: Box<[usize]>,
}

impl Draw {
    /// Cuts it for those with weight that have servers. Exact to 2^-64 of the total.
    pub(crate) fn new(children: &[Child]) -> Self {
        let share = |child: &Child| if child.available { child.weight } else { 0 };
        let total: u64 = children.iter().map(share).sum();
        let drawable: Box<[usize]> = (0..children.len()).filter(|index| share(&children[*index]) > 0).collect();
        let mut end = 0;
        let inner = &drawable[..drawable.len().saturating_sub(1)];
        let borders = inner.iter().map(|index| {
            end += share(&children[*index]);
            (u128::from(end) << 64).div_ceil(u128::from(total)) as u64
        });
        Self { borders: borders.collect(), drawable }
    }

    /// The version that a random number, uniform over all 64 bits, falls to; `None` where none has weight and servers.
    #[inline]
    pub(crate) fn at(&self, random: u64) -> Option<usize> {
        let passed = match &*self.borders {
            // Two versions: nearly every split there is, and no loop.
            [border] => usize::from(random >= *border),
            borders => borders.iter().filter(|border| random >= **border).count(),
        };
        self.drawable.get(passed).copied()
    }
}

/// The same draw among those that are available now: the others' shares go to these in proportion to their weights.
pub(crate) fn among(children: &[Child], random: u64, available: impl Fn(usize) -> bool) -> Option<usize> {
    let open: smallvec::SmallVec<[bool; 8]> =
        children.iter().enumerate().map(|(index, child)| child.weight > 0 && available(index)).collect();
    let total: u64 = children.iter().zip(&open).filter(|(_, open)| **open).map(|(child, _)| child.weight).sum();
    let mut point = ((u128::from(random) * u128::from(total)) >> 64) as u64;
    for (index, child) in children.iter().enumerate().filter(|(index, _)| open[*index]) {
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
    use crate::split::tests::{child, children};

    fn drawn(children: &[Child], random: u64) -> Option<usize> {
        Draw::new(children).at(random)
    }

    proptest! {
        #[test]
        fn every_version_gets_its_exact_share_of_the_random_numbers(weights in prop::collection::vec(0u64..1_000_000_000_000, 1..6)) {
            let children = children(&weights);
            let total: u64 = weights.iter().sum();
            // Walks the range in equal steps: each version must be hit in proportion, to one step at each border.
            let steps = 1000u64;
            let mut hits = vec![0u64; weights.len()];
            for step in 0..steps {
                match drawn(&children, step * (u64::MAX / steps)) {
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
        fn drawing_by_borders_and_among_those_that_are_available_is_the_same_draw(
            random: u64,
            weights in prop::collection::vec(0u64..1_000_000_000_000, 1..6),
        ) {
            let children = children(&weights);
            prop_assert_eq!(drawn(&children, random), among(&children, random, |_| true));
        }

        #[test]
        fn an_unavailable_version_is_never_drawn(random: u64, weights in prop::collection::vec(1u64..100, 2..5), gone in 0usize..2) {
            let mut children = children(&weights);
            let drawn_now = among(&children, random, |index| index != gone);
            prop_assert!(drawn_now.is_some());
            prop_assert_ne!(drawn_now, Some(gone));
            children[gone].available = false;
            prop_assert_eq!(drawn(&children, random), drawn_now);
        }
    }

    #[test]
    fn the_ends_of_the_range_belong_to_the_first_and_the_last_with_weight() {
        let children = children(&[0, 90, 10, 0]);
        assert_eq!(drawn(&children, 0), Some(1));
        assert_eq!(drawn(&children, u64::MAX), Some(2));
        let border = u64::MAX / 10 * 9;
        assert_eq!((drawn(&children, border - 10), drawn(&children, border + 10)), (Some(1), Some(2)));
    }

    #[test]
    fn nothing_is_drawn_where_nothing_has_weight() {
        assert_eq!(drawn(&children(&[0, 0]), u64::MAX), None);
        assert_eq!(among(&[child(5)], 7, |_| false), None);
        assert_eq!(drawn(&[], 7), None);
    }
}
