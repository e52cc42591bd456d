use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    thread,
};

use rollgate_config::{
    problem::{Located, Place},
    scalar::{Secret, StatusRanges},
};

use super::*;

/// Answers once, and tells what it was asked.
fn server(answer: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        format!("{head}\n{}", String::from_utf8(body).unwrap())
    });
    (url, asked)
}

fn webhook(url: &str) -> Webhook {
    Webhook {
        url: Located { value: url.parse().unwrap(), at: Place::whole("test") },
        method: "POST".to_owned(),
        headers: BTreeMap::from([("X-Token".to_owned(), Secret("s3cret".to_owned()))]),
        body: Some("{\"text\": \"${canary} of ${service}: ${reason} ${unknown} ${\"}".to_owned()),
        timeout: Duration::from_secs(10),
        retries: 0,
        status: StatusRanges(vec![(200, 299)]),
        json: None,
    }
}

fn values() -> BTreeMap<&'static str, String> {
    [("canary", "new"), ("service", "shop"), ("reason", "a \"quoted\"\nreason")]
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{\"state\": {\"ready\": true} }";

#[test]
fn what_is_sent_has_its_names_replaced_as_json_wants_it() {
    let (url, asked) = server(OK);
    assert_eq!(ask(&webhook(&url), &values()), Attempt::Done("{\"state\": {\"ready\": true} }".to_owned()));
    let asked = asked.join().unwrap();
    let (head, body) = asked.split_once("\n\n").unwrap();
    assert!(head.starts_with("POST /hook?x=1 HTTP/1.1\r\n") && head.contains("s3cret"), "{head}");
    assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
    assert_eq!(body, r#"{"text": "new of shop: a \"quoted\"\nreason ${unknown} ${"}"#);
    let (url, asked) = server(OK);
    ask(&Webhook { body: None, ..webhook(&url) }, &values());
    assert!(asked.join().unwrap().ends_with(r#"{"canary":"new","reason":"a \"quoted\"\nreason","service":"shop"}"#));
}

#[test]
fn an_answer_is_judged_by_its_status_and_by_what_it_says() {
    let json = |pointer: &str, value: &str| Some((pointer.to_owned(), value.to_owned()));
    let bad = "HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nlater";
    let gone = "HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n";
    let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    for (answer, json, expected) in [
        (OK, json("/state/ready", "true"), Ok(())),
        (OK, json("/state/ready", "false"), Err(("its answer has true at /state/ready, not false", true))),
        (OK, json("/nothing", "x"), Err(("its answer has nothing at /nothing", true))),
        (bad, None, Err(("it answered 503 Service Unavailable: later", true))),
        (gone, None, Err(("it answered 404 Not Found", false))),
        (moved, None, Err(("it answered 302 Found", false))),
        ("", None, Err(("no answer", true))),
    ] {
        let (url, asked) = server(answer);
        let attempt = ask(&Webhook { json, ..webhook(&url) }, &values());
        asked.join().unwrap();
        match (attempt, expected) {
            (Attempt::Done(_), Ok(())) => {}
            (Attempt::Failed { why, is_passing }, Err((start, passing))) => {
                assert!(why.starts_with(start), "{why}");
                assert_eq!(is_passing, passing, "{why}");
            }
            (attempt, expected) => panic!("{attempt:?} for {expected:?}"),
        }
    }
}

#[test]
fn the_pauses_grow_to_a_minute() {
    let pauses: Vec<u64> = (1..10).map(|retry| pause(retry).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
}
