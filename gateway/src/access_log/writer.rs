//! The thread that formats and writes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use rollgate_config::static_config::AccessLogFormat;

use super::{
    clf::Clf,
    json::Json,
    record::{Fields, Record},
};

/// What waits in the queue.
pub(super) enum Message {
    Line(Box<Record>),
    Reopen,
    Close,
}

/// What could not be said through the queue since it was full.
#[derive(Default)]
pub(super) struct Signals {
    pub(super) reopen: AtomicBool,
    pub(super) close: AtomicBool,
}

/// Where lines go.
pub(super) enum Output {
    File { path: PathBuf, file: File },
    Stream(Box<dyn Write + Send>),
}

impl Output {
    /// A file, made with its folders, written at its end.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::File { path: path.to_owned(), file: open(path)? })
    }

    fn reopen(&mut self) {
        if let Self::File { path, file } = self {
            match open(path) {
                Ok(opened) => *file = opened,
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "access log cannot be reopened; the old file stays")
                }
            }
        }
    }

    fn stream(&mut self) -> &mut dyn Write {
        match self {
            Self::File { file, .. } => file,
            Self::Stream(stream) => stream,
        }
    }
}

/// The thread's state.
pub(super) struct Writer {
    receiver: Receiver<Message>,
    output: Output,
    format: Format,
    dropped: Arc<AtomicU64>,
    signals: Arc<Signals>,
    /// Whole lines that wait to be written.
    lines: Vec<u8>,
    /// What was written last does not end a line.
    is_torn: bool,
    /// Records so far, Traefik's RequestCount: what the filters kept away is not among them.
    count: u64,
    reported: Reported,
}

impl Writer {
    pub(super) fn new(
        receiver: Receiver<Message>,
        output: Output,
        format: AccessLogFormat,
        fields: Fields,
        zone: TimeZone,
        dropped: Arc<AtomicU64>,
        signals: Arc<Signals>,
    ) -> Self {
        let format = match format {
            AccessLogFormat::Common => Format::Clf(Clf::new(fields, zone, true)),
            AccessLogFormat::GenericClf => Format::Clf(Clf::new(fields, zone, false)),
            AccessLogFormat::Json => Format::Json(Json::new(fields, zone)),
        };
        let reported = Reported { lost: 0, at: None };
        Self { receiver, output, format, dropped, signals, lines: Vec::new(), is_torn: false, count: 0, reported }
    }

    /// Until the log is closed or all senders are gone.
    pub(super) fn run(mut self) {
        while let Ok(message) = self.receiver.recv() {
            self.take(message);
            while let Ok(message) = self.receiver.try_recv() {
                self.take(message);
            }
            self.write();
            if self.signals.reopen.swap(false, Relaxed) {
                self.output.reopen();
            }
            if let Some(lost) = self.reported.due(self.dropped.load(Relaxed), Instant::now()) {
                tracing::warn!(lost, "access log lines were lost: the queue was full or they could not be written");
            }
            if self.signals.close.load(Relaxed) {
                break;
            }
            std::thread::park_timeout(GATHER);
        }
        // What came in between the last look and the flag.
        while let Ok(message) = self.receiver.try_recv() {
            self.take(message);
        }
        self.write();
    }

    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Line(record) => {
                self.count += 1;
                match &mut self.format {
                    Format::Clf(clf) => clf.format(&mut self.lines, &record, self.count),
                    Format::Json(json) => json.format(&mut self.lines, &record, self.count),
                }
                if self.lines.len() >= WRITE_BYTES {
                    self.write();
                }
            }
            Message::Reopen => {
                self.write();
                self.output.reopen();
            }
            Message::Close => {}
        }
    }

    /// Writes all that waits. What cannot be written is lost and counted; a line that was begun is ended before the next.
    pub(super) fn write(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        if self.is_torn {
            self.lines.insert(0, b'\n');
        }
        let stream = self.output.stream();
        let mut written = 0;
        while written < self.lines.len() {
            match stream.write(&self.lines[written..]) {
                Ok(0) => break,
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let is_flushed = stream.flush().is_ok();
        let lost = if is_flushed { &self.lines[written..] } else { &self.lines[..] };
        let mut lost = lost.iter().filter(|byte| **byte == b'\n').count();
        if self.is_torn && (written == 0 || !is_flushed) {
            lost -= 1;
        }
        if lost > 0 {
            self.dropped.fetch_add(lost as u64, Relaxed);
        }
        if written > 0 {
            self.is_torn = self.lines[written - 1] != b'\n';
        }
        self.lines.clear();
        if self.lines.capacity() > 4 * WRITE_BYTES {
            self.lines.shrink_to(WRITE_BYTES);
        }
    }
}

enum Format {
    Clf(Clf),
    Json(Json),
}

/// What was last said about lost lines.
struct Reported {
    lost: u64,
    at: Option<Instant>,
}

impl Reported {
    /// How many lines were lost since the last report, if there is one to make now.
    fn due(&mut self, lost: u64, now: Instant) -> Option<u64> {
        let is_early = self.at.is_some_and(|at| now.duration_since(at) < REPORT_EVERY);
        if lost == self.lost || is_early {
            return None;
        }
        self.at = Some(now);
        Some(lost - std::mem::replace(&mut self.lost, lost))
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

/// How long lines may gather before the thread looks again.
const GATHER: Duration = Duration::from_millis(10);

/// After so many bytes they are written even if more lines are waiting.
const WRITE_BYTES: usize = 64 * 1024;

const REPORT_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_reported_once_a_minute() {
        let start = Instant::now();
        let mut reported = Reported { lost: 0, at: None };
        let table = [(0, 0, None), (1, 3, Some(3)), (2, 5, None), (60, 7, None), (61, 9, Some(6)), (200, 9, None)];
        for (seconds, lost, expected) in table {
            let now = start + Duration::from_secs(seconds);
            assert_eq!(reported.due(lost, now), expected, "after {seconds} s");
        }
    }
}
