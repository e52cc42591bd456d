//! The commands of the admin API against the gateway itself.

#![cfg(test)]

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
};

use rollgate_testkit::{Admin, Ask, Backend, Gateway, Launch, Output, command, configuration, wait};
use serde_json::{Value, json};

/// A gateway with a split, and commands that ask it.
struct Site {
    gateway: Gateway,
    _versions: [Backend; 2],
}

impl Site {
    fn start(api: &str) -> Self {
        let versions = [Backend::echo("stable"), Backend::echo("canary")];
        let [stable, canary] = versions.each_ref().map(Backend::load_balancer);
        let dynamic = format!(
            "http:\n  routers: {{pro: {{rule: Host(`pro.test`), service: pro}}}}\n  services:\n    stable: {stable}\n    \
             canary: {canary}\n    pro: {{weighted: {{services: [{{name: stable, weight: 9}}, {{name: canary, weight: 1}}]}}}}\n"
        );
        let config =
            format!("{}api: {api}\nproviders: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n", configuration(""));
        let gateway = Launch::new(&config).file("dynamic.yml", &dynamic).start();
        Self { gateway, _versions: versions }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(command::binary());
        command.args(arguments).env_clear().env("ROLLGATE_ADDRESS", self.gateway.address("traefik").to_string());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command::run(self.command(arguments))
    }

    /// What a command that does well says.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
        output.stdout
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["--json"]].concat())).expect("it is JSON")
    }

    /// How many of 40 requests the canary got.
    async fn canaries(&self) -> usize {
        let mut of = 0;
        for _ in 0..40 {
            let reply = self.gateway.ask(Ask::get("http://pro.test/")).await;
            of += usize::from(reply.seen().backend == "canary");
        }
        of
    }
}

/// A command that goes on, and its lines.
struct Following {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Following {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn event(&self) -> Value {
        let line = self.lines.recv_timeout(wait::PATIENCE).expect("an event comes");
        serde_json::from_str(&line).expect("a line is JSON")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn what_a_command_has_changed_is_live_when_it_ends() {
    let site = Site::start("{}");
    let said = site.done(&["weights", "set", "pro", "stable=0", "canary=1", "--reason", "all of it"]);
    assert!(said.contains("changed     yes, on every worker"), "{said}");
    assert_eq!(site.canaries().await, 40);
    let said = site.done(&["weights", "set", "pro", "stable=1", "--patch"]);
    assert!(said.contains("stable@file           9     1          1    50%"), "{said}");
    let said = site.done(&["brake", "set", "pro", "canary", "--reason", "errors"]);
    assert!(said.starts_with("canary@file of pro@file is braked (generation "), "{said}");
    assert_eq!(site.canaries().await, 0);
    assert!(site.done(&["brake", "list"]).contains("errors"));
    site.done(&["brake", "release", "pro", "canary", "--reason", "mended"]);
    let before = site.done(&["weights", "get", "pro"]);
    let said = site.done(&["weights", "reset", "pro", "--dry-run"]);
    assert!(said.contains("dry run: nothing was changed"), "{said}");
    assert_eq!(site.done(&["weights", "get", "pro"]), before);
    site.done(&["weights", "reset", "pro", "--reason", "done"]);
    let reset = site.json(&["weights", "get", "pro"]);
    assert_eq!((&reset["owner"], &reset["effective"]["stable@file"]), (&json!("none"), &json!("9")));
    let audit = site.json(&["audit", "--service", "pro@file", "--since", "1h", "--limit", "4"]);
    let entries: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|entry| (&entry["action"], &entry["reason"])).collect();
    let entries = json!(entries);
    let expected = json!([
        ["weights.reset", "done"],
        ["brake.released", "mended"],
        ["brake.set", "errors"],
        ["weights.set", null]
    ]);
    assert_eq!(entries, expected);
    assert!(site.done(&["audit"]).contains("canary@file 1 -> -"), "what was reset is as configured");
}

#[test]
fn every_table_can_be_made_of_what_the_gateway_answers() {
    let site = Site::start("{}");
    for (arguments, holds) in [
        (&["services"][..], &["SERVICE", "pro@file", "canary@file", "http://127.0.0.1:"][..]),
        (&["services", "pro"], &["owner      none", "VERSION", "90%"]),
        (&["services", "stable@file"], &["loadBalancer", "up"]),
        (&["weights", "get"], &["CONFIGURED", "10%"]),
        (&["events"], &["config.applied"]),
        (&["status"], &["generation", "ENTRY POINT", "traefik", "dynamic.yml", "live"]),
    ] {
        let said = site.done(arguments);
        assert!(holds.iter().all(|text| said.contains(text)), "{arguments:?}: {said}");
        assert!(!said.contains('\u{1b}'), "no colours in a pipe");
    }
}

#[test]
fn who_has_not_seen_the_newest_is_refused_with_a_code_of_its_own() {
    let site = Site::start("{}");
    let seen = site.json(&["weights", "get", "pro"])["etag"].as_str().unwrap().trim_matches('"').to_owned();
    site.done(&["weights", "set", "pro", "stable=8", "canary=2", "--if-match", &seen]);
    let output = site.run(&["weights", "set", "pro", "stable=7", "canary=3", "--if-match", &seen]);
    assert_eq!((output.code, output.stdout.as_str()), (4, ""), "{output:?}");
    let output = site.run(&["weights", "set", "pro", "stable=7"]);
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("  field    weights\n"), "{output:?}");
    let twice = ["weights", "set", "pro", "stable=5", "canary=5", "--idempotency-key", "stage-1", "--json"];
    assert_eq!(site.done(&twice), site.done(&twice), "one change, told twice");
    let other = ["weights", "set", "pro", "stable=4", "canary=6", "--idempotency-key", "stage-1"];
    assert_eq!(site.run(&other).code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_every_change_in_its_order() {
    let site = Site::start("{}");
    let newest = site.done(&["events", "--json"]);
    let newest: Value = serde_json::from_str(newest.lines().last().unwrap()).unwrap();
    let since = newest["id"].as_str().unwrap();
    let follow = ["events", "--follow", "--json", "--type", "weights", "--type", "brake.set", "--since", since];
    let following = Following::start(site.command(&follow));
    for number in 1..=20 {
        site.done(&["weights", "set", "pro", "stable=1", &format!("canary={number}")]);
    }
    site.done(&["brake", "set", "pro", "canary"]);
    for number in 1..=20 {
        let event = following.event();
        assert_eq!((&event["type"], &event["to"]["canary@file"]), (&json!("weights.set"), &json!(number.to_string())));
    }
    assert_eq!(following.event()["type"], "brake.set");
    let ended = site.done(&["events", "--follow", "--since", since, "--limit", "3"]);
    assert_eq!(ended.lines().count(), 3, "{ended}");
    assert!(site.done(&["events", "--since", "1-1"]).contains("reset: "), "another process's");
    let stream = Admin::of(&site.gateway).get(&format!("/events?follow=false&lastEventId={since}")).await.reply.text();
    assert!(stream.starts_with(&format!("id: {since}\n\nid: ")), "{stream}");
}

#[test]
fn a_token_opens_what_its_role_may() {
    // SHA-256 of `rg_looker`.
    let hash = "489ed677ceae7edda8065945442f47d3d278892eec2eb1ea0cb02a2826698a51";
    let site = Site::start(&format!("{{tokens: [{{name: looker, role: read, hash: 'sha256:{hash}'}}]}}"));
    assert_eq!(site.run(&["services"]).code, 1);
    let with = |arguments: &[&str], token: &str| {
        let mut command = site.command(arguments);
        command.env("ROLLGATE_TOKEN", token);
        command::run(command)
    };
    assert_eq!(with(&["services"], "rg_looker").code, 0);
    let set = with(&["weights", "set", "pro", "stable=1", "canary=1"], "rg_looker");
    assert_eq!(set.code, 1, "{set:?}");
    assert!(set.stderr.contains("403 forbidden"), "{set:?}");
}

#[test]
fn an_entry_point_without_the_api_says_so() {
    let gateway = Gateway::start(&configuration(""));
    let address = gateway.address("traefik").to_string();
    let output = rollgate_testkit::rollgate("/", &["status", "--address", &address, "--timeout", "30s"]);
    assert_eq!(output.code, 3, "{output:?}");
    assert!(output.stderr.contains("does the static configuration have `api`?"), "{output:?}");
}
