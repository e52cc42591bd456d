//! The thread that files are followed on, and how much of a processor it may have: requests may have no other one.

use std::{
    cell::Cell,
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rollgate_config::steps::in_steps;
use tokio::{
    runtime,
    sync::{Notify, oneshot},
};

use super::Reconciler;

impl Reconciler {
    /// Follows the files, on a thread of its own, until told to `stop`. `now` asks for a look at once (SIGHUP). What is returned ends
    /// when nothing is left to do.
    ///
    /// # Errors
    /// There can be no thread, or nothing that it could wait with.
    pub fn follow(self, watched: bool, now: Arc<Notify>, stop: Arc<Notify>) -> io::Result<oneshot::Receiver<()>> {
        let (ends, ended) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("files".to_owned()).spawn(move || {
            let traffic = self.traffic.clone();
            in_steps(half_the_time(move || traffic.is_awaited()), || runtime.block_on(self.until(watched, now, stop)));
            drop(ends);
        })?;
        Ok(ended)
    }
}

/// What is done between two steps: never long at a time is worked, and at most half of the time. So a request that has come in the
/// meantime has waited for so long at most, and what has gathered is done before the next piece of work.
///
/// Where somebody waits for this thread it goes on at once.
fn half_the_time(is_awaited: impl Fn() -> bool) -> impl Fn() {
    let since = Cell::new(Instant::now());
    move || {
        if let Some(pause) = pause_after(since.get().elapsed(), &is_awaited) {
            thread::sleep(pause);
            since.set(Instant::now());
        }
    }
}

/// How long to pause after so much work, if at all.
fn pause_after(worked: Duration, is_awaited: impl Fn() -> bool) -> Option<Duration> {
    (worked >= AT_A_TIME && !is_awaited()).then(|| worked.min(LONGEST))
}

/// Of a request's time this is little, and it is a hundred times as long as changing from one thread to another takes.
const AT_A_TIME: Duration = Duration::from_micros(250);
/// What has taken longer was no work all the time: the processor was somebody else's, or there was nothing to do.
const LONGEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_as_long_as_the_work_before_it() {
        let of = |worked: u64| pause_after(Duration::from_micros(worked), || false).map(|pause| pause.as_micros());
        assert_eq!([of(0), of(249)], [None, None]);
        assert_eq!([of(250), of(700), of(1_000)], [Some(250), Some(700), Some(1_000)]);
        assert_eq!([of(1_001), of(60_000_000)], [Some(1_000), Some(1_000)], "it has waited for something");
    }

    #[test]
    fn nobody_who_waits_for_it_waits_for_a_pause() {
        assert_eq!(pause_after(Duration::from_millis(1), || true), None);
    }
}
