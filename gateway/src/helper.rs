//! A thread of the data plane for what no request may wait for on its worker: limits in Redis, passwords, bodies in files.

use std::{
    sync::{Arc, OnceLock},
    thread::JoinHandle,
};

use tokio::{runtime::Handle, sync::oneshot};

use crate::{auth::passwords, body::spool};

/// The thread, started when it is first needed; it ends with the last one of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Helper(Arc<OnceLock<Option<Running>>>);

#[derive(Debug)]
struct Running {
    runtime: Handle,
    /// Dropped: the thread ends.
    _stop: oneshot::Sender<()>,
    _thread: JoinHandle<()>,
}

impl Helper {
    /// The runtime to spawn on; `None` where the machine has no thread for it, which was logged. Blocking work goes to
    /// `spawn_blocking` on it, in small numbers.
    pub(crate) fn runtime(&self) -> Option<&Handle> {
        let running = self.0.get_or_init(|| match start() {
            Ok(running) => Some(running),
            Err(error) => {
                tracing::error!(%error, "the data plane's helper thread could not start");
                None
            }
        });
        running.as_ref().map(|running| &running.runtime)
    }
}

fn start() -> std::io::Result<Running> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("helper-blocking")
        // Its own thread is not one of these. What computes for long lets a worker on the same processor go first.
        .on_thread_start(|| {
            let _ = rustix::process::nice(NICENESS);
        })
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    let handle = runtime.handle().clone();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("helper".to_owned()).spawn(move || {
        // Nothing is ever sent: it is over when the sender is dropped.
        drop(runtime.block_on(stopped));
        // What blocks is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(Running { runtime: handle, _stop: stop, _thread: thread })
}

/// As for what nobody sits before; where that may not be set, it stays as it is.
const NICENESS: i32 = 10;
/// At once: those that compute passwords, and those that wait for the disk, so that neither waits for the other.
const BLOCKING_THREADS: usize = passwords::MOST_AT_ONCE + spool::AT_ONCE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_works_until_nobody_holds_it() {
        let helper = Helper::default();
        let other = helper.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        helper.runtime().unwrap().spawn(async move {
            sender.send(std::thread::current().name().map(str::to_owned)).unwrap();
            std::future::pending::<()>().await;
        });
        assert_eq!(receiver.recv().unwrap().as_deref(), Some("helper"));
        drop(helper);
        assert!(other.runtime().is_some());
        drop(other);
        // The task is dropped with its runtime, and the sender with the task.
        assert!(receiver.recv().is_err());
    }
}
