//! How much of a processor the reading of files may have: requests may have no other one.

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

/// What is done between two steps: never long at a time is worked, and at most half of the time. So a request that has come in the
/// meantime has waited for so long at most, and what has gathered is done before the next piece of work.
pub(super) fn half_the_time() -> impl Fn() {
    let since = Cell::new(Instant::now());
    move || {
        let worked = since.get().elapsed();
        if worked >= AT_A_TIME {
            thread::sleep(worked.min(PAUSE));
            since.set(Instant::now());
        }
    }
}

/// Of a request's time this is little, and it is a hundred times as long as changing from one thread to another takes.
const AT_A_TIME: Duration = Duration::from_micros(250);
/// The processor was somebody else's for a while, or there was nothing to do: that was a pause itself.
const PAUSE: Duration = Duration::from_millis(1);
