use std::sync::mpsc;

use futures_util::FutureExt as _;

use super::{
    super::{AuditEntry, Change, Sqlite},
    *,
};

/// A store whose every commit waits until it is told how it ends.
struct Held {
    store: Sqlite,
    outcomes: mpsc::Receiver<Result<(), StoreError>>,
}

impl Store for Held {
    fn load(&mut self) -> Result<Stored, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        self.outcomes.recv().unwrap_or(Err(StoreError::Closed))?;
        self.store.commit(commit)
    }

    fn remembered(&mut self, key: &str, now: i64) -> Result<Option<Remembered>, StoreError> {
        self.store.remembered(key, now)
    }

    fn audit(&mut self, asked: &AuditQuery) -> Result<AuditPage, StoreError> {
        self.store.audit(asked)
    }

    fn rollout(&mut self, id: &str) -> Result<Option<KeptRollout>, StoreError> {
        self.store.rollout(id)
    }

    fn rollouts(&mut self, asked: &RolloutQuery) -> Result<RolloutPage, StoreError> {
        self.store.rollouts(asked)
    }
}

fn held() -> (StoreThread, mpsc::Sender<Result<(), StoreError>>) {
    let (outcome, outcomes) = mpsc::channel();
    let store = Held { store: Sqlite::in_memory().unwrap(), outcomes };
    (StoreThread::start(Box::new(store)).unwrap(), outcome)
}

fn document(name: &str) -> Commit {
    Commit { changes: vec![Change::PutDocument(name.to_owned(), "text".to_owned())], ..Commit::default() }
}

async fn names(store: &StoreThread) -> Vec<String> {
    store.load().await.unwrap().documents.into_keys().collect()
}

#[tokio::test]
async fn a_commit_is_answered_with_what_came_of_it() {
    let (store, outcome) = held();
    outcome.send(Ok(())).unwrap();
    outcome.send(Err(StoreError::Full)).unwrap();
    assert_eq!(store.commit(document("a")).await, Ok(()));
    assert_eq!(store.commit(document("b")).await, Err(StoreError::Full));
    assert_eq!(names(&store).await, ["a"]);
}

#[tokio::test]
async fn a_commit_whose_caller_has_gone_is_done_and_settled() {
    let (store, outcome) = held();
    let mut commit = Box::pin(store.commit(document("a")));
    assert!(std::future::poll_fn(|task| std::task::Poll::Ready(commit.as_mut().poll(task).is_pending())).await);
    drop(commit);
    outcome.send(Ok(())).unwrap();
    store.settle().await;
    assert_eq!(names(&store).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn reading_has_a_deadline_and_a_commit_has_none() {
    let (store, outcome) = held();
    let commit = tokio::spawn({
        let store = store.clone();
        async move { store.commit(document("a")).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(store.load().await, Err(StoreError::Busy));
    assert!(!commit.is_finished());
    outcome.send(Ok(())).unwrap();
    assert_eq!(commit.await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_it_refused_is_not_done() {
    let (store, outcome) = held();
    let mut commits = Vec::new();
    let refused = loop {
        let mut commit = Box::pin({
            let store = store.clone();
            let name = commits.len().to_string();
            async move { store.commit(document(&name)).await }
        });
        match std::future::poll_fn(|task| std::task::Poll::Ready(commit.as_mut().poll(task))).await {
            std::task::Poll::Ready(answer) => break answer,
            std::task::Poll::Pending => commits.push(commit),
        }
    };
    assert_eq!(refused, Err(StoreError::Busy));
    assert!((QUEUE..=QUEUE + 1).contains(&commits.len()), "{}", commits.len());
    for _ in &commits {
        outcome.send(Ok(())).unwrap();
    }
    let taken = commits.len();
    for commit in commits {
        assert_eq!(commit.await, Ok(()));
    }
    assert_eq!(names(&store).await.len(), taken);
}

#[tokio::test]
async fn however_many_look_a_commit_finds_its_place() {
    let (store, outcome) = held();
    let mut first = Box::pin(store.commit(document("a")));
    assert!(first.as_mut().now_or_never().is_none(), "the disk takes its time");
    let mut lookers: Vec<_> = (0..2 * QUEUE).map(|_| Box::pin(store.audit(AuditQuery::default()))).collect();
    assert!(lookers.iter_mut().all(|looker| looker.as_mut().now_or_never().is_none()));
    let mut second = Box::pin(store.commit(document("b")));
    assert!(second.as_mut().now_or_never().is_none(), "it waits, and is not refused");
    outcome.send(Ok(())).unwrap();
    outcome.send(Ok(())).unwrap();
    assert_eq!((first.await, second.await), (Ok(()), Ok(())));
    for looked in futures_util::future::join_all(lookers).await {
        looked.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_any_more_takes_its_place_as_long_as_it_is_in_the_queue() {
    let (store, outcome) = held();
    let mut first = Box::pin(store.commit(document("a")));
    assert!(first.as_mut().now_or_never().is_none(), "the disk hangs");
    for _ in 0..QUEUE / PAGES {
        let pages = (0..PAGES).map(|_| store.audit(AuditQuery::default()));
        let looks = (0..LOOKS).map(|_| store.remembered("key".to_owned(), 0));
        for page in futures_util::future::join_all(pages).await {
            assert_eq!(page, Err(StoreError::Busy));
        }
        for look in futures_util::future::join_all(looks).await {
            assert_eq!(look, Err(StoreError::Busy));
        }
    }
    let left = store.jobs.capacity();
    assert!(left >= QUEUE - PAGES - LOOKS - 1, "{left} places are left");
    // Paused time goes on by itself while the thread is at work.
    tokio::time::resume();
    outcome.send(Ok(())).unwrap();
    assert_eq!(first.await, Ok(()));
    store.settle().await;
    assert_eq!(names(&store).await, ["a"]);
    assert!(store.audit(AuditQuery::default()).await.is_ok(), "and the places are free again");
}

#[tokio::test]
async fn a_store_that_has_failed_is_closed() {
    struct Broken;
    impl Store for Broken {
        fn load(&mut self) -> Result<Stored, StoreError> {
            panic!("as a test wants it")
        }
        fn commit(&mut self, _: &Commit) -> Result<(), StoreError> {
            Ok(())
        }
        fn remembered(&mut self, _: &str, _: i64) -> Result<Option<Remembered>, StoreError> {
            Ok(None)
        }
        fn audit(&mut self, _: &AuditQuery) -> Result<AuditPage, StoreError> {
            Ok(AuditPage::default())
        }
        fn rollout(&mut self, _: &str) -> Result<Option<KeptRollout>, StoreError> {
            Ok(None)
        }
        fn rollouts(&mut self, _: &RolloutQuery) -> Result<RolloutPage, StoreError> {
            Ok(RolloutPage::default())
        }
    }
    let store = StoreThread::start(Box::new(Broken)).unwrap();
    assert_eq!(store.load().await, Err(StoreError::Closed));
    store.settle().await;
    assert_eq!(store.commit(Commit::default()).await, Err(StoreError::Closed));
}

#[tokio::test]
async fn a_page_of_the_log_is_full_although_the_store_looks_at_little_at_once() {
    let root = tempfile::tempdir().unwrap();
    let limits = super::super::Limits { audit_window: 3, ..super::super::Limits::default() };
    let mut store = Sqlite::open_with(root.path(), limits).unwrap().store;
    let entry = |n: u64| AuditEntry { actor: (n % 4).to_string(), ..AuditEntry::default() };
    store.commit(&Commit { audit: (1..=40).map(entry).collect(), ..Commit::default() }).unwrap();
    let store = StoreThread::start(Box::new(store)).unwrap();
    let asked = |before_id| AuditQuery { actor: Some("0".to_owned()), limit: 4, before_id, ..AuditQuery::default() };
    let ids = |page: &AuditPage| page.items.iter().map(|entry| entry.id).collect::<Vec<_>>();
    let page = store.audit(asked(None)).await.unwrap();
    assert_eq!((ids(&page), page.next), (vec![40, 36, 32, 28], Some(28)));
    let page = store.audit(asked(Some(12))).await.unwrap();
    assert_eq!((ids(&page), page.next), (vec![8, 4], None));
}
