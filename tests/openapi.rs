//! The admin API is what its own description says, found out by schemathesis, which knows only that.

#![cfg(test)]

use std::{path::Path, process::Command};

use rollgate_testkit::{Admin, Ask, Backend, Gateway, configuration};

fn start() -> (Gateway, Backend) {
    let backend = Backend::echo("a");
    let config = format!(
        "api: {{}}
http:
  routers:
    pro: {{rule: Host(`pro.test`), service: pro, middlewares: [limit]}}
    all: {{rule: PathPrefix(`/`), service: other}}
  middlewares: {{limit: {{rateLimit: {{average: 100}}}}, head: {{headers: {{frameDeny: true}}}}}}
  services:
    k8s-flask: {0}
    k8s-flask-canary: {0}
    pro: {{weighted: {{services: [{{name: k8s-flask, weight: 90}}, {{name: k8s-flask-canary, weight: 10}}]}}}}
    other: {{failover: {{service: pro, fallback: k8s-flask}}}}
",
        backend.load_balancer()
    );
    (Gateway::start(&configuration(&config)), backend)
}

#[tokio::test]
async fn every_answer_is_one_that_the_description_has() {
    let Some(python) = std::env::var_os("ROLLGATE_TEST_PYTHON") else {
        panic!("ROLLGATE_TEST_PYTHON names no Python with what xtask/requirements.txt lists: run `cargo xtask test`");
    };
    let (gateway, _backend) = start();
    let tool = Path::new(&python).with_file_name("schemathesis");
    let address = gateway.address("traefik");
    let folder = gateway.directory().to_owned();
    let running = tokio::task::spawn_blocking(move || {
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/schemathesis.toml");
        Command::new(tool)
            .args(["--config-file", config, "--no-color", "run", "--checks", "all", "--max-examples", "30"])
            .arg(format!("http://{address}/api/v1/openapi.json"))
            .current_dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
    });
    let output = running.await.expect("it is waited for").expect("schemathesis starts");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let description = Admin::of(&gateway).get("/openapi.json").await.ok();
    let paths = description["paths"].as_object().expect("there are paths").values();
    let operations: usize = paths.map(|path| path.as_object().map_or(0, serde_json::Map::len)).sum();
    assert!(operations > 20 && told.contains(&format!("Tested: {operations}")), "every operation was tried: {told}");
    // And it stands.
    assert_eq!(Admin::of(&gateway).get("/live").await.status, 200);
}

#[tokio::test]
async fn the_description_changes_only_on_purpose() {
    let (gateway, _backend) = start();
    let description = Admin::of(&gateway).get("/openapi.json").await.ok();
    assert_eq!(description["openapi"], "3.1.0");
    let text = serde_json::to_string_pretty(&description).expect("it is JSON");
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn its_page_needs_nothing_from_anywhere_else() {
    let (gateway, _backend) = start();
    let address = gateway.address("traefik");
    let get = async |path: &str| Ask::get(&format!("http://localhost/api/v1/docs/{path}")).send(address).await;
    let page = get("").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    let text = page.text();
    let mut referred = 0;
    for (attribute, _) in text.match_indices("src=\"").chain(text.match_indices("href=\"")) {
        let value = text[attribute..].split('"').nth(1).expect("it has a value");
        assert!(!value.contains("//"), "{value} is elsewhere");
        assert_eq!(get(value.trim_start_matches("./")).await.status, 200, "{value}");
        referred += 1;
    }
    assert!(referred > 3, "{text}");
    let policy = page.header("content-security-policy").expect("nothing else may be loaded");
    assert!(policy.contains("default-src 'self'"), "{policy}");
    assert_eq!(get("nowhere.js").await.status, 404);
}
