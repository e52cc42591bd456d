//! A process that a gateway, or its wrapper, has started.

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// A process that a gateway, or its wrapper, has started; killed, by its id, when dropped.
#[derive(Debug)]
pub struct Successor(pub(super) i32);

impl Successor {
    /// Its process id.
    pub fn id(&self) -> i32 {
        self.0
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the new process is alive");
    }

    /// Waits until it has ended.
    pub fn wait(&self) {
        wait::eventually_blocking("the new process ends", wait::PATIENCE, || {
            // A zombie, until somebody has read its status.
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
            (status.is_empty() || status.contains("State:\tZ")).then_some(())
        });
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0).expect("a process id is positive")
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone_already = kill_process(self.pid(), Signal::KILL);
    }
}
