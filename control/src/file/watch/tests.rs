use std::fs;

use super::*;

fn names(of: &[&str]) -> Names {
    Names::These(of.iter().map(OsString::from).collect())
}

#[test]
fn only_entries_of_interest_and_what_is_watched_itself_count() {
    let include = |names: &Names, name: &str| names.include(OsStr::new(name), ReadFlags::MODIFY);
    for name in ["a.yml", "b.TOML", "..data", "folder", ""] {
        assert!(include(&Names::All, name), "{name}");
    }
    assert!(!include(&Names::All, "access.log"));
    assert!(Names::All.include(OsStr::new("v1.2"), ReadFlags::CREATE | ReadFlags::ISDIR));
    assert!(include(&names(&["a.yml"]), "a.yml"));
    assert!(!include(&names(&["a.yml"]), "access.log"));
    assert!(include(&names(&[]), ""));
    let mut both = names(&["a.yml"]);
    both.add(names(&["b.yml"]));
    assert_eq!(both, names(&["a.yml", "b.yml"]));
    both.add(Names::All);
    assert_eq!(both, Names::All);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_has_closed_its_file_is_not_waited_for() {
    let now = Instant::now();
    let pending = |last: u64| Pending { first: now, last: now + Duration::from_millis(last) };
    let name = OsStr::new("a.yml");
    let mut writers = Writers::default();
    assert_eq!(writers.due(pending(10)), now + Duration::from_millis(35));
    assert_eq!(writers.due(pending(140)), now + LONGEST, "others that never rest");
    writers.note(1, name, ReadFlags::MODIFY);
    assert_eq!(writers.due(pending(10)), now + Duration::from_millis(135), "it may not be done");
    assert_eq!(writers.due(pending(990)), now + LONGEST_OPEN);
    writers.note(1, name, ReadFlags::CLOSE_WRITE);
    assert_eq!(writers.due(pending(20)), now + Duration::from_millis(45));
    for end in [ReadFlags::MOVED_FROM, ReadFlags::DELETE, ReadFlags::IGNORED] {
        writers.note(1, name, ReadFlags::CREATE);
        writers.note(1, name, end);
        assert_eq!(writers.0.len(), 0, "{end:?}");
    }
    writers.note(1, name, ReadFlags::CREATE | ReadFlags::ISDIR);
    assert_eq!(writers.0.len(), 0, "a folder is not written to");
}

/// Does something, and whether the watch notices it before the clock would have.
async fn is_noticed(watch: &mut Watch, doing: impl FnOnce()) -> bool {
    doing();
    tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.expect("the clock runs") == Woken::Noticed
}

#[tokio::test]
async fn every_way_to_change_a_file_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let (folder, file) = (root.path().join("conf"), root.path().join("conf/a.yml"));
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "1").unwrap();
    let mut watch = Watch::new();
    let renew = |watch: &mut Watch| watch.renew([file.as_path()], &[]);
    assert!(renew(&mut watch));
    assert!(!renew(&mut watch), "nothing is new");
    assert!(is_noticed(&mut watch, || fs::write(&file, "2").unwrap()).await, "written in place");
    assert!(is_noticed(&mut watch, || fs::remove_file(&file).unwrap()).await, "deleted");
    assert!(is_noticed(&mut watch, || fs::write(&file, "3").unwrap()).await, "made again");
    let beside = root.path().join("beside");
    fs::write(&beside, "4").unwrap();
    assert!(is_noticed(&mut watch, || fs::rename(&beside, &file).unwrap()).await, "renamed over");
    assert!(renew(&mut watch), "it is another file now");
    let link = root.path().join("link");
    assert!(is_noticed(&mut watch, || fs::hard_link(&file, &link).unwrap()).await, "another name is given to it");
    assert!(is_noticed(&mut watch, || fs::write(&link, "5").unwrap()).await, "written through another name");
    assert!(is_noticed(&mut watch, || fs::remove_dir_all(&folder).unwrap()).await, "its folder removed");
    renew(&mut watch);
    assert!(is_noticed(&mut watch, || fs::create_dir(&folder).unwrap()).await, "its folder made again");
    renew(&mut watch);
    assert!(is_noticed(&mut watch, || fs::write(&file, "6").unwrap()).await, "and the file in it");
}

#[tokio::test]
async fn what_is_written_beside_is_not_noticed() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("a.yml");
    fs::write(&file, "1").unwrap();
    let mut watch = Watch::new();
    watch.renew([file.as_path()], &[]);
    assert!(!is_noticed(&mut watch, || fs::write(root.path().join("access.log"), "line").unwrap()).await);
}

#[tokio::test]
async fn a_wait_that_was_cut_short_forgets_nothing() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("a.yml");
    let mut watch = Watch::new();
    watch.renew([file.as_path()], &[]);
    fs::write(&file, "1").unwrap();
    while watch.pending.is_none() {
        let _cut_short = tokio::time::timeout(Duration::from_millis(1), watch.changed()).await;
    }
    assert_eq!(watch.changed().await, Woken::Noticed);
}
