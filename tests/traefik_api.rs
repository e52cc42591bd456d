//! Traefik's own paths below `/api`: what was written for them finds what it looks for.

#![cfg(test)]

use rollgate_testkit::{Admin, Ask, Backend, Gateway, Launch, Reply, configuration, wait::eventually};
use serde_json::{Value, json};

const SECRET: &str = "$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/";

fn text(backend: &Backend, router: &str) -> String {
    format!(
        "http:\n  routers:\n    {router}: {{rule: Host(`pro.test`), service: pro, middlewares: [who]}}\n  services:\n    \
         a: {}\n    \
         b: {{loadBalancer: {{servers: [{{url: 'http://127.0.0.1:1'}}], healthCheck: {{path: /}}}}}}\n    \
         pro: {{weighted: {{services: [{{name: a, weight: 3}}, {{name: b}}]}}}}\n  \
         middlewares:\n    who: {{basicAuth: {{users: ['test:{SECRET}']}}}}\n",
        backend.load_balancer()
    )
}

fn start(api: &str, backend: &Backend) -> Gateway {
    let config = format!("{}api: {api}\nproviders: {{file: {{filename: '@DIR@/dynamic.yml'}}}}\n", configuration(""));
    Launch::new(&config).file("dynamic.yml", &text(backend, "web")).start()
}

async fn ask(gateway: &Gateway, method: &str, path: &str) -> Reply {
    let address = gateway.address("traefik");
    Ask::new(method, &format!("http://{address}{path}")).send(address).await
}

async fn json(gateway: &Gateway, path: &str) -> Value {
    let reply = ask(gateway, "GET", path).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")), "{}", reply.text());
    serde_json::from_slice(&reply.body).expect("it is JSON")
}

#[tokio::test]
async fn a_script_of_traefiks_finds_what_is_live() {
    let backend = Backend::echo("a");
    let gateway = start("{}", &backend);
    let raw = json(&gateway, "/api/rawdata").await;
    assert_eq!(raw["routers"]["web@file"]["rule"], json!("Host(`pro.test`)"));
    assert_eq!(raw["routers"]["web@file"]["using"], json!(["web"]));
    assert_eq!(raw["services"]["pro@file"]["usedBy"], json!(["web@file"]));
    assert_eq!(raw["middlewares"]["who@file"]["basicAuth"]["users"], json!(["xxxx"]));
    assert!(!raw.to_string().contains(SECRET));

    gateway.rewrite("dynamic.yml", &text(&backend, "other"));
    eventually("the new router is there", async || {
        let routers = json(&gateway, "/api/http/routers?search=pro.test").await;
        (routers[0]["name"] == json!("other@file")).then_some(())
    })
    .await;
    assert_eq!(json(&gateway, "/api/overview").await["http"]["middlewares"]["total"], json!(1));
}

#[tokio::test]
async fn servers_are_up_or_down_and_weights_are_the_configured_ones() {
    let backend = Backend::echo("a");
    let gateway = start("{}", &backend);
    eventually("the server is found to be down", async || {
        let service = json(&gateway, "/api/http/services/b@file").await;
        (service["serverStatus"] == json!({"http://127.0.0.1:1": "DOWN"})).then_some(())
    })
    .await;
    let up = json(&gateway, "/api/http/services/a@file").await["serverStatus"].clone();
    assert_eq!(up.as_object().map(|servers| servers.values().collect::<Vec<_>>()), Some(vec![&json!("UP")]));

    Admin::of(&gateway).change("PUT", "/services/pro/weights", &json!({"weights": {"a": 1, "b": 99}})).await.ok();
    let weighted = json(&gateway, "/api/http/services/pro@file").await["weighted"].clone();
    assert_eq!(weighted, json!({"services": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]}));
}

#[tokio::test]
async fn pages_and_refusals_are_traefiks_and_other_paths_are_problems() {
    let backend = Backend::echo("a");
    let gateway = start("{basePath: /gate}", &backend);
    assert_eq!(ask(&gateway, "GET", "/gate/api/http/services?per_page=2").await.header("x-next-page"), Some("2"));
    assert_eq!(json(&gateway, "/gate/api/version").await["Codename"], json!("rollgate"));
    let missing = ask(&gateway, "GET", "/gate/api/http/routers/a%2Fb@file").await;
    assert_eq!((missing.status, &*missing.text()), (404, "{\"message\":\"router not found: a/b@file\"}\n"));
    for (method, path, status) in
        [("POST", "/gate/api/rawdata", 405), ("GET", "/gate/api/support-dump", 404), ("GET", "/gate/api/v1/none", 404)]
    {
        let refused = ask(&gateway, method, path).await;
        let kind = refused.header("content-type");
        assert_eq!((refused.status, kind), (status, Some("application/problem+json")), "{method} {path}");
    }
}
