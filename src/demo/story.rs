//! What happens in the demo: now and then the canary fails for a while, so that its breaker is seen at work.

use std::time::{Duration, Instant};

/// Begun at some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Story {
    began: Instant,
}

impl Story {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now() }
    }

    /// Whether the canary answers with errors now.
    pub(super) fn canary_fails(self) -> bool {
        fails(self.began.elapsed())
    }

    /// What is to be seen now.
    pub(super) fn caption(self) -> &'static str {
        if self.canary_fails() { "the canary fails" } else { "all is well" }
    }
}

/// Whether it fails so long after the beginning.
fn fails(elapsed: Duration) -> bool {
    let within = elapsed.as_millis() % ROUND.as_millis();
    (FROM.as_millis()..UNTIL.as_millis()).contains(&within)
}

/// The story is told anew so often. The breaker has tripped two seconds after the canary began to fail, recovers five seconds
/// later, and five more until it lets everything through: the canary is well by then.
const ROUND: Duration = Duration::from_secs(40);
const FROM: Duration = Duration::from_secs(6);
const UNTIL: Duration = Duration::from_secs(12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_fails_for_six_seconds_of_forty() {
        for (seconds, expected) in
            [(0, false), (5, false), (6, true), (11, true), (12, false), (45, false), (46, true), (52, false)]
        {
            assert_eq!(fails(Duration::from_secs(seconds)), expected, "after {seconds} s");
        }
    }
}
