//! The whole HTTP/1 path: whatever a client sends in whatever pieces, no more requests reach the server than a strict
//! reader finds in its bytes, and each is the one that was found: same method, path in its normal form, same body.

use std::{cell::RefCell, rc::Rc, time::Duration};

use http::Uri;
use rollgate_config::{Allow, Document, Format, read_dynamic, read_static, static_config::EncodedCharacters};
use rollgate_gateway::{
    memory::Pipes,
    path::{PathRules, normalise},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::{
    recorder::{self, Log},
    script::script,
    wire::{self, Request},
};

/// The bytes choose requests with something odd about them, and pauses.
pub fn http1(data: &[u8]) {
    if let Some((bytes, pauses)) = script(data) {
        converse(&bytes, &pauses);
    }
}

/// The first byte says into how large pieces the rest, which is sent as it is, falls; 0 is all at once.
pub fn http1_raw(data: &[u8]) {
    if let Some((size, bytes)) = data.split_first() {
        let pauses = if *size == 0 { Vec::new() } else { vec![usize::from(*size); bytes.len() / usize::from(*size)] };
        converse(bytes, &pauses);
    }
}

thread_local! {
    static PIPES: Pipes = pipes();
}

fn converse(bytes: &[u8], pauses: &[usize]) {
    // HTTP/2 is not for this reader.
    if bytes.starts_with(b"PRI * HTTP/2.0") || bytes.len() > LONGEST {
        return;
    }
    PIPES.with(|pipes| {
        let log = Rc::new(RefCell::new(Log::default()));
        let panics = pipes.panics();
        let server = {
            let log = log.clone();
            Rc::new(move |pipe| recorder::serve(&log, pipe))
        };
        let mut answers = Vec::new();
        let ended = pipes.converse(server, |pipe| client(pipe, pieces(bytes, pauses), &mut answers));
        let shown = String::from_utf8_lossy(bytes);
        assert!(ended, "the connection does not end: {shown:?}");
        let connections = std::mem::take(&mut log.borrow_mut().connections);
        let idle = pipes.block_on(async {
            for connection in connections {
                if tokio::time::timeout(PATIENCE, connection).await.map(|joined| joined.is_ok()) != Ok(true) {
                    return false;
                }
            }
            true
        });
        assert!(idle, "a connection to the server does not end: {shown:?}");
        assert_eq!(pipes.panics(), panics, "a request ended in a panic: {shown:?}");
        let log = log.borrow();
        assert!(log.faults.is_empty(), "{:?} after {shown:?}", log.faults);
        all_were_sent(&log.requests, wire::requests(bytes), &shown);
        let is_tls = bytes.first() == Some(&TLS_HANDSHAKE);
        let is_http = answers.is_empty() || answers.starts_with(b"HTTP/1.");
        assert!(is_http || is_tls, "{:?} after {shown:?}", String::from_utf8_lossy(&answers));
    });
}

/// Each request that came out is one that went in, in order.
fn all_were_sent(out: &[Request], sent: Vec<Request>, shown: &str) {
    let mut left = sent.iter();
    for request in out {
        assert!(left.any(|sent| is_same(sent, request)), "{request:?}\nwas not sent in {shown:?}\n{sent:?}");
    }
}

fn is_same(sent: &Request, out: &Request) -> bool {
    let body = if out.whole { sent.whole && out.body == sent.body } else { sent.body.starts_with(&out.body) };
    body && sent.method == out.method && forwarded_target(&sent.target).as_deref() == Some(&*out.target)
}

/// What the server is to see of a client's target.
fn forwarded_target(target: &str) -> Option<String> {
    let uri: Uri = target.parse().ok()?;
    let target = uri.path_and_query()?;
    let path = normalise(&RULES, target.path()).ok()?;
    Some(match target.query() {
        Some(query) => format!("{path}?{}", query.replace(';', "&")),
        None => path.into_owned(),
    })
}

fn pieces<'b>(mut bytes: &'b [u8], pauses: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for length in pauses.iter().take(MOST_PIECES) {
        let (piece, rest) = bytes.split_at((*length).min(bytes.len()));
        if !piece.is_empty() {
            pieces.push(piece);
        }
        bytes = rest;
    }
    if !bytes.is_empty() {
        pieces.push(bytes);
    }
    pieces
}

/// Sends the pieces, waits until nothing comes back any more, and goes away.
async fn client(pipe: DuplexStream, pieces: Vec<&[u8]>, answers: &mut Vec<u8>) {
    let (mut reading, mut writing) = tokio::io::split(pipe);
    let received = Rc::new(RefCell::new(Vec::new()));
    let receiving = {
        let received = received.clone();
        tokio::task::spawn_local(async move {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reading.read(&mut buffer).await {
                received.borrow_mut().extend_from_slice(&buffer[..length]);
            }
        })
    };
    for piece in pieces {
        if tokio::time::timeout(PATIENCE, writing.write_all(piece)).await.is_err() {
            break;
        }
        pass(PAUSE).await;
    }
    let mut quiet = 0;
    let mut length = 0;
    while quiet < QUIET && !receiving.is_finished() {
        tokio::task::yield_now().await;
        quiet = if received.borrow().len() == length { quiet + 1 } else { 0 };
        length = received.borrow().len();
    }
    // It may have been closed already.
    drop(writing.shutdown().await);
    drop(tokio::time::timeout(PATIENCE, receiving).await);
    *answers = received.take();
}

/// Lets every other task run some times.
async fn pass(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

fn pipes() -> Pipes {
    let document = Document::parse("fuzz.yml", CONFIGURATION, Format::Yaml).expect("YAML");
    let statics = read_static(&document, &Allow::default()).value.expect("static configuration");
    let read = read_dynamic(&[document], "file", Some(&statics), &Allow::default());
    Pipes::new(&statics, &read.value.expect("dynamic configuration"), "web").expect("it compiles")
}

const CONFIGURATION: &str = "
entryPoints: {web: {address: ':80'}}
http:
  routers: {all: {rule: 'PathPrefix(`/`)', service: s}}
  services: {s: {loadBalancer: {servers: [{url: 'http://in-memory.invalid:1'}]}}}
";

/// An entry point's own, unless it says otherwise.
const RULES: PathRules = PathRules { sanitize: true, encoded: EncodedCharacters::ALL };

/// In memory everything happens at once; this is for what never does.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often other tasks run before the next piece comes.
const PAUSE: usize = 3;
/// Nothing has come back while every task ran so often: nothing will.
const QUIET: usize = 40;
const MOST_PIECES: usize = 256;
/// With it, a connection is no HTTP/1 from its first byte on.
const TLS_HANDSHAKE: u8 = 0x16;
/// Longer ones find nothing more.
const LONGEST: usize = 16 << 10;
