//! A server that believes nothing: it keeps every byte it gets, reads requests by the letter of RFC 9112, and stops at
//! the first that is not one. What a gateway lets through is what is found here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{Backend, wait::eventually};

mod strict;

pub use self::strict::{Request, Violation};

/// The server; see the module.
#[derive(Debug)]
pub struct Recorder {
    backend: Backend,
    record: Arc<Mutex<Record>>,
}

/// What has come so far.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Whole requests, in the order in which they ended.
    pub requests: Vec<Request>,
    /// What was no request.
    pub violations: Vec<Violation>,
    /// Every connection's bytes.
    pub bytes: Vec<Vec<u8>>,
}

impl Recorder {
    /// One that answers every request with 200 and the body `ok`.
    pub fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    /// One that answers every request with these bytes.
    pub fn answering(answer: &str) -> Self {
        let record = Arc::new(Mutex::new(Record::default()));
        let (shared, answer) = (Arc::clone(&record), Arc::<[u8]>::from(answer.as_bytes()));
        let backend = Backend::raw("recorder", move |stream| serve(stream, Arc::clone(&shared), Arc::clone(&answer)));
        Self { backend, record }
    }

    /// The server, for its address and its count of connections.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// What has come so far.
    pub fn record(&self) -> Record {
        lock(&self.record).clone()
    }

    /// Waits for a request with this path, which is the sign that what was sent before has come, and takes all out: the
    /// record without that request.
    pub async fn take_until(&self, path: &str) -> Record {
        let is_sign = |request: &Request| request.target == path;
        eventually("the sign arrives", async || {
            let mut record = lock(&self.record);
            record.requests.iter().any(is_sign).then(|| {
                let mut taken = Record { bytes: record.bytes.clone(), ..Record::default() };
                taken.violations = std::mem::take(&mut record.violations);
                taken.requests = std::mem::take(&mut record.requests);
                taken.requests.retain(|request| !is_sign(request));
                taken
            })
        })
        .await
    }
}

async fn serve(mut stream: TcpStream, record: Arc<Mutex<Record>>, answer: Arc<[u8]>) {
    let place = {
        let mut record = lock(&record);
        record.bytes.push(Vec::new());
        record.bytes.len() - 1
    };
    let mut buffer = Vec::new();
    loop {
        match strict::read(&buffer) {
            Ok(Some((request, length))) => {
                buffer.drain(..length);
                lock(&record).requests.push(request);
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(None) => {}
            Err(violation) => {
                lock(&record).violations.push(violation);
                return;
            }
        }
        let begin = buffer.len();
        if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            return;
        }
        lock(&record).bytes[place].extend_from_slice(&buffer[begin..]);
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
