//! How much memory is in use, against what there may be: looked at by a thread of its own a few times a second, so that
//! a request reads one byte. Past the first mark new requests are refused, past the second new connections too; what is
//! under way goes on. It is meant to act before the kernel does, which would end everything.

mod usage;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};

use rollgate_config::static_config::Limits;

use self::usage::Usage;
use crate::metrics::Metrics;

/// What the workers ask; one per process.
#[derive(Debug, Default)]
pub(crate) struct Pressure(AtomicU8);

/// How far it has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Level {
    #[default]
    Normal = 0,
    /// New requests are refused.
    Refusing = 1,
    /// New connections too.
    Closing = 2,
}

impl Pressure {
    /// Starts to look, if there is a bound.
    pub(crate) fn start(limits: &Limits, metrics: &Arc<Metrics>) -> std::io::Result<Arc<Self>> {
        let pressure = Arc::new(Self::default());
        let usage = limits.memory.map_or_else(Usage::of_cgroup, |bytes| Some(Usage::of_process(bytes)));
        if let Some(usage) = usage.filter(|_| limits.memory_refuse_at != 0) {
            let (marks, watched) = (Marks::new(limits.memory_refuse_at), Arc::downgrade(&pressure));
            let metrics = metrics.clone();
            std::thread::Builder::new()
                .name("memory".to_owned())
                .spawn(move || watch(&usage, marks, &watched, &metrics))?;
        }
        Ok(pressure)
    }

    /// New requests are refused.
    pub(crate) fn refuses_requests(&self) -> bool {
        self.0.load(Relaxed) >= Level::Refusing as u8
    }

    /// New connections are closed.
    pub(crate) fn refuses_connections(&self) -> bool {
        self.0.load(Relaxed) >= Level::Closing as u8
    }
}

/// Ends with the gateway.
fn watch(usage: &Usage, marks: Marks, pressure: &Weak<Pressure>, metrics: &Metrics) {
    let mut level = Level::Normal;
    while let Some(pressure) = pressure.upgrade() {
        if let Some((used, limit)) = usage.read() {
            let before = level;
            level = marks.level(before, used, limit);
            pressure.0.store(level as u8, Relaxed);
            metrics.set_memory(used, limit, level >= Level::Refusing);
            if level != before {
                tell(level, used, limit);
            }
        }
        drop(pressure);
        std::thread::sleep(INTERVAL);
    }
}

fn tell(level: Level, used: u64, limit: u64) {
    match level {
        Level::Normal => tracing::info!(used, limit, "there is memory again: nothing is refused"),
        Level::Refusing => tracing::warn!(used, limit, "little memory is left: new requests are refused"),
        Level::Closing => tracing::error!(used, limit, "hardly any memory is left: new connections are refused"),
    }
}

/// Where the levels begin, in thousandths of the limit.
#[derive(Debug, Clone, Copy)]
struct Marks {
    refusing: u64,
    closing: u64,
}

impl Marks {
    /// The second mark is in the middle between the first and the end.
    fn new(percent: u8) -> Self {
        let refusing = u64::from(percent) * 10;
        Self { refusing, closing: refusing.midpoint(1000) }
    }

    /// A level is left only some way below where it began.
    fn level(self, before: Level, used: u64, limit: u64) -> Level {
        let used = u128::from(used) * 1000;
        let reaches = |mark: u64, level: Level| {
            let mark = if before >= level { mark.saturating_sub(HYSTERESIS) } else { mark };
            used >= u128::from(mark) * u128::from(limit)
        };
        if reaches(self.closing, Level::Closing) {
            Level::Closing
        } else if reaches(self.refusing, Level::Refusing) {
            Level::Refusing
        } else {
            Level::Normal
        }
    }
}

/// Often enough for what a flood can allocate, seldom enough to cost nothing.
const INTERVAL: Duration = Duration::from_millis(200);
/// In thousandths of the limit: what a level is left by.
const HYSTERESIS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_begin_at_their_marks_and_end_below_them() {
        let marks = Marks::new(90);
        let mut level = Level::Normal;
        for (used, expected) in [
            (0, Level::Normal),
            (899, Level::Normal),
            (900, Level::Refusing),
            (899, Level::Refusing),
            (949, Level::Refusing),
            (950, Level::Closing),
            (920, Level::Closing),
            (919, Level::Refusing),
            (949, Level::Refusing),
            (870, Level::Refusing),
            (869, Level::Normal),
            (899, Level::Normal),
            (1200, Level::Closing),
            (0, Level::Normal),
        ] {
            level = marks.level(level, used, 1000);
            assert_eq!(level, expected, "{used}");
        }
    }

    #[test]
    fn any_percentage_and_any_limit_work() {
        for percent in [1, 2, 50, 100] {
            for limit in [1, 4096, u64::MAX] {
                let marks = Marks::new(percent);
                assert_eq!(marks.level(Level::Normal, limit, limit), Level::Closing, "{percent} {limit}");
                assert_eq!(marks.level(Level::Normal, 0, limit), Level::Normal, "{percent} {limit}");
            }
        }
    }
}
