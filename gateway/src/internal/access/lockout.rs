//! Addresses that have sent too many wrong tokens.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Shared by all workers; asked only where tokens are needed.
#[derive(Debug, Default)]
pub(crate) struct Lockout(Mutex<HashMap<IpAddr, Failures>>);

/// Of one address, since the first of them.
#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Lockout {
    /// How long an address is still to wait; a right token does not help it.
    pub(crate) fn left(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.0.lock().get(&client(address)).copied()?;
        let left = WINDOW.checked_sub(now.saturating_duration_since(failures.since))?;
        (failures.count >= MOST && !left.is_zero()).then_some(left)
    }

    /// An address has sent a wrong token.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) {
        let mut known = self.0.lock();
        let address = client(address);
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            let is_over = |failures: &Failures| now.saturating_duration_since(failures.since) >= WINDOW;
            known.retain(|_, failures| !is_over(failures));
            if known.len() >= ADDRESSES {
                let oldest = known.iter().min_by_key(|(_, failures)| failures.since).map(|(address, _)| *address);
                oldest.map(|oldest| known.remove(&oldest));
            }
        }
        let failures = known.entry(address).or_insert(Failures { since: now, count: 0 });
        if now.saturating_duration_since(failures.since) >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count += 1;
    }
}

/// Whom an address stands for: of IPv6, one has as many as a /64 has.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

/// Wrong tokens within [`WINDOW`].
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// That are remembered.
const ADDRESSES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_wrong_tokens_within_a_minute_lock_an_address_out_until_it_is_over() {
        let (lockout, start) = (Lockout::default(), Instant::now());
        let one = address("192.0.2.1");
        for second in 0..10 {
            assert_eq!(lockout.left(one, start + Duration::from_secs(second)), None);
            lockout.failed(one, start + Duration::from_secs(second));
        }
        assert_eq!(lockout.left(one, start + Duration::from_secs(9)), Some(Duration::from_secs(51)));
        assert_eq!(lockout.left(address("192.0.2.2"), start), None);
        assert_eq!(lockout.left(one, start + Duration::from_secs(60)), None);
        lockout.failed(one, start + Duration::from_secs(61));
        assert_eq!(lockout.left(one, start + Duration::from_secs(61)), None, "the count begins anew");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_a_mapped_address_is_the_other_ones() {
        let (lockout, now) = (Lockout::default(), Instant::now());
        (0..10).for_each(|number| lockout.failed(address(&format!("2001:db8::{number}")), now));
        assert!(lockout.left(address("2001:db8::ffff:1"), now).is_some());
        assert!(lockout.left(address("2001:db8:0:1::1"), now).is_none());
        (0..10).for_each(|_| lockout.failed(address("::ffff:192.0.2.1"), now));
        assert!(lockout.left(address("192.0.2.1"), now).is_some());
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go_first() {
        let (lockout, start) = (Lockout::default(), Instant::now());
        for number in 0..5000u32 {
            let now = start + Duration::from_millis(u64::from(number));
            (0..10).for_each(|_| lockout.failed(std::net::Ipv4Addr::from_bits(number).into(), now));
        }
        assert_eq!(lockout.0.lock().len(), ADDRESSES);
        let at_the_end = start + Duration::from_secs(5);
        assert!(lockout.left(std::net::Ipv4Addr::from_bits(4999).into(), at_the_end).is_some());
        assert!(lockout.left(std::net::Ipv4Addr::from_bits(0).into(), at_the_end).is_none());
    }
}
