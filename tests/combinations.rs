//! Chains of middlewares, before every kind of service, as chance puts them together: where none of them has anything against a request, its answer is the
//! server's own; what one does for it (trying again, a page for a failure), it does wherever it stands; and a client that
//! goes away leaves nothing behind.
//!
//! Chains come from a seed, which a failure names with the chain.

#![cfg(test)]

use std::{
    collections::HashMap,
    io::Read,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use md5::{Digest, Md5};
use rollgate_testkit::{
    Ask, Connection, Gateway, Launch, RawConnection, Reply,
    backend::{Backend, Protocol},
    client::{Body, channel, full},
    configuration,
    wait::eventually,
};

/// What may stand in a chain, by name.
const KINDS: [(&str, &str); 20] = [
    ("header", "{headers: {customResponseHeaders: {X-Chain: 'yes'}, customRequestHeaders: {X-Asked: 'yes'}}}"),
    ("strip", "{stripPrefix: {prefixes: [/none, /path]}}"),
    ("prefix", "{addPrefix: {prefix: /added}}"),
    ("replace", "{replacePathRegex: {regex: '^/never/(.*)', replacement: '/$1'}}"),
    ("addresses", "{ipAllowList: {sourceRange: [127.0.0.0/8]}}"),
    ("rate", "{rateLimit: {average: 100000, burst: 100000}}"),
    ("flight", "{inFlightReq: {amount: 1000}}"),
    ("breaker", "{circuitBreaker: {expression: NetworkErrorRatio() > 0.9}}"),
    ("user", "{basicAuth: {users: ['test:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=']}}"),
    ("ask", "{forwardAuth: {address: '@JUDGE@', forwardBody: true}}"),
    ("again", "{retry: {attempts: 4, status: ['503'], retryNonIdempotentMethod: true, budget: {percent: 1000}}}"),
    ("whole", "{buffering: {memRequestBodyBytes: 20000, memResponseBodyBytes: 20000}}"),
    ("pages", "{errors: {status: ['500'], service: pages, query: '/{status}'}}"),
    ("small", "{compress: {}}"),
    ("again2", "{retry: {attempts: 2, status: [503], initialInterval: 1ms, budget: {percent: 1000}}}"),
    ("whole2", "{buffering: {memRequestBodyBytes: 1, memResponseBodyBytes: 1}}"),
    ("small2", "{compress: {minResponseBodyBytes: 1, encodings: [gzip]}}"),
    ("guess", "{contentType: {}}"),
    ("coded", "{encodedCharacters: {allowEncodedSlash: true}}"),
    ("web", "{grpcWeb: {allowOrigins: ['*']}}"),
];

/// What may stand before the server, behind a service's middlewares; `@S@` is the server's own service.
const SERVICES: [&str; 6] = [
    "weighted: {services: [{name: @S@}, {name: pages, weight: 0}]}",
    "highestRandomWeight: {services: [{name: @S@}]}",
    "failover: {service: @S@, fallback: pages}",
    "failover: {service: @S@, fallback: pages, errors: {status: ['599']}}",
    "failover: {service: nothing, fallback: @S@}",
    "mirroring: {service: @S@, mirrors: [{name: judge, percent: 100}, {name: nothing, percent: 50}]}",
];

/// Numbers from a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// What stands before a server, in the router's way and in the service's.
#[derive(Debug, Clone)]
struct Chain {
    seed: u64,
    router: Vec<&'static str>,
    service: Vec<&'static str>,
    kind: &'static str,
    http2: bool,
}

impl Chain {
    /// Of up to eight kinds; `with` is among them somewhere, `without` is not.
    fn of(seed: u64, with: &[&'static str], without: &[&str]) -> Self {
        let mut chance = Chance(seed);
        let mut left: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        left.retain(|name| !with.contains(name) && !without.contains(name));
        let mut names = Vec::new();
        for _ in 0..1 + chance.below(8) {
            names.push(left.swap_remove(chance.below(left.len())));
        }
        for name in with {
            names.insert(chance.below(names.len() + 1), name);
        }
        let service = names.split_off(chance.below(names.len() + 1));
        let (http2, kind) = (chance.below(2) == 0, SERVICES[chance.below(SERVICES.len())]);
        Self { seed, router: names, service, kind, http2 }
    }

    fn host(&self) -> String {
        format!("c{}.test", self.seed)
    }
}

/// A gateway with many chains before the same server, which is behind nothing at `plain1.test` and `plain2.test`.
struct Site {
    gateway: Gateway,
    servers: [Backend; 2],
    /// Only there to be asked.
    _judge: Backend,
    pages: Backend,
}

impl Site {
    fn start(chains: &[Chain]) -> Self {
        Self::of(chains, [server(Protocol::Http1), server(Protocol::H2c)])
    }

    fn of(chains: &[Chain], servers: [Backend; 2]) -> Self {
        let judge = Backend::serve("judge", Protocol::Http1, |request: Request<Incoming>| async move {
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Response::builder().header("x-judged", body.len()).body(full("")).expect("it is an answer")
        });
        let pages = Backend::serve("pages", Protocol::Http1, |request: Request<Incoming>| async move {
            Response::new(full(format!("the page {}", request.uri())))
        });
        let text = dynamic(chains, &servers, &judge, &pages);
        let gateway = Launch::new(&configuration(&text)).start();
        Self { gateway, servers, _judge: judge, pages }
    }

    async fn connections(&self) -> [Connection; 2] {
        [Connection::http1(self.gateway.web()).await, Connection::http2(self.gateway.web()).await]
    }
}

fn dynamic(chains: &[Chain], [http1, http2]: &[Backend; 2], judge: &Backend, pages: &Backend) -> String {
    let urls = [http1.url(), http2.url_as("h2c")];
    let mut routers = String::new();
    let mut services = format!("    pages: {}\n    judge: {}\n", pages.load_balancer(), judge.load_balancer());
    services += "    nothing: {loadBalancer: {}}\n";
    for (number, url) in (1..).zip(&urls) {
        routers += &format!("    plain{number}: {{rule: Host(`plain{number}.test`), service: plain{number}}}\n");
        services += &format!("    plain{number}: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}\n");
    }
    for Chain { seed, router, service, kind, http2 } in chains {
        let (router, service, url) = (router.join(", "), service.join(", "), &urls[usize::from(*http2)]);
        let kind = kind.replace("@S@", &format!("b{seed}"));
        routers += &format!("    c{seed}: {{rule: Host(`c{seed}.test`), middlewares: [{router}], service: s{seed}}}\n");
        services += &format!("    s{seed}: {{middlewares: [{service}], {kind}}}\n");
        services += &format!("    b{seed}: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}\n");
    }
    let one = "    one: {inFlightReq: {amount: 1, sourceCriterion: {requestHost: true}}}\n";
    let kinds = KINDS.map(|(name, kind)| format!("    {name}: {}\n", kind.replace("@JUDGE@", &judge.url()))).concat();
    format!("http:\n  routers:\n{routers}  middlewares:\n{one}{kinds}  services:\n{services}")
}

/// Reads the whole request, then answers with what it got of it, `x-length` bytes more, and the status `x-status`. Asked for
/// with `x-fail`, the first so many requests of an `x-id` get `x-fail-with` instead.
fn server(protocol: Protocol) -> Backend {
    let seen: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    Backend::serve("s", protocol, move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (head, body) = request.into_parts();
            let said = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let number = |name: &str| said(name).parse::<usize>().unwrap_or_default();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) => return Response::new(full("")),
            };
            let before = {
                let mut seen = seen.lock().expect("nobody panics with it");
                let count = seen.entry(said("x-id").to_owned()).or_default();
                *count += 1;
                *count - 1
            };
            let fails = before < number("x-fail");
            let status = if fails { number("x-fail-with") } else { number("x-status") } as u16;
            let text = if fails { "failed".to_owned() } else { answer_to(&head.method, &body, number("x-length")) };
            let response = Response::builder().status(status).header("content-type", "text/plain");
            let response = response.header("x-server", "s").header("set-cookie", "a=1").header("set-cookie", "b=2");
            if head.method == http::Method::HEAD {
                return response.header("content-length", text.len()).body(full("")).expect("it is an answer");
            }
            response.body(pieces(text, said("x-trailer"))).expect("it is an answer")
        }
    })
}

fn answer_to(method: &http::Method, body: &[u8], more: usize) -> String {
    let sum: String = Md5::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{method} {} {sum}\n{}", body.len(), "0123456789abcdef".repeat(more / 16))
}

/// A body of a known length, or with a trailer in pieces.
fn pieces(text: String, trailer: &str) -> Body {
    if trailer.is_empty() {
        return full(text);
    }
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("x-trailer"), trailer.parse().expect("a value"))]);
    let text = Bytes::from(text);
    let (sender, body) = channel();
    for at in (0..text.len()).step_by(PIECE) {
        sender.send(Frame::data(text.slice(at..text.len().min(at + PIECE)))).expect("the body is there");
    }
    sender.send(Frame::trailers(trailers)).expect("the body is there");
    body
}

/// A request.
#[derive(Debug, Clone)]
struct Question {
    method: &'static str,
    body: usize,
    /// In pieces whose sum nobody tells before.
    streamed: bool,
    status: u16,
    /// Of the answer.
    length: usize,
    trailer: &'static str,
    coding: &'static str,
    /// How many answers before have `fail_with`.
    fail: usize,
    fail_with: u16,
}

const PLAIN: Question = Question {
    method: "GET",
    body: 0,
    streamed: false,
    status: 200,
    length: 0,
    trailer: "",
    coding: "",
    fail: 0,
    fail_with: 503,
};

/// What is asked of each chain.
fn questions() -> Vec<Question> {
    let large = 1 << 20;
    let post = Question { method: "POST", ..PLAIN };
    vec![
        PLAIN,
        Question { length: 5_000, coding: "gzip", ..PLAIN },
        Question { length: large, coding: "gzip", ..PLAIN },
        Question { length: large, ..PLAIN },
        Question { method: "HEAD", length: 5_000, coding: "gzip", ..PLAIN },
        Question { status: 404, length: 3_000, coding: "gzip", ..PLAIN },
        Question { status: 204, ..PLAIN },
        Question { status: 304, ..PLAIN },
        Question { length: 50_000, trailer: "end", coding: "gzip", ..PLAIN },
        post.clone(),
        Question { body: 1, ..post.clone() },
        Question { body: 70_000, length: 70_000, coding: "gzip", ..post.clone() },
        Question { body: large, ..post.clone() },
        Question { body: large, streamed: true, length: large, ..post.clone() },
        Question { body: 30_000, streamed: true, status: 418, trailer: "end", ..post.clone() },
        Question { method: "PUT", body: large, status: 201, ..post },
        Question { method: "DELETE", status: 502, length: 20, ..PLAIN },
    ]
}

impl Question {
    fn request(&self, host: &str, id: &str, http2: bool) -> Request<Body> {
        let uri = if http2 { format!("http://{host}/path/x?q=1") } else { "/path/x?q=1".to_owned() };
        let mut request = Request::builder().method(self.method).uri(uri);
        if !http2 {
            request = request.header("host", host);
        }
        for (name, value) in [
            ("authorization", "Basic dGVzdDp0ZXN0"),
            ("te", "trailers"),
            ("x-id", id),
            ("x-status", &self.status.to_string()),
            ("x-length", &self.length.to_string()),
            ("x-fail", &self.fail.to_string()),
            ("x-fail-with", &self.fail_with.to_string()),
            ("x-trailer", self.trailer),
        ] {
            request = request.header(name, value);
        }
        if !self.coding.is_empty() {
            request = request.header("accept-encoding", self.coding);
        }
        request.body(self.body()).expect("it is a request")
    }

    fn body(&self) -> Body {
        let bytes = Bytes::from(self.bytes());
        if !self.streamed {
            return full(bytes);
        }
        let (sender, body) = channel();
        for at in (0..bytes.len()).step_by(PIECE) {
            sender.send(Frame::data(bytes.slice(at..bytes.len().min(at + PIECE)))).expect("the body is there");
        }
        body
    }

    fn bytes(&self) -> Vec<u8> {
        (0..self.body).map(|at| (at % 251) as u8).collect()
    }
}

/// What a client makes of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Understood {
    status: u16,
    /// As far as it is told; its sum stands for what is behind.
    body: String,
    length: usize,
    fields: Vec<String>,
    trailer: Option<String>,
}

impl Understood {
    fn of(reply: &Reply) -> Self {
        let mut body = Vec::new();
        match reply.header("content-encoding") {
            Some("gzip") => {
                let read = flate2::read::GzDecoder::new(&reply.body[..]).read_to_end(&mut body);
                read.expect("what is said to be gzip is gzip");
            }
            None => body.extend_from_slice(&reply.body),
            Some(other) => panic!("nobody has asked for {other}"),
        }
        let names = [header::CONTENT_TYPE, header::SET_COOKIE, HeaderName::from_static("x-server")];
        let field = |name| reply.headers.get_all(name).iter().map(|value| format!("{value:?}"));
        let sum: String = Md5::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            status: reply.status,
            body: format!("{} {sum}", String::from_utf8_lossy(&body[..body.len().min(80)])),
            length: body.len(),
            fields: names.iter().flat_map(field).collect(),
            trailer: reply.trailers.get("x-trailer").map(|value| format!("{value:?}")),
        }
    }
}

async fn ask(connection: &mut Connection, question: &Question, host: &str, id: &str) -> Result<Understood, String> {
    let request = question.request(host, id, connection.is_http2());
    let response = connection.try_send(request).await.map_err(|error| format!("{error:?}"))?;
    Ok(Understood::of(&Reply::read(response).await))
}

/// Asks a chain over both protocols, and whether the answer is what it should be: that of the server behind nothing.
async fn as_plain(site: &Site, connections: &mut [Connection; 2], chain: &Chain, number: usize, question: &Question) {
    let plain = format!("plain{}.test", 1 + usize::from(chain.http2));
    for (protocol, connection) in connections.iter_mut().enumerate() {
        let id = format!("{} {number} {protocol}", chain.seed);
        let simple = Question { fail: 0, ..question.clone() };
        let expected = ask(connection, &simple, &plain, &format!("plain {id}")).await;
        let answered = ask(connection, question, &chain.host(), &id).await;
        if !(expected.is_ok() && expected == answered) {
            println!("{}", site.gateway.stderr());
            panic!("{chain:?}\n{question:?} over {protocol}\nexpected {expected:?}\nanswered {answered:?}");
        }
    }
}

#[tokio::test]
async fn a_chain_that_has_nothing_against_a_request_changes_nothing() {
    let chains: Vec<Chain> = (0..CHAINS).map(|seed| Chain::of(seed, &[], &[])).collect();
    let site = Site::start(&chains);
    let mut connections = site.connections().await;
    for chain in &chains {
        for (number, question) in questions().iter().enumerate() {
            as_plain(&site, &mut connections, chain, number, question).await;
        }
    }
}

#[tokio::test]
async fn a_request_that_is_tried_again_is_whole_each_time_wherever_that_stands() {
    let chains: Vec<Chain> = (1000..1000 + CHAINS).map(|seed| Chain::of(seed, &["again"], &[])).collect();
    let site = Site::start(&chains);
    let mut connections = site.connections().await;
    for chain in &chains {
        for (number, question) in questions().into_iter().enumerate() {
            let before = site.servers[usize::from(chain.http2)].requests();
            let question = Question { fail: 1 + number % 3, ..question };
            as_plain(&site, &mut connections, chain, number, &question).await;
            let asked = site.servers[usize::from(chain.http2)].requests() - before;
            assert_eq!(asked, 2 * (2 + question.fail as u64), "{chain:?} {question:?}");
        }
    }
}

#[tokio::test]
async fn a_page_stands_for_a_failure_wherever_it_is_put() {
    let chains: Vec<Chain> = (2000..2000 + CHAINS).map(|seed| Chain::of(seed, &["pages"], &[])).collect();
    let site = Site::start(&chains);
    let mut connections = site.connections().await;
    let failures = [
        Question { status: 500, length: 5_000, coding: "gzip", ..PLAIN },
        Question { status: 500, method: "POST", body: 1 << 20, ..PLAIN },
        Question { status: 500, method: "POST", body: 70_000, streamed: true, ..PLAIN },
    ];
    for chain in &chains {
        for (number, question) in failures.iter().enumerate() {
            for connection in &mut connections {
                let pages = site.pages.requests();
                let answered = ask(connection, question, &chain.host(), &format!("{} {number}", chain.seed)).await;
                let answered = answered.unwrap_or_else(|error| panic!("{chain:?} {question:?} {error}"));
                assert_eq!(answered.status, 500, "{chain:?} {question:?}");
                assert!(answered.body.starts_with("the page /500 "), "{chain:?} {question:?} {answered:?}");
                assert_eq!(site.pages.requests() - pages, 1, "{chain:?} {question:?}");
            }
        }
    }
}

/// What a client does not wait for the end of.
#[derive(Debug, Clone, Copy)]
enum Unfinished {
    /// Its own body.
    Upload,
    /// The answer's head.
    Silence,
    /// The answer's body.
    Download,
}

/// Counts a request for as long as the server has it.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers `/fine`; of others it reads the body and answers with a head and a piece, or not at all.
fn endless(protocol: Protocol, held: &Arc<AtomicUsize>) -> Backend {
    let held = held.clone();
    Backend::serve("endless", protocol, move |request: Request<Incoming>| {
        let held = held.clone();
        async move {
            if request.uri().path().ends_with("/fine") {
                return Response::new(full("fine"));
            }
            let guard = Held::new(&held);
            let is_download = request.uri().path().ends_with("/Download");
            if request.into_body().collect().await.is_err() {
                return Response::new(full("broken off"));
            }
            if !is_download {
                std::future::pending::<()>().await;
            }
            let (sender, body) = channel();
            sender.send(Frame::data(vec![b'x'; PIECE].into())).expect("the body is there");
            tokio::spawn(async move {
                sender.closed().await;
                drop(guard);
            });
            Response::builder().header("content-type", "text/plain").body(body).expect("it is an answer")
        }
    })
}

/// Begins a request and never ends it: until the task is aborted.
async fn never_end(address: SocketAddr, http2: bool, how: Unfinished, host: String) {
    let whole = !matches!(how, Unfinished::Upload);
    let length = if whole { 50_000 } else { 100_000 };
    if !http2 {
        let mut client = RawConnection::open(address).await;
        let head = format!(
            "POST /path/{how:?} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n\
             Accept-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
        );
        client.write(head + &"x".repeat(50_000)).await;
        client.read_to_end().await;
        return;
    }
    let mut client = Connection::http2(address).await;
    let request = Request::post(format!("http://{host}/path/{how:?}")).header("accept-encoding", "gzip");
    let request = request.header("authorization", "Basic dGVzdDp0ZXN0");
    let (sender, body) = channel();
    sender.send(Frame::data(vec![b'x'; 50_000].into())).expect("the body is there");
    // Dropped, it would be the body's end.
    if whole {
        drop(sender)
    } else {
        std::mem::forget(sender)
    }
    if let Ok(response) = client.try_send(request.body(body).expect("it is a request")).await {
        let _ = response.into_body().collect().await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let mut chains: Vec<Chain> = (3000..3000 + CHAINS).map(|seed| Chain::of(seed, &[], &["flight"])).collect();
    for chain in &mut chains {
        // First, so that it counts a request whose body others collect.
        chain.router.insert(0, "one");
    }
    let held = Arc::default();
    let servers = [endless(Protocol::Http1, &held), endless(Protocol::H2c, &held)];
    let site = Site::of(&chains, servers);
    let in_flight = async || {
        let metrics = site.gateway.metrics().await;
        metrics.sum("rollgate_inflight_requests", &[("middleware", "one@file")])
    };
    for chain in &chains {
        for how in [Unfinished::Upload, Unfinished::Silence, Unfinished::Download] {
            for http2 in [false, true] {
                let server = &site.servers[usize::from(chain.http2)];
                let before = server.requests();
                let task = tokio::spawn(never_end(site.gateway.web(), http2, how, chain.host()));
                let begun = async || match how {
                    // It may be that nobody but the gateway hears of it.
                    Unfinished::Upload => (in_flight().await == 1.0).then_some(()),
                    Unfinished::Silence | Unfinished::Download => (server.requests() > before).then_some(()),
                };
                eventually(&format!("{how:?} is under way, {http2} {chain:?}"), begun).await;
                task.abort();
                let gone = async || (in_flight().await == 0.0 && held.load(Ordering::SeqCst) == 0).then_some(());
                eventually(&format!("nothing is left of {how:?}, {http2} {chain:?}"), gone).await;
                let next = Ask::get(&format!("http://{}/path/fine", chain.host()));
                let reply = site.gateway.ask(next.header("authorization", "Basic dGVzdDp0ZXN0")).await;
                assert_eq!((reply.status, reply.text()), (200, "fine".to_owned()), "{chain:?} after {how:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_websocket_goes_through_whatever_the_chain() {
    let mut chains: Vec<Chain> = (4000..4000 + 3 * CHAINS).map(|seed| Chain::of(seed, &["one"], &["flight"])).collect();
    chains.iter_mut().for_each(|chain| chain.http2 = false);
    let site = Site::of(&chains, [Backend::websocket("ws"), Backend::websocket("none")]);
    for chain in &chains {
        let mut client = RawConnection::open(site.gateway.web()).await;
        let request = format!(
            "GET /path HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic dGVzdDp0ZXN0\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nAccept-Encoding: gzip\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            chain.host()
        );
        assert_eq!(client.exchange(&request).await.status(), 101, "{chain:?}");
        for text in ["hi", "ho"] {
            client.write([b"\x81\x82\0\0\0\0", text.as_bytes()].concat()).await;
            assert_eq!(client.read_exactly(4).await, [b"\x81\x02", text.as_bytes()].concat(), "{chain:?}");
        }
        let refused = RawConnection::open(site.gateway.web()).await.exchange(&request).await;
        assert_eq!(refused.status(), 429, "the tunnel counts, {chain:?}");
        drop(client);
        let again = async || {
            let mut client = RawConnection::open(site.gateway.web()).await;
            (client.exchange(&request).await.status() == 101).then_some(())
        };
        eventually(&format!("the tunnel has ended, {chain:?}"), again).await;
    }
}

/// Client's and server's bodies go in pieces of so many bytes.
const PIECE: usize = 10_000;

/// Chains of a test.
const CHAINS: u64 = 10;
