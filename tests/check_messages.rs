//! What `rollgate check` says of broken files, word for word, and its exit codes.

#![cfg(test)]

use rollgate_testkit::{Output, rollgate};

const BROKEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken");

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn check(arguments: &[&str]) -> Output {
    rollgate(BROKEN, &[&["check"], arguments].concat())
}

/// What the command said, for a snapshot.
fn said(output: &Output) -> String {
    format!("exit code {}\n--- standard output\n{}--- standard error\n{}", output.code, output.stdout, output.stderr)
}

#[test]
fn every_broken_file_is_told_what_is_wrong_and_where() {
    let mut names = std::fs::read_dir(BROKEN)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect::<Vec<_>>();
    names.sort();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let output = check(&[&name]);
        assert_eq!(output.code, 1, "{name}: {output:?}");
        insta::assert_snapshot!(name.replace('.', "_"), said(&output));
    }
}

#[test]
fn files_named_together_are_one_configuration() {
    let together = check(&["duplicates/a.yml", "duplicates/b.yml"]);
    insta::assert_snapshot!("duplicates_named_together", said(&together));
    assert_eq!(check(&["duplicates/a.yml"]).code, 0);
    assert_eq!(check(&["duplicates/b.yml"]).code, 0);
}

#[test]
fn good_files_are_good() {
    let output = rollgate(ROOT, &["check", "examples/flask/rollgate.yml"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, "no problems in 1 file\n"), "{output:?}");
}

#[test]
fn wrong_usage_is_two() {
    for arguments in [&[][..], &["--no-such-flag"], &["--traefik"], &["nowhere.yml"], &["../check_messages.rs"]] {
        let output = check(arguments);
        assert_eq!(output.code, 2, "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn our_extensions_are_listed_for_traefik() {
    let output = rollgate(BROKEN, &["check", "--traefik", "../extensions.yml"]);
    insta::assert_snapshot!("extensions_for_traefik", said(&output));
    assert_eq!(rollgate(BROKEN, &["check", "../extensions.yml"]).code, 0);
}
