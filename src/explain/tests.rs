use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    explain: ExplainArgs,
}

/// What is printed for an example, and whether the request is answered.
fn told(example: &str, words: &[&str]) -> Result<Told, Failure> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example).join("rollgate.yml");
    let file = file.to_str().unwrap();
    let line = Line::try_parse_from([&["explain", "--config", file], words].concat()).unwrap();
    tell(&line.explain)
}

fn text(example: &str, words: &[&str]) -> String {
    told(example, words).unwrap().text
}

fn usage(words: &[&str]) -> String {
    match told("flask", words) {
        Err(Failure::Usage(what)) => what,
        other => panic!("{other:?}"),
    }
}

const CANARY: [&str; 2] = ["-H", "X-Version: canary"];
const PRODUCTION: &str = "http://pro.coding:8000/";

#[test]
fn the_split_with_every_versions_share() {
    insta::assert_snapshot!(text("flask", &[PRODUCTION]));
    insta::assert_snapshot!(text("flask", &["--json", PRODUCTION]));
}

#[test]
fn the_header_that_passes_the_split_by() {
    insta::assert_snapshot!(text("flask", &[&CANARY[..], &[PRODUCTION]].concat()));
    insta::assert_snapshot!(text("flask", &[&CANARY[..], &["--json", PRODUCTION]].concat()));
}

#[test]
fn where_a_clients_key_leads() {
    let app = ["-H", "X-User-Id: alice", "http://app.example.test:8000/"];
    insta::assert_snapshot!(text("cohorts", &app));
    insta::assert_snapshot!(text("cohorts", &[&["--json"], &app[..]].concat()));
    let shop = ["-H", "Cookie: session=09d233189244bf9e", "http://shop.example.test:8000/"];
    insta::assert_snapshot!(text("cohorts", &shop));
}

#[test]
fn a_host_that_nobody_knows() {
    let told = |words: &[&str]| {
        let told = told("flask", words).unwrap();
        assert!(!told.answered);
        told.text
    };
    insta::assert_snapshot!(told(&["http://nobody.coding:8000/"]));
    insta::assert_snapshot!(told(&["--json", "http://nobody.coding:8000/"]));
}

#[test]
fn every_candidate_that_lost() {
    let told = told("ab-header", &["http://shop.example.test/", "-H", "Host: other.example.test"]).unwrap();
    assert!(!told.answered, "{}", told.text);
    insta::assert_snapshot!(text("allow-list", &["--client", "203.0.113.9", "http://example.test/partner"]));
}

#[test]
fn nested_shares_and_a_version_of_weight_0() {
    insta::assert_snapshot!(text("nested-weights", &["http://shop.example.test/"]));
}

#[test]
fn a_path_in_another_form_and_one_that_is_refused() {
    let path = text("flask", &["http://pro.coding:8000/a/../b%7e"]);
    assert!(path.contains("path         /b~ (its normal form)\n"), "{path}");
    let refused = told("flask", &["http://pro.coding:8000/%zz"]).unwrap();
    assert!(!refused.answered && refused.text.contains("refused      400: the path has a bad percent-encoding\n"));
}

#[test]
fn what_the_internal_entry_point_answers_itself() {
    let told = told("flask", &["http://localhost:8080/metrics"]).unwrap();
    assert!(told.answered && told.text.contains("before any router"), "{}", told.text);
}

#[test]
fn the_entry_point_is_chosen_by_port_then_by_scheme() {
    for (example, url, says) in [
        ("tls", "https://shop.example.test:8443/", "websecure (it has the URL's port)"),
        ("tls", "https://shop.example.test/", "websecure (none has the URL's port; this one has routers with TLS)"),
        ("tls", "http://shop.example.test/", "web (none has the URL's port; this is a default one)"),
        ("flask", "https://pro.coding/", "web (none has the URL's port; this is a default one)"),
    ] {
        let text = text(example, &[url]);
        assert!(text.contains(&format!("entry point  {says}\n")), "{url}: {text}");
    }
}

#[test]
fn wrong_words_are_told_apart_from_wrong_configurations() {
    for (words, says) in [
        (&["pro.coding"][..], "pro.coding: needs a scheme (http, https)"),
        (&["ftp://pro.coding/"], "ftp: not a scheme that is served (http, https)"),
        (&["http://a@pro.coding/"], "a@pro.coding: the host has a character that no host name has"),
        (&["-H", "X-Version", PRODUCTION], "X-Version: a header is `Name: value`"),
        (&["-H", "X Version: a", PRODUCTION], "X Version: not a header name"),
        (&["-X", "G T", PRODUCTION], "G T: not a method"),
    ] {
        assert_eq!(usage(words), says);
    }
}
