//! `rateLimit` in memory: who is let through, held and refused, and what outlives a change of the configuration.

#![cfg(test)]

use std::time::{Duration, Instant};

use rollgate_testkit::{Ask, Backend, Connection, Gateway, Reply, configuration, wait::eventually};

/// Routers `r0`, `r1`... before hosts `h0.test`, `h1.test`..., all of them with the middleware `limit`.
fn dynamic(backend: &Backend, routers: usize, limit: &str) -> String {
    let router = |number: usize| {
        format!("    r{number}: {{rule: 'Host(`h{number}.test`)', middlewares: [limit], service: s}}\n")
    };
    let routers: String = (0..routers).map(router).collect();
    let service = backend.load_balancer();
    format!(
        "http:\n  routers:\n{routers}  middlewares:\n    limit: {{rateLimit: {limit}}}\n  services:\n    s: {service}\n"
    )
}

/// The same, and whoever connects is believed what it forwards.
fn trusting(dynamic: &str) -> String {
    let web = "web: {address: \"127.0.0.1:0\"}";
    configuration(dynamic).replace(web, "web: {address: \"127.0.0.1:0\", forwardedHeaders: {insecure: true}}")
}

async fn status(gateway: &Gateway, host: &str) -> u16 {
    gateway.get(&format!("http://{host}/")).await.status
}

async fn statuses<const N: usize>(gateway: &Gateway, hosts: [&str; N]) -> [u16; N] {
    let mut statuses = [0; N];
    for (status_of, host) in statuses.iter_mut().zip(hosts) {
        *status_of = status(gateway, host).await;
    }
    statuses
}

/// With a header, or an address that a proxy forwards.
async fn with(gateway: &Gateway, name: &str, value: &str) -> u16 {
    gateway.ask(Ask::get("http://h0.test/").header(name, value)).await.status
}

/// What `X-Retry-In` says; all that is awaited here is below a minute or above.
fn retry_in(reply: &Reply) -> Duration {
    let text = reply.header("x-retry-in").expect("a refusal says when to come back");
    let number = |text: &str| text.parse::<f64>().expect("a number of Go's");
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return Duration::from_secs_f64(number(milliseconds) / 1e3);
    }
    let seconds = text.strip_suffix('s').expect("Go ends with seconds");
    let (minutes, seconds) = seconds.rsplit_once('m').unwrap_or(("0", seconds));
    let (hours, minutes) = minutes.rsplit_once('h').unwrap_or(("0", minutes));
    Duration::from_secs_f64(number(hours) * 3600.0 + number(minutes) * 60.0 + number(seconds))
}

/// Puts another configuration in place, in which there is one more router, and waits until that serves.
async fn reload(gateway: &Gateway, backend: &Backend, number: usize, limit: &str) {
    let more = format!("    new{number}: {{rule: 'Host(`new{number}.test`)', service: s}}\n  middlewares:");
    let text = configuration(&dynamic(backend, 2, limit)).replacen("  middlewares:", &more, 1);
    gateway.rewrite("rollgate.yml", &text);
    let host = format!("new{number}.test");
    eventually("the change is live", async || (status(gateway, &host).await == 200).then_some(())).await;
}

const HOURLY: &str = "{average: 1, period: 1h, burst: 3}";

#[tokio::test]
async fn a_burst_passes_and_what_comes_after_it_is_refused_with_the_time_to_come_back() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 1, HOURLY));
    assert_eq!(statuses(&gateway, ["h0.test"; 3]).await, [200; 3]);
    let reply = gateway.get("http://h0.test/").await;
    assert_eq!((reply.status, reply.text().as_str()), (429, "Too Many Requests"));
    assert_eq!(reply.header("content-type"), None);
    let after = reply.header("retry-after").expect("there is one").parse::<u64>().expect("whole seconds");
    assert!((3500..=3600).contains(&after), "{after}");
    assert_eq!(retry_in(&reply).as_secs_f64().ceil() as u64, after);
    for name in ["ratelimit", "ratelimit-policy"] {
        assert_eq!(reply.header(name), None, "it is told only if it is to be");
    }
    assert_eq!(backend.requests(), 3);
    // The same client over HTTP/2.
    assert_eq!(Ask::get("http://h0.test/").send_h2(gateway.web()).await.status, 429);
}

/// What Traefik's own integration test expects: whoever asks again when refused gets a hundred in no less than a second.
#[tokio::test]
async fn a_client_that_insists_gets_the_average() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 1, "{average: 100, burst: 1}"));
    let mut client = Connection::http1(gateway.web()).await;
    let begun = Instant::now();
    let (mut passed, mut refused) = (0, 0);
    while passed < 101 {
        match client.ask(Ask::get("http://h0.test/")).await.status {
            200 => passed += 1,
            429 => refused += 1,
            other => panic!("{other}"),
        }
    }
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(990), "{took:?}");
    assert_eq!(backend.requests(), 101);
    let metrics = gateway.metrics().await;
    let decided = |decision| {
        metrics.sum("rollgate_ratelimit_total", &[("middleware", "limit@file"), ("decision", decision)]) as u64
    };
    assert_eq!((decided("allowed") + decided("delayed"), decided("refused")), (101, refused));
    assert_eq!(metrics.sum("rollgate_ratelimit_sources", &[("middleware", "limit@file")]), 1.0);
}

#[tokio::test]
async fn a_request_is_held_rather_than_refused_if_its_turn_is_near() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 1, "{average: 1, burst: 1}"));
    let mut client = Connection::http1(gateway.web()).await;
    assert_eq!(client.ask(Ask::get("http://h0.test/")).await.status, 200);
    let first = Instant::now();
    // The next one's turn is after a second, and it is held for half of it.
    let (mut asked, mut last);
    loop {
        asked = Instant::now();
        last = client.ask(Ask::get("http://h0.test/")).await;
        if last.status == 200 {
            break;
        }
        let wait = retry_in(&last);
        assert!(wait > Duration::from_millis(500), "{wait:?} would have been held");
    }
    assert!(first.elapsed() > Duration::from_millis(950), "{:?} since the first", first.elapsed());
    assert!(asked.elapsed() > Duration::from_millis(100), "held for {:?}", asked.elapsed());
    let labels = [("middleware", "limit@file"), ("decision", "delayed")];
    assert_eq!(gateway.metrics().await.sum("rollgate_ratelimit_total", &labels), 1.0);
}

#[tokio::test]
async fn routers_share_the_bucket_of_their_middleware() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 2, HOURLY));
    assert_eq!(statuses(&gateway, ["h0.test", "h1.test", "h0.test", "h1.test"]).await, [200, 200, 200, 429]);
}

#[tokio::test]
async fn each_router_has_a_bucket_of_its_own_with_scope_router() {
    let backend = Backend::echo("s");
    let limit = "{average: 1, period: 1h, burst: 2, scope: router}";
    let gateway = Gateway::with(&dynamic(&backend, 2, limit));
    for host in ["h0.test", "h1.test"] {
        assert_eq!(statuses(&gateway, [host; 3]).await, [200, 200, 429], "{host}");
    }
    reload(&gateway, &backend, 1, limit).await;
    assert_eq!(statuses(&gateway, ["h0.test", "h1.test"]).await, [429, 429]);
    let refused = [("middleware", "limit@file"), ("decision", "refused")];
    assert_eq!(gateway.metrics().await.sum("rollgate_ratelimit_total", &refused), 4.0);
}

#[tokio::test]
async fn a_bucket_stays_empty_when_something_else_changes() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 2, HOURLY));
    assert_eq!(statuses(&gateway, ["h0.test"; 4]).await, [200, 200, 200, 429]);
    for number in 0..3 {
        reload(&gateway, &backend, number, HOURLY).await;
        assert_eq!(status(&gateway, "h0.test").await, 429, "after {number} changes before this one");
    }
}

#[tokio::test]
async fn a_changed_limit_applies_to_the_buckets_that_are_there() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 2, HOURLY));
    assert_eq!(statuses(&gateway, ["h0.test"; 3]).await, [200; 3]);
    // Three tokens are missing at any rate: the next one comes after a hundredth of the time.
    reload(&gateway, &backend, 1, "{average: 100, period: 1h, burst: 3}").await;
    let wait = retry_in(&gateway.get("http://h0.test/").await);
    assert!((30..=36).contains(&wait.as_secs()), "{wait:?}");
    // Of a larger bucket, only those three.
    reload(&gateway, &backend, 2, "{average: 1, period: 1h, burst: 5}").await;
    assert_eq!(statuses(&gateway, ["h0.test"; 3]).await, [200, 200, 429]);
    // No more can be missing than fits in.
    reload(&gateway, &backend, 3, "{average: 1, period: 10h, burst: 1}").await;
    let wait = retry_in(&gateway.get("http://h0.test/").await);
    assert!((35_000..=36_000).contains(&wait.as_secs()), "{wait:?}");
    // Without a limit there is none, and the bucket is still there when there is one again.
    reload(&gateway, &backend, 4, "{average: 0}").await;
    assert_eq!(statuses(&gateway, ["h0.test"; 5]).await, [200; 5]);
}

#[tokio::test]
async fn an_average_of_none_is_no_limit() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 1, "{average: 0, burst: 1}"));
    assert_eq!(statuses(&gateway, ["h0.test"; 30]).await, [200; 30]);
}

#[tokio::test]
async fn a_header_tells_sources_apart() {
    let backend = Backend::echo("s");
    let limit = "{average: 1, period: 1h, burst: 2, sourceCriterion: {requestHeaderName: X-Key}}";
    let gateway = Gateway::with(&dynamic(&backend, 1, limit));
    for key in ["a", "b"] {
        let met = [with(&gateway, "X-Key", key).await, with(&gateway, "x-key", key).await];
        assert_eq!((met, with(&gateway, "X-Key", key).await), ([200, 200], 429), "{key}");
    }
    // Those without it are one.
    assert_eq!(statuses(&gateway, ["h0.test"; 3]).await, [200, 200, 429]);
}

#[tokio::test]
async fn a_host_is_one_source_however_it_is_written() {
    let backend = Backend::echo("s");
    let limit = "{average: 1, period: 1h, burst: 3, sourceCriterion: {requestHost: true}}";
    let gateway = Gateway::with(&dynamic(&backend, 2, limit));
    let hosts = ["h0.test", "H0.TEST", "h0.test:8080", "h0.test."];
    assert_eq!(statuses(&gateway, hosts).await, [200, 200, 200, 429]);
    assert_eq!(status(&gateway, "h1.test").await, 200);
}

#[tokio::test]
async fn an_address_is_taken_as_deep_as_it_is_to_be() {
    let backend = Backend::echo("s");
    let limit = "{average: 1, period: 1h, burst: 1, sourceCriterion: {ipStrategy: {depth: 2}}}";
    let gateway = Gateway::start(&trusting(&dynamic(&backend, 1, limit)));
    let from = async |forwarded| with(&gateway, "X-Forwarded-For", forwarded).await;
    assert_eq!(from("10.0.0.1, 10.0.0.2").await, 200);
    assert_eq!(from("10.0.0.9, 10.0.0.1, 10.0.0.3").await, 429);
    assert_eq!(from("10.0.0.4, 10.0.0.2").await, 200);
    // Without enough of them, all are one.
    assert_eq!(from("10.0.0.5").await, 200);
    assert_eq!(from("10.0.0.6").await, 429);
}

#[tokio::test]
async fn a_proxy_in_front_is_no_source() {
    let backend = Backend::echo("s");
    let limit = "{average: 1, period: 1h, sourceCriterion: {ipStrategy: {excludedIPs: [10.0.0.0/8]}}}";
    let gateway = Gateway::start(&trusting(&dynamic(&backend, 1, limit)));
    let from = async |forwarded| with(&gateway, "X-Forwarded-For", forwarded).await;
    assert_eq!(from("203.0.113.1, 10.0.0.1").await, 200);
    assert_eq!(from("203.0.113.1, 10.0.0.2, 10.9.9.9").await, 429);
    assert_eq!(from("203.0.113.2, 10.0.0.1").await, 200);
}

#[tokio::test]
async fn a_subnet_of_ipv6_is_one_source() {
    let backend = Backend::echo("s");
    let limit = "{average: 1, period: 1h, sourceCriterion: {ipStrategy: {depth: 1, ipv6Subnet: 64}}}";
    let gateway = Gateway::start(&trusting(&dynamic(&backend, 1, limit)));
    let from = async |forwarded| with(&gateway, "X-Forwarded-For", forwarded).await;
    assert_eq!(from("2001:db8:0:1::1").await, 200);
    assert_eq!(from("2001:db8:0:1:ffff:ffff:ffff:ffff").await, 429);
    assert_eq!(from("2001:db8:0:2::1").await, 200);
    // IPv4 has no subnets here.
    assert_eq!(from("192.0.2.1").await, 200);
    assert_eq!(from("192.0.2.2").await, 200);
    assert_eq!(from("::ffff:192.0.2.1").await, 429);
}

#[tokio::test]
async fn sources_beyond_the_bound_share_one_bucket() {
    let backend = Backend::echo("s");
    let limit = "{average: 1, period: 1h, burst: 2, maxSources: 2, sourceCriterion: {requestHeaderName: X-Key}}";
    let gateway = Gateway::with(&dynamic(&backend, 1, limit));
    let mut met = Vec::new();
    for key in ["a", "a", "a", "b", "c", "d", "e", "c", "b", "b"] {
        met.push((key, with(&gateway, "X-Key", key).await));
    }
    let expected = [
        ("a", 200),
        ("a", 200),
        ("a", 429),
        ("b", 200),
        // Two of the strangers pass together.
        ("c", 200),
        ("d", 200),
        ("e", 429),
        ("c", 429),
        // Whoever has a bucket keeps it.
        ("b", 200),
        ("b", 429),
    ];
    assert_eq!(met, expected);
    assert_eq!(gateway.metrics().await.sum("rollgate_ratelimit_sources", &[]), 2.0);
}

#[tokio::test]
async fn what_is_left_is_told_if_it_is_to_be() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&dynamic(&backend, 1, "{average: 3, period: 3m, burst: 3, responseHeaders: true}"));
    // A server's own stand before it.
    let ask = Ask::get("http://h0.test/").header("echo-header", "RateLimit: \"theirs\";r=5");
    let reply = gateway.ask(ask).await;
    let fields: Vec<_> = reply.headers.get_all("ratelimit").iter().collect();
    assert_eq!(fields, ["\"theirs\";r=5", "\"limit\";r=2;t=60"]);
    for (status, quota) in [(200, "\"limit\";r=1;t=60"), (200, "\"limit\";r=0;t=60"), (429, "\"limit\";r=0;t=60")] {
        let reply = gateway.get("http://h0.test/").await;
        assert_eq!((reply.status, reply.header("ratelimit")), (status, Some(quota)));
        assert_eq!(reply.header("ratelimit-policy"), Some("\"limit\";q=3;w=180"));
    }
}

#[tokio::test]
async fn a_refusal_has_the_headers_of_the_middlewares_before_it() {
    let backend = Backend::echo("s");
    let text = dynamic(&backend, 1, HOURLY)
        .replace("middlewares: [limit]", "middlewares: [cors, limit]")
        .replace("    limit:", "    cors: {headers: {accessControlAllowOriginList: ['*']}}\n    limit:");
    let gateway = Gateway::with(&text);
    for status in [200, 200, 200, 429] {
        let reply = gateway.ask(Ask::get("http://h0.test/").header("Origin", "http://a.test")).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, Some("*")));
    }
}

#[tokio::test]
async fn a_limit_on_a_service_counts_what_comes_to_it() {
    let backend = Backend::echo("s");
    let text = format!(
        "http:
  routers:
    r0: {{rule: 'Host(`h0.test`)', service: s}}
    r1: {{rule: 'Host(`h1.test`)', service: s}}
  middlewares: {{limit: {{rateLimit: {HOURLY}}}}}
  services: {{s: {}}}
",
        backend.load_balancer().replacen('{', "{middlewares: [limit], ", 1)
    );
    let gateway = Gateway::with(&text);
    assert_eq!(statuses(&gateway, ["h0.test", "h1.test", "h0.test", "h1.test"]).await, [200, 200, 200, 429]);
}
