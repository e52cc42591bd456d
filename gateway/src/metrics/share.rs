//! How often a version was drawn in the last minute, in eight cells of ten seconds.
//!
//! A cell holds the number of its ten seconds (upper half) and the draws in them (lower half), so it needs no sweeping: a
//! cell of an earlier round is simply overwritten. A draw costs a division by a constant, a load and a store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Cells per ring: more than [`WINDOW`], so that a reader never sees one reused within it.
pub(super) const SLOTS: usize = 8;

/// Counts one draw at `now`, in seconds. Only the ring's own worker calls it.
pub(super) fn count(ring: &[AtomicU64], now: u64) {
    let tick = tick(now);
    let cell = &ring[tick as usize % SLOTS];
    let value = cell.load(Relaxed);
    let draws = if (value >> 32) as u32 == tick { value as u32 } else { 0 };
    cell.store(u64::from(tick) << 32 | u64::from(draws.saturating_add(1)), Relaxed);
}

/// The draws in the 50 to 60 seconds before `now`.
pub(super) fn recent(ring: &[AtomicU64], now: u64) -> u64 {
    let now = tick(now);
    let value = |cell: &AtomicU64| {
        let value = cell.load(Relaxed);
        let age = now.wrapping_sub((value >> 32) as u32);
        if age < WINDOW { value & u64::from(u32::MAX) } else { 0 }
    };
    ring.iter().map(value).sum()
}

fn tick(now: u64) -> u32 {
    (now / SECONDS) as u32
}

/// Seconds per cell.
const SECONDS: u64 = 10;

/// Cells that count as recent, the one under way included.
const WINDOW: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Vec<AtomicU64> {
        (0..SLOTS).map(|_| AtomicU64::new(0)).collect()
    }

    #[test]
    fn draws_leave_the_window_after_a_minute() {
        let ring = ring();
        for second in 100..110 {
            count(&ring, second);
        }
        for (now, expected) in [(109, 10), (110, 10), (159, 10), (160, 0), (10_000, 0)] {
            assert_eq!(recent(&ring, now), expected, "at {now}");
        }
    }

    #[test]
    fn a_cell_of_an_earlier_round_is_overwritten() {
        let ring = ring();
        count(&ring, 5);
        count(&ring, 5 + 10 * SLOTS as u64);
        assert_eq!(recent(&ring, 5 + 10 * SLOTS as u64), 1);
    }

    #[test]
    fn a_steady_rate_is_seen_whole() {
        let ring = ring();
        for second in 0..1_000 {
            count(&ring, second);
            let expected = (second + 1).min(51 + second % 10);
            assert_eq!(recent(&ring, second), expected, "at {second}");
        }
    }
}
