use std::os::unix::fs::PermissionsExt;

use super::*;

fn copy(text: &str) -> Copy {
    let kept = KeptText { text: text.into(), since: 1_000 };
    Copy {
        saved: 2_000,
        files: BTreeMap::from([("/conf/a.yml".into(), kept)]),
        certificates: BTreeMap::from([(
            vec!["/certs/a.crt".into(), "/certs/a.key".into()],
            vec!["certificate".into(), "key".into()],
        )]),
    }
}

fn state() -> (tempfile::TempDir, StateDir) {
    let root = tempfile::tempdir().unwrap();
    let state = StateDir::new(root.path().join("var/state"));
    (root, state)
}

fn names(state: &StateDir) -> Vec<String> {
    let entries = fs::read_dir(state.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_was_kept_is_found_again_and_is_its_owners_alone() {
    let (_root, state) = state();
    assert_eq!(state.load(), Ok(None));
    for text in ["first", "second"] {
        state.save(&copy(text)).unwrap();
        assert_eq!(state.load(), Ok(Some(copy(text))));
    }
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(state.0.clone()), mode(state.0.join(NAME))), (0o700, 0o600));
    assert_eq!(names(&state), [NAME], "nothing is left lying about");
}

#[test]
fn a_damaged_copy_is_moved_aside_and_told_of_once() {
    let (_root, state) = state();
    let good = encode(&copy("text")).unwrap();
    let mut flipped = good.clone();
    flipped[200] ^= 1;
    let other = [b"rollgate-last-good 2 ".as_slice(), &good[21..]].concat();
    for (bytes, told) in [
        (&flipped[..], "is damaged"),
        (&good[..good.len() / 2], "is damaged"),
        (&good[..10], "is damaged"),
        (b"", "is damaged"),
        (b"\xff\xff\n", "is damaged"),
        (&other[..], "has format 2, and this version reads 1"),
    ] {
        fs::create_dir_all(state.path()).unwrap();
        fs::write(state.0.join(NAME), bytes).unwrap();
        let what = state.load().unwrap_err();
        assert!(what.contains(told) && what.contains("it is now"), "{what}");
        assert_eq!((state.load(), names(&state)), (Ok(None), vec![DAMAGED.to_owned()]));
    }
}

#[test]
fn what_a_killed_process_has_left_is_removed() {
    let (_root, state) = state();
    state.save(&copy("text")).unwrap();
    let (gone, alive) = (format!("{NEW}4294967295"), format!("{NEW}1"));
    fs::write(state.0.join(&gone), "half").unwrap();
    fs::write(state.0.join(&alive), "half").unwrap();
    assert_eq!(state.load(), Ok(Some(copy("text"))));
    assert_eq!(names(&state), [NAME.to_owned(), alive]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_of_and_the_copy_stays() {
    let (root, state) = state();
    let nowhere = StateDir::new(root.path().join("file/state"));
    fs::write(root.path().join("file"), "").unwrap();
    let what = nowhere.save(&copy("text")).unwrap_err();
    assert!(what.contains("cannot be written: "), "{what}");
    state.save(&copy("text")).unwrap();
    // Where the copy is to be written beside, there is something that cannot be removed.
    fs::create_dir(state.0.join(format!("{NEW}{}", std::process::id()))).unwrap();
    assert!(state.save(&copy("other")).is_err());
    assert_eq!(state.load(), Ok(Some(copy("text"))));
}

#[tokio::test]
async fn the_newest_copy_is_kept_in_the_end() {
    let (_root, state) = state();
    let mut keeper = Keeper::new(state.clone(), Some("damaged".to_owned()));
    keeper.keep(copy("one"));
    keeper.changed().await;
    assert_eq!((keeper.problem(), state.load()), (None, Ok(Some(copy("one")))));
    keeper.keep(copy("two"));
    keeper.keep(copy("three"));
    keeper.finish().await;
    assert_eq!(state.load(), Ok(Some(copy("three"))));
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_of_until_it_is_not() {
    let (root, state) = state();
    fs::write(root.path().join("var"), "in the way").unwrap();
    let mut keeper = Keeper::new(state.clone(), None);
    keeper.keep(copy("one"));
    keeper.changed().await;
    assert!(keeper.problem().is_some_and(|what| what.contains("cannot be written")));
    fs::remove_file(root.path().join("var")).unwrap();
    tokio::time::pause();
    keeper.changed().await;
    assert_eq!((keeper.problem(), state.load()), (None, Ok(Some(copy("one")))));
}
