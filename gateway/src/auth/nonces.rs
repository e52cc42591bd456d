//! The nonces of digest authentication (RFC 7616 section 3.3). A nonce carries its number and its time, and is signed with a
//! key of the process: nothing is kept of those that are given out, so a flood of requests without a password fills nothing.
//!
//! Of those that were used with a right password, the counts (`nc`) that were seen are kept, 64 back from the highest, so
//! requests may overtake each other and none comes twice. When there are too many, the oldest is forgotten, and no nonce up to
//! it is taken any more. A nonce that is not taken is stale: the client, which has proved that it knows the password, repeats the
//! request with a new one and asks nobody.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use parking_lot::Mutex;

use super::random;
use crate::middleware::CompileError;

/// The nonces of a process.
pub(crate) struct Nonces {
    key: hmac::Key,
    began: Instant,
    given: AtomicU64,
    used: Mutex<Used>,
    most: usize,
}

#[derive(Default)]
struct Used {
    /// By number, which grows with time.
    counts: BTreeMap<u64, Counts>,
    /// Up to this number only those in `counts` are taken.
    forgotten: u64,
}

/// The counts that one nonce was used with.
struct Counts {
    highest: u64,
    /// Bit n: the one that is n below the highest.
    seen: u64,
    given_at: Duration,
}

/// Why a nonce is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Of another process, too old, or its count has been overtaken by too many: with a new one it goes.
    Stale,
    /// The same request a second time.
    Replayed,
}

impl Nonces {
    /// None was given out.
    pub(crate) fn new(now: Instant) -> Result<Self, CompileError> {
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            began: now,
            given: AtomicU64::new(0),
            used: Mutex::default(),
            most: MOST,
        })
    }

    /// A new one for a realm: 43 characters that need no quoting.
    pub(crate) fn give(&self, realm: &str, now: Instant) -> String {
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        let given_at = u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX);
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        nonce[8..16].copy_from_slice(&given_at.to_be_bytes());
        let (said, signature) = nonce.split_at_mut(16);
        signature.copy_from_slice(&self.signature(said, realm));
        BASE64_URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Takes a nonce that came with the right response and this count, once.
    pub(crate) fn take(&self, nonce: &[u8], count: u64, realm: &str, now: Instant) -> Result<(), Refused> {
        let (number, given_at) = self.read(nonce, realm).ok_or(Refused::Stale)?;
        let now = now.saturating_duration_since(self.began);
        if now.saturating_sub(given_at) > LIFETIME {
            return Err(Refused::Stale);
        }
        let used = &mut *self.used.lock();
        if let Some(counts) = used.counts.get_mut(&number) {
            return counts.see(count);
        }
        if number <= used.forgotten {
            return Err(Refused::Stale);
        }
        used.counts.insert(number, Counts { highest: count, seen: 1, given_at });
        used.make_room(self.most, now);
        Ok(())
    }

    /// Its number and the time since the begin at which it was given, if it is one of ours.
    fn read(&self, nonce: &[u8], realm: &str) -> Option<(u64, Duration)> {
        let mut bytes = [0; 32];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes).ok()?;
        let (said, signature) = bytes.split_at(16);
        if length != bytes.len() || !super::is_same(&self.signature(said, realm), signature) {
            return None;
        }
        let (number, given_at) = said.split_first_chunk()?;
        let given_at = u64::from_be_bytes(*given_at.first_chunk()?);
        Some((u64::from_be_bytes(*number), Duration::from_millis(given_at)))
    }

    fn signature(&self, said: &[u8], realm: &str) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(said);
        context.update(realm.as_bytes());
        let mut signature = [0; 16];
        signature.copy_from_slice(&context.sign().as_ref()[..16]);
        signature
    }
}

impl Used {
    /// Forgets what has run out, and the oldest where there are too many.
    fn make_room(&mut self, most: usize, now: Duration) {
        while let Some(oldest) = self.counts.first_entry() {
            let over = now.saturating_sub(oldest.get().given_at) > LIFETIME;
            if !over && self.counts.len() <= most {
                return;
            }
            if let Some((number, _)) = self.counts.pop_first() {
                self.forgotten = self.forgotten.max(number);
            }
        }
    }
}

impl Counts {
    /// Whether this count has not been seen; now it has.
    fn see(&mut self, count: u64) -> Result<(), Refused> {
        if count > self.highest {
            let ahead = count - self.highest;
            self.seen = if ahead < 64 { self.seen << ahead | 1 } else { 1 };
            self.highest = count;
            return Ok(());
        }
        let behind = self.highest - count;
        if behind >= 64 {
            return Err(Refused::Stale);
        }
        if self.seen & 1 << behind != 0 {
            return Err(Refused::Replayed);
        }
        self.seen |= 1 << behind;
        Ok(())
    }
}

/// How long a nonce is taken after it was given out.
const LIFETIME: Duration = Duration::from_secs(300);
/// Used nonces that are remembered; some 6 MiB.
const MOST: usize = 65_536;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nonces() -> (Nonces, Instant) {
        let now = Instant::now();
        (Nonces::new(now).unwrap(), now)
    }

    #[test]
    fn a_nonce_is_taken_with_each_count_once() {
        let (nonces, now) = nonces();
        let nonce = nonces.give("r", now);
        assert_eq!(nonce.len(), 43);
        let take = |count| nonces.take(nonce.as_bytes(), count, "r", now);
        assert_eq!(take(1), Ok(()));
        assert_eq!(take(1), Err(Refused::Replayed));
        assert_eq!(take(5), Ok(()));
        // Requests overtake each other.
        assert_eq!(take(3), Ok(()));
        assert_eq!(take(3), Err(Refused::Replayed));
        assert_eq!(take(5), Err(Refused::Replayed));
        assert_eq!(take(69), Ok(()));
        assert_eq!(take(5), Err(Refused::Stale), "64 behind is too far to know");
        assert_eq!(take(6), Ok(()));
        assert_eq!(take(u64::MAX), Ok(()));
        assert_eq!(take(u64::MAX), Err(Refused::Replayed));
        assert_eq!(take(0), Err(Refused::Stale));
    }

    #[test]
    fn a_nonce_lasts_five_minutes() {
        let (nonces, now) = nonces();
        let nonce = nonces.give("r", now + Duration::from_secs(10));
        let take = |count, after| nonces.take(nonce.as_bytes(), count, "r", now + after);
        assert_eq!(take(1, Duration::from_millis(310_000)), Ok(()));
        assert_eq!(take(2, Duration::from_millis(310_001)), Err(Refused::Stale));
        // The clock of another thread may be a little behind.
        assert_eq!(take(3, Duration::ZERO), Ok(()));
    }

    #[test]
    fn what_was_not_given_out_here_is_stale() {
        let (nonces, now) = nonces();
        let (others, _) = self::nonces();
        let good = nonces.give("r", now);
        let take = |nonce: &str, realm| nonces.take(nonce.as_bytes(), 1, realm, now);
        assert_eq!(take(&others.give("r", now), "r"), Err(Refused::Stale));
        assert_eq!(take(&good, "another realm"), Err(Refused::Stale));
        for broken in [
            "",
            "x",
            &good[1..],
            &format!("{good}A"),
            &good.replace(&good[..1], "B"),
            "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        ] {
            assert_eq!(take(broken, "r"), Err(Refused::Stale), "{broken}");
        }
        assert_eq!(take(&good, "r"), Ok(()));
    }

    #[test]
    fn what_is_forgotten_cannot_be_used_again() {
        let (mut nonces, now) = nonces();
        nonces.most = 2;
        let all: Vec<String> = (0..4).map(|_| nonces.give("r", now)).collect();
        let take = |index: usize, count| nonces.take(all[index].as_bytes(), count, "r", now);
        assert_eq!(take(1, 1), Ok(()));
        assert_eq!(take(2, 1), Ok(()));
        assert_eq!(take(3, 1), Ok(()), "the first of them is forgotten");
        assert_eq!(take(1, 1), Err(Refused::Stale));
        assert_eq!(take(1, 2), Err(Refused::Stale));
        assert_eq!(take(0, 1), Err(Refused::Stale), "it is older than one that was forgotten");
        assert_eq!(take(2, 2), Ok(()));
        assert_eq!(nonces.used.lock().counts.len(), 2);
    }

    #[test]
    fn what_has_run_out_makes_room() {
        let (nonces, now) = nonces();
        let old = nonces.give("r", now);
        assert_eq!(nonces.take(old.as_bytes(), 1, "r", now), Ok(()));
        let later = now + LIFETIME + Duration::from_secs(1);
        let fresh = nonces.give("r", later);
        assert_eq!(nonces.take(fresh.as_bytes(), 1, "r", later), Ok(()));
        assert_eq!(nonces.used.lock().counts.len(), 1);
    }

    proptest! {
        #[test]
        fn no_count_is_ever_taken_twice(counts in proptest::collection::vec(0_u64..200, 0..400)) {
            let (nonces, now) = nonces();
            let nonce = nonces.give("r", now);
            let mut taken = std::collections::HashSet::new();
            let mut highest = 0;
            for count in counts {
                let result = nonces.take(nonce.as_bytes(), count, "r", now);
                if result.is_ok() {
                    prop_assert!(taken.insert(count), "{count} was taken twice");
                } else {
                    let near = highest - count.min(highest) < 64;
                    prop_assert!(!near || taken.contains(&count), "{count} is near {highest} and was never taken");
                }
                highest = highest.max(if result.is_ok() { count } else { 0 });
            }
        }
    }
}
