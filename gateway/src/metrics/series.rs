//! The cells of one worker for one owner.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use http::Method;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{TlsLabels, share::SLOTS, worker::Protocol};

/// Adds to a cell that only the calling thread writes.
pub(super) fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

/// What one worker counted for one owner. The worker holds the cells too; the lists are locked only to lengthen and to scrape them.
pub(super) struct Part {
    /// By packed key: [`REQUEST_BYTES`], [`RESPONSE_BYTES`], [`SUM`], then a count per bucket from [`BUCKETS`] on.
    pub(super) series: Mutex<Vec<(Key, Cells)>>,
    pub(super) tls: Mutex<Vec<(TlsLabels, Cell)>>,
    pub(super) labelled: Mutex<Vec<Labelled>>,
    /// What has no labels of its own; the meaning depends on the owner's kind.
    pub(super) plain: Cells,
}

impl Part {
    pub(super) fn new(plain: usize) -> Self {
        Self { series: Mutex::default(), tls: Mutex::default(), labelled: Mutex::default(), plain: cells(plain) }
    }
}

/// A cell that one worker writes and scrapes read.
pub(super) type Cell = Arc<AtomicU64>;

/// Several of them.
pub(super) type Cells = Arc<[AtomicU64]>;

/// A series with header labels: its key, their values and its count.
type Labelled = (Key, Values, Cell);

/// The values of the header labels.
pub(super) type Values = SmallVec<[String; 2]>;

pub(super) fn cells(len: usize) -> Cells {
    (0..len).map(|_| AtomicU64::new(0)).collect()
}

/// Code, method and protocol in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) u32);

impl Key {
    pub(super) fn new(code: u16, method: &Method, protocol: Protocol) -> Self {
        Self(u32::from(code) << 16 | method_index(method) << 8 | protocol as u32)
    }

    /// The same with the code `other`.
    pub(super) fn other(self) -> Self {
        Self(self.0 | u32::from(OTHER_CODE) << 16)
    }

    pub(super) fn code(self) -> String {
        match (self.0 >> 16) as u16 {
            OTHER_CODE => OTHER.to_owned(),
            code => code.to_string(),
        }
    }

    pub(super) fn method(self) -> &'static str {
        METHODS[(self.0 >> 8 & 0xff) as usize]
    }

    pub(super) fn protocol(self) -> &'static str {
        PROTOCOLS[(self.0 & 0xff) as usize]
    }
}

fn method_index(method: &Method) -> u32 {
    match *method {
        Method::GET => 0,
        Method::POST => 1,
        Method::PUT => 2,
        Method::DELETE => 3,
        Method::HEAD => 4,
        Method::PATCH => 5,
        Method::OPTIONS => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => 9,
    }
}

/// In the order of [`method_index`].
const METHODS: [&str; 10] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE", "EXTENSION_METHOD"];

/// In the order of [`Protocol`].
const PROTOCOLS: [&str; 5] = ["http", "grpc", "grpc-web", "sse", "websocket"];

/// The label value of whatever came after a bound was reached.
pub(super) const OTHER: &str = "other";
const OTHER_CODE: u16 = u16::MAX;

/// How many combinations of code, method and protocol one worker tells apart for one owner.
pub(super) const MAX_SERIES: usize = 1_000;

pub(super) const REQUEST_BYTES: usize = 0;
pub(super) const RESPONSE_BYTES: usize = 1;
pub(super) const SUM: usize = 2;
pub(super) const BUCKETS: usize = 3;

/// Plain cells of an entry point.
pub(super) const OPENED: usize = 0;
pub(super) const CLOSED: usize = 1;
pub(super) const ENTRY_POINT_CELLS: usize = 2;

/// Plain cells of a service.
pub(super) const RETRIES: usize = 0;
pub(super) const CONNECT_OK: usize = 1;
pub(super) const CONNECT_ERROR: usize = 2;
pub(super) const REPEATED: usize = 3;
/// From here on, by [`super::Assignment`].
pub(super) const ASSIGNED: usize = 4;
pub(super) const RETRY_OK: usize = ASSIGNED + 4;
pub(super) const RETRY_ERROR: usize = RETRY_OK + 1;
/// From here on, by [`super::Skipped`].
pub(super) const SKIPPED: usize = RETRY_ERROR + 1;
pub(super) const SERVICE_CELLS: usize = SKIPPED + 3;

/// Plain cells of a version: one for each outcome, then the ring of its draws.
pub(super) const DRAWS: usize = 3;
pub(super) const VERSION_CELLS: usize = DRAWS + SLOTS;
