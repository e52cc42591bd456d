//! What a gateway writes, read while it runs.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

/// What becomes of the gateway's output once it serves on every entry point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// It is read to its end.
    #[default]
    Stays,
    /// Nobody reads it any more: the pipes fill up.
    Stops,
    /// The pipes are closed.
    Leaves,
}

#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) listeners: BTreeMap<String, SocketAddr>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

pub(super) fn read_stdout(
    stream: impl Read + Send + 'static,
    output: Arc<Mutex<Written>>,
    reader: Reader,
) -> JoinHandle<()> {
    read(stream, output, reader, |written, line| {
        if let Some((name, address)) = listener(line) {
            written.listeners.insert(name, address);
        }
        &mut written.stdout
    })
}

pub(super) fn read_stderr(
    stream: impl Read + Send + 'static,
    output: Arc<Mutex<Written>>,
    reader: Reader,
) -> JoinHandle<()> {
    read(stream, output, reader, |written, _| &mut written.stderr)
}

fn read(
    stream: impl Read + Send + 'static,
    output: Arc<Mutex<Written>>,
    reader: Reader,
    onto: impl for<'w> Fn(&'w mut Written, &str) -> &'w mut String + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).is_ok_and(|length| length > 0) {
            let mut written = output.lock().unwrap_or_else(PoisonError::into_inner);
            let line_alone = line.trim_end_matches('\n');
            let text = onto(&mut written, line_alone);
            text.push_str(line_alone);
            text.push('\n');
            line.clear();
            if reader != Reader::Stays && written.listeners.len() >= 2 {
                break;
            }
        }
        if reader == Reader::Stops {
            // Open as long as the test runs.
            std::mem::forget(stream);
        }
    })
}

/// Reads `listening entrypoint=web address=127.0.0.1:80`.
fn listener(line: &str) -> Option<(String, SocketAddr)> {
    let (name, address) = line.strip_prefix("listening entrypoint=")?.split_once(" address=")?;
    Some((name.to_owned(), address.trim().parse().ok()?))
}
