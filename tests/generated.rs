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

#[test]
fn what_the_page_of_rollouts_shows_of_simulate_is_what_it_prints_and_draws() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/rollouts.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut pictures = 0;
    for block in page.split("\n```").filter_map(|block| block.split_once("\n$ rollgate simulate ")).map(|(_, it)| it) {
        let (command, shown) = block.split_once('\n').unwrap();
        let into = format!(" --plot {}/", folder.path().display());
        pictures += command.matches(" --plot docs/plots/").count();
        let command = format!("simulate {}", command.replace(" --plot docs/plots/", &into));
        let output = rollgate_testkit::rollgate(ROOT, &command.split_whitespace().collect::<Vec<_>>());
        assert_eq!((output.code, &*output.stderr), (0, ""), "{command}");
        assert_eq!(output.stdout.trim_end(), shown, "{command}: `cargo xtask plots` writes it");
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
