use proptest::prelude::*;
use serde_json::{Value, json};

use super::golden::Loaded;

const STATIC: &str = "entryPoints: {web: {address: ':80'}, tls: {address: ':443', http: {tls: {options: strict@file}}}, \
                      port: {address: ':81', http: {redirections: {entryPoint: {to: ':443'}}}}}\n";
const DYNAMIC: &str = "http:\n  routers:\n    \
                       a: {rule: 'Path(`/a`)', entryPoints: [web, TLS, port], service: pro, timeouts: {request: 30s}, observability: {metrics: false}}\n  \
                       services:\n    \
                       pro: {weighted: {services: [{name: a, weight: 99.5}, {name: b, weight: 0.5}], sticky: {cookie: {}}}}\n    \
                       a: {loadBalancer: {servers: [{url: 'http://10.0.0.1/'}]}}\n    \
                       b: {loadBalancer: {servers: [{url: 'http://10.0.0.2'}], strategy: p2c}}\n\
                       tls: {options: {strict: {sniStrict: true}}}\n";

fn loaded() -> Loaded {
    Loaded::new(STATIC, DYNAMIC)
}

#[test]
fn what_an_entry_point_adds_is_a_router_of_its_own() {
    let routers = loaded().json("http/routers");
    let names: Vec<&str> =
        routers.as_array().into_iter().flatten().filter_map(|router| router["name"].as_str()).collect();
    assert_eq!(names, ["a@file", "port-to-443@internal", "tls-a@file"]);
    assert_eq!(routers[0]["entryPoints"], json!(["web", "port"]));
    assert_eq!(routers[0]["using"], json!(["port", "web"]));
    assert_eq!(routers[0]["timeouts"], json!({"request": "30s"}));
    assert_eq!(routers[0]["tls"], Value::Null);
    assert_eq!(routers[2]["tls"], json!({"options": "strict@file"}));
    assert_eq!(routers[2]["observability"]["metrics"], json!(false));
    let middleware = loaded().json("http/middlewares/redirect-port-to-443@internal");
    assert_eq!(middleware["redirectScheme"], json!({"scheme": "https", "port": "443", "permanent": true}));
    assert_eq!(middleware["usedBy"], json!(["port-to-443@internal"]));
}

#[test]
fn a_service_shows_configured_weights_and_servers_as_written() {
    let loaded = loaded();
    let pro = loaded.json("http/services/pro%40file");
    assert_eq!(pro["weighted"]["services"], json!([{"name": "a", "weight": 99.5}, {"name": "b", "weight": 0.5}]));
    assert_eq!(pro["weighted"]["sticky"]["cookie"]["path"], json!("/"));
    assert_eq!(pro["usedBy"], json!(["a@file", "tls-a@file"]));
    assert_eq!(pro["serverStatus"], Value::Null);
    assert_eq!(loaded.json("http/services/a@file")["serverStatus"], json!({"http://10.0.0.1/": "UP"}));
    assert_eq!(loaded.json("http/services/b@file")["serverStatus"], json!({"http://10.0.0.2": "UP"}));
}

#[test]
fn what_is_in_no_document_is_shown_without_what_it_is_made_of() {
    let Loaded { configuration, statics, .. } = &loaded();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let view =
        super::View { configuration, statics, documents: &[], services: &|_| None, version: "1", started: now, now };
    let answer = super::answer("http/services/a@file", "", &view).expect("there is such a path");
    let shown: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
    let expected =
        json!({"loadBalancer": {}, "name": "a@file", "provider": "file", "status": "enabled", "type": "loadbalancer"});
    assert_eq!(shown, expected);
}

#[test]
fn the_version_is_ours() {
    let expected = json!({"Version": "0.1.0", "Codename": "rollgate", "startDate": "2026-11-26T10:00:00.5Z"});
    assert_eq!(loaded().json("version"), expected);
}

#[test]
fn a_path_may_begin_with_a_slash_and_its_name_is_decoded() {
    let loaded = loaded();
    assert_eq!(loaded.json("/http/services/%70ro@file")["name"], json!("pro@file"));
    let message = |path: &str| {
        let answer = loaded.ask(path, "").expect("there is such a path");
        let body: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        (answer.status, body["message"].as_str().map(str::to_owned))
    };
    let bad = "unable to decode entryPointID \"a%zz\": invalid URL escape \"%zz\"";
    assert_eq!(message("entrypoints/a%zz"), (400, Some(bad.to_owned())));
    let bad = "unable to decode routerID \"%4\": invalid URL escape \"%4\"";
    assert_eq!(message("http/routers/%4"), (400, Some(bad.to_owned())));
    assert_eq!(message("http/routers/%ff"), (404, Some("router not found: \u{fffd}".to_owned())));
    assert!(loaded.ask("support-dump", "").is_none());
    assert!(loaded.ask("", "").is_none());
}

proptest! {
    #[test]
    fn no_path_and_no_query_is_too_odd(path in "(http|tcp|entrypoints|certificates)?/?(routers|services|middlewares)?/?[%\\PC]{0,12}", query in "((page|per_page|search|sortBy|direction|status)=[-+%\\PC]{0,20}&?){0,3}") {
        if let Some(answer) = loaded().ask(&path, &query) {
            prop_assert!([200, 400, 404].contains(&answer.status));
            prop_assert!(serde_json::from_slice::<Value>(&answer.body).is_ok());
        }
    }
}
