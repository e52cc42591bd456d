//! The access log: one line per request, written by a thread of its own.
//!
//! ```text
//! worker: wants? -> Record -> try_send -.
//! worker: wants? -> Record -> try_send --+-> bounded queue -> writer thread: format -> file or standard output
//! ```
//!
//! A request pays for one allocation and a few reference counts. Formatting, escaping and writing are the thread's. It takes
//! what has gathered every 10 ms, so that a busy worker does not wake it for each line. When the queue is full, or the
//! disk, lines are lost and counted; a request never waits.

mod clf;
mod json;
mod record;
mod text;
mod writer;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::Thread,
    time::Duration,
};

use http::HeaderMap;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use rollgate_config::static_config::AccessLog as Config;

use record::{Fields, Filters, HeaderPolicy};
use writer::{Message, Output, Signals, Writer};

pub use record::{Headers, Origin, Record};

/// The process's access log, shared by all workers.
pub struct AccessLog {
    sender: SyncSender<Message>,
    filters: Filters,
    headers: HeaderPolicy,
    dropped: Arc<AtomicU64>,
    signals: Arc<Signals>,
    thread: Thread,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

impl AccessLog {
    /// Opens the file, with its folders, and starts the thread. `dropped` counts the lines that are lost.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub fn start(config: &Config, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        let output = match &config.file {
            Some(path) => Output::open(path)?,
            None => Output::Stream(Box::new(io::stdout())),
        };
        Self::with_output(config, dropped, output, TimeZone::system())
    }

    /// Whether the filters keep a request: any filter that holds keeps it; without filters all are kept.
    pub fn wants(&self, status: u16, duration: Duration, retries: u32) -> bool {
        self.filters.keep(status, duration, retries)
    }

    /// What is to be kept of a request's headers. Redacted here already: what is secret does not wait in a queue.
    pub fn request_headers(&self, headers: &HeaderMap) -> Headers {
        self.headers.of_request(headers)
    }

    /// What is to be kept of a response's headers, the server's or the one that the client gets.
    pub fn response_headers(&self, headers: &HeaderMap) -> Headers {
        self.headers.of_response(headers)
    }

    /// Hands a record to the thread. If the queue is full, it is lost and counted.
    pub fn write(&self, record: Box<Record>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.sender.try_send(Message::Line(record))
        {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Opens the file anew, after it was renamed: what is written to the log after this call is in the new file.
    pub fn reopen(&self) {
        if self.sender.try_send(Message::Reopen).is_err() {
            self.signals.reopen.store(true, Relaxed);
        }
        self.thread.unpark();
    }

    /// Ends the thread after it has written what is waiting; waits at most `limit` for that. Whether all is written.
    pub fn close(&self, limit: Duration) -> bool {
        self.signals.close.store(true, Relaxed);
        // If the queue is full, the thread is awake and sees the flag.
        let _ = self.sender.try_send(Message::Close);
        self.thread.unpark();
        self.ended.lock().recv_timeout(limit) == Err(RecvTimeoutError::Disconnected)
    }

    fn with_output(config: &Config, dropped: Arc<AtomicU64>, output: Output, zone: TimeZone) -> io::Result<Self> {
        let waiting = match config.buffering_size {
            0 => DEFAULT_WAITING,
            lines => lines.min(MAX_WAITING),
        };
        let (sender, receiver) = sync_channel(waiting);
        let (end, ended) = sync_channel(1);
        let signals = Arc::new(Signals::default());
        let writer = Writer::new(
            receiver,
            output,
            config.format,
            Fields::new(config.fields_default, &config.fields),
            zone,
            Arc::clone(&dropped),
            Arc::clone(&signals),
        );
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            drop(end);
        })?;
        Ok(Self {
            sender,
            filters: Filters::new(config),
            headers: HeaderPolicy::new(config),
            dropped,
            signals,
            thread: thread.thread().clone(),
            ended: Mutex::new(ended),
        })
    }
}

/// Lines that may wait by default.
const DEFAULT_WAITING: usize = 8_192;

/// Lines that may wait at most: the queue's slots are allocated at once.
const MAX_WAITING: usize = 1 << 20;

#[cfg(test)]
mod tests;
