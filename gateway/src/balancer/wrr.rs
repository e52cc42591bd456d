//! Smooth weighted round robin: each pick adds every server's weight to its credit and takes the total from the winner.

/// One pick. `credits` has one entry per server; one whose `weight` is 0 just now is passed over and keeps its credit. `None`
/// if none has weight.
pub(super) fn turn(credits: &mut [i64], weight: impl Fn(usize) -> u64) -> Option<usize> {
    let (mut total, mut best) = (0, None);
    for index in 0..credits.len() {
        let weight = weight(index) as i64;
        if weight == 0 {
            continue;
        }
        total += weight;
        credits[index] += weight;
        if best.is_none_or(|best: usize| credits[index] > credits[best]) {
            best = Some(index);
        }
    }
    credits[best?] -= total;
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence(weights: &[u64], picks: usize) -> Vec<usize> {
        let mut credits = vec![0; weights.len()];
        (0..picks).map(|_| turn(&mut credits, |index| weights[index]).unwrap()).collect()
    }

    #[test]
    fn turns_are_spread_over_the_period() {
        assert_eq!(sequence(&[3, 1], 8), [0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(sequence(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(sequence(&[0, 5], 2), [1, 1]);
        assert_eq!(turn(&mut [0, 0], |_| 0), None);
        assert_eq!(turn(&mut [], |_| 1), None);
    }

    proptest! {
        #[test]
        fn each_period_has_every_servers_share_exactly(weights in prop::collection::vec(0u64..20, 1..6)) {
            let total: u64 = weights.iter().sum();
            prop_assume!(total > 0);
            let picked = sequence(&weights, total as usize * 2);
            for period in picked.chunks(total as usize) {
                for (index, weight) in weights.iter().enumerate() {
                    prop_assert_eq!(period.iter().filter(|pick| **pick == index).count() as u64, *weight);
                }
            }
        }

        #[test]
        fn one_that_is_passed_over_for_a_while_does_not_catch_up(away in 1usize..200) {
            let weights = [2, 1, 1];
            let mut credits = vec![0; 3];
            for _ in 0..away {
                let pick = turn(&mut credits, |index| if index == 1 { 0 } else { weights[index] });
                prop_assert!(pick.is_some_and(|pick| pick != 1));
            }
            let picks: Vec<_> = (0..40).filter_map(|_| turn(&mut credits, |index| weights[index])).collect();
            let back = picks.iter().filter(|pick| **pick == 1).count();
            prop_assert!((9..=11).contains(&back), "{} of 40", back);
        }
    }
}
