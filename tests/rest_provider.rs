//! `PUT /api/providers/rest`: what is answered is live and stays; what is not good, alone or with the files, changes nothing.

#![cfg(test)]

use std::path::Path;

use rollgate_testkit::{Admin, Ask, Backend, Connection, Gateway, Launch, Told, configuration, wait::eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

const STATIC: &str = "api: {}\nproviders: {rest: {insecure: true}, file: {directory: '@DIR@/conf'}}\n";

/// A file with a service, which is called this.
fn service(name: &str, backend: &Backend) -> String {
    format!("http: {{services: {{{name}: {}}}}}\n", backend.load_balancer())
}

fn launch(state: Option<&Path>, files: &[(&str, &str)]) -> Launch {
    let launch = Launch::new(&format!("{}{STATIC}", configuration("")));
    let launch = files.iter().fold(launch, |launch, (name, text)| launch.file(&format!("conf/{name}"), text));
    match state {
        Some(folder) => launch.variable("STATE_DIRECTORY", folder.to_str().expect("a path is text")),
        None => launch,
    }
}

async fn send(gateway: &Gateway, provider: &str, body: &str) -> Told {
    let address = gateway.address("traefik");
    let ask = Ask::new("PUT", &format!("http://{address}/api/providers/{provider}"));
    let ask = ask.header("content-type", "application/json").body(body.to_owned());
    Admin::of(gateway).send(ask).await
}

async fn put(gateway: &Gateway, document: &Value) -> Told {
    send(gateway, "rest", &document.to_string()).await
}

/// A router for this host that leads to a service.
fn router(host: &str, service: &str) -> Value {
    json!({"http": {"routers": {"r": {"rule": format!("Host(`{host}`)"), "service": service}}}})
}

async fn status(gateway: &Gateway, host: &str) -> u16 {
    gateway.get(&format!("http://{host}/")).await.status
}

/// The problems of an answer, as `file:line field what`.
fn told(told: &Told) -> Vec<String> {
    assert_eq!(told.problem(), (422, "invalid"));
    let problems = told.body["problems"].as_array().expect("there are problems");
    let line = |problem: &Value| {
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{} {} {}", text("file"), problem["line"], text("field"), text("what"))
    };
    problems.iter().map(line).collect()
}

/// What `/snapshot` says of the provider.
async fn provider(gateway: &Gateway) -> Value {
    let snapshot = Admin::of(gateway).get("/snapshot").await.ok();
    let providers = snapshot["providers"].as_array().expect("there are providers");
    providers.iter().find(|provider| provider["name"] == "rest").cloned().expect("it is one of them")
}

#[tokio::test]
async fn what_is_answered_is_live_in_place_of_what_was_before() {
    let (one, two) = (Backend::echo("one"), Backend::echo("two"));
    let gateway = launch(None, &[("a.yml", &service("s", &one))]).start();
    let own = json!({"http": {
        "routers": {"r": {"rule": "Host(`own.test`)", "service": "s"}},
        "services": {"s": {"loadBalancer": {"servers": [{"url": two.url()}]}}},
    }});
    let first = put(&gateway, &own).await.ok();
    assert_eq!(first["changed"], true);
    assert_eq!(gateway.get("http://own.test/").await.seen().backend, "two", "its own service of the same name");
    let again = put(&gateway, &own).await.ok();
    assert_eq!((&again["changed"], &again["generation"]), (&json!(false), &first["generation"]));
    // The next one is the whole configuration of the provider.
    let second = put(&gateway, &router("file.test", "s@file")).await.ok();
    assert!(second["generation"].as_u64() > first["generation"].as_u64());
    assert_eq!(gateway.get("http://file.test/").await.seen().backend, "one");
    assert_eq!(status(&gateway, "own.test").await, 404);
    let admin = Admin::of(&gateway);
    let names = admin.get("/routers").await.ok()["items"].clone();
    assert_eq!(names[0]["name"], "r@rest", "{names}");
    assert_eq!(admin.get("/snapshot").await.ok()["generation"], second["generation"]);
    put(&gateway, &json!({})).await.ok();
    assert_eq!(status(&gateway, "file.test").await, 404);
    // Whoever looks sees who it was, and not what was sent.
    let audit = admin.get("/audit?action=config.put").await.ok();
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(3), "{audit}");
    let newest = &audit["items"][0];
    assert_eq!(
        (&newest["actor"], &newest["to"]["bytes"], &newest["role"]),
        (&json!("loopback"), &json!(2), &json!("admin"))
    );
    assert_eq!(newest["from"], audit["items"][1]["to"]);
    assert!(!audit.to_string().contains("file.test"), "{audit}");
    let events = admin.get("/events?follow=false").await.reply.text();
    assert!(events.contains("loopback has sent a document for the provider rest"), "{events}");
}

#[tokio::test]
async fn what_is_wrong_is_refused_as_a_whole_with_everything_and_the_one_before_stays() {
    let backend = Backend::echo("one");
    let gateway = launch(None, &[("a.yml", &service("s", &backend))]).start();
    put(&gateway, &router("good.test", "s@file")).await.ok();
    let generation = Admin::of(&gateway).get("/snapshot").await.ok()["generation"].clone();
    let wrong = "{\n\"http\": {\"routers\": {\n \"good\": {\"rule\": \"Host(`new.test`)\", \"service\": \"s@file\"},
 \"one\": {\"rule\": \"Hots(`a`)\", \"service\": \"s\"},\n \"two\": {\"rule\": \"Host(`a`)\", \"service\": \"x@file\", \"entryPoints\": [\"wbe\"]}}}}";
    let refused = send(&gateway, "rest", wrong).await;
    let lines = told(&refused);
    let begins: Vec<&str> = lines.iter().filter_map(|line| line.split(" u").next()).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("rest:4 ") || line.starts_with("rest:5 ")), "{lines:?}");
    assert!(begins.contains(&"rest:4 http.routers.one.service"), "{lines:?}");
    for (body, part) in [
        ("{\"http\": ", "rest:1"),
        ("http: {}", "rest:1"),
        ("", "rest:1"),
        ("[]", "rest:1"),
        ("{\"log\": {}}", "static configuration has no effect"),
        ("{\"tcp\": {\"routers\": {}}}", "\"tcp\" is not supported yet"),
        ("{\"http\": {\"router\": {}}}", "unknown key \"router\""),
    ] {
        let lines = told(&send(&gateway, "rest", body).await);
        assert!(lines.iter().any(|line| line.contains(part)), "{body}: {lines:?}");
    }
    assert_eq!(send(&gateway, "file", "{}").await.problem(), (404, "not-found"));
    let address = gateway.address("traefik");
    let plain = Ask::new("PUT", &format!("http://{address}/api/providers/rest")).body("{}");
    assert_eq!(Admin::of(&gateway).send(plain).await.problem(), (415, "unsupported-media-type"));
    let get = Ask::get(&format!("http://{address}/api/providers/rest"));
    assert_eq!(Admin::of(&gateway).send(get).await.problem(), (405, "method-not-allowed"));
    assert_eq!(status(&gateway, "good.test").await, 200);
    assert_eq!(status(&gateway, "new.test").await, 404);
    assert_eq!(Admin::of(&gateway).get("/snapshot").await.ok()["generation"], generation);
    let events = Admin::of(&gateway).get("/events?follow=false").await.reply.text();
    assert!(events.contains("config.refused"), "{events}");
    let ready = Admin::of(&gateway).get("/ready").await.reply.text();
    assert!(!ready.contains("rest:"), "{ready}");
}

#[tokio::test]
async fn without_the_provider_there_is_nothing_to_send_to() {
    let gateway = Gateway::start(&format!("{}api: {{}}\n", configuration("")));
    assert_eq!(put(&gateway, &json!({})).await.problem(), (404, "not-found"));
}

#[tokio::test]
async fn a_file_that_would_break_what_was_sent_is_held_back_until_that_needs_it_no_more() {
    let (one, two) = (Backend::echo("one"), Backend::echo("two"));
    let gateway = launch(None, &[("a.yml", &service("s", &one)), ("b.yml", "{}")]).start();
    put(&gateway, &router("sent.test", "s@file")).await.ok();
    gateway.rewrite("conf/a.yml", &service("t", &two));
    gateway.logs("its last good text serves on").await;
    let admin = Admin::of(&gateway);
    let of_files = admin.get("/snapshot").await.ok()["providers"][0].clone();
    assert_eq!((&of_files["name"], &of_files["files"][0]["heldBack"]), (&json!("file"), &json!(true)), "{of_files}");
    assert_eq!(provider(&gateway).await["files"][0]["heldBack"], false);
    assert_eq!(gateway.get("http://sent.test/").await.seen().backend, "one");
    // Others go on, and what refers to what is held back is refused.
    gateway.apply("conf/b.yml", "http: {routers: {b: {rule: Host(`b.test`), service: s}}}").await;
    assert_eq!(status(&gateway, "b.test").await, 200);
    let lines = told(&put(&gateway, &router("sent.test", "t@file")).await);
    assert_eq!(lines, ["rest:1 http.routers.r.service unknown service \"t@file\""]);
    gateway.rewrite("conf/b.yml", "{}");
    eventually("the router is gone", async || (status(&gateway, "b.test").await == 404).then_some(())).await;
    // It no longer stands in the file's way.
    put(&gateway, &json!({})).await.ok();
    let snapshot = admin.get("/snapshot").await.ok();
    assert_eq!(snapshot["providers"][0]["files"][0]["heldBack"], false, "{snapshot}");
    assert_eq!(snapshot["providers"][0]["problems"], json!([]));
    put(&gateway, &router("sent.test", "t@file")).await.ok();
    assert_eq!(gateway.get("http://sent.test/").await.seen().backend, "two");
}

#[tokio::test]
async fn what_was_sent_outlives_the_process_however_it_ends() {
    let backend = Backend::echo("one");
    let state = tempfile::tempdir().expect("a folder can be made");
    let file = service("s", &backend);
    let start = || launch(Some(state.path()), &[("a.yml", &file)]).start();
    let gateway = start();
    put(&gateway, &router("first.test", "s@file")).await.ok();
    drop(gateway);
    let gateway = start();
    assert_eq!(status(&gateway, "first.test").await, 200);
    assert!(provider(&gateway).await["files"][0]["liveSince"].is_string());
    put(&gateway, &router("second.test", "s@file")).await.ok();
    gateway.terminate();
    let gateway = start();
    assert_eq!((status(&gateway, "first.test").await, status(&gateway, "second.test").await), (404, 200));
    // Live weights over what was sent are as any others.
    let pro = json!({"http": {
        "routers": {"r": {"rule": "Host(`pro.test`)", "service": "pro"}},
        "services": {"pro": {"weighted": {"services": [{"name": "s@file", "weight": 1}, {"name": "none", "weight": 1}]}},
                     "none": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}},
    }});
    put(&gateway, &pro).await.ok();
    let weights = json!({"weights": {"s@file": 1, "none": 0}});
    Admin::of(&gateway).change("PUT", "/services/pro@rest/weights", &weights).await.ok();
    drop(gateway);
    let gateway = start();
    for _ in 0..20 {
        assert_eq!(status(&gateway, "pro.test").await, 200);
    }
}

#[tokio::test]
async fn what_does_not_fit_the_files_at_the_start_waits_for_them() {
    let backend = Backend::echo("one");
    let state = tempfile::tempdir().expect("a folder can be made");
    let gateway = launch(Some(state.path()), &[("a.yml", &service("s", &backend))]).start();
    put(&gateway, &router("sent.test", "s@file")).await.ok();
    drop(gateway);
    let routed = "http: {routers: {own: {rule: Host(`own.test`), service: noop@internal}}}";
    let gateway = launch(Some(state.path()), &[("a.yml", routed)]).start();
    assert_eq!((status(&gateway, "own.test").await, status(&gateway, "sent.test").await), (418, 404));
    let rest = provider(&gateway).await;
    assert_eq!((&rest["files"][0]["heldBack"], &rest["files"][0]["liveSince"]), (&json!(true), &Value::Null));
    assert_eq!(rest["problems"][0]["what"], "unknown service \"s@file\"");
    let ready = Admin::of(&gateway).get("/ready").await.reply.text();
    assert!(ready.contains("rest: what was sent is left out; it is not good with the files that are live"), "{ready}");
    let metrics = gateway.metrics().await;
    for name in ["rollgate_config_problems", "rollgate_config_held_back"] {
        let of = |provider| metrics.sum(name, &[("provider", provider)]);
        assert_eq!((of("file"), of("rest")), (0.0, 1.0), "{name}: {}", metrics.text);
    }
    gateway.apply("conf/a.yml", &service("s", &backend)).await;
    assert_eq!(status(&gateway, "sent.test").await, 200);
    let rest = provider(&gateway).await;
    assert_eq!((&rest["files"][0]["heldBack"], &rest["problems"]), (&json!(false), &json!([])));
}

#[tokio::test]
async fn with_copies_of_the_files_it_is_the_file_that_falls_back_at_the_start() {
    let backend = Backend::echo("one");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (state, copies, conf) = (folder.path().join("state"), folder.path().join("copies"), folder.path().join("conf"));
    std::fs::create_dir_all(&conf).unwrap();
    let start = |text: &str| {
        std::fs::write(conf.join("a.yml"), text).unwrap();
        let providers = format!("providers: {{rest: {{}}, file: {{directory: '{}'}}}}\n", conf.display());
        let launch = Launch::new(&format!("{}api: {{}}\n{providers}", configuration("")));
        let launch = launch.variable("STATE_DIRECTORY", state.to_str().unwrap());
        launch.argument("--state-dir").argument(copies.to_str().unwrap()).start()
    };
    let gateway = start(&service("s", &backend));
    put(&gateway, &router("sent.test", "s@file")).await.ok();
    gateway.terminate();
    let gateway = start("{}");
    assert_eq!(status(&gateway, "sent.test").await, 200);
    assert!(Admin::of(&gateway).get("/ready").await.reply.text().contains("a.yml: its last good text serves on"));
}

#[tokio::test]
async fn what_only_compiling_finds_is_refused_and_not_kept_either() {
    let backend = Backend::echo("one");
    let state = tempfile::tempdir().expect("a folder can be made");
    let file = service("s", &backend);
    let start = || launch(Some(state.path()), &[("a.yml", &file)]).start();
    let gateway = start();
    put(&gateway, &router("good.test", "s@file")).await.ok();
    let mut wrong = router("wrong.test", "s@file");
    wrong["tls"] = json!({"certificates": [
        {"certFile": "-----BEGIN CERTIFICATE-----", "keyFile": "-----BEGIN PRIVATE KEY-----"}]});
    let lines = told(&put(&gateway, &wrong).await);
    assert!(lines[0].starts_with("rest:1 tls.certificates[0]"), "{lines:?}");
    assert_eq!((status(&gateway, "good.test").await, status(&gateway, "wrong.test").await), (200, 404));
    let audit = Admin::of(&gateway).get("/audit?action=config.refused").await.ok();
    assert_eq!(audit["items"][0]["reason"], "it has 1 problem(s)", "{audit}");
    drop(gateway);
    let gateway = start();
    assert_eq!((status(&gateway, "good.test").await, status(&gateway, "wrong.test").await), (200, 404));
}

/// Steps of a commit of one document: before it, its begin, a change, an entry, before and after it is durable; and more than
/// there are.
const STEPS: u64 = 8;

#[tokio::test]
async fn a_process_that_is_killed_anywhere_on_the_way_leaves_the_one_before_or_the_new_one() {
    let backend = Backend::echo("one");
    let state = tempfile::tempdir().expect("a folder can be made");
    let file = service("s", &backend);
    let gateway = launch(Some(state.path()), &[("a.yml", &file)]).start();
    put(&gateway, &router("h0.test", "s@file")).await.ok();
    gateway.terminate();
    let (mut before, mut new, mut killed) = (0, 0, 0);
    for step in 1..=2 * STEPS {
        let fault = format!("store:{}", 1 + (step - 1) % STEPS);
        let gateway = launch(Some(state.path()), &[("a.yml", &file)]).variable("ROLLGATE_FAULT", &fault).start();
        let mut live = Vec::new();
        for number in [before, new] {
            if status(&gateway, &format!("h{number}.test")).await == 200 {
                live.push(number);
            }
        }
        live.dedup();
        assert_eq!(live.len(), 1, "{live:?} of {before} and {new}");
        before = live[0];
        new = step;
        let document = router(&format!("h{new}.test"), "s@file").to_string();
        let address = gateway.address("traefik");
        let request = http::Request::put(format!("http://{address}/api/providers/rest"))
            .header("host", address.to_string())
            .header("content-type", "application/json")
            .body(rollgate_testkit::client::full(document))
            .expect("it is a request");
        match Connection::http1(address).await.try_send(request).await {
            Ok(response) => {
                assert_eq!(response.status(), 200);
                before = new;
            }
            Err(_) => killed += 1,
        }
    }
    assert!((5..2 * STEPS).contains(&killed), "{killed} of {}", 2 * STEPS);
}

#[tokio::test]
async fn what_another_process_was_sent_is_taken_over() {
    let backend = Backend::echo("one");
    let state = tempfile::tempdir().expect("a folder can be made");
    let file = service("s", &backend);
    let start = || launch(Some(state.path()), &[("a.yml", &file)]).start();
    let (old, new) = (start(), start());
    put(&old, &router("late.test", "s@file")).await.ok();
    // The new one learns of it when it looks, or when it wants to change something itself.
    let stale = put(&new, &json!({})).await;
    assert_eq!(stale.problem(), (503, "store-unavailable"));
    eventually("it is taken over", async || (status(&new, "late.test").await == 200).then_some(())).await;
    put(&new, &router("newest.test", "s@file")).await.ok();
    assert_eq!((status(&new, "late.test").await, status(&new, "newest.test").await), (404, 200));
}

#[tokio::test]
async fn what_is_refused_hides_no_change_of_a_certificate() {
    use rollgate_testkit::tls::Authority;
    let (ours, state) = (Authority::new("ours"), tempfile::tempdir().expect("a folder can be made"));
    let (old, new) = (ours.issue(&["cert.test"]), ours.issue(&["cert.test"]));
    let pair = |name: &str| format!("{}/{name}", state.path().display());
    let write = |identity: &rollgate_testkit::tls::Identity| {
        std::fs::write(pair("a.key"), &identity.key_pem).expect("it can be written");
        std::fs::write(pair("a.crt"), &identity.cert_pem).expect("it can be written");
    };
    write(&old);
    let tls = format!("tls: {{certificates: [{{certFile: '{}', keyFile: '{}'}}]}}\n", pair("a.crt"), pair("a.key"));
    // Nobody looks at files but when he is told to.
    let unwatched = STATIC.replace("conf'", "conf', watch: false");
    let gateway = Launch::new(&format!("{}{unwatched}", configuration(""))).file("conf/a.yml", &tls).start();
    let serial = async || Admin::of(&gateway).get("/certificates").await.ok()["items"][0]["serial"].clone();
    let before = serial().await;
    write(&new);
    // It comes across the new pair, and is refused for another one.
    let missing = json!({"tls": {"certificates": [{"certFile": pair("b.crt"), "keyFile": pair("b.key")}]}});
    let refused = put(&gateway, &missing).await;
    assert_eq!(refused.reply.status, 422);
    assert_eq!(serial().await, before);
    gateway.signal(Signal::HUP);
    eventually("the new pair is served", async || (serial().await != before).then_some(())).await;
}
