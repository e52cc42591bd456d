//! Files without a name, read and written by threads that may wait, and the space that they may take.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::helper::Helper;

/// Where bodies go that are too long for memory. One for the process, of which others are clones.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    helper: Helper,
    /// So many threads wait for the disk at once; others compute on the helper's too.
    turns: Arc<Semaphore>,
    /// Bytes that are taken of what may lie in files.
    taken: Arc<AtomicU64>,
    most: u64,
}

impl Disk {
    /// `most`: bytes that may lie in all files at once; 0 is no limit.
    pub(crate) fn new(helper: &Helper, most: u64) -> Self {
        let most = if most == 0 { u64::MAX } else { most };
        Self { helper: helper.clone(), turns: Arc::new(Semaphore::new(AT_ONCE)), taken: Arc::default(), most }
    }

    /// Takes space for so many bytes; none if there is not so much.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let after = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= self.most);
        self.taken.fetch_update(Relaxed, Relaxed, after).is_ok()
    }

    /// Gives back what was taken.
    pub(super) fn give(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Relaxed);
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

/// Threads that wait for the disk at once, at most; the helper has so many for it.
pub(crate) const AT_ONCE: usize = 2;

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;
    use crate::auth::passwords;

    #[tokio::test]
    async fn whoever_waits_for_the_disk_leaves_the_helpers_other_threads_to_others() {
        let helper = Helper::default();
        let disk = Disk::new(&helper, 0);
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        // It goes on until its other end is dropped.
        let work_of = |who: &'static str| {
            let (end, ended) = mpsc::channel::<()>();
            let begun = begun.clone();
            let work = move || {
                begun.send(who).unwrap();
                let _ = ended.recv();
                Ok(())
            };
            (work, end)
        };
        let (mut ends, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            let ((work, end), disk) = (work_of("disk"), disk.clone());
            ends.push(end);
            waiting.push(tokio::spawn(async move { disk.run(work).await }));
        }
        let next = async |begins: &mut tokio::sync::mpsc::UnboundedReceiver<_>| {
            tokio::time::timeout(Duration::from_secs(30), begins.recv()).await.ok().flatten()
        };
        for _ in 0..AT_ONCE {
            assert_eq!(next(&mut begins).await, Some("disk"));
        }
        // As many as compute passwords at once.
        for _ in 0..passwords::MOST_AT_ONCE {
            let (work, end) = work_of("password");
            ends.push(end);
            helper.runtime().unwrap().spawn_blocking(work);
            assert_eq!(next(&mut begins).await, Some("password"));
        }
        assert!(begins.try_recv().is_err(), "the others wait for their turn");
        drop(ends);
        for work in waiting {
            work.await.unwrap().unwrap();
        }
    }

    #[test]
    fn what_lies_in_files_is_bounded_for_all_together() {
        let disk = Disk::new(&Helper::default(), 100);
        let other = disk.clone();
        assert!(disk.take(60) && other.take(40));
        assert!(!disk.take(1) && !other.take(u64::MAX));
        other.give(40);
        assert!(disk.take(40));
        assert!(Disk::new(&Helper::default(), 0).take(1 << 62));
    }
}
