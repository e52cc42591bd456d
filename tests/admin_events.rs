//! What happens is told to whoever follows it, and nothing is lost to one who comes back.

#![cfg(test)]

use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rollgate_testkit::{
    Admin, Backend, Connection, Gateway, Launch, Switched, configuration,
    wait::{eventually, within},
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// One who follows.
struct Follower {
    body: Incoming,
    text: String,
}

/// An event as it comes.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

impl Follower {
    async fn of(gateway: &Gateway, last: Option<&str>, query: &str) -> Self {
        let mut connection = Connection::http1(gateway.address("traefik")).await;
        let ask = http::Request::get(format!("/api/v1/events{query}")).header("host", "localhost");
        let ask = match last {
            Some(last) => ask.header("last-event-id", last),
            None => ask,
        };
        let response = connection.try_send(ask.body(Default::default()).expect("it is a request")).await;
        let response = response.expect("there is an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next one; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        // Comments come all the time.
        within("an event", self.read()).await
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
                };
                if let Some(kind) = field("event") {
                    let data = serde_json::from_str(&field("data").expect("there is data")).expect("it is JSON");
                    return Some(Event { id: field("id").expect("there is an id"), kind, data });
                }
            }
            let frame = self.body.frame().await?;
            let data = frame.expect("the stream is whole").into_data().expect("there are no trailers");
            self.text.push_str(std::str::from_utf8(&data).expect("it is text"));
        }
    }

    async fn kinds(&mut self, number: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for _ in 0..number {
            kinds.push(self.next().await.expect("there is one more").kind);
        }
        kinds
    }
}

fn split(more: &str) -> String {
    format!(
        "api: {{}}
http:
  routers: {{a: {{rule: Host(`a.test`), service: split}}}}
  services:
    stable: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:1'}}]}}}}
    canary: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:1'}}]}}}}
    split: {{weighted: {{services: [{{name: stable}}, {{name: canary}}]}}}}
{more}"
    )
}

async fn set(admin: &Admin, number: u64) {
    let weights = json!({"weights": {"stable": 1, "canary": number}});
    admin.change("PUT", "/services/split/weights", &weights).await.ok();
}

fn canary(event: &Event) -> u64 {
    event.data["to"]["canary@file"].as_str().and_then(|text| text.parse().ok()).expect("it is a change of weights")
}

#[tokio::test]
async fn whoever_breaks_off_anywhere_and_comes_back_has_every_change_once_and_in_order() {
    let gateway = Gateway::with(&split(""));
    let admin = Admin::of(&gateway);
    let mut follower = Follower::of(&gateway, None, "").await;
    let writing = tokio::spawn({
        let admin = admin.clone();
        async move {
            for number in 2..=1001 {
                set(&admin, number).await;
            }
        }
    });
    let (mut seen, mut last) = (Vec::new(), None);
    // So many events until the next break: all lengths from 1 to 37 come, in an order of their own.
    let mut until = 1;
    let mut left = until;
    while seen.len() < 1000 {
        let event = follower.next().await.expect("there is one more");
        assert_eq!(event.kind, "weights.set");
        assert_eq!(event.data["id"], event.id);
        seen.push(canary(&event));
        last = Some(event.id);
        left -= 1;
        if left == 0 {
            follower = Follower::of(&gateway, last.as_deref(), "").await;
            until = until * 5 % 37 + 1;
            left = until;
        }
    }
    writing.await.expect("the writer ends well");
    assert_eq!(seen, (2..=1001).collect::<Vec<_>>());
    assert!(last.is_some());
}

#[tokio::test]
async fn what_is_too_old_or_of_another_process_begins_with_a_reset_and_a_limit_ends_the_stream() {
    let state = tempfile::tempdir().expect("a folder can be made");
    let start = || {
        let launch = Launch::new(&configuration(&split("")));
        launch.variable("STATE_DIRECTORY", state.path().to_str().expect("a path is text")).start()
    };
    let gateway = start();
    let admin = Admin::of(&gateway);
    let mut follower = Follower::of(&gateway, None, "?limit=2").await;
    set(&admin, 2).await;
    let first = follower.next().await.expect("there is one");
    set(&admin, 3).await;
    assert_eq!(canary(&follower.next().await.expect("there is one")), 3);
    assert_eq!(follower.next().await, None, "two were asked for");
    for (name, last) in [("header", Some(&*first.id)), ("query", None)] {
        let query =
            format!("?limit=1{}", if name == "query" { format!("&lastEventId={}", first.id) } else { String::new() });
        let mut again = Follower::of(&gateway, last, &query).await;
        assert_eq!(canary(&again.next().await.expect("there is one")), 3, "by the {name}");
    }
    let unknown = admin.send(admin.ask("GET", "/events").header("last-event-id", "what")).await;
    assert_eq!(unknown.problem(), (400, "malformed"));
    let unlimited = admin.get("/events?limit=0").await;
    assert_eq!(unlimited.problem(), (422, "invalid"));
    drop(gateway);
    let gateway = start();
    let admin = Admin::of(&gateway);
    let mut follower = Follower::of(&gateway, Some(&first.id), "?limit=2").await;
    assert_eq!(follower.next().await.expect("there is one").kind, "reset");
    set(&admin, 4).await;
    assert_eq!(canary(&follower.next().await.expect("there is one")), 4);
}

#[tokio::test]
async fn reloads_servers_breakers_and_brakes_are_told() {
    let failing = Backend::serve("failing", rollgate_testkit::backend::Protocol::Http1, |_| async {
        let mut response = http::Response::new(rollgate_testkit::client::full("no"));
        *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    let checked = Switched::new("checked");
    let text = |more: &str| {
        format!(
            "http:
  routers:
    f: {{rule: Host(`f.test`), service: failing, middlewares: [breaker]}}
    c: {{rule: Host(`c.test`), service: checked}}
    s: {{rule: Host(`s.test`), service: split}}
  middlewares:
    breaker: {{circuitBreaker: {{expression: 'ResponseCodeRatio(500, 600, 0, 600) > 0.5', checkPeriod: 10ms}}}}
  services:
    failing: {}
    checked: {{loadBalancer: {{servers: [{{url: '{}'}}], healthCheck: {{path: /health, interval: 20ms, timeout: 1s}}}}}}
    split: {{weighted: {{services: [{{name: failing}}, {{name: checked}}]}}}}
{more}",
            failing.load_balancer(),
            checked.backend.url(),
        )
    };
    let config = format!("{}api: {{}}\nproviders: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n", configuration(""));
    let gateway = Launch::new(&config).file("dynamic.yml", &text("")).start();
    let admin = Admin::of(&gateway);
    let mut follower = Follower::of(&gateway, None, "").await;

    gateway.rewrite("dynamic.yml", &text("    new: {loadBalancer: {servers: []}}\n"));
    let applied = follower.next().await.expect("there is one");
    assert_eq!((&*applied.kind, &applied.data["actor"]), ("config.applied", &json!("gateway")));
    gateway.rewrite("dynamic.yml", &text("    new: {loadBalancer: {servers: [{url: 7}]}}\n"));
    let refused = follower.next().await.expect("there is one");
    assert_eq!((&*refused.kind, &refused.data["problems"]), ("config.refused", &json!(1)));
    assert!(refused.data["cause"].as_str().is_some_and(|cause| cause.contains("http.services.new")), "{refused:?}");

    checked.health(500);
    let down = follower.next().await.expect("there is one");
    assert_eq!(
        (&*down.kind, &down.data["up"], &down.data["service"]),
        ("server.changed", &json!(false), &json!("checked@file"))
    );
    checked.health(200);
    let up = follower.next().await.expect("there is one");
    assert_eq!((&*up.kind, &up.data["up"]), ("server.changed", &json!(true)));

    let tripped = async {
        eventually("the breaker has tripped", async || {
            gateway.get("http://f.test/").await;
            (gateway.breaker(("router", "f@file")).await == "tripped").then_some(())
        })
        .await;
    };
    tripped.await;
    let tripped = follower.next().await.expect("there is one");
    assert_eq!(
        (&*tripped.kind, &tripped.data["to"], &tripped.data["from"]),
        ("breaker.changed", &json!("tripped"), &json!("standby"))
    );
    assert!(tripped.data["cause"].as_str().is_some_and(|cause| cause.contains("ResponseCodeRatio")), "{tripped:?}");

    admin.change("PUT", "/services/split/brake/failing", &json!({"reason": "it fails"})).await.ok();
    admin.change("DELETE", "/services/split/brake/failing", &json!({})).await.ok();
    let mut told = follower.kinds(2).await;
    // The breaker goes its own way meanwhile.
    told.retain(|kind| kind != "breaker.changed");
    assert_eq!(told[0], "brake.set");
}

#[tokio::test]
async fn a_stream_ends_with_the_process_and_does_not_hold_it_up() {
    let mut gateway = Gateway::with(&split(""));
    let mut follower = Follower::of(&gateway, None, "").await;
    let began = Instant::now();
    gateway.signal(Signal::TERM);
    assert_eq!(follower.next().await, None);
    let status = gateway.wait();
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
