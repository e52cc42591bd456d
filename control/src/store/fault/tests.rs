//! The tests of what a killed process leaves: each runs this program again, as a process that is to be killed.

use std::{
    fs,
    os::unix::{fs::FileExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{Command, Stdio},
};

use rollgate_config::scalar::Weight;

use super::{
    super::{
        AuditEntry, AuditQuery, Brake, Change, Commit, LiveWeights, Owner, Remembered, Sqlite, Store as _, Stored,
    },
    *,
};

#[test]
fn a_fault_is_named_by_its_place_and_its_number() {
    assert_eq!(wanted("store:3"), Some((Place::Commit, 3)));
    assert_eq!(wanted("store-opening:1"), Some((Place::Opening, 1)));
    for text in ["", "store", "store:", "store:x", "disk:1"] {
        assert_eq!(wanted(text), None, "{text}");
    }
}

/// The commit after which the revision is `number`.
fn commit(number: u64) -> Commit {
    let at = i64::try_from(number).unwrap();
    let weights = [("canary@file".to_owned(), Weight(number)), ("stable@file".to_owned(), Weight(100 - number))];
    let live = LiveWeights {
        owner: Owner::Api,
        weights: weights.clone().into(),
        base: weights.into(),
        actor: "anna".to_owned(),
        reason: None,
        at,
        revision: number,
    };
    let brake = Brake { version: number.to_string(), actor: "anna".to_owned(), reason: None, at };
    let release = Change::ReleaseBrake("b@file".to_owned(), (number - 1).to_string());
    let changes = vec![
        Change::SetWeights("a@file".to_owned(), live.clone()),
        Change::SetWeights("b@file".to_owned(), live),
        release,
        Change::SetBrake("b@file".to_owned(), brake),
    ];
    let audit = vec![AuditEntry { at, action: number.to_string(), ..AuditEntry::default() }];
    let answer = Remembered { key: number.to_string(), digest: [0; 32], status: 200, body: String::new(), at };
    Commit { changes, audit, idempotency: Some(answer) }
}

/// Nothing but the commits up to the revision, all of them whole.
fn is_whole(store: &mut Sqlite, stored: &Stored) {
    let revision = stored.revision;
    for live in stored.live.values() {
        assert_eq!((live.revision, live.weights["canary@file"]), (revision, Weight(revision)));
    }
    let brakes: Vec<_> = stored.brakes.keys().map(|(_, version)| version.clone()).collect();
    let expected = if revision == 0 { vec![] } else { vec![revision.to_string()] };
    assert_eq!((stored.live.len(), brakes), (2 * expected.len(), expected));
    let log = store.audit(&AuditQuery::default()).unwrap().items;
    let log: Vec<u64> = log.iter().map(|entry| entry.action.parse().unwrap()).collect();
    assert_eq!(log, (1..=revision).rev().collect::<Vec<_>>());
    for key in 1..=COMMITS {
        let answer = store.remembered(&key.to_string(), 0).unwrap();
        assert_eq!(answer.is_some(), key <= revision, "{key}");
    }
}

/// The process that is to be killed: commits, and says of each that it is in force.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let mut store = Sqlite::open(Path::new(&folder)).unwrap().store;
    for number in store.load().unwrap().revision + 1..=COMMITS {
        store.commit(&commit(number)).unwrap();
        fs::write(Path::new(&folder).join("acknowledged"), number.to_string()).unwrap();
    }
}

/// Whether the child has come to its end.
fn run_child(folder: &Path, fault: Option<String>) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["store::fault::tests::child", "--exact"]).env(CHILD, folder).stdout(Stdio::null());
    if let Some(fault) = fault {
        child.env("ROLLGATE_FAULT", fault);
    }
    let status = child.status().unwrap();
    assert!(status.success() || status.signal() == Some(9), "{status}");
    status.success()
}

fn acknowledged(folder: &Path) -> u64 {
    fs::read_to_string(folder.join("acknowledged")).map_or(0, |text| text.parse().unwrap())
}

#[test]
fn whenever_a_process_is_killed_each_commit_is_there_whole_or_not_at_all() {
    let mut kills = 0;
    for step in 1.. {
        let root = tempfile::tempdir().unwrap();
        if run_child(root.path(), Some(format!("store:{step}"))) {
            break;
        }
        kills += 1;
        let opened = Sqlite::open(root.path()).unwrap();
        assert_eq!(opened.problem, None, "step {step}");
        let mut store = opened.store;
        let (stored, acknowledged) = (store.load().unwrap(), acknowledged(root.path()));
        is_whole(&mut store, &stored);
        assert!((acknowledged..=acknowledged + 1).contains(&stored.revision), "step {step}");
        drop(store);
        assert!(run_child(root.path(), None), "it goes on after step {step}");
        assert_eq!(Sqlite::open(root.path()).unwrap().store.load().unwrap().revision, COMMITS);
    }
    assert_eq!(kills, 10 * COMMITS, "each step of each commit");
}

#[test]
fn whenever_a_process_is_killed_while_it_makes_the_file_the_next_one_has_one() {
    let mut kills = 0;
    for step in 1.. {
        let root = tempfile::tempdir().unwrap();
        if run_child(root.path(), Some(format!("store-opening:{step}"))) {
            break;
        }
        kills += 1;
        assert!(run_child(root.path(), None), "it goes on after step {step}");
        let Sqlite { .. } = Sqlite::open(root.path()).unwrap().store;
        assert_eq!(leftovers(root.path()), 0, "step {step}");
    }
    assert!(kills >= 4, "{kills}");
}

#[test]
fn whenever_a_process_is_killed_while_it_moves_a_damaged_file_aside_what_was_in_force_stays() {
    let mut kills = 0;
    for step in 1.. {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("rollgate.db");
        assert!(run_child(root.path(), None));
        let before = Sqlite::open(root.path()).unwrap().store.load().unwrap();
        damage_the_log(&file);
        if run_child(root.path(), Some(format!("store-opening:{step}"))) {
            break;
        }
        kills += 1;
        let opened = Sqlite::open(root.path()).unwrap();
        let mut store = opened.store;
        assert_eq!(store.load().unwrap(), before, "step {step}");
        assert_eq!(leftovers(root.path()), 0, "step {step}");
        let aside = fs::read_dir(root.path()).unwrap().flatten();
        let aside = aside.filter(|entry| entry.file_name().to_string_lossy().contains(".damaged-")).count();
        assert!(aside > 0, "step {step}: it is not thrown away");
    }
    assert!(kills >= 6, "{kills}");
}

/// Zeros over the page that the audit log begins with.
fn damage_the_log(file: &Path) {
    let sql = "SELECT (rootpage - 1) * page_size, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'audit'";
    let connection = rusqlite::Connection::open(file).unwrap();
    let (at, size) = connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap();
    drop(connection);
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&vec![0; usize::try_from(size).unwrap()], u64::try_from(at).unwrap()).unwrap();
}

fn leftovers(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.contains(".new.") || name.contains(".next")).count()
}

const CHILD: &str = "ROLLGATE_TEST_STORE_CHILD";
const COMMITS: u64 = 4;
