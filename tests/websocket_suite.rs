//! The WebSocket protocol suite that others wrote passes through the gateway as it does without it.

#![cfg(test)]

use std::{path::Path, process::Command};

use rollgate_testkit::{
    Backend, Gateway,
    command::{python, run},
};
use serde_json::Value;

#[test]
fn all_but_one_of_the_cases_pass() {
    let backend = Backend::websocket("ws");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/websocket_check.py");
    let mut command = Command::new(python("kosoku"));
    command.arg(script).arg(format!("ws://{}/", gateway.web()));
    let output = run(command);
    let result: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let failed = result["failed"].as_object().unwrap();
    // 247 on the protocol, 54 (section 9) on large and many messages.
    assert_eq!(result["cases"], 247 + 54, "{output:?}");
    assert!(failed.len() <= 1, "{} cases fail: {failed:#?}", failed.len());
}
