//! The power of two choices: of two servers at random the one with fewer requests in flight. Weights do not count, as in
//! Traefik, but for 0, which receives nothing.

use smallvec::SmallVec;

/// One pick among those that are `open`; `None` if none is. `random` is uniform over all 64 bits.
pub(super) fn pick(
    count: usize,
    open: impl Fn(usize) -> bool,
    in_flight: impl Fn(usize) -> usize,
    random: u64,
) -> Option<usize> {
    let open: SmallVec<[usize; 16]> = (0..count).filter(|index| open(*index)).collect();
    let [only] = open[..] else {
        return two(open.len(), random).map(|(first, second)| {
            let (first, second) = (open[first], open[second]);
            if in_flight(second) < in_flight(first) { second } else { first }
        });
    };
    Some(only)
}

/// Two different places below `count`, each pair as likely as any other.
fn two(count: usize, random: u64) -> Option<(usize, usize)> {
    let count = count as u64;
    let others = count.checked_sub(1).filter(|others| *others > 0)?;
    let first = (random >> 32) % count;
    let second = (first + 1 + (random & u64::from(u32::MAX)) % others) % count;
    Some((first as usize, second as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_with_fewer_requests_in_flight_of_any_two_is_taken() {
        let mut random = fastrand::Rng::with_seed(1);
        let in_flight = [5, 0, 5, 9];
        let mut picked = [0; 4];
        (0..12_000).for_each(|_| picked[pick(4, |_| true, |index| in_flight[index], random.u64(..)).unwrap()] += 1);
        // Six pairs, equally likely: the idle one wins three of them, the busiest none, and equals go by chance.
        for (count, expected) in picked.into_iter().zip([3000, 6000, 3000, 0_i32]) {
            assert!((count - expected).abs() < 300, "{picked:?}");
        }
    }

    #[test]
    fn those_that_are_not_open_are_never_taken() {
        let mut random = fastrand::Rng::with_seed(2);
        for _ in 0..1000 {
            assert_eq!(pick(3, |index| index == 2, |_| 0, random.u64(..)), Some(2));
            assert_ne!(pick(3, |index| index != 0, |_| 0, random.u64(..)), Some(0));
        }
        assert_eq!(pick(3, |_| false, |_| 0, 7), None);
        assert_eq!(pick(0, |_| true, |_| 0, 7), None);
    }
}
