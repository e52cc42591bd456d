//! What is committed and made by the binary is what it makes: manual pages and completions from its command line, what a page
//! shows of `simulate` from the commands that stand there.

#![cfg(test)]

use std::{collections::BTreeMap, fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn manual_pages_and_completions_are_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let output = rollgate_testkit::rollgate(ROOT, &["generate", folder.path().to_str().unwrap()]);
    assert_eq!(output.code, 0, "{output:?}");
    for part in ["docs/man", "completions"] {
        let (committed, made) = (files(&Path::new(ROOT).join(part)), files(&folder.path().join(part)));
        assert!(made.len() > 2, "{part}: {:?}", made.keys());
        let differing: Vec<&String> =
            committed.keys().chain(made.keys()).filter(|name| committed.get(*name) != made.get(*name)).collect();
        assert!(differing.is_empty(), "{part}: {differing:?} are not up to date: `cargo xtask generate` writes them");
    }
}

/// The commands that only print are not run: they take long, and change with what the pictures change with.
#[test]
fn pictures_and_what_stands_beside_them_are_what_their_commands_make() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/rollouts.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut pictures = 0;
    for block in page.split("\n```").filter_map(|block| Some(block.split_once("\n$ rollgate simulate ")?.1)) {
        let (command, shown) = block.split_once('\n').unwrap();
        let Some((scene, name)) = command.split_once(" --plot docs/plots/") else { continue };
        let command = format!("simulate {scene} --plot {}/{name}", folder.path().display());
        let output = rollgate_testkit::rollgate(ROOT, &command.split_whitespace().collect::<Vec<_>>());
        assert_eq!((output.code, &*output.stderr), (0, ""), "{command}");
        assert_eq!(output.stdout.trim_end(), shown, "{command}: `cargo xtask plots` writes it");
        pictures += 1;
    }
    let mut committed = files(&Path::new(ROOT).join("docs/plots"));
    committed.retain(|name, _| name.ends_with(".svg"));
    let drawn = files(folder.path());
    assert!(pictures > 0 && drawn.len() == pictures, "{pictures}: {:?}", drawn.keys());
    let differing: Vec<&String> =
        committed.keys().chain(drawn.keys()).filter(|name| committed.get(*name) != drawn.get(*name)).collect();
    assert!(differing.is_empty(), "docs/plots: {differing:?} are not up to date: `cargo xtask plots` draws them");
    for name in drawn.keys() {
        assert!(page.contains(&format!("](plots/{name})")), "docs/rollouts.md does not show {name}");
    }
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()));
    files.collect()
}
