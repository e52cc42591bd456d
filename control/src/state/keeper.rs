//! Writes copies without anybody waiting for the disk.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{Copy, StateDir};

/// Keeps the newest copy that it is given.
#[derive(Debug)]
pub struct Keeper {
    folder: StateDir,
    wanted: Option<Arc<Copy>>,
    writing: Option<Writing>,
    not_before: Instant,
    problem: Option<String>,
}

#[derive(Debug)]
struct Writing {
    task: JoinHandle<Result<(), String>>,
    copy: Arc<Copy>,
}

impl Keeper {
    /// With what is wrong with the folder so far; told until a copy could be written.
    pub fn new(folder: StateDir, problem: Option<String>) -> Self {
        Self { folder, wanted: None, writing: None, not_before: Instant::now(), problem }
    }

    /// What is to be kept from now on.
    pub fn keep(&mut self, copy: Copy) {
        self.wanted = Some(Arc::new(copy));
    }

    /// What is wrong with the folder.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Writes what there is to write; returns when what is wrong with the folder has changed. May be dropped and called
    /// again.
    pub async fn changed(&mut self) {
        loop {
            if self.writing.is_some() {
                if self.written().await {
                    return;
                }
            } else if self.wanted.is_some() {
                sleep_until(self.not_before).await;
                self.begin();
            } else {
                pending::<()>().await;
            }
        }
    }

    /// Writes what there still is to write, without waiting for its time.
    pub async fn finish(mut self) {
        for _ in 0..2 {
            if self.writing.is_none() {
                self.begin();
            }
            if self.writing.is_some() {
                self.written().await;
            }
        }
    }

    fn begin(&mut self) {
        if let Some(copy) = self.wanted.take() {
            let (folder, writes) = (self.folder.clone(), copy.clone());
            self.writing = Some(Writing { task: tokio::task::spawn_blocking(move || folder.save(&writes)), copy });
        }
    }

    /// Whether what is wrong has changed.
    async fn written(&mut self) -> bool {
        let Some(writing) = &mut self.writing else { return false };
        let written = (&mut writing.task).await.unwrap_or_else(|error| Err(error.to_string()));
        let copy = self.writing.take().map(|writing| writing.copy);
        self.not_before = Instant::now() + if written.is_ok() { BETWEEN } else { AGAIN };
        let problem = written.err();
        if problem.is_some() {
            self.wanted = self.wanted.take().or(copy);
        }
        let changed = problem != self.problem;
        self.problem = problem;
        changed
    }
}

/// From one copy to the next: a configuration of megabytes that changes all the time is not all that the disk is for.
const BETWEEN: Duration = Duration::from_secs(1);
/// From one that could not be written to the next attempt.
const AGAIN: Duration = Duration::from_secs(10);
