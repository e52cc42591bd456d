//! gRPC goes through as gRPC: every kind of call, deadlines, cancellation, status and trailers, by a client and a server
//! that other people wrote.

#![cfg(test)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use rollgate_testkit::{Launch, command::python, configuration, tls::Authority, wait};

/// The script's process, killed when dropped.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn every_kind_of_call_goes_through_in_clear_text_and_over_tls() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/grpc_check.py");
    let mut command = Command::new(python("grpc"));
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = Script(command.spawn().unwrap());
    let mut output = BufReader::new(script.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let port: u16 = line.trim().strip_prefix("server ").unwrap().parse().unwrap();

    let authority = Authority::new("ours");
    let identity = authority.issue(&["grpc.test"]);
    let config = configuration(&format!(
        "http:
  routers:
    plain: {{rule: 'PathPrefix(`/test.Service/`)', service: s}}
    secure: {{rule: 'PathPrefix(`/test.Service/`)', service: s, tls: {{}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: 'h2c://127.0.0.1:{port}'}}]}}}}}}
tls: {{certificates: [{{certFile: '@DIR@/grpc.crt', keyFile: '@DIR@/grpc.key'}}]}}
"
    ));
    let launch = Launch::new(&config)
        .file("grpc.crt", &identity.cert_pem)
        .file("grpc.key", &identity.key_pem)
        .file("ca.crt", &authority.pem);
    let gateway = launch.start();

    let address = gateway.web().to_string();
    let ca = gateway.directory().join("ca.crt");
    let mut input = script.0.stdin.take().unwrap();
    for ca in [serde_json::Value::Null, ca.to_str().unwrap().into()] {
        writeln!(input, "{}", serde_json::json!({"address": address, "ca": ca})).unwrap();
    }
    drop(input);
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        rest
    });
    let status = wait::eventually_blocking("the script ends", wait::PATIENCE * 3, || script.0.try_wait().unwrap());
    let rest = reader.join().unwrap();
    assert!(status.success() && !rest.contains("FAILED"), "{rest}\n--- the gateway wrote:\n{}", gateway.stderr());
    for name in [
        "unary",
        "unary_many_at_once",
        "client_stream",
        "server_stream",
        "bidirectional",
        "deadline",
        "cancel",
        "status_and_trailers",
        "status_after_messages",
        "unknown_method",
        "four_megabytes",
    ] {
        assert_eq!(rest.lines().filter(|line| *line == format!("ok {name}")).count(), 2, "{name}:\n{rest}");
    }
}
