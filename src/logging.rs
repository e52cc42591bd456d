//! Our own log: where `log` says, at the level it says.
//!
//! A thread of its own writes it, from a bounded queue. Whoever reads it may be slow, stop, or go away, and a disk may
//! be full: lines are lost then, and no request waits.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rollgate_config::static_config::Log;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// The thread that writes. When this is dropped, what waits is written, for a second at most.
pub(crate) struct Writing {
    reopen: Arc<AtomicBool>,
    _thread: WorkerGuard,
}

impl Writing {
    /// Opens the file anew with the next line, after it was renamed.
    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Relaxed);
    }
}

/// Installs it for the whole process. `RUST_LOG` wins over `log.level`.
pub(crate) fn install(log: &Log) -> io::Result<Writing> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level));
    let reopen = Arc::new(AtomicBool::new(false));
    let builder = NonBlockingBuilder::default().buffered_lines_limit(WAITING).thread_name("log");
    let (writer, thread) = match &log.file {
        None => builder.finish(io::stderr()),
        Some(path) => builder.finish(LogFile { file: open(path)?, path: path.clone(), reopen: reopen.clone() }),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_target(false).with_ansi(false).with_writer(writer);
    // Installing it twice is the only failure; the first one stays.
    let _ = if log.json { registry.with(layer.json()).try_init() } else { registry.with(layer).try_init() };
    Ok(Writing { reopen, _thread: thread })
}

struct LogFile {
    file: File,
    path: PathBuf,
    reopen: Arc<AtomicBool>,
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.reopen.swap(false, Relaxed)
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Lines that may wait to be written.
const WAITING: usize = 8_192;
