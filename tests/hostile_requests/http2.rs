//! HTTP/2 frames that no library would send, in front of a server that speaks HTTP/1.1: nothing of theirs becomes a second
//! request, a second framing or a second line there.

use rollgate_testkit::{
    hostile_client::http2::{
        DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, Outcome, PADDED, PING, PRIORITY, PUSH_PROMISE,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, block,
    },
    recorder::Record,
};

use super::lab::Lab;

type Fields<'f> = Vec<(&'f [u8], &'f [u8])>;

// RFC 9113 section 7.
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;
const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The fields of a GET, with these changed (by name), left out (by an empty name) or added.
fn get<'f>(path: &'f str, more: &[(&'f str, &'f str)]) -> Fields<'f> {
    let mut fields: Vec<(&str, &str)> =
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", path)];
    for &(name, value) in more {
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
    }
    fields.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn without<'f>(name: &str) -> Fields<'f> {
    get("/x", &[]).into_iter().filter(|(known, _)| *known != name.as_bytes()).collect()
}

fn with_first<'f>(name: &'f str, value: &'f str) -> Fields<'f> {
    let mut fields = get("/x", &[]);
    fields.insert(0, (name.as_bytes(), value.as_bytes()));
    fields
}

fn with_last<'f>(name: &'f str, value: &'f str) -> Fields<'f> {
    let mut fields = get("/x", &[]);
    fields.push((name.as_bytes(), value.as_bytes()));
    fields
}

impl Lab {
    /// Sends a request on a connection of its own.
    async fn asks(&self, fields: &Fields<'_>, body: Option<&[u8]>) -> (Outcome, Record) {
        let mut frames = Frames::open(self.web()).await;
        match body {
            Some(body) => frames.request(1, fields, body).await,
            None => frames.head(1, fields, true).await,
        }
        let outcome = frames.outcome(1).await;
        (outcome, self.record().await)
    }

    /// Each is malformed: the stream or the connection ends with an error, and the server sees nothing whole.
    async fn malformed(&self, cases: &[(&str, Fields<'_>, Option<&[u8]>)]) {
        let mut wrong = Vec::new();
        for (name, fields, body) in cases {
            let (outcome, record) = self.asks(fields, *body).await;
            let is_error = matches!(outcome, Outcome::Reset(PROTOCOL_ERROR) | Outcome::GoAway(PROTOCOL_ERROR));
            if !is_error || !record.requests.is_empty() || !record.violations.is_empty() {
                wrong.push(format!("{name:?}: {outcome:?}, {:?}, {:?}", record.requests, record.violations));
            }
        }
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    /// Each is answered with this status by the gateway.
    async fn refused(&self, cases: &[(&str, Fields<'_>, u16)]) {
        let mut wrong = Vec::new();
        for (name, fields, status) in cases {
            let (outcome, record) = self.asks(fields, None).await;
            if outcome != Outcome::Status(*status) || !record.requests.is_empty() || !record.violations.is_empty() {
                wrong.push(format!("{name:?}: {outcome:?}, {:?}, {:?}", record.requests, record.violations));
            }
        }
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    /// It goes through: the one request that the server saw.
    async fn passed(&self, fields: &Fields<'_>, body: Option<&[u8]>) -> rollgate_testkit::recorder::Request {
        let (outcome, mut record) = self.asks(fields, body).await;
        assert_eq!((outcome, record.requests.len()), (Outcome::Status(200), 1), "{record:?}");
        assert_eq!(record.violations, []);
        record.requests.remove(0)
    }
}

#[tokio::test]
async fn what_would_be_a_second_framing_ends_the_stream() {
    let lab = Lab::start("").await;
    let post = |more: &[(&'static str, &'static str)]| get("/x", &[&[(":method", "POST")][..], more].concat());
    lab.malformed(&[
        ("H2.TE", post(&[("transfer-encoding", "chunked")]), Some(b"0\r\n\r\nGET /y HTTP/1.1\r\n\r\n")),
        ("H2.TE, identity", post(&[("transfer-encoding", "identity")]), Some(b"x")),
        ("H2.CL, too short", post(&[("content-length", "1")]), Some(b"xGET /y HTTP/1.1\r\n\r\n")),
        ("H2.CL, zero", post(&[("content-length", "0")]), Some(b"GET /y HTTP/1.1\r\n\r\n")),
        ("H2.CL, too long", post(&[("content-length", "100")]), Some(b"x")),
        ("H2.CL without a body", post(&[("content-length", "5")]), None),
        ("H2.CL, no number", post(&[("content-length", "5x")]), Some(b"hello")),
        ("H2.CL, a sign", post(&[("content-length", "+5")]), Some(b"hello")),
    ])
    .await;
    let seen = lab.passed(&post(&[("content-length", "5")]), Some(b"hello")).await;
    assert_eq!((seen.all("content-length"), seen.body.as_slice()), (vec!["5"], &b"hello"[..]));
    let seen = lab.passed(&post(&[]), Some(b"hello")).await;
    assert_eq!((seen.all("transfer-encoding"), seen.body.as_slice()), (vec!["chunked"], &b"hello"[..]));
    lab.refused(&[("leading zeros", get("/x", &[("content-length", "00")]), 400)]).await;
}

#[tokio::test]
async fn fields_of_one_hop_and_odd_names_and_values_end_the_stream() {
    let lab = Lab::start("").await;
    let mut cases = Vec::new();
    for (name, value) in [
        ("connection", "close"),
        ("connection", "x-a"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("X-A", "b"),
        ("x-A", "b"),
        ("", "b"),
        ("a b", "c"),
        ("a:b", "c"),
        (":", "c"),
        ("a\r\nb", "c"),
        ("a\nb", "c"),
        ("a\0", "c"),
        ("\u{e4}", "c"),
        ("x-a", "b\r\nx-c: d"),
        ("x-a", "b\nc"),
        ("x-a", "b\rc"),
        ("x-a", "b\0c"),
        ("cookie", "a=b\r\n\r\nGET /y HTTP/1.1"),
        ("x-a\r\n\r\nGET /y HTTP/1.1\r\nhost", "h"),
    ] {
        cases.push((name, with_last(name, value), None));
    }
    lab.malformed(&cases).await;
    lab.refused(&[
        ("a space before a value", with_last("x-a", " b"), 400),
        ("a tab after a value", with_last("x-a", "b\t"), 400),
    ])
    .await;
    let seen = lab.passed(&with_last("te", "trailers"), None).await;
    assert_eq!(seen.all("te"), ["trailers"]);
}

#[tokio::test]
async fn pseudo_header_fields_are_the_ones_there_are_once_and_first() {
    let lab = Lab::start("").await;
    let mut cases = vec![
        ("no method", without(":method"), None),
        ("no scheme", without(":scheme"), None),
        ("no path", without(":path"), None),
        ("after a field", [&[(&b"x-a"[..], &b"b"[..])][..], &get("/x", &[])].concat(), None),
        ("CONNECT with a path", [get("/x", &[(":method", "CONNECT")])].concat(), None),
    ];
    for (name, value) in [
        (":method", "POST"),
        (":path", "/y"),
        (":scheme", "https"),
        (":authority", "evil"),
        (":status", "200"),
        (":unknown", "x"),
        (":protocol", "websocket"),
        (":host", "h"),
    ] {
        cases.push((name, with_first(name, value), None));
    }
    for (name, value) in [
        (":path", ""),
        (":path", "/a\r\nx: y"),
        (":path", "/a b"),
        (":path", "/\0"),
        (":method", ""),
        (":method", "GET /y HTTP/1.1\r\nx:"),
        (":method", "G T"),
        (":authority", "h\r\nx: y"),
        (":authority", "h/p"),
        (":authority", "a b"),
        (":authority", ""),
        (":path", "x"),
        (":path", "http://evil/x"),
        (":scheme", "ht tp"),
        (":scheme", "http\r\n"),
    ] {
        cases.push((value, get("/x", &[(name, value)]), None));
    }
    lab.malformed(&cases).await;
}

#[tokio::test]
async fn a_target_is_read_as_over_http_1() {
    let lab = Lab::start("").await;
    let connect = |more: &[(&'static str, &'static str)]| {
        let mut fields: Fields<'static> = vec![(b":method", b"CONNECT"), (b":authority", b"h:443")];
        fields.extend(more.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        fields
    };
    let protocol = [(":scheme", "http"), (":path", "/x")];
    lab.refused(&[
        ("*", get("*", &[]), 400),
        ("a bad encoding", get("/%zz", &[]), 400),
        ("another scheme", get("/x", &[(":scheme", "ftp")]), 400),
        ("userinfo", get("/x", &[(":authority", "u@h")]), 400),
        ("an empty scheme", get("/x", &[(":scheme", "")]), 400),
        ("no authority", without(":authority"), 400),
        ("two hosts", get("/x", &[("host", "evil")]), 400),
        ("two hosts that differ by the port", get("/x", &[("host", "h:80")]), 400),
        (
            "a list of hosts",
            {
                let mut fields = without(":authority");
                fields.push((b"host", b"a,b"));
                fields
            },
            400,
        ),
        (
            "host twice",
            {
                let mut fields = without(":authority");
                fields.extend([(&b"host"[..], &b"a"[..]), (b"host", b"a")]);
                fields
            },
            400,
        ),
        ("an expectation", get("/x", &[("expect", "x")]), 417),
        ("CONNECT", connect(&[]), 501),
        ("CONNECT to an unknown protocol", connect(&[&protocol[..], &[(":protocol", "connect-udp")]].concat()), 501),
        ("CONNECT to h2c", connect(&[&protocol[..], &[(":protocol", "h2c")]].concat()), 501),
    ])
    .await;
    for (path, seen) in [("/a/../b", "/b"), ("//a", "/a"), ("/%2e%2e/a", "/a"), ("/a?b;c", "/a?b&c")] {
        assert_eq!(lab.passed(&get(path, &[]), None).await.target, seen);
    }
    let mut fields = without(":authority");
    fields.push((b"host", b"a.test"));
    assert_eq!(lab.passed(&fields, None).await.all("host"), ["a.test"]);
    assert_eq!(lab.passed(&get("/x", &[(":scheme", "https"), ("host", "h")]), None).await.all("host"), ["h"]);
}

#[tokio::test]
async fn cookies_are_one_line_and_have_a_bound() {
    let lab = Lab::start("").await;
    let mut fields = get("/x", &[]);
    fields.extend([(&b"cookie"[..], &b"a=1"[..]), (b"cookie", b"b=2"), (b"cookie", b"c=3")]);
    assert_eq!(lab.passed(&fields, None).await.all("cookie"), ["a=1; b=2; c=3"]);
    // Each crumb is a field: as many as there may be, one more, and more than are decoded at all.
    let crumbs = |count| [get("/x", &[]), vec![(&b"cookie"[..], &b"a=1"[..]); count]].concat();
    assert_eq!(lab.passed(&crumbs(128), None).await.all("cookie"), [vec!["a=1"; 128].join("; ")]);
    lab.refused(&[("129 crumbs", crumbs(129), 431), ("500 crumbs", crumbs(500), 431)]).await;
    let (outcome, record) = lab.asks(&crumbs(900), None).await;
    assert_eq!((outcome, record.requests.len()), (Outcome::GoAway(ENHANCE_YOUR_CALM), 0));
    let counts = lab.counts().await;
    assert_eq!((counts.get("header_fields"), counts.get("http2_header_fields")), (Some(&2), Some(&1)), "{counts:?}");
}

#[tokio::test]
async fn a_stranger_says_nothing_of_its_place() {
    let lab = Lab::start("").await;
    let names = [
        "x-forwarded-for",
        "x-forwarded-prefix",
        "x-real-ip",
        "x_forwarded_for",
        "x_real_ip",
        "x-forwarded-tls-client-cert",
        "http2-settings",
        "proxy-authorization",
    ];
    let seen = lab.passed(&get("/x", &names.map(|name| (name, "evil"))), None).await;
    assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn trailers_are_no_headers() {
    let lab = Lab::start("").await;
    let post = get("/x", &[(":method", "POST"), ("trailer", "x-sum, x-forwarded-for, content-length, authorization")]);
    let ask = async |trailers: &[(&[u8], &[u8])], flags: u8| {
        let mut frames = Frames::open(lab.web()).await;
        frames.head(1, &post, false).await;
        frames.send(DATA, 0, 1, b"hello").await;
        frames.send(HEADERS, flags, 1, block(trailers)).await;
        let outcome = frames.outcome(1).await;
        (outcome, lab.record().await)
    };
    let trailers: [(&[u8], &[u8]); 5] = [
        (b"x-sum", b"17"),
        (b"x-forwarded-for", b"evil"),
        (b"content-length", b"7"),
        (b"authorization", b"evil"),
        (b"x_real_ip", b"evil"),
    ];
    let (outcome, record) = ask(&trailers, END_HEADERS | END_STREAM).await;
    assert_eq!((outcome, record.requests.len()), (Outcome::Status(200), 1));
    assert_eq!(record.requests[0].trailers, [("x-sum".to_owned(), "17".to_owned())]);
    assert!(!format!("{record:?}").contains("evil"), "{record:?}");

    // Pseudo-header fields make trailers malformed; h2 lets go of them, and nothing else comes of them.
    let (outcome, record) = ask(&[(b":path", b"/evil"), (b"x-sum", b"17")], END_HEADERS | END_STREAM).await;
    assert_eq!(outcome, Outcome::Status(200));
    assert_eq!(record.requests[0].target, "/x");
    assert!(!format!("{record:?}").contains("evil"), "{record:?}");

    for (name, trailers, flags) in [
        ("not the end", &[(&b"x-sum"[..], &b"17"[..])][..], END_HEADERS),
        ("an upper-case name", &[(b"X-Sum", b"17")], END_HEADERS | END_STREAM),
        ("connection", &[(b"connection", b"close")], END_HEADERS | END_STREAM),
        ("a line break", &[(b"x-sum", b"1\r\nx: y")], END_HEADERS | END_STREAM),
    ] {
        let (outcome, record) = ask(trailers, flags).await;
        let is_error = matches!(outcome, Outcome::Reset(PROTOCOL_ERROR) | Outcome::GoAway(PROTOCOL_ERROR));
        assert!(is_error && record.requests.is_empty(), "{name}: {outcome:?} {record:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_the_protocol_is_counted_and_logged() {
    let lab = Lab::start("").await;
    let mut frames = Frames::open(lab.web()).await;
    // DATA on no stream.
    frames.send(DATA, END_STREAM, 0, b"x").await;
    assert_eq!(frames.outcome(1).await, Outcome::GoAway(PROTOCOL_ERROR));
    let count =
        rollgate_testkit::wait::eventually("it is counted", async || lab.counts().await.get("http2_protocol").copied());
    assert_eq!(count.await, 1);
    rollgate_testkit::wait::eventually("it is logged", async || {
        lab.log().iter().any(|line| line["DownstreamStatus"] == 400 && line["entryPointName"] == "web").then_some(())
    })
    .await;
}

/// A frame: type, flags, stream, payload.
type Sent<'s> = (u8, u8, u32, &'s [u8]);

#[tokio::test]
async fn each_broken_rule_has_its_error_and_its_label() {
    let lab = Lab::start("").await;
    let head = block(&get("/x", &[(":method", "POST")]));
    let request: Sent<'_> = (HEADERS, END_HEADERS | END_STREAM, 1, &head);
    let unfinished: Sent<'_> = (HEADERS, END_STREAM, 1, &head);
    let begun: Sent<'_> = (HEADERS, END_HEADERS, 1, &head);
    let reset: Sent<'_> = (RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let large = vec![0; 16_385];
    let promise = [&[0, 0, 0, 2][..], &head].concat();
    let mut cases: Vec<(&str, Vec<Sent<'_>>, u32, &str)> = vec![
        ("a window", vec![(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])], FLOW_CONTROL_ERROR, "http2_flow_control"),
        ("a block", vec![(HEADERS, END_HEADERS | END_STREAM, 1, &[0x40])], COMPRESSION_ERROR, "http2_compression"),
        ("DATA within a block", vec![unfinished, (DATA, 0, 1, b"x")], PROTOCOL_ERROR, "http2_protocol"),
        ("DATA behind the end", vec![request, (DATA, 0, 1, b"x")], STREAM_CLOSED, "http2_stream_closed"),
        ("HEADERS behind the end", vec![request, request], STREAM_CLOSED, "http2_stream_closed"),
        ("HEADERS behind RST_STREAM", vec![begun, reset, request], STREAM_CLOSED, "http2_stream_closed"),
        ("PUSH_PROMISE", vec![begun, (PUSH_PROMISE, END_HEADERS, 1, &promise)], PROTOCOL_ERROR, "http2_protocol"),
    ];
    for (name, frames) in [
        ("the length of PING", vec![(PING, 0, 0, &[0; 6][..])]),
        ("of SETTINGS", vec![(SETTINGS, 0, 0, &[0, 3, 0])]),
        ("of SETTINGS that acknowledge", vec![(SETTINGS, END_STREAM, 0, &[0])]),
        ("of WINDOW_UPDATE", vec![(WINDOW_UPDATE, 0, 0, &[0, 0, 1])]),
        ("of GOAWAY", vec![(GOAWAY, 0, 0, &[0; 7])]),
        ("of RST_STREAM", vec![begun, (RST_STREAM, 0, 1, &[0; 3])]),
        ("of PRIORITY", vec![begun, (PRIORITY, 0, 1, &[0; 4])]),
        ("of HEADERS that are padded", vec![(HEADERS, END_HEADERS | PADDED, 1, &[])]),
        ("of any frame", vec![(0xff, 0, 0, &large)]),
    ] {
        cases.push((name, frames, FRAME_SIZE_ERROR, "http2_frame_size"));
    }
    let all = cases.len();
    let mut expected = lab.counts().await;
    for (name, sent, error, label) in cases {
        let mut frames = Frames::open(lab.web()).await;
        for (kind, flags, stream, payload) in sent {
            frames.send(kind, flags, stream, payload).await;
        }
        // Of a stream that nobody has opened: whatever becomes of the first.
        assert_eq!(frames.outcome(u32::MAX).await, Outcome::GoAway(error), "{name}");
        *expected.entry(label.to_owned()).or_default() += 1;
        rollgate_testkit::wait::eventually(&format!("{name}: {label}"), async || {
            (lab.counts().await == expected).then_some(())
        })
        .await;
    }
    let logged = |line: &&serde_json::Value| line["DownstreamStatus"] == 400 && line["entryPointName"] == "web";
    rollgate_testkit::wait::eventually("each is logged", async || {
        (lab.log().iter().filter(logged).count() == all).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_on_its_way_to_a_stream_that_was_reset_costs_the_stream_alone() {
    let lab = Lab::start("").await;
    let mut frames = Frames::open(lab.web()).await;
    // More than was announced: the gateway resets the stream, and its client does not know yet.
    frames.head(1, &get("/x", &[(":method", "POST"), ("content-length", "1")]), false).await;
    frames.send(DATA, 0, 1, b"hello").await;
    assert_eq!(frames.outcome(1).await, Outcome::Reset(PROTOCOL_ERROR));
    frames.send(DATA, 0, 1, b"more").await;
    frames.send(HEADERS, END_HEADERS | END_STREAM, 1, block(&[(b"x-sum", b"17")])).await;
    // Reset by the client, with DATA that it had queued: the stream's error.
    frames.head(3, &get("/x", &[(":method", "POST")]), false).await;
    frames.send(RST_STREAM, 0, 3, [0, 0, 0, 8]).await;
    frames.send(DATA, END_STREAM, 3, b"late").await;
    // What may come behind the end of a request.
    frames.head(5, &get("/x", &[]), true).await;
    frames.send(WINDOW_UPDATE, 0, 5, [0, 0, 0, 1]).await;
    frames.send(PRIORITY, 0, 5, [0, 0, 0, 0, 1]).await;
    frames.send(RST_STREAM, 0, 5, [0, 0, 0, 8]).await;
    frames.head(7, &get("/x", &[]), true).await;
    assert_eq!(frames.outcome(7).await, Outcome::Status(200));
}
