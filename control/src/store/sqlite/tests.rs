use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rollgate_config::scalar::Weight;
use serde_json::json;

use super::{
    super::{AuditEntry, Brake, Change, LiveWeights, Owner},
    *,
};

fn open(folder: &Path) -> Sqlite {
    let Opened { store, problem } = Sqlite::open(folder).unwrap();
    assert_eq!(problem, None);
    store
}

fn text(name: &str, length: usize) -> Change {
    Change::PutDocument(name.to_owned(), "x".repeat(length))
}

fn changes(changes: impl Into<Vec<Change>>) -> Commit {
    Commit { changes: changes.into(), ..Commit::default() }
}

fn answer(key: &str, at: i64) -> Remembered {
    Remembered { key: key.to_owned(), digest: [9; 32], status: 200, body: format!("{key} {at}"), at }
}

fn remember(answer: Remembered) -> Commit {
    Commit { idempotency: Some(answer), ..Commit::default() }
}

/// What a commit makes of a state.
fn after(mut state: Stored, commit: &Commit) -> Stored {
    for change in &commit.changes {
        match change.clone() {
            Change::SetWeights(service, live) => drop(state.live.insert(service, live)),
            Change::DropWeights(service) => drop(state.live.remove(&service)),
            Change::SetBrake(service, brake) => {
                drop(state.brakes.insert((service, brake.version.clone()), brake));
            }
            Change::ReleaseBrake(service, version) => drop(state.brakes.remove(&(service, version))),
            Change::PutDocument(name, text) => drop(state.documents.insert(name, text)),
            Change::DropDocument(name) => drop(state.documents.remove(&name)),
            Change::PutRollout(rollout) => match rollout.ended {
                Some(_) => drop(state.rollouts.remove(&rollout.id)),
                None => drop(state.rollouts.insert(rollout.id.clone(), *rollout)),
            },
        }
    }
    state.revision += u64::from(!commit.changes.is_empty());
    state
}

fn name() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["a@file", "b@file", "ü'\"@k8s"]).prop_map(str::to_owned)
}

fn reason() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[a-z';\u{0}\u{1f600}]{0,8}")
}

fn weights() -> impl Strategy<Value = BTreeMap<String, Weight>> {
    proptest::collection::btree_map(name(), (0..=Weight::MAX.0).prop_map(Weight), 0..3)
}

fn live() -> impl Strategy<Value = LiveWeights> {
    let owner = prop_oneof![
        Just(Owner::None),
        Just(Owner::Api),
        name().prop_map(Owner::Rollout),
        name().prop_map(Owner::Kubernetes)
    ];
    (owner, weights(), weights(), name(), reason(), any::<i64>(), 0..u64::MAX >> 1).prop_map(
        |(owner, weights, base, actor, reason, at, revision)| LiveWeights {
            owner,
            weights,
            base,
            actor,
            reason,
            at,
            revision,
        },
    )
}

fn brake() -> impl Strategy<Value = Brake> {
    (name(), name(), reason(), any::<i64>()).prop_map(|(version, actor, reason, at)| Brake {
        version,
        actor,
        reason,
        at,
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (name(), live()).prop_map(|(service, live)| Change::SetWeights(service, live)),
        1 => name().prop_map(Change::DropWeights),
        3 => (name(), brake()).prop_map(|(service, brake)| Change::SetBrake(service, brake)),
        1 => (name(), name()).prop_map(|(service, version)| Change::ReleaseBrake(service, version)),
        2 => (name(), "[a-z\n]{0,5000}").prop_map(|(name, text)| Change::PutDocument(name, text)),
        1 => name().prop_map(Change::DropDocument),
    ]
}

fn commit() -> impl Strategy<Value = Commit> {
    let entry = (name(), reason(), any::<i64>(), weights()).prop_map(|(actor, reason, at, weights)| AuditEntry {
        actor,
        reason,
        at,
        to: weights.iter().map(|(version, weight)| (version.clone(), json!(weight.to_string()))).collect(),
        ..AuditEntry::default()
    });
    let answer = proptest::option::of((name(), 0..1000i64).prop_map(|(key, at)| answer(&key, at)));
    (proptest::collection::vec(change(), 0..4), proptest::collection::vec(entry, 0..3), answer)
        .prop_map(|(changes, audit, idempotency)| Commit { changes, audit, idempotency })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_file_is_what_was_committed_whenever_it_is_opened(
        commits in proptest::collection::vec((commit(), any::<bool>()), 1..12),
    ) {
        let root = tempfile::tempdir().unwrap();
        let limits = Limits { audit: 5, ..Limits::default() };
        let mut store = Sqlite::open_with(root.path(), limits).unwrap().store;
        let (mut state, mut audit, mut answers) = (Stored::default(), Vec::new(), BTreeMap::new());
        let mut id = 0;
        for (commit, reopened) in commits {
            store.commit(&commit).unwrap();
            state = after(state, &commit);
            for entry in &commit.audit {
                id += 1;
                audit.insert(0, AuditEntry { id, ..entry.clone() });
            }
            audit.truncate(5);
            answers.extend(commit.idempotency.map(|answer| (answer.key.clone(), answer)));
            if reopened {
                drop(store);
                store = Sqlite::open_with(root.path(), limits).unwrap().store;
            }
            prop_assert_eq!(&store.load().unwrap(), &state);
            prop_assert_eq!(&store.audit(&AuditQuery::default()).unwrap().items, &audit);
            for (key, answer) in &answers {
                prop_assert_eq!(store.remembered(key, 1_000).unwrap(), Some(answer.clone()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_remembered_is_bounded_in_bytes_and_the_oldest_is_forgotten_first(
        answers in proptest::collection::vec((0..12_u8, 0..6 * rows::PART), 1..40),
    ) {
        const MOST: usize = 10;
        let root = tempfile::tempdir().unwrap();
        let limits = Limits { remembered: MOST as u64, ..Limits::default() };
        let mut store = Sqlite::open_with(root.path(), limits).unwrap().store;
        for count in 1..=answers.len() {
            let given = &answers[..count];
            let (key, length) = given[count - 1];
            store.commit(&remember(Remembered { body: "x".repeat(length), ..answer(&key.to_string(), 1_000) })).unwrap();
            let (mut after, mut seen) = (0, BTreeSet::new());
            for (key, length) in given.iter().rev() {
                if seen.insert(key) {
                    let there = store.remembered(&key.to_string(), 1_000).unwrap().map(|answer| answer.body.len());
                    prop_assert_eq!(there, Some(*length).filter(|_| after < MOST), "{} before the newest", after);
                }
                after += length.div_ceil(rows::PART).max(1);
            }
        }
    }
}

#[test]
fn every_change_syncs_and_the_file_has_a_log() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let pragma = |name: &str| store.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("synchronous"), pragma("foreign_keys")), (2, 1), "2 is FULL");
    assert!(root.path().join("rollgate.db-wal").exists());
}

#[test]
fn a_locked_file_refuses_the_change_and_takes_it_later() {
    let root = tempfile::tempdir().unwrap();
    let mut store = open(root.path());
    store.commit(&changes([text("a", 1)])).unwrap();
    let before = store.load().unwrap();
    let other = Connection::open(root.path().join("rollgate.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(store.commit(&changes([text("b", 1)])), Err(StoreError::Busy));
    assert_eq!(store.load(), Ok(before), "reading does not wait");
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(&changes([text("b", 1)])).unwrap();
    assert_eq!(store.load().unwrap().documents.len(), 2);
}

#[test]
fn a_full_disk_refuses_all_of_a_change_and_none_of_it_is_found_later() {
    let root = tempfile::tempdir().unwrap();
    let mut store = open(root.path());
    store.commit(&changes([text("a", 1)])).unwrap();
    let before = store.load().unwrap();
    let pages = |most: i64| store.connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()));
    pages(1).unwrap();
    let large = changes([Change::DropDocument("a".to_owned()), text("b", 100_000)]);
    assert_eq!(store.commit(&large), Err(StoreError::Full));
    assert_eq!(store.load().as_ref(), Ok(&before));
    drop(store);
    let mut store = open(root.path());
    assert_eq!(store.load(), Ok(before));
    store.commit(&large).unwrap();
    assert_eq!(store.load().unwrap().documents.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_part_of_a_commit_that_fails_takes_the_rest_back() {
    let root = tempfile::tempdir().unwrap();
    let mut store = open(root.path());
    let refuse = "CREATE TRIGGER t BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'as a test wants it'); END";
    store.connection.execute_batch(refuse).unwrap();
    let commit = Commit { audit: vec![AuditEntry::default()], ..changes([text("a", 1)]) };
    let error = store.commit(&commit).unwrap_err();
    assert!(error.to_string().contains("as a test wants it"), "{error}");
    assert_eq!(store.load(), Ok(Stored::default()));
    store.commit(&changes([text("a", 1)])).unwrap();
}

#[test]
fn a_process_does_not_write_over_what_it_has_not_seen() {
    let root = tempfile::tempdir().unwrap();
    let (mut old, mut new) = (open(root.path()), open(root.path()));
    old.commit(&changes([text("late", 1)])).unwrap();
    assert_eq!(new.commit(&changes([text("mine", 1)])), Err(StoreError::Stale));
    // What is only noted changes nothing that could have been overlooked.
    new.commit(&Commit { audit: vec![AuditEntry::default()], ..Commit::default() }).unwrap();
    assert_eq!(new.commit(&changes([text("mine", 1)])), Err(StoreError::Stale));
    assert_eq!(new.load().unwrap().documents.keys().collect::<Vec<_>>(), ["late"]);
    new.commit(&changes([text("mine", 1)])).unwrap();
    assert_eq!(old.commit(&changes([])), Ok(()));
    assert_eq!(old.commit(&changes([text("later", 1)])), Err(StoreError::Stale));
}

#[test]
fn a_file_that_a_newer_program_has_changed_is_not_written_to() {
    let root = tempfile::tempdir().unwrap();
    let mut store = open(root.path());
    store.connection.pragma_update(None, "user_version", 99).unwrap();
    let error = store.commit(&changes([text("a", 1)])).unwrap_err();
    assert!(error.to_string().contains("schema version 99"), "{error}");
}

#[test]
fn a_file_that_was_moved_or_replaced_takes_no_more_commits() {
    let root = tempfile::tempdir().unwrap();
    let mut store = open(root.path());
    let (path, aside) = (root.path().join("rollgate.db"), root.path().join("aside"));
    fs::rename(&path, &aside).unwrap();
    let moved = store.commit(&changes([text("a", 1)])).unwrap_err();
    assert!(moved.to_string().contains("was moved or deleted"), "{moved}");
    fs::copy(&aside, &path).unwrap();
    assert_eq!(store.commit(&changes([text("a", 1)])), Err(moved));
    fs::rename(&aside, &path).unwrap();
    store.commit(&changes([text("a", 1)])).unwrap();
}

#[test]
fn an_answer_is_remembered_for_a_day_and_the_newest_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let mut store = Sqlite::open_with(root.path(), Limits { remembered: 3, ..Limits::default() }).unwrap().store;
    let count = |store: &Sqlite| -> i64 {
        store.connection.query_row("SELECT count(*) FROM remembered", [], |row| row.get(0)).unwrap()
    };
    let day = 24 * 60 * 60 * 1000;
    store.commit(&remember(answer("a", 1_000))).unwrap();
    assert_eq!(store.remembered("a", 1_000 + day - 1), Ok(Some(answer("a", 1_000))));
    assert_eq!(store.remembered("a", 1_000 + day), Ok(None));
    assert_eq!(store.remembered("b", 1_000), Ok(None));
    store.commit(&remember(answer("a", 2_000 + day))).unwrap();
    assert_eq!(store.remembered("a", 2_000 + day), Ok(Some(answer("a", 2_000 + day))), "a key may be used again");
    store.commit(&remember(answer("b", 1_000 + day))).unwrap();
    store.commit(&remember(answer("c", 2_000 + 2 * day))).unwrap();
    assert_eq!(count(&store), 1, "what is too old goes with the next");
    for key in ["d", "e", "f"] {
        store.commit(&remember(answer(key, 3_000 + 2 * day))).unwrap();
    }
    assert_eq!((count(&store), store.remembered("c", 2_000 + 2 * day)), (3, Ok(None)));
}

#[test]
fn what_is_wrong_is_said_in_a_way_that_helps() {
    use rusqlite::ffi;
    let failed = |code| {
        let failure = ffi::Error::new(code);
        StoreError::from(rusqlite::Error::SqliteFailure(failure, None))
    };
    assert_eq!(failed(ffi::SQLITE_BUSY_SNAPSHOT), StoreError::Busy);
    assert_eq!(failed(ffi::SQLITE_LOCKED), StoreError::Busy);
    assert_eq!(failed(ffi::SQLITE_FULL), StoreError::Full);
    assert_eq!(failed(ffi::SQLITE_IOERR_SHMSIZE), StoreError::Full);
    assert_eq!(failed(ffi::SQLITE_CORRUPT_INDEX), StoreError::Damaged);
    assert_eq!(failed(ffi::SQLITE_NOTADB), StoreError::Damaged);
    assert!(failed(ffi::SQLITE_IOERR_FSYNC).to_string().contains("code 1034"));
}
