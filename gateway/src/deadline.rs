//! Waiting no longer than until a moment.

use std::{task::Poll, time::Duration};

use tokio::time::{Instant, timeout_at};

/// What a future gives by a moment; `None`: nothing.
pub(crate) async fn met<T>(at: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    if let Ok(given) = timeout_at(at, future.as_mut()).await {
        return Some(given);
    }
    // It may be here, and only we were late: stopped, or without a CPU. Who reads it has a turn before it is too late.
    tokio::task::yield_now().await;
    match std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(given) => Some(given),
        Poll::Pending => None,
    }
}

/// The shorter of two limits, of which zero is none.
pub(crate) fn shorter(one: Duration, other: Duration) -> Duration {
    if one.is_zero() || (!other.is_zero() && other < one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_given() {
        let second = Duration::from_secs(1);
        let after = |limit: Duration| tokio::time::sleep(limit);
        assert!(met(Instant::now() + 2 * second, after(second)).await.is_some());
        assert!(met(Instant::now() + second, after(2 * second)).await.is_none());
        assert!(met(Instant::now(), async {}).await.is_some(), "what is there already is not late");
    }

    #[test]
    fn no_limit_is_longer_than_any() {
        let seconds = Duration::from_secs;
        for (one, other, shortest) in [(0, 0, 0), (0, 5, 5), (5, 0, 5), (5, 3, 3), (3, 5, 3)] {
            assert_eq!(shorter(seconds(one), seconds(other)), seconds(shortest));
        }
    }
}
