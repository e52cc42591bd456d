//! What an HTTP/2 client may ask of a connection: a flood ends with it, and nobody else notices.

#![cfg(test)]

use http::{Request, Response};
use http_body_util::BodyExt;
use rollgate_testkit::{
    Ask, Backend, FrameConnection, Gateway,
    backend::Protocol,
    client::{Connection, channel, full},
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, HEADERS, PING, PRIORITY, RST_STREAM,
        SETTINGS, WINDOW_UPDATE, frame, get, request,
    },
    wait::eventually,
};

/// A gateway whose `web` has these options and whose every request goes to `backend`.
fn with_options(backend: &Backend, options: &str) -> Gateway {
    Gateway::start(&format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', {options}}}
  traefik: {{address: '127.0.0.1:0'}}
log: {{level: INFO}}
http:
  routers: {{all: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ))
}

async fn refused(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metrics().await.sum("rollgate_refused_total", &[("reason", reason)])
}

/// Sends the bytes that `next` makes until the connection takes no more; what came back.
async fn flood(gateway: &Gateway, next: impl FnMut(u32) -> Vec<u8>) -> Vec<Frame> {
    FrameConnection::open(gateway.web()).await.flood(20_000, next).await
}

fn was_told_to_calm_down(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| frame.error() == Some(ENHANCE_YOUR_CALM))
}

/// A stream's number, from its round.
fn stream(round: u32) -> u32 {
    2 * round + 1
}

#[tokio::test]
async fn a_flood_of_frames_ends_the_connection_and_no_other() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "http2: {maxResetsPerSecond: 20}");
    let mut other = Connection::http2(gateway.web()).await;
    assert_eq!(other.ask(Ask::get("http://h/")).await.status, 200);
    type Next = fn(u32) -> Vec<u8>;
    let floods: [(&str, Next); 7] = [
        ("http2_pings", |_| frame(PING, 0, 0, &[0; 8])),
        ("http2_settings", |_| frame(SETTINGS, 0, 0, &[])),
        ("http2_window_updates", |_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("http2_unused_frames", |round| frame(PRIORITY, 0, stream(round), &[0, 0, 0, 0, 1])),
        ("http2_empty_frames", |round| match round {
            0 => frame(HEADERS, END_HEADERS, 1, &get("/")),
            _ => frame(DATA, 0, 1, &[]),
        }),
        ("http2_resets", |round| {
            [request(stream(round), "/"), frame(RST_STREAM, 0, stream(round), &[0, 0, 0, 8])].concat()
        }),
        ("http2_header_fields", |_| frame(HEADERS, END_HEADERS, 1, &[get("/"), vec![0x90; 600]].concat())),
    ];
    for (reason, next) in floods {
        let frames = flood(&gateway, next).await;
        assert!(was_told_to_calm_down(&frames), "{reason}: {frames:?}");
        assert_eq!(refused(&gateway, reason).await, 1.0, "{reason}");
        assert_eq!(other.ask(Ask::get("http://h/")).await.status, 200, "{reason}");
    }
    let log = gateway.stderr();
    assert!(log.contains("reason=\"http2_pings\"") && log.contains("entry_point=web"), "{log}");
}

#[tokio::test]
async fn a_header_block_without_an_end_is_cut_off() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "");
    let frames = flood(&gateway, |round| match round {
        0 => frame(HEADERS, 0, 1, &get("/")),
        _ => frame(CONTINUATION, 0, 1, &[0x00, 1, b'a', 1, b'v']),
    })
    .await;
    assert!(was_told_to_calm_down(&frames), "{frames:?}");
    assert_eq!(refused(&gateway, "http2_continuations").await, 1.0);
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn budgets_are_the_operators() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "http2: {maxPingsPerSecond: 2, maxSettingsPerSecond: 0}");
    let mut client = FrameConnection::open(gateway.web()).await;
    client.send(&frame(SETTINGS, 0, 0, &[]).repeat(500)).await.unwrap();
    client.send(&request(1, "/")).await.unwrap();
    while client.next().await.expect("the connection lives").kind != DATA {}
    let mut client = FrameConnection::open(gateway.web()).await;
    client.send(&frame(PING, 0, 0, &[0; 8]).repeat(3)).await.unwrap();
    assert!(was_told_to_calm_down(&client.rest().await));
    assert_eq!(refused(&gateway, "http2_pings").await, 1.0);
    assert_eq!(refused(&gateway, "http2_settings").await, 0.0);
}

#[tokio::test]
async fn requests_that_a_client_makes_the_gateway_reset_are_bounded() {
    // The server never answers: each request is work that is thrown away.
    let (_open, body) = channel();
    let never = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let backend = Backend::serve("s", Protocol::Http1, move |_request: Request<_>| {
        let _kept = never.clone();
        async { std::future::pending::<Response<_>>().await }
    });
    let gateway = with_options(&backend, "http2: {maxWindowUpdatesPerSecond: 0}");
    // A window that is opened too wide is the client's error, and the stream's end (RFC 9113 section 6.9.1).
    let frames = flood(&gateway, |round| {
        [request(stream(round), "/"), frame(WINDOW_UPDATE, 0, stream(round), &[0x7f, 0xff, 0xff, 0xff])].concat()
    })
    .await;
    assert!(was_told_to_calm_down(&frames), "{:?}", frames.last());
    // h2's own end is counted when the client has let go too.
    let ended = async || refused(&gateway, "http2_calm").await + refused(&gateway, "http2_resets").await;
    eventually("it is counted", async || (ended().await > 0.0).then_some(())).await;
    assert_eq!(ended().await, 1.0);
    assert!(backend.requests() <= 1100, "{}", backend.requests());
    // Nothing of it goes on.
    eventually("the servers' connections end", async || (backend.open() == 0).then_some(())).await;
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once_cost_their_servers_nothing() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "http2: {}");
    let mut attacker = FrameConnection::open(gateway.web()).await;
    // Fewer than would end the connection.
    let taken_back = |round| [request(stream(round), "/"), frame(RST_STREAM, 0, stream(round), &[0, 0, 0, 8])].concat();
    attacker.send(&(0..200).flat_map(taken_back).collect::<Vec<u8>>()).await.unwrap();
    attacker.send(&request(stream(200), "/")).await.unwrap();
    while attacker.next().await.expect("the connection lives").kind != DATA {}
    // Whose first request is taken back is not known before it is.
    let connects = gateway.metrics().await.sum("rollgate_upstream_connects_total", &[]);
    assert!(connects <= 2.0 && backend.connections() <= 2, "{connects} connections");
}

#[tokio::test]
async fn requests_that_are_taken_back_late_are_bounded_too() {
    let backend = Backend::serve("s", Protocol::Http1, |_request: Request<_>| async {
        std::future::pending::<Response<_>>().await
    });
    let gateway = with_options(&backend, "http2: {maxResetsPerSecond: 20}");
    let mut attacker = FrameConnection::open(gateway.web()).await;
    // Well below the concurrency, each reset only when its server has it.
    let mut sent = 0;
    while sent < 1000 {
        let batch: Vec<u32> = (sent..sent + 10).map(stream).collect();
        let opened: Vec<u8> = batch.iter().flat_map(|stream| request(*stream, "/")).collect();
        let begun = backend.requests();
        if attacker.send(&opened).await.is_err() {
            break;
        }
        let over = eventually("the server has them, or the connection has ended", async || {
            let ended = refused(&gateway, "http2_resets").await > 0.0;
            (ended || backend.requests() >= begun + 10).then_some(ended)
        });
        if over.await {
            break;
        }
        let resets: Vec<u8> = batch.iter().flat_map(|stream| frame(RST_STREAM, 0, *stream, &[0, 0, 0, 8])).collect();
        if attacker.send(&resets).await.is_err() {
            break;
        }
        sent += 10;
    }
    assert!(sent < 1000, "the connection was ended after {sent} requests");
    assert!(was_told_to_calm_down(&attacker.rest().await));
}

#[tokio::test]
async fn whoever_opens_no_window_is_not_waited_for() {
    let backend = Backend::echo("s");
    let waiting = Backend::serve("w", Protocol::Http1, |request: Request<hyper::body::Incoming>| async move {
        // Answers when its request's body ends.
        request.into_body().collect().await.ok();
        Response::new(full("late"))
    });
    let gateway = Gateway::start(&format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', transport: {{respondingTimeouts: {{stallTimeout: 1s, bodyIdleTimeout: 0}}}}}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers:
    all: {{rule: 'PathPrefix(`/`)', service: s}}
    wait: {{rule: 'Path(`/wait`)', priority: 100, service: w}}
  services: {{s: {}, w: {}}}
",
        backend.load_balancer(),
        waiting.load_balancer()
    ));
    // Older than the stalled one, and waiting for its server all the time: no stall.
    let mut patient = Connection::http2(gateway.web()).await;
    let (sender, body) = channel();
    let request = Request::builder().method("POST").uri("http://h/wait").body(body).unwrap();
    let answer = tokio::spawn(async move { patient.try_send(request).await });
    eventually("the server has the request", async || (waiting.requests() == 1).then_some(())).await;

    // SETTINGS_INITIAL_WINDOW_SIZE 0.
    let mut stalled = FrameConnection::open_with(gateway.web(), &[(4, 0)]).await;
    stalled.send(&request_of_bytes(1, 1_000_000)).await.unwrap();
    let frames = stalled.rest().await;
    assert!(frames.iter().any(|frame| frame.kind == HEADERS) && frames.iter().all(|frame| frame.kind != DATA));
    assert_eq!(refused(&gateway, "stalled").await, 1.0);
    eventually("its server's connection ends", async || (backend.open() == 0).then_some(())).await;

    drop(sender);
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    assert_eq!(refused(&gateway, "stalled").await, 1.0);
}

/// A GET that an echo server answers with so many bytes.
fn request_of_bytes(stream: u32, bytes: u64) -> Vec<u8> {
    let value = bytes.to_string();
    let mut block = get("/");
    block.extend([0x00, 10]);
    block.extend(b"echo-bytes");
    block.push(u8::try_from(value.len()).unwrap());
    block.extend(value.bytes());
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
}

#[tokio::test]
async fn a_client_that_takes_a_byte_at_a_time_is_waited_for() {
    let backend = Backend::echo("s");
    // It takes as many bytes as there are looks at the metrics, thousands a second where that is quick.
    let gateway = with_options(
        &backend,
        "transport: {respondingTimeouts: {stallTimeout: 2s}}, http2: {maxWindowUpdatesPerSecond: 1000000}",
    );
    let mut client = FrameConnection::open_with(gateway.web(), &[(4, 1)]).await;
    client.send(&request_of_bytes(1, 1_000_000)).await.unwrap();
    let mut take_a_byte = async || {
        while client.next().await.expect("the connection lives").kind != DATA {}
        client.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])).await.unwrap();
    };
    // Others, younger than it, take nothing: how often the time was up for them says how long it has been waited for.
    for given_up in [1.0, 2.0] {
        let mut stalled = FrameConnection::open_with(gateway.web(), &[(4, 0)]).await;
        stalled.send(&request_of_bytes(1, 1)).await.unwrap();
        while refused(&gateway, "stalled").await < given_up {
            take_a_byte().await;
        }
        assert!(stalled.rest().await.iter().all(|frame| frame.kind != DATA));
        assert_eq!(refused(&gateway, "stalled").await, given_up, "it alone");
        take_a_byte().await;
    }
}

#[tokio::test]
async fn a_last_piece_that_nobody_takes_is_not_kept() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {stallTimeout: 1s}}");
    let mut stalled = FrameConnection::open_with(gateway.web(), &[(4, 1)]).await;
    // As much older, and all of it was taken or taken back: no stall.
    let mut idle = FrameConnection::open_with(gateway.web(), &[(4, 1)]).await;
    idle.send(&[request_of_bytes(1, 1), request_of_bytes(3, 1_000)].concat()).await.unwrap();
    let mut ended = 0;
    while ended < 2 {
        let got = idle.next().await.expect("the connection lives");
        ended += usize::from(got.kind == DATA);
    }
    idle.send(&frame(RST_STREAM, 0, 3, &[0, 0, 0, 8])).await.unwrap();
    // One byte of it goes out, and the gateway is done with the others.
    stalled.send(&request_of_bytes(1, 8)).await.unwrap();
    let frames = stalled.rest().await;
    assert_eq!(frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum::<usize>(), 1);
    assert_eq!(refused(&gateway, "stalled").await, 1.0);
    idle.send(&request(5, "/")).await.unwrap();
    while idle.next().await.expect("the connection lives").kind != HEADERS {}
}

#[tokio::test]
async fn a_head_that_is_never_whole_ends_in_time() {
    let backend = Backend::echo("s");
    let gateway = with_options(&backend, "transport: {respondingTimeouts: {headerTimeout: 400ms}}");
    let whole = request(1, "/");
    let block = frame(HEADERS, END_STREAM, 1, &get("/"));
    let halves = [&whole[..4], &whole[..12], &block, &frame(SETTINGS, 0, 0, &[0; 6])[..11]];
    for (ended, half) in halves.iter().enumerate() {
        let mut client = FrameConnection::open(gateway.web()).await;
        client.send(half).await.unwrap();
        assert!(was_told_to_calm_down(&client.rest().await), "{half:?}");
        assert_eq!(refused(&gateway, "header_timeout").await, (ended + 1) as f64);
    }
    // One that keeps sending gains nothing by it, and one that has nothing to send loses nothing.
    let mut idle = FrameConnection::open(gateway.web()).await;
    let mut client = FrameConnection::open(gateway.web()).await;
    client.send(&block).await.unwrap();
    eventually("it is ended all the same", async || {
        drop(client.send(&frame(CONTINUATION, 0, 1, &[])).await);
        (refused(&gateway, "header_timeout").await == (halves.len() + 1) as f64).then_some(())
    })
    .await;
    idle.send(&whole).await.unwrap();
    while idle.next().await.expect("the connection lives").kind != DATA {}
}

/// One value in the connection's table, and then a byte for each field that has it (CVE-2026-49975).
#[tokio::test]
async fn references_of_one_byte_do_not_fill_the_memory() {
    const CONNECTIONS: u32 = 20;
    const STREAMS: u32 = 100;
    let backend = Backend::serve("s", Protocol::Http1, |_request: Request<_>| async {
        std::future::pending::<Response<_>>().await
    });
    let gateway = with_options(&backend, "");
    let before = gateway.memory();
    let value = vec![b'v'; 3900];
    // As many references as a request may have fields, and just less than would end the connection.
    let mut attackers = Vec::new();
    for references in [110, 500] {
        for _ in 0..CONNECTIONS {
            let mut attacker = FrameConnection::open_with(gateway.web(), &[(4, 0)]).await;
            let mut first = get("/");
            first.extend([0x40, 1, b'a', 0x7f, 0xbd, 0x1d]);
            first.extend(&value);
            attacker.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &first)).await.unwrap();
            // Index 62 is the table's newest entry.
            let bomb = [get("/"), vec![0xbe; references]].concat();
            let bombs: Vec<u8> =
                (1..STREAMS).flat_map(|round| frame(HEADERS, END_HEADERS | END_STREAM, stream(round), &bomb)).collect();
            attacker.send(&bombs).await.unwrap();
            // An answer to the last frame says that all before it were read.
            attacker.send(&frame(PING, 0, 0, &[0; 8])).await.unwrap();
            while let Some(frame) = attacker.next().await {
                if frame.kind == PING {
                    break;
                }
            }
            attackers.push(attacker);
        }
        let grown = gateway.peak_memory().saturating_sub(before) / 1024;
        println!("{references} references: {grown} MiB more at most, {} KiB held now", gateway.memory());
    }
    let grown = gateway.peak_memory().saturating_sub(before) / 1024;
    // 4,000 requests, each worth 400 KiB or 1.9 MiB where its fields are copied.
    assert!(grown < 200, "{grown} MiB");
    assert!(refused(&gateway, "http2_heads").await > 0.0);
    assert_eq!(Ask::get("http://h/").send(gateway.address("traefik")).await.status, 404);
}
