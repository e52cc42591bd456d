//! Passwords that were found right, so that they are not checked again with each request: what is kept is a keyed hash of
//! user, password and stored hash, so what was kept of a stored hash that has changed is never asked for again.
//!
//! Only right passwords come in, so nobody fills it who has none. It has room for 32,768 (1.3 MiB), in sets of 8; the least
//! recently used of a set makes room.

use std::sync::OnceLock;

use parking_lot::Mutex;

/// A keyed hash of user, password and stored hash.
pub(super) type Fingerprint = [u8; 32];

/// The memory, taken when the first password is kept.
#[derive(Default)]
pub(super) struct Verified(OnceLock<Box<[Mutex<Set>]>>);

#[derive(Default)]
struct Set {
    entries: [Entry; WAYS],
    /// Counts the uses of the set.
    clock: u64,
}

#[derive(Default, Clone, Copy)]
struct Entry {
    fingerprint: Fingerprint,
    /// When it was used last; 0: there is none.
    used: u64,
}

impl Verified {
    /// Whether this was found right before.
    pub(super) fn has(&self, fingerprint: &Fingerprint) -> bool {
        let Some(sets) = self.0.get() else { return false };
        let mut set = sets[place(fingerprint)].lock();
        set.clock += 1;
        let now = set.clock;
        let found = set.entries.iter_mut().find(|entry| entry.is(fingerprint));
        found.map(|entry| entry.used = now).is_some()
    }

    /// Keeps one.
    pub(super) fn keep(&self, fingerprint: Fingerprint) {
        let sets = self.0.get_or_init(|| (0..SETS).map(|_| Mutex::default()).collect());
        let mut set = sets[place(&fingerprint)].lock();
        set.clock += 1;
        let now = set.clock;
        // The same one, then an empty place, then the one that has not been used for longest.
        let next = |entry: &&mut Entry| if entry.is(&fingerprint) { (0, 0) } else { (1, entry.used) };
        if let Some(entry) = set.entries.iter_mut().min_by_key(next) {
            *entry = Entry { fingerprint, used: now };
        }
    }
}

impl Entry {
    fn is(&self, fingerprint: &Fingerprint) -> bool {
        self.used != 0 && self.fingerprint == *fingerprint
    }
}

fn place(fingerprint: &Fingerprint) -> usize {
    usize::from(u16::from_le_bytes([fingerprint[0], fingerprint[1]])) % SETS
}

const SETS: usize = 4_096;
const WAYS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// One of a set's, by number.
    fn fingerprint(set: u16, number: u8) -> Fingerprint {
        let mut bytes = [number; 32];
        bytes[..2].copy_from_slice(&set.to_le_bytes());
        bytes
    }

    #[test]
    fn what_was_kept_is_known_and_nothing_else() {
        let verified = Verified::default();
        assert!(!verified.has(&fingerprint(1, 1)));
        verified.keep(fingerprint(1, 1));
        verified.keep(fingerprint(1, 1));
        assert!(verified.has(&fingerprint(1, 1)));
        assert!(!verified.has(&fingerprint(1, 2)));
        assert!(!verified.has(&fingerprint(2, 1)));
    }

    #[test]
    fn the_least_recently_used_of_a_set_makes_room() {
        let verified = Verified::default();
        for number in 0..8 {
            verified.keep(fingerprint(7, number));
        }
        assert!(verified.has(&fingerprint(7, 0)), "now 1 has not been used for longest");
        verified.keep(fingerprint(7, 8));
        let known: Vec<u8> = (0..9).filter(|number| verified.has(&fingerprint(7, *number))).collect();
        assert_eq!(known, [0, 2, 3, 4, 5, 6, 7, 8]);
        verified.keep(fingerprint(8, 0));
        assert!(verified.has(&fingerprint(7, 0)), "another set is another's business");
    }
}
