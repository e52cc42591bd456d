//! The store on a thread of its own, for callers that do not block.
//!
//! A commit that was taken into the queue is done, whatever becomes of its caller, and its outcome is what the store says: it
//! has no deadline here, for a caller who was told "too late" would hold a change for refused that is in force after the
//! next start. A disk that hangs makes its callers wait. One that must not wait publishes first, and leaves the commit to a
//! task. Reading has a deadline, and bounds of its own far below that of the queue: however many read, a commit finds a place
//! in it, and little before it.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{Receiver, Sender, channel, error::TrySendError},
        oneshot,
    },
    time::timeout,
};

use super::{
    AuditPage, AuditQuery, Commit, KeptRollout, Remembered, RolloutPage, RolloutQuery, Store, StoreError, Stored,
};

/// A handle; the thread ends with the last one, after what is in the queue.
#[derive(Debug, Clone)]
pub struct StoreThread {
    jobs: Sender<Job>,
    /// To read pages of the audit log, and rollouts.
    pages: Arc<Semaphore>,
    /// To read what else there is, which is for whoever is about to change something.
    looks: Arc<Semaphore>,
}

type Job = Box<dyn FnOnce(&mut dyn Store) + Send>;

impl StoreThread {
    /// Starts it.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(store: Box<dyn Store>) -> io::Result<Self> {
        let (jobs, queue) = channel(QUEUE);
        std::thread::Builder::new().name("store".to_owned()).spawn(move || work(store, queue))?;
        let places = |at_once| Arc::new(Semaphore::new(at_once));
        Ok(Self { jobs, pages: places(PAGES), looks: places(LOOKS) })
    }

    /// [`Store::load`].
    ///
    /// # Errors
    /// As there; [`StoreError::Busy`] if too much is read already or it takes longer than 5 s.
    pub async fn load(&self) -> Result<Stored, StoreError> {
        self.read(self.look()?, |store| store.load()).await
    }

    /// [`Store::commit`]. Dropping the future does not take the commit back.
    ///
    /// # Errors
    /// As there; [`StoreError::Busy`] at once if the queue is full.
    pub async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue(Box::new(move |store| drop(answer.send(store.commit(&commit)))))?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::remembered`].
    ///
    /// # Errors
    /// As there; [`StoreError::Busy`] if too much is read already or it takes longer than 5 s.
    pub async fn remembered(&self, key: String, now: i64) -> Result<Option<Remembered>, StoreError> {
        self.read(self.look()?, move |store| store.remembered(&key, now)).await
    }

    /// [`Store::audit`], but a page is full if there is enough; commits come between its parts.
    ///
    /// # Errors
    /// As there; [`StoreError::Busy`] if the queue is full, or a part or those who have asked before take longer than 5 s.
    pub async fn audit(&self, asked: AuditQuery) -> Result<AuditPage, StoreError> {
        let place = timeout(DEADLINE, self.pages.clone().acquire_owned()).await.map_err(|_| StoreError::Busy)?;
        let place = Arc::new(place);
        let limit = asked.limit.clamp(1, AuditQuery::MOST) as usize;
        let mut page = AuditPage { items: Vec::new(), next: asked.before_id };
        loop {
            let missing = u32::try_from(limit - page.items.len()).unwrap_or(AuditQuery::MOST);
            let part = AuditQuery { limit: missing, before_id: page.next, ..asked.clone() };
            let part = self.read(place.clone(), move |store| store.audit(&part)).await?;
            page.items.extend(part.items);
            page.next = part.next;
            if page.items.len() >= limit || page.next.is_none() {
                return Ok(page);
            }
        }
    }

    /// [`Store::rollout`].
    ///
    /// # Errors
    /// As there; [`StoreError::Busy`] if the queue is full or it takes longer than 5 s.
    pub async fn rollout(&self, id: String) -> Result<Option<KeptRollout>, StoreError> {
        let place = timeout(DEADLINE, self.pages.clone().acquire_owned()).await.map_err(|_| StoreError::Busy)?;
        self.read(place, move |store| store.rollout(&id)).await
    }

    /// [`Store::rollouts`].
    ///
    /// # Errors
    /// As there; [`StoreError::Busy`] if the queue is full or it takes longer than 5 s.
    pub async fn rollouts(&self, asked: RolloutQuery) -> Result<RolloutPage, StoreError> {
        let place = timeout(DEADLINE, self.pages.clone().acquire_owned()).await.map_err(|_| StoreError::Busy)?;
        self.read(place, move |store| store.rollouts(&asked)).await
    }

    /// Waits until everything that was asked for before is done.
    pub async fn settle(&self) {
        let (done, settled) = oneshot::channel::<()>();
        // Nothing is under way in a thread that has ended.
        if self.jobs.send(Box::new(move |_| drop(done))).await.is_ok() {
            settled.await.expect_err("dropped when its turn comes");
        }
    }

    fn look(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        self.looks.clone().try_acquire_owned().map_err(|_| StoreError::Busy)
    }

    /// The place is free when the thread is done with it, and not when whoever asked has given up: until then it is in the
    /// queue.
    async fn read<T: Send + 'static>(
        &self,
        place: impl Send + 'static,
        read: impl FnOnce(&mut dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue(Box::new(move |store| {
            if !answer.is_closed() {
                // Whoever asked may have gone.
                drop(answer.send(read(store)));
            }
            drop(place);
        }))?;
        match timeout(DEADLINE, answered).await {
            Ok(answer) => answer.unwrap_or(Err(StoreError::Closed)),
            Err(_) => Err(StoreError::Busy),
        }
    }

    fn queue(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Closed(_) => StoreError::Closed,
        })
    }
}

fn work(mut store: Box<dyn Store>, mut queue: Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        job(store.as_mut());
    }
}

/// What may wait. Beyond that the disk does not keep up, and callers are better told so.
const QUEUE: usize = 256;
/// Pages of the audit log that are read at once: before a commit there is a part of each at most.
const PAGES: usize = 4;
/// What else is read at once. Changes are made one after the other: these are those who gave up while a disk hung.
const LOOKS: usize = 16;
/// Of a reading.
const DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
