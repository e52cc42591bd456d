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

impl Following {
    /// Its lines to its end, and its exit code.
    fn end(mut self, lines: &mut Vec<String>) -> Option<i32> {
        self.until(lines, |_| false);
        self.child.wait().expect("it has ended").code()
    }

    /// Its lines until one that is so, or to its end.
    fn until(&self, lines: &mut Vec<String>, is_so: impl Fn(&str) -> bool) {
        loop {
            match self.lines.recv_timeout(wait::PATIENCE) {
                Ok(line) => {
                    lines.push(line);
                    if is_so(&lines[lines.len() - 1]) {
                        return;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line comes after {lines:#?}"),
            }
        }
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
fn a_rollout_is_begun_watched_approved_and_has_a_code_for_each_end() {
    let site = Site::start("{}");
    let folder = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| {
        let file = folder.path().join(file);
        std::fs::write(&file, text).unwrap();
        site.done(&["pipeline", "put", file.to_str().unwrap()])
    };
    let head = "service: pro\nstable: stable\ncanary: canary\n";
    let stages =
        "- job: {command: [echo, migrated]}\n- {name: look, approve: {message: 'Is it good?'}}\n- promote: {}\n";
    let said = put("release.yml", &format!("name: release\n{head}stages:\n{stages}"));
    assert!(said.contains("versions  stable@file -> canary@file"), "{said}");
    put(
        "broken.toml",
        "name = 'broken'\nservice = 'pro'\nstable = 'stable'\ncanary = 'canary'\n[[stages]]\njob.command = ['false']\n",
    );
    let said = site.done(&["pipeline", "list"]);
    assert!(said.contains("broken@api") && said.contains("release@api"), "{said}");

    // A rollout that fails, one that is canceled, and one that is promoted.
    let mut lines = Vec::new();
    let failed = Following::start(site.command(&["rollout", "start", "broken", "--watch"]));
    assert_eq!(failed.end(&mut lines), Some(7), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("job: failed after ")), "{lines:#?}");
    for (action, reason, code, last) in [("abort", "not now", 8, "CANCELED"), ("approve", "looks good", 0, "SUCCEEDED")]
    {
        let mut lines = Vec::new();
        let watched = Following::start(site.command(&["rollout", "start", "release", "--build", "1.4.2", "--watch"]));
        watched.until(&mut lines, |line| {
            line.contains("WAITING, stage 2 of 3 (look); waits for somebody to approve look")
        });
        let open = site.json(&["rollout", "status"]);
        let [only] = &open["items"].as_array().unwrap()[..] else { panic!("{open}") };
        let id = only["id"].as_str().unwrap();
        assert!(lines[0].starts_with(&format!("{id} of release@api: pro@file")), "{lines:#?}");
        let refused = site.run(&["rollout", "start", "release"]);
        assert_eq!(refused.code, 4, "{refused:?}");
        assert!(refused.stderr.contains(&format!("owner    rollout:{id}")), "{refused:?}");
        assert_eq!(site.run(&["rollout", "skip", id]).code, 1, "it takes a reason");
        assert_eq!(site.run(&["rollout", "resume", id]).code, 4, "it is not paused");
        site.done(&["rollout", action, id, "--reason", reason]);
        assert_eq!(watched.end(&mut lines), Some(code), "{lines:#?}");
        assert!(lines.last().unwrap().contains(&format!(" {last}, stage ")), "{lines:#?}");
        let shown = site.done(&["rollout", "show", id]);
        for holds in ["Is it good?", "  migrated\n", &format!("look: {action}, by loopback: {reason}"), last] {
            assert!(shown.contains(holds), "{holds}: {shown}");
        }
        let json = site.json(&["rollout", "show", id]);
        for entry in json["history"].as_array().unwrap() {
            assert!(
                !shown.contains(&format!("what={}", entry["happened"]["what"].as_str().unwrap())),
                "{entry} {shown}"
            );
        }
        let again = site.run(&["rollout", "status", id, "--watch"]);
        assert_eq!(again.code, code, "what has ended is told at once: {again:?}");
    }
    let weights = site.json(&["weights", "get", "pro"]);
    assert_eq!(weights["effective"]["stable@file"], "0", "{weights}");
    let history = site.json(&["rollout", "history", "--pipeline", "release@api", "--status", "succeeded"]);
    assert_eq!(history["items"].as_array().unwrap().len(), 1, "{history}");
    assert!(site.done(&["events", "--type", "rollout"]).contains("look: approve by loopback (looks good)"));
    site.done(&["pipeline", "delete", "release"]);
    assert_eq!(site.run(&["rollout", "start", "release"]).code, 1);
}

#[test]
fn an_entry_point_without_the_api_says_so() {
    let gateway = Gateway::start(&configuration(""));
    let address = gateway.address("traefik").to_string();
    let output = rollgate_testkit::rollgate("/", &["status", "--address", &address, "--timeout", "30s"]);
    assert_eq!(output.code, 3, "{output:?}");
    assert!(output.stderr.contains("does the static configuration have `api`?"), "{output:?}");
}
