//! Weighted rendezvous hashing: each candidate has a distance from a key, and the nearest one is taken.
//!
//! With `u` uniform in (0, 1] the hash of key and candidate, the distance is `-ln(u) / weight`, and the nearest is the
//! candidate with the largest `-weight / ln(u)`. Distances are exponentially distributed with rates that are the weights, so
//! each is the nearest for a share of all keys that is its share of the weights. A candidate's distance depends on nothing
//! but itself, so a larger weight only brings keys to it, a smaller one only takes keys from it, and one that is gone
//! leaves the others' keys where they are.
//!
//! Every replica must come to the same end. The logarithm is therefore the `libm` crate's, which is made of the basic
//! operations whose results IEEE 754 prescribes, and not the machine's own, which may differ in the last digit. Equal
//! distances are told apart by the candidates' ranks.
//!
//! ```text
//! purpose, salt, service (, rollout) -> SHA-256 -> two keys of SipHash
//! key             -> SipHash -> h1 --.
//! candidate's name -> SipHash -> h2 --+-> mix(h1 ^ h2) -> distance by weight -> the nearest
//! ```

use std::{cmp::Ordering, net::IpAddr};

use aws_lc_rs::digest::{Context, SHA256};
use siphasher::sip::SipHasher13;

/// Those that a key may lead to, by name.
#[derive(Debug)]
pub(crate) struct Candidates {
    of_keys: SipHasher13,
    names: Box<[Name]>,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    hash: u64,
    /// The name's place among the names in order.
    rank: u32,
}

/// What tells one order of keys from another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Salt<'c> {
    /// What the order is for.
    pub(crate) purpose: &'static str,
    /// As configured; empty if nothing is.
    pub(crate) text: &'c str,
    /// The service's qualified name: the same keys are not the first ones of every service.
    pub(crate) service: &'c str,
    /// Empty without one. A rollout has an order of its own, so that not every rollout begins with the same keys.
    pub(crate) rollout: &'c str,
}

impl Candidates {
    /// A name that is there twice is two candidates.
    pub(crate) fn new<'n>(salt: Salt<'_>, names: impl Iterator<Item = &'n str>) -> Self {
        let (of_keys, of_names) = salt.hashers();
        let mut order: Vec<(&str, usize)> = names.zip(0..).collect();
        order.sort_unstable();
        let mut known = vec![Name { hash: 0, rank: 0 }; order.len()];
        let (mut before, mut again) = (None, 0u64);
        for (rank, (name, place)) in (0..).zip(order) {
            again = if before == Some(name) { again + 1 } else { 0 };
            before = Some(name);
            let hash = of_names.hash(name.as_bytes());
            known[place] = Name { hash: if again == 0 { hash } else { mix(hash.wrapping_add(again)) }, rank };
        }
        Self { of_keys, names: known.into() }
    }

    /// What [`Self::nearest`] wants of a key.
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.of_keys.hash(key)
    }

    /// The hash of an address as a key; an IPv4-mapped one is IPv4.
    pub(crate) fn hash_address(&self, address: IpAddr) -> u64 {
        match address.to_canonical() {
            IpAddr::V4(four) => self.hash(&four.octets()),
            IpAddr::V6(six) => self.hash(&six.octets()),
        }
    }

    /// The nearest to a key by its hash; `None` if none has weight. `weight` is asked for the weight of each by its index; 0
    /// is never taken.
    pub(crate) fn nearest(&self, key: u64, weight: impl Fn(usize) -> u64) -> Option<usize> {
        let weighted = self.names.iter().enumerate().map(|(index, name)| (index, name, weight(index)));
        let weighted = weighted.filter(|(.., weight)| *weight > 0);
        let distances =
            weighted.map(|(index, name, weight)| (index, distance(mix(key ^ name.hash), weight), name.rank));
        distances.min_by(nearer).map(|(index, ..)| index)
    }
}

impl Salt<'_> {
    /// For keys and for names: with one for both, a client could send a name as its key and be nearest to it.
    fn hashers(&self) -> (SipHasher13, SipHasher13) {
        let mut context = Context::new(&SHA256);
        for part in [self.purpose, self.text, self.service, self.rollout] {
            // With its length, so that no two salts are the same bytes.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let sum = context.finish();
        let (keys, _) = sum.as_ref().as_chunks::<16>();
        (SipHasher13::new_with_key(&keys[0]), SipHasher13::new_with_key(&keys[1]))
    }
}

fn nearer(a: &(usize, f64, u32), b: &(usize, f64, u32)) -> Ordering {
    a.1.total_cmp(&b.1).then(a.2.cmp(&b.2))
}

/// From 0 to infinity, never NaN. 53 bits of the hash count: a share of 1 in 10^12 still gets its keys to 0.02%.
fn distance(hash: u64, weight: u64) -> f64 {
    // From 0 to 1 without 1, so that the logarithm is finite; near 0 it is as exact as near 1.
    let complement = (hash >> 11) as f64 * STEP;
    -libm::log1p(-complement) / weight as f64
}

/// Spreads the difference between two numbers over all bits of the result; a bijection. It is the finaliser of SplitMix64
/// with the constants of Stafford's variant 13.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// 2^-53, what a double can be counted in below 1.
const STEP: f64 = 1.0 / (1u64 << 53) as f64;

#[cfg(test)]
mod tests;
