//! Files without a name, read and written by threads that may wait.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::helper::Helper;

/// Where bodies go that are too long for memory.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    helper: Helper,
    /// So many threads wait for the disk at once; others compute on the helper's too.
    turns: Arc<Semaphore>,
}

impl Disk {
    pub(crate) fn new(helper: &Helper) -> Self {
        Self { helper: helper.clone(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// A new one in `TMPDIR`, or `/tmp`.
    pub(super) async fn file(&self) -> io::Result<File> {
        self.run(tempfile::tempfile).await
    }

    pub(super) async fn write(&self, file: Arc<File>, at: u64, bytes: Bytes) -> io::Result<()> {
        self.run(move || file.write_all_at(&bytes, at)).await
    }

    pub(super) async fn read(&self, file: Arc<File>, at: u64, length: usize) -> io::Result<Bytes> {
        let read = move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, at)?;
            Ok(bytes.into())
        };
        self.run(read).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
        let turn = self.turns.clone().acquire_owned().await.map_err(io::Error::other)?;
        let runtime = self.helper.runtime().ok_or_else(|| io::Error::other("there is no thread for it"))?;
        let working = runtime.spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        working.await.map_err(io::Error::other)?
    }
}

const AT_ONCE: usize = 2;
