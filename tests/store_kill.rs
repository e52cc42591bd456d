//! A process that is killed in the middle of a change leaves the state that was last answered, or the one in flight, whole.

#![cfg(test)]

use std::path::Path;

use http::Request;
use rollgate_testkit::{Admin, Connection, Gateway, Launch, client::full, configuration};
use serde_json::{Value, json};

/// Two services, so that half of a change would be seen.
const SPLITS: &str = "http:
  routers: {a: {rule: Host(`a.test`), service: one}, b: {rule: Host(`b.test`), service: two}}
  services:
    stable: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}
    canary: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}
    one: {weighted: {services: [{name: stable, weight: 1}, {name: canary, weight: 0}]}}
    two: {weighted: {services: [{name: stable, weight: 1}, {name: canary, weight: 0}]}}
";

fn start(state: &Path, fault: Option<u64>) -> Gateway {
    let launch = Launch::new(&configuration(&format!("api: {{}}\n{SPLITS}")));
    let launch = launch.variable("STATE_DIRECTORY", state.to_str().expect("a path is text"));
    match fault {
        Some(number) => launch.variable("ROLLGATE_FAULT", &format!("store:{number}")).start(),
        None => launch.start(),
    }
}

/// Gives both canaries this weight; `false`: the process died.
async fn set(admin: &mut Connection, address: &str, number: u64) -> bool {
    let weights = json!({"weights": {"stable": 1, "canary": number}});
    let body = json!({"services": {"one": weights, "two": weights}, "idempotencyKey": format!("change {number}")});
    let request = Request::put(format!("http://{address}/api/v1/weights"))
        .header("host", address)
        .header("content-type", "application/json")
        .body(full(body.to_string()))
        .expect("it is a request");
    match admin.try_send(request).await {
        Ok(response) => {
            assert_eq!(response.status(), 200);
            rollgate_testkit::Reply::read(response).await;
            true
        }
        Err(_) => false,
    }
}

/// The weight of each canary.
async fn found(admin: &Admin) -> [u64; 2] {
    let told = admin.get("/weights").await.ok();
    let canary = |place: usize| {
        let text = told["items"][place]["weights"]["canary@file"].as_str();
        text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{told}"))
    };
    [canary(0), canary(1)]
}

/// The changes that the audit log tells of, the oldest first.
async fn logged(admin: &Admin) -> Vec<(String, u64)> {
    let page = admin.get("/audit?limit=1000").await.ok();
    let told = |entry: &Value| {
        let weight = entry["to"]["canary@file"].as_str().and_then(|text| text.parse().ok());
        (entry["service"].as_str().unwrap_or_default().to_owned(), weight.unwrap_or_else(|| panic!("{entry}")))
    };
    let mut entries: Vec<_> = page["items"].as_array().expect("there is a list").iter().map(told).collect();
    entries.reverse();
    entries
}

/// So often the process is killed.
const KILLS: u64 = 200;

/// Steps of a commit of two services: before it, its begin, two changes, two entries, a key, before and after it is durable.
const STEPS: u64 = 10;

#[tokio::test]
async fn a_process_that_is_killed_anywhere_in_a_change_leaves_no_mix() {
    let state = tempfile::tempdir().expect("a folder can be made");
    let (mut answered, mut in_flight) = (0, 0);
    let (mut kept, mut lost) = (0, 0);
    for kill in 0..KILLS {
        // Every step of a commit again and again, in the first, second and third change of a process.
        let gateway = start(state.path(), Some(1 + kill * 7 % (3 * STEPS)));
        let admin = Admin::of(&gateway);
        let now = found(&admin).await;
        assert!(now[0] == now[1], "a mix: {now:?} after kill {kill}");
        assert!([answered, in_flight].contains(&now[0]), "{now:?} is neither {answered} nor {in_flight}");
        if in_flight > answered {
            if now[0] == in_flight { kept += 1 } else { lost += 1 }
        }
        answered = now[0];
        let address = gateway.address("traefik").to_string();
        let mut connection = Connection::http1(gateway.address("traefik")).await;
        loop {
            in_flight = answered + 1;
            if !set(&mut connection, &address, in_flight).await {
                break;
            }
            answered = in_flight;
        }
    }
    let gateway = start(state.path(), None);
    let admin = Admin::of(&gateway);
    let last = found(&admin).await;
    // Each change that came to be is in the log, for both services, in their order, and no other one is.
    let page: Vec<(String, u64)> = logged(&admin).await;
    assert!(page.chunks(2).all(|pair| pair[0].1 == pair[1].1 && pair[0].0 != pair[1].0), "{page:?}");
    assert!(page.windows(3).all(|three| three[2].1 == three[0].1 + 1), "{page:?}");
    assert_eq!(page.last().map(|(_, weight)| *weight), Some(last[0]));
    assert!(kept > 10 && lost > 50, "kills before and after the change was durable: {lost}, {kept}");
}
