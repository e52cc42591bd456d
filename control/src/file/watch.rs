//! Tells when files may have changed: by the system's notifications on the folders they are in (a rename, a symlink
//! swap and a deletion are all seen there), and by looking every few seconds where those do not arrive (bind mounts of
//! single files, network file systems).

use std::{path::PathBuf, time::Duration};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use rollgate_config::Format;
use tokio::sync::mpsc;

/// Watches until dropped.
pub struct Watch {
    changes: mpsc::Receiver<()>,
    /// Dropping it ends the notifications.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches folders, each with or without those below. Where the system gives no notifications, a warning is
    /// logged and looking every few seconds remains.
    pub fn start(folders: &[(PathBuf, bool)]) -> Self {
        let (changed, changes) = mpsc::channel(1);
        let notice = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access() && concerns_files(&event.paths)) {
                // One waiting notice is as good as many.
                let _ = changed.try_send(());
            }
        };
        let watcher = notify::recommended_watcher(notice).and_then(|mut watcher: RecommendedWatcher| {
            for (folder, recursive) in folders {
                let mode = if *recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
                watcher.watch(folder, mode)?;
            }
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "files are not watched, but looked at every {} s", POLL.as_secs());
        }
        Self { changes, _watcher: watcher.ok() }
    }

    /// Returns when something may have changed and has then been quiet for a moment, or when it is time to look.
    pub async fn changed(&mut self) {
        match tokio::time::timeout(POLL, self.changes.recv()).await {
            Ok(Some(())) => self.quiet().await,
            // No watcher: only the clock is left.
            Ok(None) => tokio::time::sleep(POLL).await,
            Err(_time_to_look) => {}
        }
    }

    /// Writers write in several steps; reading between them would only find half a file.
    async fn quiet(&mut self) {
        let deadline = tokio::time::Instant::now() + LONGEST;
        while let Ok(Ok(Some(()))) =
            tokio::time::timeout_at(deadline, tokio::time::timeout(QUIET, self.changes.recv())).await
        {}
    }
}

/// A log that is written beside the configuration must not have it read again and again. Kubernetes swaps `..data`.
fn concerns_files(paths: &[PathBuf]) -> bool {
    let concerns = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("..") || Format::of(&name).is_some() || path.extension().is_none()
    };
    paths.is_empty() || paths.iter().any(concerns)
}

/// Without notices, how often files are looked at.
const POLL: Duration = Duration::from_secs(2);
/// No notice for so long: the writer is done.
const QUIET: Duration = Duration::from_millis(25);
/// A writer that never rests does not hold a change back for longer.
const LONGEST: Duration = Duration::from_millis(150);
