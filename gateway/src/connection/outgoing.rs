//! Answers on their way to a client, and whether it takes them. All times are coarse milliseconds.

use std::time::Duration;

/// A connection's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing {
    /// Over HTTP/2: those that wait for their client.
    waiting: u32,
    /// Over HTTP/2: those that have begun to go out, and whose end has not.
    unended: u32,
    /// When something of one last went on.
    moved: u32,
}

impl Outgoing {
    pub(super) fn new(now: u32) -> Self {
        Self { waiting: 0, unended: 0, moved: now }
    }

    /// A request began or ended: there is, or may be, something new to go out.
    pub(super) fn touch(&mut self, now: u32) {
        self.moved = now;
    }

    /// An answer has something for its client.
    pub(super) fn begin_to_wait(&mut self, now: u32) {
        self.waiting += 1;
        self.moved = now;
    }

    /// The client has taken it, or will not.
    pub(super) fn end_to_wait(&mut self, now: u32) {
        self.waiting -= 1;
        self.moved = now;
    }

    /// So many have begun to go out and not ended, and whether something of one has gone out.
    pub(super) fn stand(&mut self, unended: u32, moved: bool, now: u32) {
        self.unended = unended;
        if moved {
            self.moved = now;
        }
    }

    /// There has been something for the client for so long, and no stream had a window for it.
    pub(super) fn is_held(self, in_flight: u32, limit: Duration, now: u32) -> bool {
        // More unended than there are requests: the gateway is done with one, and HTTP/2 holds the rest of it.
        let is_held = self.waiting > 0 || self.unended > in_flight;
        is_held && Duration::from_millis(u64::from(now.wrapping_sub(self.moved))) >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn an_answer_that_waits_is_held_once_its_time_is_up() {
        let mut outgoing = Outgoing::new(0);
        assert!(!outgoing.is_held(1, LIMIT, 1_000_000), "nothing waits");
        outgoing.begin_to_wait(1_000);
        assert!(!outgoing.is_held(1, LIMIT, 30_999));
        assert!(outgoing.is_held(1, LIMIT, 31_000));
        outgoing.end_to_wait(31_000);
        assert!(!outgoing.is_held(1, LIMIT, 1_000_000));
    }

    #[test]
    fn whatever_moves_begins_the_time_anew() {
        let mut outgoing = Outgoing::new(0);
        outgoing.begin_to_wait(0);
        outgoing.stand(1, true, 20_000);
        assert!(!outgoing.is_held(1, LIMIT, 49_999));
        outgoing.stand(1, false, 40_000);
        assert!(outgoing.is_held(1, LIMIT, 50_000), "nothing moved at 40 s");
        outgoing.touch(50_000);
        assert!(!outgoing.is_held(1, LIMIT, 79_999));
    }

    #[test]
    fn an_answer_that_the_gateway_is_done_with_is_held_until_its_end_is_out() {
        let mut outgoing = Outgoing::new(0);
        outgoing.stand(1, true, 0);
        assert!(!outgoing.is_held(1, LIMIT, 30_000), "its request is under way");
        assert!(outgoing.is_held(0, LIMIT, 30_000));
        outgoing.stand(0, true, 30_000);
        assert!(!outgoing.is_held(0, LIMIT, 1_000_000));
    }

    #[test]
    fn the_clock_may_wrap() {
        let mut outgoing = Outgoing::new(u32::MAX - 9);
        outgoing.begin_to_wait(u32::MAX - 9);
        assert!(!outgoing.is_held(1, LIMIT, 29_989));
        assert!(outgoing.is_held(1, LIMIT, 29_990));
    }
}
