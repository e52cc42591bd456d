//! `rollgate token`: a token is shown once, and what it prints for the configuration is what the configuration takes.

#![cfg(test)]

use std::{fs, process::Command};

use rollgate_testkit::{
    Output,
    command::{binary, run_from},
    rollgate,
};
use serde_json::Value;

fn token(arguments: &[&str]) -> Output {
    rollgate(".", &[&["token"], arguments].concat())
}

fn hash_of(input: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, input).unwrap();
    let mut command = Command::new(binary());
    command.args(["token", "hash"]).env_clear();
    run_from(command, fs::File::open(&file).unwrap())
}

#[test]
fn a_token_is_shown_once_and_its_entry_is_taken_by_the_configuration() {
    let made = token(&["create", "--role", "operate", "--name", "1.5"]);
    assert_eq!(made.code, 0, "{made:?}");
    let token = made.stdout.trim_end();
    assert!(token.starts_with("rg_") && token.len() == 46 && !token.contains(char::is_whitespace), "{token}");
    assert!(!made.stderr.contains(token), "only standard output has it");
    let (_, entry) = made.stderr.split_once("\n\n").expect("a remark and the entry");
    let hash = hash_of(&made.stdout);
    assert_eq!((hash.code, &*hash.stderr), (0, ""));
    assert!(entry.contains(&format!("hash: {}", hash.stdout)), "{entry}");
    assert!(!hash.stdout.contains(token));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yml"), format!("providers: {{rest: {{}}}}\n{entry}")).unwrap();
    let checked = rollgate(folder.path(), &["check", "a.yml"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    fs::write(folder.path().join("a.yml"), entry.replace(hash.stdout.trim_end(), token)).unwrap();
    let checked = rollgate(folder.path(), &["check", "a.yml"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(checked.stdout.contains("api.tokens[0].hash: is a token"), "{checked:?}");
    assert!(!(checked.stdout + &checked.stderr).contains(token), "a token at the wrong place is not repeated");
}

#[test]
fn as_json_it_is_one_object_and_no_two_are_alike() {
    let made = || {
        let made = token(&["create", "--json", "--role=admin", "--name=ci@build-1"]);
        assert_eq!((made.code, &*made.stderr), (0, ""));
        serde_json::from_str::<Value>(&made.stdout).expect("JSON")
    };
    let (one, other) = (made(), made());
    assert_eq!((&one["name"], &one["role"]), (&"ci@build-1".into(), &"admin".into()));
    assert_eq!(one["hash"], hash_of(one["token"].as_str().unwrap()).stdout.trim_end());
    assert_ne!(one["token"], other["token"]);
    assert_ne!(one["hash"], other["hash"]);
}

#[test]
fn what_is_no_token_name_or_role_is_wrong_usage() {
    for arguments in [
        &["create", "--role", "owner", "--name", "ci"][..],
        &["create", "--role", "read", "--name", "a b"],
        &["create", "--role", "read", "--name", "loopback"],
        &["create", "--role", "read"],
        &["create", "--name", "ci"],
    ] {
        let output = token(arguments);
        assert_eq!((output.code, &*output.stdout), (2, ""), "{arguments:?}: {output:?}");
    }
    for input in ["", "hunter2", "two words that are long enough"] {
        let output = hash_of(input);
        assert_eq!((output.code, &*output.stdout), (2, ""), "{input}: {output:?}");
        assert!(input.is_empty() || !output.stderr.contains(input), "{output:?}");
    }
}

#[test]
fn a_token_that_nobody_gets_is_told_of() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(binary());
    command.args(["token", "create", "--role", "read", "--name", "ci"]).env_clear().stdout(full);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("standard output: ") && !told.contains("sha256:"), "{told}");
}
