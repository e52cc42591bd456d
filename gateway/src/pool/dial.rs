//! Connecting to one of several addresses (RFC 8305, Happy Eyeballs): families take turns, each attempt has a quarter of a
//! second until the next begins beside it, and the first that connects wins.

use std::{io, net::IpAddr, time::Duration};

use tokio::task::JoinSet;

/// The order in which to try: IPv6 and IPv4 in turn, and within each family from a random one on, so that connections
/// spread over all addresses.
pub(super) fn order(addresses: &[IpAddr], random: u64) -> Vec<IpAddr> {
    let family = |v6: bool| {
        let mut family: Vec<IpAddr> = addresses.iter().copied().filter(|address| address.is_ipv6() == v6).collect();
        let count = family.len().max(1);
        family.rotate_left((random % count as u64) as usize);
        family.into_iter()
    };
    let (mut six, mut four) = (family(true), family(false));
    let mut ordered = Vec::with_capacity(addresses.len());
    while ordered.len() < addresses.len() {
        ordered.extend(six.next());
        ordered.extend(four.next());
    }
    ordered
}

/// The first that connects, or the last failure. The next attempt begins when one has failed, or when `stagger` is over.
pub(super) async fn race<T, F, D>(
    addresses: Vec<IpAddr>,
    connect: impl Fn(IpAddr) -> F,
    stagger: impl Fn() -> D,
) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
    D: Future<Output = ()>,
{
    let mut addresses = addresses.into_iter().peekable();
    let mut attempts = JoinSet::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match addresses.next() {
            Some(address) => drop(attempts.spawn(connect(address))),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        let more = addresses.peek().is_some();
        tokio::select! {
            biased;
            Some(done) = attempts.join_next() => match done.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
                Ok(connected) => return Ok(connected),
                Err(error) => last = error,
            },
            () = stagger(), if more => {}
        }
    }
}

/// RFC 8305 section 5: the recommended Connection Attempt Delay.
pub(super) const STAGGER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    };

    use proptest::prelude::*;
    use tokio::sync::Notify;

    use super::*;

    fn four(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    fn six(last: u16) -> IpAddr {
        [0xfd00, 0, 0, 0, 0, 0, 0, last].into()
    }

    #[test]
    fn families_take_turns_and_each_begins_anywhere() {
        let addresses = [four(1), four(2), four(3), six(1)];
        assert_eq!(order(&addresses, 0), [six(1), four(1), four(2), four(3)]);
        assert_eq!(order(&addresses, 4), [six(1), four(2), four(3), four(1)]);
        assert_eq!(order(&addresses[..3], 5), [four(3), four(1), four(2)]);
        assert_eq!(order(&[], 5), [] as [IpAddr; 0]);
    }

    proptest! {
        #[test]
        fn every_address_is_tried_once(fours in 0u8..9, sixes in 0u16..9, random: u64) {
            let mut addresses: Vec<IpAddr> = (0..fours).map(four).chain((0..sixes).map(six)).collect();
            let mut ordered = order(&addresses, random);
            ordered.sort_unstable();
            addresses.sort_unstable();
            prop_assert_eq!(ordered, addresses);
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Does {
        Connect,
        Refuse,
        Nothing,
    }

    /// Who wins, and how many were tried; `patient`: the stagger is never over.
    async fn raced(script: &'static [Does], patient: bool) -> (io::Result<IpAddr>, usize) {
        let tried = Arc::new(AtomicUsize::new(0));
        let addresses: Vec<IpAddr> = (0..script.len()).map(|at| four(at as u8)).collect();
        let connect = |address: IpAddr| {
            let does = script[tried.fetch_add(1, SeqCst)];
            async move {
                match does {
                    Connect => Ok(address),
                    Refuse => Err(io::ErrorKind::ConnectionRefused.into()),
                    Nothing => std::future::pending().await,
                }
            }
        };
        let stagger = || async move {
            if patient {
                std::future::pending().await
            }
        };
        let racing = race(addresses, connect, stagger);
        (racing.await, tried.load(SeqCst))
    }

    use Does::{Connect, Nothing, Refuse};

    #[tokio::test]
    async fn one_that_connects_is_the_only_one_tried() {
        let (won, tried) = raced(&[Connect, Connect], true).await;
        assert_eq!((won.unwrap(), tried), (four(0), 1));
    }

    #[tokio::test]
    async fn a_black_hole_is_waited_for_no_longer_than_the_stagger() {
        let (won, tried) = raced(&[Nothing, Nothing, Connect], false).await;
        assert_eq!((won.unwrap(), tried), (four(2), 3));
    }

    #[tokio::test]
    async fn a_refusal_starts_the_next_at_once() {
        let (won, tried) = raced(&[Refuse, Refuse, Connect, Connect], true).await;
        assert_eq!((won.unwrap(), tried), (four(2), 3));
    }

    #[tokio::test]
    async fn a_slow_one_may_still_win() {
        let begun = Arc::new(Notify::new());
        let connect = |address: IpAddr| {
            let begun = begun.clone();
            async move {
                if address == four(0) {
                    begun.notified().await;
                    return Ok(address);
                }
                begun.notify_one();
                std::future::pending().await
            }
        };
        let racing = race(vec![four(0), four(1)], connect, || std::future::ready(()));
        assert_eq!(racing.await.unwrap(), four(0));
    }

    #[tokio::test]
    async fn all_failures_are_a_failure() {
        let (won, tried) = raced(&[Refuse, Refuse], true).await;
        assert_eq!((won.unwrap_err().kind(), tried), (io::ErrorKind::ConnectionRefused, 2));
        assert_eq!(raced(&[], true).await.0.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
