//! What `rollgate simulate` prints for a seed, what it draws, and what it says to wrong input.

#![cfg(test)]

use std::{fs, path::Path};

use rollgate_testkit::{Output, rollgate};
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const USUAL: &str = "docs/plots/usual.yml";
const SHOP: &str = "docs/plots/shop.yml";

fn simulate(arguments: &[&str]) -> Output {
    rollgate(ROOT, &[&["simulate"], arguments].concat())
}

/// Its standard output; it has nothing else to say.
fn played(arguments: &[&str]) -> String {
    let Output { code, stdout, stderr } = simulate(arguments);
    assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}: {stdout}");
    stdout
}

#[test]
fn a_table_for_a_seed() {
    insta::assert_snapshot!(played(&[USUAL, "--canary-error", "5%,100%", "--runs", "40"]));
}

#[test]
fn what_happens_besides_stands_above_the_table() {
    let scene = "--rps 50,200 --alpha 5% --latency 20ms,80ms --slow-canary 30% --outage 60s,20s,30% --drift 3%,10m \
                 --break-after 500 --audience 2% --limit 2h --runs 5 --seed 7";
    let arguments: Vec<&str> = [USUAL].into_iter().chain(scene.split_whitespace()).collect();
    insta::assert_snapshot!(played(&arguments));
}

#[test]
fn json_for_a_seed() {
    let arguments = ["--config", SHOP, "only-five", "--runs", "20", "--json"];
    let text = played(&arguments);
    serde_json::from_str::<Value>(&text).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str, seed: &str| {
        let file = folder.path().join(name);
        let file = file.to_str().unwrap();
        let printed = played(&[USUAL, "--runs", "20", "--seed", seed, "--plot", file]);
        (printed, fs::read(file).unwrap())
    };
    for kind in ["svg", "png"] {
        let (once, again, other) = (of(&format!("a.{kind}"), "1"), of(&format!("b.{kind}"), "1"), of("c.svg", "2"));
        assert_eq!(once, again);
        assert_ne!(once.0, other.0);
        assert_ne!(once.1, other.1);
    }
    let starts = |name: &str, with: &[u8]| fs::read(folder.path().join(name)).unwrap().starts_with(with);
    assert!(starts("a.svg", b"<svg ") && starts("a.png", b"\x89PNG\r\n"));
}

#[test]
fn pipelines_are_named_by_the_configuration_or_are_files() {
    let few = |arguments: &[&str]| played(&[arguments, &["--runs", "3"]].concat());
    let both = few(&["--config", SHOP, "usual", "two-steps@file", USUAL]);
    for line in [
        "pipeline  usual: ramp 1% 5% 25% 50%, promote\n",
        "pipeline  two-steps@file: ramp 5% 50%, promote\n",
        "pipeline  docs/plots/usual.yml: ramp 1% 5% 25% 50%, promote\n",
    ] {
        assert!(both.contains(&line.replace("two-steps@file", "two-steps")), "{line}{both}");
    }
    let release = ["--config", "examples/rollout/rollgate.yml", "release"];
    let stages = few(&[&release[..], &["--audience", "2%", "--baseline-error", "0.1%", "--limit", "30m"]].concat());
    insta::assert_snapshot!(stages);
}

#[test]
fn wrong_input_is_told_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yml");
    let pipeline = "name: wrong\nservice: shop\nstable: a\ncanary: a\nstages: [ramp: {steps: [60%], speed: 1}]\n";
    fs::write(&wrong, pipeline).unwrap();
    let audience = folder.path().join("audience.yml");
    let pipeline = "name: audience\nservice: shop\nstable: a\ncanary: b\nstages: [abTest: {match: {headers: {x: y}}, duration: 1h}]\n";
    fs::write(&audience, pipeline).unwrap();
    let watch = folder.path().join("watch.yml");
    fs::write(&watch, "name: watch\nservice: shop\nstable: a\ncanary: b\nstages: [watch: {}]\n").unwrap();
    let [wrong, audience, watch] = [&wrong, &audience, &watch].map(|file| file.to_str().unwrap());
    let all: [&[&str]; 33] = [
        &[],
        &["nowhere.yml"],
        &["docs"],
        &["Cargo.lock"],
        &[wrong],
        &[audience],
        &[watch],
        &["--config", SHOP, "nobody"],
        &["--config", "nowhere.yml", "usual"],
        &["--config", USUAL, "usual"],
        &["--config", SHOP, wrong],
        &[USUAL, "--rps", "0"],
        &[USUAL, "--rps", "100,many"],
        &[USUAL, "--rps", "nan"],
        &[USUAL, "--canary-error", "101%"],
        &[USUAL, "--baseline-error", "one in a hundred"],
        &[USUAL, "--alpha", "0"],
        &[USUAL, "--alpha", "1%,30%"],
        &[USUAL, "--latency", "50ms"],
        &[USUAL, "--latency", "150ms,50ms"],
        &[USUAL, "--outage", "60s,20s"],
        &[USUAL, "--outage", "60s,soon,30%"],
        &[USUAL, "--drift", "3%"],
        &[USUAL, "--limit", "2 years"],
        &[USUAL, "--limit", "9999h"],
        &[USUAL, "--limit", "0s"],
        &[USUAL, "--runs", "0"],
        &[USUAL, "--runs", "1000000"],
        &[USUAL, "--seed", "-1"],
        &[USUAL, "--plot", "picture.gif"],
        &[USUAL, "--plot", "no/such/folder/picture.svg"],
        &[USUAL, "--rps", "1,2,3,4,5,6,7", "--alpha", "1%,2%"],
        &[USUAL, "--rps", "1,2,3,4,5", "--plot", "picture.svg"],
    ];
    let mut said = String::new();
    for arguments in all {
        let Output { code, stdout, stderr } = simulate(arguments);
        assert_eq!(stdout, "", "{arguments:?}");
        said.push_str(&format!("$ rollgate simulate {}\n{stderr}exit code {code}\n\n", arguments.join(" ")));
    }
    let said = said.replace(folder.path().to_str().unwrap(), "FOLDER");
    insta::assert_snapshot!(said);
    assert!(!Path::new(ROOT).join("picture.svg").exists());
}

/// Whoever reads it may have seen enough.
#[test]
fn a_picture_has_a_curve_for_each_canary() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("picture.svg");
    played(&[USUAL, "--canary-error", "20%,100%", "--runs", "30", "--plot", file.to_str().unwrap()]);
    let picture = fs::read_to_string(file).unwrap();
    for legend in
        ["canary 1% as stable: ", "canary 20%: 100% rolled back after ", "canary 100%: 100% rolled back after "]
    {
        assert_eq!(picture.matches(legend).count(), 1, "{legend}: {picture}");
    }
}
