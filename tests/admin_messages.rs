//! What the commands of the admin API send, print and end with, against a server that answers as the API does.

#![cfg(test)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rollgate_testkit::{
    Backend, Output,
    backend::Protocol,
    client::{Body, full},
    command,
    tls::Authority,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the server was asked, and what it is still to answer.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Scripted>>,
    asked: Mutex<Vec<Asked>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
struct Asked {
    /// `GET /api/v1/services`.
    line: String,
    headers: http::HeaderMap,
    body: String,
}

/// An answer to be given.
#[derive(Debug)]
struct Scripted {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

/// The server, and the commands that ask it.
struct Api {
    server: Backend,
    script: Arc<Script>,
}

impl Api {
    /// Answers in this order, whatever is asked.
    fn answering(answers: impl IntoIterator<Item = Scripted>) -> Self {
        Self::over(Protocol::Http1, answers)
    }

    fn over(protocol: Protocol, answers: impl IntoIterator<Item = Scripted>) -> Self {
        let script = Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() });
        let shared = Arc::clone(&script);
        let server = Backend::serve("api", protocol, move |request| answer(Arc::clone(&shared), request));
        Self { server, script }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = std::process::Command::new(command::binary());
        command.args(arguments).env_clear().env("ROLLGATE_ADDRESS", self.server.url());
        command.envs(variables.iter().copied());
        command::run(command)
    }

    /// What the server was asked, in order.
    fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }

    /// What a command left behind, for a snapshot: the server's port is different each time.
    fn said(&self, output: &Output) -> String {
        let text = format!(
            "exit code {}\n--- standard output\n{}--- standard error\n{}",
            output.code, output.stdout, output.stderr
        );
        text.replace(&self.server.url(), "http://GATEWAY")
    }
}

async fn answer(script: Arc<Script>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    script.asked.lock().unwrap().push(Asked {
        line: format!("{} {}", head.method, head.uri.path_and_query().unwrap()),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    });
    let scripted = script.answers.lock().unwrap().pop_front().unwrap_or_else(|| ok(json!({})));
    let mut answer = Response::builder().status(scripted.status);
    for (name, value) in scripted.headers {
        answer = answer.header(name, value);
    }
    answer.body(full(scripted.body)).unwrap()
}

fn ok(body: Value) -> Scripted {
    Scripted { status: 200, headers: vec![("content-type", "application/json")], body: body.to_string() }
}

fn with_etag(body: Value) -> Scripted {
    let mut scripted = ok(body);
    scripted.headers.push(("etag", "\"17-3f\""));
    scripted
}

fn list(items: Value) -> Scripted {
    ok(json!({ "items": items, "next": null }))
}

fn problem(status: u16, body: Value) -> Scripted {
    let headers = vec![("content-type", "application/problem+json")];
    Scripted { status, headers, body: body.to_string() }
}

fn events(text: &str) -> Scripted {
    Scripted { status: 200, headers: vec![("content-type", "text/event-stream")], body: text.to_owned() }
}

fn unavailable() -> Scripted {
    problem(
        503,
        json!({
            "type": "urn:rollgate:problem:store-unavailable", "title": "The store is not available", "status": 503,
            "detail": "the change was not stored, so it was not made: disk full",
        }),
    )
}

fn pro() -> Value {
    json!({
        "name": "pro@file", "kind": "weighted", "owner": "api", "setBy": "spinnaker", "setAt": "2026-11-26T10:00:00Z",
        "drift": true, "available": true,
        "versions": [
            {"name": "k8s-flask@file", "configured": "90", "live": "95", "effective": "95", "share": 0.95,
             "shareLastMinute": 0.949, "requestsLastMinute": 1234, "available": true, "braked": false, "breakers": []},
            {"name": "k8s-flask-canary@file", "configured": "10", "live": "5", "effective": "5", "share": 0.05,
             "shareLastMinute": null, "requestsLastMinute": null, "available": true, "braked": true,
             "breakers": [{"middleware": "b@file", "state": "tripped", "cause": "NetworkErrorRatio() > 0.5"},
                          {"middleware": "c@file", "state": "standby", "cause": null}]},
        ],
    })
}

fn weights() -> Value {
    json!({
        "service": "pro@file", "owner": "api", "weights": {"k8s-flask@file": "95", "k8s-flask-canary@file": "5"},
        "configured": {"k8s-flask@file": "90", "k8s-flask-canary@file": "10"},
        "effective": {"k8s-flask@file": "95", "k8s-flask-canary@file": "5"}, "drift": false, "setBy": "spinnaker",
        "setAt": "2026-11-26T10:00:00Z", "reason": "stage 2", "etag": "\"17-3f\"", "generation": 17, "changed": true,
        "dryRun": false,
    })
}

#[test]
fn services_are_a_table_of_versions_and_servers() {
    let servers = json!({
        "name": "shop@file", "kind": "loadBalancer", "drift": false, "breakers": [],
        "available": true, "servers": [{"url": "http://10.0.0.1:80", "up": true}, {"url": "http://10.0.0.2:80", "up": false}],
    });
    let mirrored = json!({"name": "m@file", "kind": "mirroring", "services": ["shop@file", "pro@file"]});
    let first = ok(json!({ "items": [pro(), servers], "next": "shop@file" }));
    let api = Api::answering([first, list(json!([mirrored]))]);
    let output = api.run(&["services"]);
    insta::assert_snapshot!("services", api.said(&output));
    let lines: Vec<String> = api.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["GET /api/v1/services?limit=1000", "GET /api/v1/services?limit=1000&after=shop%40file"]);
}

#[test]
fn one_service_is_shown_with_all_that_is_known() {
    let api = Api::answering([with_etag(pro())]);
    let output = api.run(&["services", "pro@file"]);
    insta::assert_snapshot!("service", api.said(&output));
    assert_eq!(api.asked()[0].line, "GET /api/v1/services/pro%40file");
}

#[test]
fn a_script_gets_the_json_of_all_pages() {
    let first = ok(json!({ "items": [pro()], "next": "pro@file" }));
    let api = Api::answering([first, list(json!([{ "name": "a\u{9b}2J\u{1b}[2J" }]))]);
    let output = api.run(&["services", "--json"]);
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(said, json!({ "items": [pro(), { "name": "a\u{9b}2J\u{1b}[2J" }], "next": null }));
    assert!(output.stdout.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{output:?}");
}

#[test]
fn weights_are_shown_beside_the_configurations() {
    let api = Api::answering([list(json!([weights()])), with_etag(weights())]);
    let all = api.run(&["weights", "get"]);
    insta::assert_snapshot!("weights_of_all", api.said(&all));
    let one = api.run(&["weights", "get", "pro"]);
    insta::assert_snapshot!("weights_of_one", api.said(&one));
}

#[test]
fn weights_are_set_with_a_key_that_is_new_each_time() {
    let api = Api::answering([with_etag(weights()), with_etag(weights())]);
    let set = ["weights", "set", "pro@file", "k8s-flask=95", "k8s-flask-canary=5", "--reason", "stage 2"];
    let output = api.run(&[&set[..], &["--if-match", "16-3f"]].concat());
    insta::assert_snapshot!("weights_set", api.said(&output));
    assert_eq!(api.run(&[&set[..], &["--patch", "--dry-run"]].concat()).code, 0);
    let asked = api.asked();
    assert_eq!(asked[0].line, "PUT /api/v1/services/pro%40file/weights");
    assert_eq!(asked[1].line, "PATCH /api/v1/services/pro%40file/weights?dryRun=true");
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    assert_eq!(body, json!({ "weights": { "k8s-flask": "95", "k8s-flask-canary": "5" }, "reason": "stage 2" }));
    assert_eq!(asked[0].headers["content-type"], "application/json");
    assert_eq!(asked[0].headers["if-match"], "\"16-3f\"");
    let keys: Vec<&str> = asked.iter().map(|asked| asked.headers["idempotency-key"].to_str().unwrap()).collect();
    assert!(keys.iter().all(|key| key.len() == 32) && keys[0] != keys[1], "{keys:?}");
}

#[test]
fn weights_are_reset() {
    let mut reset = weights();
    reset["owner"] = json!("none");
    for unset in ["setBy", "setAt", "reason"] {
        reset[unset] = Value::Null;
    }
    reset["weights"] = reset["configured"].clone();
    reset["effective"] = reset["configured"].clone();
    reset["dryRun"] = json!(true);
    let api = Api::answering([with_etag(reset)]);
    let reset = ["weights", "reset", "pro@file", "--dry-run", "--idempotency-key", "stage-7", "--reason", "all well"];
    let output = api.run(&reset);
    insta::assert_snapshot!("weights_reset", api.said(&output));
    let asked = api.asked();
    assert_eq!(asked[0].line, "DELETE /api/v1/services/pro%40file/weights?dryRun=true&reason=all%20well");
    assert_eq!((asked[0].body.as_str(), &asked[0].headers["idempotency-key"]), ("", &"stage-7".parse().unwrap()));
}

#[test]
fn a_change_is_sent_again_as_the_same_change_until_the_store_is_back() {
    let api = Api::answering([unavailable(), unavailable(), with_etag(weights())]);
    let output = api.run(&["weights", "set", "pro@file", "k8s-flask=1", "k8s-flask-canary=0"]);
    assert_eq!(output.code, 0, "{output:?}");
    let asked = api.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| one.headers["idempotency-key"] == asked[0].headers["idempotency-key"]));
    assert!(asked.iter().all(|one| one.body == asked[0].body));
}

#[test]
fn a_change_whose_connection_dies_unanswered_is_sent_again() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&heads);
    let server = Backend::raw("dying", move |mut stream| {
        let heads = Arc::clone(&shared);
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let attempts = {
                let mut heads = heads.lock().unwrap();
                heads.push(String::from_utf8(head).unwrap());
                heads.len()
            };
            if attempts < 3 {
                return;
            }
            let body = weights();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.to_string().len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let output = rollgate_testkit::rollgate("/", &["weights", "reset", "pro", "--address", &server.url()]);
    assert_eq!(output.code, 0, "{output:?}");
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 3);
    assert!(heads[0].contains("idempotency-key: ") && heads.iter().all(|head| *head == heads[0]), "{heads:?}");
}

#[test]
fn a_change_is_given_up_after_a_few_attempts_and_a_question_after_one() {
    let api = Api::answering((0..9).map(|_| unavailable()));
    let output = api.run(&["brake", "set", "pro", "k8s-flask-canary"]);
    insta::assert_snapshot!("store_unavailable", api.said(&output));
    assert_eq!(api.asked().len(), 5);
    assert_eq!(api.run(&["brake", "list"]).code, 3);
    assert_eq!(api.asked().len(), 6);
}

#[test]
fn brakes_are_set_released_and_listed() {
    let brake = |braked: bool, stored: bool| {
        json!({
            "service": "pro@file", "version": "k8s-flask-canary@file", "braked": braked, "setBy": "loopback",
            "setAt": "2026-11-26T10:00:00Z", "reason": "500s\nall over", "stored": stored, "generation": 18,
        })
    };
    let answers = [ok(brake(true, false)), ok(brake(false, true)), list(json!([brake(true, true)])), list(json!([]))];
    let api = Api::answering(answers);
    for (name, arguments) in [
        ("brake_set", &["brake", "set", "pro", "k8s-flask-canary", "--reason", "500s"][..]),
        ("brake_release", &["brake", "release", "pro", "k8s-flask-canary", "--reason", "mended"]),
        ("brake_list", &["brake", "list"]),
        ("brake_list_empty", &["brake", "list"]),
    ] {
        let output = api.run(arguments);
        insta::assert_snapshot!(name, api.said(&output));
    }
    let asked = api.asked();
    assert_eq!(asked[0].line, "PUT /api/v1/services/pro/brake/k8s-flask-canary");
    assert_eq!(asked[0].body, r#"{"reason":"500s"}"#);
    assert_eq!(asked[1].line, "DELETE /api/v1/services/pro/brake/k8s-flask-canary?reason=mended");
}

#[test]
fn a_release_whose_answer_was_lost_is_known_by_what_it_left() {
    let gone =
        || problem(404, json!({ "type": "urn:rollgate:problem:not-found", "title": "No such thing", "status": 404 }));
    let release = ["brake", "release", "pro", "k8s-flask"];
    let api = Api::answering([unavailable(), gone(), ok(pro())]);
    let output = api.run(&release);
    let expected = (0, "k8s-flask@file of pro@file is released\n");
    assert_eq!((output.code, output.stdout.as_str()), expected, "{output:?}");
    // It is braked still, or was never tried before.
    let api = Api::answering([unavailable(), gone(), ok(pro())]);
    assert_eq!(api.run(&["brake", "release", "pro", "k8s-flask-canary"]).code, 1);
    let api = Api::answering([gone()]);
    assert_eq!((api.run(&release).code, api.asked().len()), (1, 1));
}

#[test]
fn what_the_gateway_refuses_is_told_with_field_and_what_is_allowed() {
    let invalid = json!({
        "type": "urn:rollgate:problem:invalid", "title": "Not valid", "status": 422,
        "detail": "PUT names every version; this one is missing: k8s-flask-canary@file", "field": "weights",
        "allowed": ["k8s-flask@file", "k8s-flask-canary@file"],
    });
    let owned = json!({
        "type": "urn:rollgate:problem:owned", "title": "Owned by another", "status": 409,
        "detail": "the weights of pro@file are set by a rollout", "owner": "rollout:7",
    });
    let stale = json!({ "type": "urn:rollgate:problem:precondition-failed", "title": "Changed since", "status": 412 });
    let set = ["weights", "set", "pro@file", "k8s-flask=95"];
    for (name, status, document, code) in
        [("refused_invalid", 422, &invalid, 1), ("refused_owned", 409, &owned, 4), ("refused_stale", 412, &stale, 4)]
    {
        let api = Api::answering([problem(status, document.clone()), problem(status, document.clone())]);
        let output = api.run(&set);
        insta::assert_snapshot!(name, api.said(&output));
        let json = api.run(&[&set[..], &["--json"]].concat());
        assert_eq!((output.code, json.code, json.stdout.as_str()), (code, code, ""));
        assert_eq!(&serde_json::from_str::<Value>(&json.stderr).unwrap(), document);
        assert_eq!(api.asked().len(), 2, "{name}");
    }
}

#[test]
fn what_comes_from_the_gateway_cannot_write_to_the_terminal() {
    let hostile = "\u{1b}[2J\u{9b}1m\r\nfaked: line\u{202e}";
    let document =
        json!({ "type": "urn:rollgate:problem:invalid", "status": 422, "detail": hostile, "field": hostile });
    let change = json!({
        "id": 1, "at": hostile, "actor": hostile, "role": hostile, "address": hostile, "action": hostile,
        "service": hostile, "reason": hostile, "from": { hostile: "1" }, "to": { hostile: hostile }, "generation": 1,
    });
    let data = json!({ "id": "e-1", "type": "brake.set", "cause": hostile, hostile: hostile });
    let service = json!({
        "name": hostile, "kind": hostile, "owner": hostile, "setBy": hostile,
        "versions": [{ "name": hostile, "configured": hostile, "effective": hostile }],
    });
    let pipeline = json!({
        "name": hostile, "service": hostile, "stable": hostile, "canary": hostile,
        "pipeline": { "onFailure": hostile, "analysis": { hostile: hostile }, "stages": [{ "name": hostile, hostile: hostile }] },
        "problems": [{ "file": hostile, "field": hostile, "what": hostile, "allowed": hostile }],
    });
    for (arguments, answer) in [
        (&["audit"][..], list(json!([change]))),
        (&["events"], events(&format!("event: {}\ndata: {data}\n\n", hostile.replace(['\r', '\n'], "")))),
        (&["services"], list(json!([service.clone()]))),
        (&["services", "x"], ok(service)),
        (&["weights", "get", "x"], problem(422, document)),
        (&["rollout", "list"], list(json!([hostile_rollout(hostile)]))),
        (&["rollout", "show", "x"], ok(hostile_rollout(hostile))),
        (&["rollout", "status", "x", "--watch"], ok(hostile_rollout(hostile))),
        (&["pipeline", "show", "x"], ok(pipeline.clone())),
        (&["pipeline", "list"], list(json!([pipeline]))),
        (&["status"], Scripted { status: 502, headers: vec![], body: hostile.to_owned() }),
        (&["status"], ok(json!({ "generation": hostile }))),
    ] {
        let output = Api::answering([answer]).run(arguments);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.chars().all(|character| character == '\n' || !character.is_control()), "{arguments:?}: {said:?}");
        assert!(!said.contains('\u{202e}') && !said.contains("\nfaked"), "{arguments:?}: {said:?}");
        assert!(!said.is_empty(), "{arguments:?}");
    }
}

/// A rollout at the first step of its ramp, as the gateway tells of it.
fn rollout() -> Value {
    let began = 1_795_687_200_000_i64;
    let look = json!({
        "canary": {"requests": 160, "errors": 2, "slow": 9}, "stable": {"requests": 3040, "errors": 25, "slow": 151},
        "stepRequests": 160, "lnE": {"errors": 1.2, "slow": -0.4}, "lnNeeded": {"errors": 4.71053, "slow": 6.907755},
        "lnNotInferior": 3.1, "lnKept": 1.9, "lnBroken": -1.0,
        "ratio": {"estimate": 1.63, "lower": 0.21, "upper": 7.4}, "advance": true, "discarding": false,
        "busiest": {"requests": 170, "share": "100%"},
        "says": "nothing against canary: 2 of 160 against 25 of 3,040; E = 3.3 < 111",
    });
    let stage = |of: &str, index: u32, name: &str, kind: &str, state: &str, says: &str| {
        json!({
            "at": {"of": of, "index": index}, "isCurrent": state == "running", "name": name, "kind": kind, "state": state,
            "attempt": 0, "says": says, "started": null, "ended": null, "reason": null, "output": null, "steps": [],
            "evidence": null, "protection": null, "isShown": false, "work": {},
        })
    };
    let mut stages = [
        stage("main", 0, "test", "job", "done", "run kubectl"),
        stage("main", 1, "look", "approve", "done", "Is it good?"),
        stage("main", 2, "ramp", "ramp", "running", "the canary gets 1%, 5%"),
        stage("main", 3, "guard", "protect", "pending", "lay a rate limit"),
        stage("main", 4, "promote", "promote", "pending", "the canary gets all users"),
        stage("onFailure", 0, "sorry", "webhook", "pending", "POST chat.coding"),
    ];
    stages[0]["started"] = json!(began);
    stages[0]["ended"] = json!(began + 62_000);
    stages[0]["output"] = json!("migrated\n2 tables\n");
    stages[1]["started"] = json!(began + 62_000);
    stages[1]["ended"] = json!(began + 90_000);
    stages[1]["reason"] = json!("approved by ann: looks good");
    stages[2]["started"] = json!(began + 90_000);
    stages[2]["evidence"] = look.clone();
    stages[2]["steps"] = json!([
        {"weight": "1%", "started": began + 90_100, "ended": began + 105_000, "requests": 31, "evidence": look},
        {"weight": "5%", "started": began + 105_000, "ended": null, "requests": 129, "evidence": null},
    ]);
    stages[3]["protection"] = json!({
        "rate": {"average": 340, "burst": 340}, "breaker": null,
        "observed": {"rate": 170.0, "requests": 160, "errors": 2, "carried": {"requests": 0, "errors": 0}},
    });
    json!({
        "id": "release-1a2b3c4d", "pipeline": "release@file", "service": "pro@file", "stable": "k8s-flask@file",
        "canary": "k8s-flask-canary@file", "build": "1.4.2", "status": "RUNNING",
        "progress": "RUNNING, stage 3 of 5 (ramp), step 2, canary 5%",
        "waitsFor": "step 2 of 2: 45 s more of 1 min", "reason": null,
        "statusUrl": "http://127.0.0.1:8080/api/v1/rollouts/release-1a2b3c4d", "actor": "spinnaker",
        "startedAt": "2026-11-26T10:00:00Z", "endedAt": null, "weight": "5%", "stage": "ramp",
        "possible": ["pause", "skip", "abort", "promote"], "stages": stages, "evidence": look, "history": history(3),
    })
}

/// At its end, with this wherever there is text.
fn hostile_rollout(text: &str) -> Value {
    let mut rollout = ended("FAILED");
    let keys = ["id", "pipeline", "service", "stable", "canary", "build", "status", "progress", "waitsFor", "reason"];
    for key in keys.into_iter().chain(["actor", "startedAt", "endedAt", "weight", "stage"]) {
        rollout[key] = json!(text);
    }
    rollout["possible"] = json!([text]);
    for key in ["name", "kind", "state", "says", "reason", "output"] {
        rollout["stages"][0][key] = json!(text);
    }
    rollout["stages"][3]["protection"]["breaker"] = json!(text);
    rollout["evidence"]["says"] = json!(text);
    rollout["evidence"]["lnE"] = json!({ text: 1.0 });
    rollout["history"] = json!([{ "at": 1, "stage": text, "by": text, "reason": text, "happened": { text: text } }]);
    rollout
}

/// So much of what has happened.
fn history(most: usize) -> Value {
    let began = 1_795_687_200_000_i64;
    let entry = |after: i64, stage: &str, by: Value, happened: Value| json!({ "at": began + after, "stage": stage, "by": by, "reason": null, "happened": happened });
    let all = [
        entry(0, "test", json!("spinnaker"), json!({"what": "begun"})),
        entry(90_000, "look", json!("ann"), json!({"what": "acted", "action": "approve"})),
        entry(90_100, "ramp", Value::Null, json!({"what": "weighed", "canary": "1%"})),
        entry(150_000, "ramp", Value::Null, json!({"what": "danced", "steps": 3})),
        entry(150_500, "promote", Value::Null, json!({"what": "promoted"})),
    ];
    json!(all[..most])
}

/// The same at its end.
fn ended(status: &str) -> Value {
    let mut ended = rollout();
    ended["status"] = json!(status);
    ended["progress"] = json!(format!("{status}, stage 5 of 5 (promote), canary 100%"));
    ended["waitsFor"] = json!("nothing: it has ended");
    ended["endedAt"] = json!("2026-11-26T10:02:30.500Z");
    ended["reason"] = if status == "SUCCEEDED" { Value::Null } else { json!("canary fails 6.1 times as often") };
    ended["possible"] = json!([]);
    ended["history"] = history(5);
    ended
}

/// Answered when two minutes have passed.
fn at_two(body: Value) -> Scripted {
    let mut scripted = ok(body);
    scripted.headers.push(("date", "Thu, 26 Nov 2026 10:02:00 GMT"));
    scripted
}

/// Waiting for somebody.
fn asking() -> Value {
    let mut asking = rollout();
    asking["status"] = json!("WAITING");
    asking["progress"] = json!("WAITING, stage 2 of 5 (look)");
    asking["waitsFor"] = json!("somebody to approve look, asked 2 s ago");
    asking["weight"] = Value::Null;
    asking["evidence"] = Value::Null;
    for (index, state) in [(1, "waiting"), (2, "pending")] {
        asking["stages"][index]["state"] = json!(state);
        asking["stages"][index]["isCurrent"] = json!(state == "waiting");
        for key in ["ended", "reason"] {
            asking["stages"][index][key] = Value::Null;
        }
    }
    asking["stages"][2]["started"] = Value::Null;
    asking["history"] = history(1);
    asking
}

#[test]
fn a_rollout_is_begun_once_however_often_it_is_sent() {
    let api = Api::answering([unavailable(), at_two(rollout()), at_two(rollout())]);
    let output = api.run(&["rollout", "start", "release", "--build", "1.4.2"]);
    insta::assert_snapshot!("rollout_start", api.said(&output));
    let asked = api.asked();
    assert_eq!(asked[1].line, "POST /api/v1/rollouts");
    assert_eq!(asked[1].body, r#"{"build":"1.4.2","pipeline":"release"}"#);
    assert_eq!(asked[0].headers["idempotency-key"], asked[1].headers["idempotency-key"]);
    assert_eq!(asked[0].headers["idempotency-key"].len(), 32);
    let output = api.run(&["rollout", "start", "release@file", "--idempotency-key", "build 7", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&output.stdout).unwrap(), rollout());
    let asked = api.asked();
    assert_eq!(asked[2].headers["idempotency-key"], "build 7");
    assert_eq!(asked[2].body, r#"{"pipeline":"release@file"}"#);
}

#[test]
fn rollouts_are_listed() {
    let mut last = ended("ROLLED_BACK");
    last["id"] = json!("release-0");
    last["weight"] = Value::Null;
    let all = list(json!([rollout(), last]));
    let api = Api::answering([all, list(json!([])), list(json!([])), list(json!([]))]);
    let output = api.run(&["rollout", "list"]);
    insta::assert_snapshot!("rollout_list", api.said(&output));
    let filters =
        ["--service", "pro@file", "--pipeline", "release@file", "--status", "rolled_back,failed", "--limit", "5"];
    let output = api.run(&[&["rollout", "history"][..], &filters].concat());
    assert_eq!((output.code, output.stderr.as_str()), (0, "there are no such rollouts\n"));
    let output = api.run(&["rollout", "list", "--json", "--limit", "1000"]);
    assert_eq!(serde_json::from_str::<Value>(&output.stdout).unwrap(), json!({ "items": [], "next": null }));
    let lines: Vec<String> = api.asked().into_iter().map(|asked| asked.line).collect();
    let expected = [
        "GET /api/v1/rollouts?limit=20",
        "GET /api/v1/rollouts?service=pro%40file&pipeline=release%40file&status=ROLLED_BACK%2CFAILED&limit=5",
        "GET /api/v1/rollouts?limit=100",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_has_not_ended_is_found_whatever_it_is_at() {
    let other = |id: &str, started: &str, mut rollout: Value| {
        rollout["id"] = json!(id);
        rollout["startedAt"] = json!(started);
        rollout
    };
    let [early, late] = ["2026-11-26T09:00:00Z", "2026-11-26T11:00:00Z"];
    // One has ended since it was looked for.
    let open = json!([
        other("c", late, rollout()),
        other("d", late, ended("FAILED")),
        other("b", early, rollout()),
        other("a", early, asking()),
    ]);
    let none = || list(json!([]));
    let api = Api::answering([list(open.clone()), list(open), none(), none()]);
    let output = api.run(&["rollout", "status", "--json"]);
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    let said: Vec<_> = said["items"].as_array().unwrap().iter().map(|item| (&item["id"], &item["status"])).collect();
    assert_eq!(json!(said), json!([["c", "RUNNING"], ["b", "RUNNING"], ["a", "WAITING"]]));
    let lines: Vec<String> = api.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["GET /api/v1/rollouts?status=PENDING%2CRUNNING%2CWAITING%2CPAUSED&limit=100"]);
    let output = api.run(&["rollout", "status", "--watch"]);
    assert_eq!((output.code, output.stderr.as_str()), (2, "name the one to watch: c, b, a\n"));
    let output = api.run(&["rollout", "status"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, "no rollout is under way\n"));
    assert_eq!(api.run(&["rollout", "status", "--watch"]).code, 2);
}

#[test]
fn one_rollout_is_told_with_its_stages_and_with_the_numbers_that_decided() {
    let mut far = ended("ROLLED_BACK");
    far["canaryBraked"] = json!(true);
    far["stages"][5]["started"] = json!(1_795_687_350_000_i64);
    let api = Api::answering([at_two(rollout()), at_two(rollout()), at_two(asking()), at_two(far)]);
    for name in ["rollout_status", "rollout_show", "rollout_status_before_the_ramp", "rollout_show_at_its_end"] {
        let command = if name.contains("show") { "show" } else { "status" };
        let output = api.run(&["rollout", command, "release-1a2b3c4d"]);
        insta::assert_snapshot!(name, api.said(&output));
    }
    assert_eq!(api.asked()[0].line, "GET /api/v1/rollouts/release-1a2b3c4d");
}

#[test]
fn what_an_operator_decides_is_done_once_however_often_it_is_sent() {
    let actions = ["approve", "deny", "pause", "resume", "retry", "skip", "abort", "promote"];
    let lost = [unavailable(), at_two(rollout()), at_two(rollout())];
    let api = Api::answering(actions.iter().map(|_| at_two(rollout())).chain(lost));
    for action in actions {
        let output = api.run(&["rollout", action, "a/b", "--reason", "it \"is\" so"]);
        assert_eq!(output.code, 0, "{output:?}");
        assert!(output.stdout.contains("progress   RUNNING, stage 3 of 5"), "{output:?}");
    }
    for (asked, action) in api.asked().iter().zip(actions) {
        assert_eq!(asked.line, format!("POST /api/v1/rollouts/a%2Fb/{action}"));
        assert_eq!(asked.body, r#"{"reason":"it \"is\" so"}"#);
    }
    // A second `skip` would be for the next stage: it is told from a repeat by its key.
    assert_eq!(api.run(&["rollout", "skip", "x", "--reason", "so"]).code, 0);
    assert_eq!(api.run(&["rollout", "skip", "x", "--reason", "so", "--idempotency-key", "build 7"]).code, 0);
    let asked = api.asked();
    let keys: Vec<&str> = asked.iter().map(|asked| asked.headers["idempotency-key"].to_str().unwrap()).collect();
    let [.., one, lost, again, named] = keys[..] else { panic!("{keys:?}") };
    assert_eq!((asked.len(), lost, named), (actions.len() + 3, again, "build 7"));
    assert!(one != lost && lost.len() == 32, "{keys:?}");
    let refused = json!({
        "type": "urn:rollgate:problem:not-possible", "title": "This is not possible as things are", "status": 409,
        "detail": "approve is not possible: the rollout is at RUNNING, stage 3 of 5 (ramp) (possible: pause, abort)",
    });
    let api = Api::answering([problem(409, refused)]);
    let output = api.run(&["rollout", "approve", "x"]);
    insta::assert_snapshot!("rollout_refused", api.said(&output));
}

#[test]
fn a_rollout_is_watched_over_lost_answers_to_its_end_which_has_a_code() {
    let moved = |mut rollout: Value| {
        rollout["waitsFor"] = json!("step 2 of 2: 44 s more of 1 min");
        rollout
    };
    let answers = [at_two(rollout()), at_two(asking()), unavailable(), at_two(rollout()), at_two(moved(rollout()))];
    let api = Api::answering(answers.into_iter().chain([at_two(ended("SUCCEEDED"))]));
    let output = api.run(&["rollout", "start", "release", "--watch"]);
    insta::assert_snapshot!("rollout_watched", api.said(&output));
    for (status, code) in [("SUCCEEDED", 0), ("ROLLED_BACK", 6), ("FAILED", 7), ("CANCELED", 8)] {
        let api = Api::answering([at_two(asking()), at_two(rollout()), at_two(rollout()), at_two(ended(status))]);
        let output = api.run(&["rollout", "status", "release-1a2b3c4d", "--watch", "--json"]);
        let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: Vec<_> = lines.iter().map(|line| &line["status"]).collect();
        assert_eq!((output.code, json!(told)), (code, json!(["WAITING", "RUNNING", status])), "{output:?}");
        let parts = lines.iter().flat_map(|line| line["history"].as_array().unwrap().clone());
        assert_eq!(json!(parts.collect::<Vec<_>>()), history(5), "each thing once");
    }
    let gone = json!({ "type": "urn:rollgate:problem:not-found", "title": "No such thing", "status": 404 });
    let api = Api::answering([at_two(rollout()), problem(404, gone)]);
    assert_eq!(api.run(&["rollout", "status", "x", "--watch"]).code, 1);
    // Who was never there is not waited for.
    let api = Api::answering([unavailable()]);
    assert_eq!((api.run(&["rollout", "status", "x", "--watch"]).code, api.asked().len()), (3, 1));
}

#[test]
fn pipelines_are_listed_shown_and_forgotten() {
    let pipeline = json!({
        "name": "release@file", "service": "pro@file", "stable": "k8s-flask@file", "canary": "k8s-flask-canary@file",
        "pipeline": {
            "service": "pro", "stable": "k8s-flask", "canary": "k8s-flask-canary", "analysis": {"promise": "1%"},
            "onFailure": [{"webhook": {"url": "https://chat.coding/x", "headers": {"Authorization": "***"}}}],
            "stages": [{"name": "look", "approve": {"message": "Ready?"}}, {"wait": "5m"}, {"ramp": {}}, {"promote": null}],
        },
        "problems": [],
    });
    let mut broken = pipeline.clone();
    broken["name"] = json!("nightly@api");
    broken["pipeline"]["onFailure"] = json!("hold");
    broken["problems"] = json!([{
        "file": "nightly@api", "line": 0, "column": 0, "field": "canary", "what": "\"k8s-flask-canary@file\" is no version of \"pro@file\"",
        "allowed": "k8s-flask@file",
    }]);
    let gone =
        || problem(404, json!({ "type": "urn:rollgate:problem:not-found", "title": "No such thing", "status": 404 }));
    let both = list(json!([pipeline, broken]));
    let answers = [both, ok(pipeline), ok(broken.clone()), ok(broken), list(json!([])), unavailable(), gone(), gone()];
    let api = Api::answering(answers);
    for (name, arguments) in [
        ("pipeline_list", &["pipeline", "list"][..]),
        ("pipeline_show", &["pipeline", "show", "release"]),
        ("pipeline_show_with_problems", &["pipeline", "show", "nightly@api"]),
        ("pipeline_delete", &["pipeline", "delete", "nightly"]),
        ("pipeline_list_empty", &["pipeline", "list"]),
    ] {
        let output = api.run(arguments);
        insta::assert_snapshot!(name, api.said(&output));
    }
    assert_eq!(api.asked()[3].line, "DELETE /api/v1/pipelines/nightly");
    // Its answer was lost; and one that was never there.
    assert_eq!(api.run(&["pipeline", "delete", "nightly"]).stdout, "nightly is forgotten\n");
    assert_eq!(api.run(&["pipeline", "delete", "nightly"]).code, 1);
}

#[test]
fn a_pipeline_is_sent_as_json_however_its_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let sent =
        r#"{"name":"release","service":"pro","stages":[{"ramp":{"steps":[{"weight":0.000001},{"weight":"5%"}]}}]}"#;
    let problems = json!([
        {"file": "body", "line": 1, "column": 66, "field": "stable", "what": "is missing", "allowed": ""},
        {"file": "body", "line": 1, "column": 9, "field": "stages[0].ramp.x", "what": "unknown key \"x\"", "allowed": "steps, cohort"},
    ]);
    let refused = json!({
        "type": "urn:rollgate:problem:invalid", "title": "A value cannot be", "status": 422,
        "detail": "body:1:66: stable: is missing", "problems": problems,
    });
    for (name, text) in [
        ("a.json", sent.to_owned()),
        (
            "a.yml",
            "# ours\nname: release\nservice: pro\nstages:\n  - ramp: {steps: [{weight: 0.000001}, {weight: 5%}]}\n"
                .to_owned(),
        ),
        (
            "a.TOML",
            "name = 'release'\nservice = 'pro'\n[[stages]]\nramp.steps = [{weight = 0.000001}, {weight = '5%'}]\n"
                .to_owned(),
        ),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let api = Api::answering([problem(422, refused.clone())]);
        let output = api.run(&["pipeline", "put", file.to_str().unwrap()]);
        insta::assert_snapshot!("pipeline_refused", api.said(&output));
        let asked = &api.asked()[0];
        assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST /api/v1/pipelines", sent), "{name}");
        assert_eq!(asked.headers["content-type"], "application/json");
    }
    let api = Api::answering([]);
    for (name, text, says) in [
        ("b.yml", "name: [", "b.yml:"),
        ("b.json", "{\"name\": }", "b.json:1:10: "),
        ("b.txt", "name: a", "b.txt: its name has to end with .yml, .yaml, .toml or .json"),
        ("b.toml", "", "b.toml:1:1: is empty"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let output = api.run(&["pipeline", "put", file.to_str().unwrap()]);
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.stderr.contains(says), "{output:?}");
    }
    let output = api.run(&["pipeline", "put", "/nowhere.yml", "--json"]);
    let document: Value = serde_json::from_str(&output.stderr).unwrap();
    assert_eq!((output.code, &document["type"]), (2, &json!("urn:rollgate:problem:usage")));
    assert!(api.asked().is_empty());
}

#[test]
fn the_audit_log_is_a_table_of_differences() {
    let change = json!({
        "id": 9, "at": "2026-11-26T10:00:00Z", "actor": "spinnaker", "role": "operate", "address": "10.0.0.7:4711",
        "action": "weights.set", "service": "pro@file", "reason": "stage 2",
        "from": {"weights": {"k8s-flask@file": "90", "k8s-flask-canary@file": "10"}},
        "to": {"weights": {"k8s-flask@file": "95", "k8s-flask-canary@file": "5"}}, "generation": 17,
    });
    let brake = json!({
        "id": 8, "at": "2026-11-26T09:00:00Z", "actor": "loopback", "role": "admin", "address": "127.0.0.1:4711",
        "action": "brake.set", "service": "pro@file", "version": "k8s-flask-canary@file", "reason": null,
        "from": {"braked": false}, "to": {"braked": true}, "generation": 16,
    });
    let api = Api::answering([ok(json!({ "items": [change, brake], "next": "8" }))]);
    let since = "2026-11-26T00:00:00Z";
    let output = api.run(&["audit", "--service", "pro@file", "--actor", "spinnaker", "--since", since, "--limit", "2"]);
    insta::assert_snapshot!("audit", api.said(&output));
    let asked = api.asked();
    assert_eq!(asked.len(), 1);
    let expected = "GET /api/v1/audit?service=pro%40file&actor=spinnaker&since=2026-11-26T00%3A00%3A00Z&limit=2";
    assert_eq!(asked[0].line, expected);
}

#[test]
fn the_status_tells_of_problems_and_has_a_code_for_them() {
    let snapshot = |problems: Value, held_back: bool, owes: bool| {
        ok(json!({
            "generation": 17, "version": "0.1.0", "startedAt": "2026-11-26T09:00:00Z",
            "providers": [{
                "name": "file",
                "files": [{"name": "dynamic/a.yml", "liveSince": "2026-11-26T09:30:00Z", "heldBack": held_back}],
                "problems": problems, "restart": [{
                    "file": "rollgate.yml", "line": 3, "column": 1, "field": "api.basePath", "what": "was changed", "allowed": "",
                }],
            }],
            "routers": 3, "services": 4, "middlewares": 0,
            "store": {
                "file": null, "problem": held_back.then_some("it was damaged and moved aside"),
                "owingSince": owes.then_some("2026-11-26T09:45:00Z"),
            },
        }))
    };
    let entry_points = || {
        list(
            json!([{"name": "web", "address": ":80", "listening": ["0.0.0.0:80"], "asDefault": true}, {"name": "traefik", "address": "127.0.0.1:8080"}]),
        )
    };
    let problems = json!([{
        "file": "dynamic/a.yml", "line": 7, "column": 9, "field": "http.services.a.weighted", "what": "no such service: b",
        "allowed": "c",
    }]);
    let none = || json!([]);
    let answers =
        [snapshot(none(), false, false), snapshot(problems.clone(), true, true), snapshot(problems, false, false)];
    let others = [snapshot(none(), true, false), snapshot(none(), false, true)];
    let api = Api::answering(answers.into_iter().chain(others).flat_map(|answer| [answer, entry_points()]));
    let (good, bad) = (api.run(&["status"]), api.run(&["status"]));
    insta::assert_snapshot!("status", api.said(&good));
    insta::assert_snapshot!("status_with_problems", api.said(&bad));
    assert_eq!((good.code, bad.code), (0, 5));
    // Each of them alone.
    for _ in 0..3 {
        assert_eq!(api.run(&["status", "--json"]).code, 5);
    }
}

#[test]
fn events_are_followed_over_lost_connections() {
    let event = |number: u32, kind: &str| {
        let data = json!({
            "id": format!("e-{number}"), "at": "2026-11-26T10:00:00Z", "type": kind, "actor": "spinnaker",
            "cause": "stage 2", "service": "pro@file", "generation": 17,
        });
        format!("id: e-{number}\nevent: {kind}\ndata: {data}\n\n")
    };
    // The first connection breaks off within an event, the second has none, the third is refused for a moment.
    let cut = |text: String| text[..text.len() - 20].to_owned();
    let first = format!("id: e-0\n\n{}{}", event(1, "weights.set"), cut(event(2, "brake.set")));
    let last = format!("{}{}{}", event(2, "brake.set"), event(3, "breaker.changed"), event(4, "weights.reset"));
    let api = Api::answering([events(&first), events(""), unavailable(), events(&last)]);
    let output =
        api.run(&["events", "--follow", "--since", "e-0", "--limit", "3", "--type", "weights", "--type", "brake.set"]);
    insta::assert_snapshot!("events_followed", api.said(&output));
    let places: Vec<String> =
        api.asked().iter().map(|asked| asked.headers["last-event-id"].to_str().unwrap().to_owned()).collect();
    assert_eq!(places, ["e-0", "e-1", "e-1", "e-1"]);

    let api = Api::answering([events(&last)]);
    let output = api.run(&["events", "--follow", "--limit", "2", "--json"]);
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["id"].as_str().unwrap()).collect::<Vec<_>>(), ["e-2", "e-3"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
}

#[test]
fn what_has_happened_is_shown_without_waiting_for_more() {
    let data = json!({ "id": "e-1", "type": "config.applied", "actor": "gateway", "cause": null });
    let stream =
        format!("id: e-0\n\nid: e-1\nevent: config.applied\ndata: {data}\n\nid: e-9\nevent: reset\ndata: {{}}\n\n");
    let api = Api::answering([events(&stream), events(&stream)]);
    let output = api.run(&["events"]);
    insta::assert_snapshot!("events", api.said(&output));
    let output = api.run(&["events", "--limit", "5", "--json"]);
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [data, json!({ "type": "reset" })]);
    let lines: Vec<String> = api.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, ["GET /api/v1/events?follow=false", "GET /api/v1/events?limit=5&follow=false"]);
}

#[test]
fn a_follower_that_is_no_longer_allowed_ends() {
    let document = json!({ "type": "urn:rollgate:problem:unauthorized", "title": "No such token", "status": 401 });
    let api = Api::answering([events("id: e-5\n\n"), problem(401, document)]);
    assert_eq!(api.run(&["events", "--follow"]).code, 1);
    // Nothing is lost, though no event had come yet.
    let places: Vec<_> = api.asked().iter().map(|asked| asked.headers.get("last-event-id").cloned()).collect();
    assert_eq!(places, [None, Some("e-5".parse().unwrap())]);
}

#[test]
fn the_token_is_sent_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "rg_from_file\n").unwrap();
    let file = file.to_str().unwrap();
    let refused =
        || problem(403, json!({ "type": "urn:rollgate:problem:forbidden", "title": "Not allowed", "status": 403 }));
    let api = Api::answering([refused(), refused(), refused()]);
    let variables = [("ROLLGATE_TOKEN", "rg_from_variable")];
    for (arguments, variables, expected) in [
        (&["status", "--token-file", file][..], &variables[..], Some("Bearer rg_from_file")),
        (&["status"], &variables, Some("Bearer rg_from_variable")),
        (&["status"], &[], None),
    ] {
        let output = api.run_with(arguments, variables);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(!output.stderr.contains("rg_from"), "{output:?}");
        let asked = api.asked();
        let header = asked.last().unwrap().headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header.as_deref(), expected);
    }
    std::fs::write(file, "two words").unwrap();
    let output = api.run(&["status", "--token-file", file]);
    assert_eq!((output.code, output.stderr.contains("two words")), (2, false), "{output:?}");
}

#[test]
fn certificates_of_both_sides_are_used_and_checked() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let identity = authority.issue(&["127.0.0.1"]);
    let other = authority.issue(&["127.0.0.1"]);
    let (ca, other_ca) = (write("ca.pem", &authority.pem), write("other.pem", &stranger.pem));
    let (certificate, key) = (write("cert.pem", &identity.cert_pem), write("key.pem", &identity.key_pem));
    let other_key = write("other-key.pem", &other.key_pem);
    let empty = write("empty.pem", "");
    let server = identity.server_for(&["http/1.1"], &authority);
    let api = Api::over(Protocol::Tls(Arc::new(server)), [list(json!([]))]);
    let url = api.server.url_as("https");
    let ask = |arguments: &[&str]| api.run(&[&["brake", "list", "--address", &url][..], arguments].concat());
    let shown = ["--client-certificate", &certificate, "--client-key", &key];
    for (arguments, code) in [
        ([&["--ca", &ca][..], &shown].concat(), 0),
        (vec!["--ca", &ca], 3),
        ([&["--ca", &other_ca][..], &shown].concat(), 3),
        (shown.to_vec(), 3),
        (vec!["--ca", &empty], 2),
        (vec!["--ca", &ca, "--client-certificate", &certificate, "--client-key", &other_key], 2),
        (vec!["--ca", &ca, "--client-certificate", &certificate], 2),
    ] {
        let output = ask(&arguments);
        assert_eq!(output.code, code, "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(api.asked().len(), 1);
}

#[test]
fn what_is_not_the_admin_api_is_not_reached() {
    let page =
        |status, body: &str| Scripted { status, headers: vec![("content-type", "text/html")], body: body.to_owned() };
    let moved = Scripted { status: 302, headers: vec![("location", "http://127.0.0.1:1/")], body: String::new() };
    let api =
        Api::answering([page(404, "404 page not found"), page(200, "<html>"), moved, ok(json!({ "generation": 1 }))]);
    for name in ["no_api", "not_json", "moved", "not_the_contract"] {
        let output = api.run(&["status", "--timeout", "30s"]);
        insta::assert_snapshot!(name, api.said(&output));
        assert_eq!(output.code, 3);
    }
    assert_eq!(api.asked().len(), 4);
}

#[test]
fn who_does_not_listen_or_answer_is_not_reached() {
    let silent = Backend::raw("silent", async |stream| {
        std::future::pending::<()>().await;
        drop(stream);
    });
    let gone = Backend::echo("gone").url();
    for (address, what) in
        [(silent.url(), "no answer within 50ms"), (gone.clone(), "Connection refused (os error 111)")]
    {
        let arguments = ["services", "--address", &address, "--timeout", "50ms"];
        let output = rollgate_testkit::rollgate("/", &arguments);
        assert_eq!((output.code, output.stderr), (3, format!("{address}: {what}\n")));
    }
    let output = rollgate_testkit::rollgate("/", &["services", "--address", &gone, "--json"]);
    let document: Value = serde_json::from_str(&output.stderr).unwrap();
    assert_eq!(document["type"], "urn:rollgate:problem:unreached");
}

#[test]
fn an_answer_without_end_is_given_up() {
    let server =
        Backend::serve("endless", Protocol::Http1, async |_| Response::new(rollgate_testkit::client::zeros(1 << 30)));
    let output = rollgate_testkit::rollgate("/", &["weights", "get", "--address", &server.url(), "--timeout", "60s"]);
    let expected = format!("{}: the answer is larger than 67108864 bytes\n", server.url());
    assert_eq!((output.code, output.stderr), (3, expected));
}

#[test]
fn output_that_cannot_be_written_is_told_unless_nobody_reads_it() {
    let api = Api::answering([list(json!([pro()])), list(json!([pro()]))]);
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (stdout, code) in [(std::process::Stdio::from(full), 1), (closed.into(), 0)] {
        let mut command = std::process::Command::new(command::binary());
        let child = command.args(["services", "--address", &api.server.url()]).env_clear().stdout(stdout);
        let output = child.stderr(std::process::Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{output:?}");
    }
}

#[test]
fn wrong_usage_is_two() {
    for arguments in [
        &["weights", "set", "pro"][..],
        &["weights", "set", "pro", "k8s-flask"],
        &["weights", "set", "pro", "=5"],
        &["weights", "set", "pro", "a=1", "a=2"],
        &["weights", "set", "pro", "a=1", "--if-match", "a\nb"],
        &["brake", "set", "pro"],
        &["rollout", "start"],
        &["rollout", "start", "release", "--idempotency-key", "a\nb"],
        &["rollout", "list", "--status", "DONE"],
        &["rollout", "list", "--limit", "0"],
        &["rollout", "show"],
        &["rollout", "approve"],
        &["pipeline", "put"],
        &["pipeline", "put", "/nowhere.yml"],
        &["events", "--limit", "0"],
        &["audit", "--since", "yesterday"],
        &["status", "--timeout", "0s"],
        &["status", "--address", "ftp://a"],
        &["status", "--address", "http://user:secret@a"],
        &["status", "--token-file", "/nowhere"],
        &["status", "--token", "rg_secret"],
    ] {
        let output = rollgate_testkit::rollgate("/", arguments);
        assert_eq!(output.code, 2, "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
