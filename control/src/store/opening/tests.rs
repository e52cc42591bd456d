use std::os::unix::fs::PermissionsExt as _;

use super::{
    super::{AuditEntry, AuditQuery, Brake, Change, Commit, Store as _},
    *,
};

fn open_in(folder: &Path) -> Result<Opened, StoreError> {
    open(folder, Limits::default())
}

/// A folder whose store has a brake, a long document and a log; what is in force.
fn written() -> (tempfile::TempDir, Stored) {
    let root = tempfile::tempdir().unwrap();
    let mut store = open_in(root.path()).unwrap().store;
    let brake = Brake { version: "canary@file".to_owned(), actor: "anna".to_owned(), reason: None, at: 1 };
    let changes = vec![
        Change::SetBrake("pro@file".to_owned(), brake),
        Change::PutDocument("rest".to_owned(), "text ".repeat(10_000)),
    ];
    let audit = (0..500).map(|at| AuditEntry { at, actor: "anna".to_owned(), ..AuditEntry::default() }).collect();
    store.commit(&Commit { changes, audit, ..Commit::default() }).unwrap();
    let stored = store.load().unwrap();
    (root, stored)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The bytes of the page that a table begins with.
fn first_page(file: &Path, table: &str) -> std::ops::Range<usize> {
    let connection = Connection::open(file).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?";
    let page: usize = connection.query_row(sql, [table], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap();
    let size: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    let size: usize = size.try_into().unwrap();
    (page - 1) * size..page * size
}

fn change_bytes(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn run(file: &Path, sql: &str) {
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_new_file_is_its_owners_alone_and_nothing_lies_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("var/state");
    let Opened { store, problem } = open_in(&folder).unwrap();
    assert_eq!(problem, None);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let modes: Vec<_> = names(&folder).into_iter().map(|name| (mode(&folder.join(&name)), name)).collect();
    let private = |name: &str| (0o600, name.to_owned());
    assert_eq!(modes, [private("rollgate.db"), private("rollgate.db-shm"), private("rollgate.db-wal")]);
    drop(store);
    assert_eq!(names(&folder), ["rollgate.db"]);
}

#[test]
fn a_damaged_file_is_moved_aside_and_what_is_in_force_is_kept_if_it_can_be_read() {
    type Damage = fn(&Path);
    const NOTHING: &str =
        "carried over: nothing; lost: live weights, brakes, documents, rollouts under way, the revision, audit log,";
    let cases: [(&str, Damage, &str, &str); 10] = [
        ("random", |file| change_bytes(file, |bytes| bytes.iter_mut().for_each(scramble)), "not a database", NOTHING),
        ("short text", |file| fs::write(file, "hello").unwrap(), "not a database", NOTHING),
        ("empty", |file| fs::write(file, "").unwrap(), "it is empty", NOTHING),
        ("cut off", |file| change_bytes(file, |bytes| bytes.truncate(5_000)), "", NOTHING),
        (
            "zeros in the log",
            |file| zero(file, "audit"),
            "",
            "carried over: live weights, brakes, documents, rollouts under way, the revision; lost: audit log",
        ),
        (
            "zeros in the brakes",
            |file| zero(file, "brakes"),
            "",
            "carried over: live weights, documents, rollouts under way, the revision; lost: brakes,",
        ),
        (
            "zeros in the documents",
            |file| zero(file, "documents"),
            "",
            "carried over: live weights, brakes, rollouts under way, the revision; lost: documents,",
        ),
        (
            "zeros where documents are found by name",
            |file| zero(file, "sqlite_autoindex_documents_1"),
            "",
            "carried over: live weights, brakes, rollouts under way, the revision; lost: documents,",
        ),
        (
            "a row that nobody wrote",
            |file| run(file, "INSERT INTO live VALUES ('s', 'nobody', '{}', '{}', 'a', NULL, 1, 1)"),
            "cannot be read",
            "carried over: brakes, documents, rollouts under way, the revision; lost: live weights,",
        ),
        (
            "no revision",
            |file| run(file, "DELETE FROM meta"),
            "cannot be read",
            "carried over: live weights, brakes, documents, rollouts under way; lost: the revision,",
        ),
    ];
    for (case, damage, told, parts) in cases {
        let (root, stored) = written();
        let file = root.path().join(NAME);
        damage(&file);
        let damaged = fs::read(&file).unwrap();
        let Opened { mut store, problem } = open_in(root.path()).unwrap();
        let problem = problem.unwrap_or_else(|| panic!("{case}: is told of"));
        assert!(problem.contains("was damaged") && problem.contains(told), "{case}: {problem}");
        assert!(!problem.contains(['\n', '*']), "{case}: {problem}");
        assert!(problem.contains(parts), "{case}: {problem}");
        let aside = names(root.path()).into_iter().find(|name| name.starts_with("rollgate.db.damaged-")).unwrap();
        assert!(problem.contains(&aside), "{case}: {problem}");
        assert!(fs::read(root.path().join(&aside)).unwrap() == damaged, "{case}: it is moved as it was");
        let found = store.load().unwrap();
        let carried = problem.split("; lost: ").next().unwrap();
        assert_eq!(found.brakes, if carried.contains("brakes") { stored.brakes } else { [].into() }, "{case}");
        assert_eq!(found.documents, if carried.contains("documents") { stored.documents } else { [].into() }, "{case}");
        if parts.contains("lost: audit log") {
            assert_eq!(found.revision, stored.revision, "{case}");
        } else {
            assert!(found.revision > 1_000_000, "{case}: an older revision is never met again");
        }
        assert_eq!(store.audit(&AuditQuery::default()).unwrap().items, [], "{case}");
        store.commit(&Commit { changes: vec![Change::DropDocument("rest".to_owned())], ..Commit::default() }).unwrap();
        drop(store);
        let others = names(root.path()).into_iter().filter(|name| !name.starts_with(&aside));
        assert_eq!(others.collect::<Vec<_>>(), [NAME], "{case}");
        assert_eq!(open_in(root.path()).unwrap().problem, None, "{case}: once");
    }
}

#[test]
fn what_the_log_of_a_killed_process_holds_is_carried_over_and_moved_aside_with_its_file() {
    let (root, _) = written();
    let mut store = open_in(root.path()).unwrap().store;
    let brake = Brake { version: "stable@file".to_owned(), actor: "berta".to_owned(), reason: None, at: 2 };
    let changes = vec![Change::SetBrake("pro@file".to_owned(), brake)];
    store.commit(&Commit { changes, ..Commit::default() }).unwrap();
    let killed = tempfile::tempdir().unwrap();
    for ending in ["", WAL] {
        fs::copy(with(&root.path().join(NAME), ending), with(&killed.path().join(NAME), ending)).unwrap();
    }
    let stored = store.load().unwrap();
    drop(store);
    let page = first_page(&root.path().join(NAME), "audit");
    let file = killed.path().join(NAME);
    change_bytes(&file, |bytes| bytes[page].fill(0));
    let before = ["", WAL].map(|ending| fs::read(with(&file, ending)).unwrap());
    let Opened { mut store, problem } = open_in(killed.path()).unwrap();
    assert_eq!(store.load(), Ok(stored));
    let problem = problem.unwrap();
    let aside = problem.split("it is now ").nth(1).unwrap().split(';').next().unwrap();
    assert!(["", WAL].map(|ending| fs::read(with(Path::new(aside), ending)).unwrap()) == before, "as it was");
}

fn zero(file: &Path, table: &str) {
    let page = first_page(file, table);
    change_bytes(file, |bytes| bytes[page].fill(0));
}

/// Another byte; always the same one.
fn scramble(byte: &mut u8) {
    *byte = byte.wrapping_mul(167).wrapping_add(91);
}

#[test]
fn a_log_without_its_file_is_not_taken_for_another_files() {
    let (root, _) = written();
    let file = root.path().join(NAME);
    let store = open_in(root.path()).unwrap().store;
    fs::copy(with(&file, WAL), root.path().join("log")).unwrap();
    drop(store);
    fs::remove_file(&file).unwrap();
    fs::rename(root.path().join("log"), with(&file, WAL)).unwrap();
    let problem = open_in(root.path()).unwrap().problem.unwrap();
    assert!(problem.contains("it is gone, and its log is not"), "{problem}");
}

#[test]
fn what_is_not_ours_or_is_newer_is_left_as_it_is() {
    for (sql, told) in [
        ("PRAGMA user_version = 99", "schema version 99, and this program knows versions up to"),
        ("PRAGMA application_id = 1", "not one of rollgate's"),
    ] {
        let (root, _) = written();
        let file = root.path().join(NAME);
        run(&file, sql);
        let before = fs::read(&file).unwrap();
        let error = open_in(root.path()).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert!(fs::read(&file).unwrap() == before, "{error}");
    }
}

#[test]
fn a_file_that_is_locked_is_not_taken_for_damaged() {
    let (root, stored) = written();
    let other = Connection::open(root.path().join(NAME)).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    assert_eq!(open_in(root.path()).unwrap_err(), StoreError::Busy);
    drop(other);
    assert_eq!(open_in(root.path()).unwrap().store.load(), Ok(stored));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "").unwrap();
    let folder = root.path().join("file/state");
    let error = open_in(&folder).unwrap_err();
    assert!(error.to_string().starts_with(folder.to_str().unwrap()), "{error}");
}

#[test]
fn what_a_killed_process_was_making_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let (gone, alive) = ("rollgate.db.new.4294967295", "rollgate.db.new.1");
    for name in [gone, "rollgate.db.new.4294967295-journal", alive] {
        fs::write(root.path().join(name), "half").unwrap();
    }
    drop(open_in(root.path()).unwrap());
    assert_eq!(names(root.path()), [NAME, alive]);
}
