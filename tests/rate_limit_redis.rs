//! `rateLimit` with Redis: one limit for all replicas by a real redis-server, which is killed, stopped and started again.

#![cfg(test)]

use std::time::{Duration, Instant};

use rollgate_testkit::{
    Ask, Backend, Gateway, Launch, Redis, configuration,
    tls::Authority,
    wait::{eventually, within},
};

/// Routers before hosts `h0.test` and `h1.test` with this limit, and one before `free.test` without.
fn dynamic(backend: &Backend, limit: &str) -> String {
    format!(
        "http:
  routers:
    r0: {{rule: 'Host(`h0.test`)', middlewares: [limit], service: s}}
    r1: {{rule: 'Host(`h1.test`)', middlewares: [limit], service: s}}
    free: {{rule: 'Host(`free.test`)', service: s}}
  middlewares:
    limit: {{rateLimit: {limit}}}
  services:
    s: {}
",
        backend.load_balancer()
    )
}

/// A bucket of so many tokens that gets one back in an hour, and more keys of `redis` than its endpoint.
fn hourly(burst: u32, redis: &Redis, more: &str) -> String {
    let endpoint = redis.endpoint();
    format!("{{average: 1, period: 1h, burst: {burst}, redis: {{endpoints: ['{endpoint}'], readTimeout: 20s{more}}}}}")
}

/// A gateway that can ask its Redis.
async fn asking(dynamic: &str) -> Gateway {
    let gateway = Gateway::with(dynamic);
    connected(&gateway, 2.0).await;
    gateway
}

/// Waits until so many connections to Redis can be asked.
async fn connected(gateway: &Gateway, connections: f64) {
    let what = format!("{connections} connections to redis");
    let count = async || gateway.metrics().await.sum("rollgate_redis_connections", &[]);
    eventually(&what, async || (count().await == connections).then_some(())).await;
}

async fn status(gateway: &Gateway, host: &str) -> u16 {
    gateway.get(&format!("http://{host}/")).await.status
}

async fn statuses<const N: usize>(gateways: [&Gateway; N]) -> [u16; N] {
    let mut statuses = [0; N];
    for (status_of, gateway) in statuses.iter_mut().zip(gateways) {
        *status_of = status(gateway, "h0.test").await;
    }
    statuses
}

async fn decided(gateway: &Gateway, decision: &str) -> f64 {
    let labels = [("middleware", "limit@file"), ("decision", decision)];
    gateway.metrics().await.sum("rollgate_ratelimit_total", &labels)
}

/// Keys of buckets, as Redis tells them.
fn keys(redis: &Redis) -> Vec<String> {
    let told = redis.command(&["KEYS", "rollgate:rate:limit*"]);
    told.lines().filter(|line| line.starts_with("rollgate:")).map(str::to_owned).collect()
}

#[tokio::test]
async fn replicas_share_one_limit() {
    let (backend, redis) = (Backend::echo("s"), Redis::start());
    let limit = hourly(3, &redis, "").replace("burst: 3,", "burst: 3, responseHeaders: true,");
    let text = dynamic(&backend, &limit);
    let (one, other) = (asking(&text).await, asking(&text).await);
    assert_eq!(statuses([&one, &other, &one, &other, &one]).await, [200, 200, 200, 429, 429]);
    assert_eq!(status(&other, "h1.test").await, 429, "a middleware's limit is all its routers'");
    let reply = one.get("http://h0.test/").await;
    let after: u64 = reply.header("retry-after").expect("there is one").parse().expect("whole seconds");
    assert!((3590..=3600).contains(&after), "{after}");
    assert!(reply.header("x-retry-in").is_some_and(|text| text.starts_with("59m") || text.starts_with("1h0m0")));
    let left = reply.header("ratelimit").expect("it is to be told");
    assert!(left.starts_with("\"limit\";r=0;t=3"), "{left}");
    assert_eq!(reply.header("ratelimit-policy"), Some("\"limit\";q=3;w=10800"));
    assert_eq!((decided(&one, "allowed").await, decided(&one, "refused").await), (2.0, 2.0));
    // What a client is known by stays in the gateway, and its bucket lives until it would be full.
    let [key] = &keys(&redis)[..] else { panic!("{:?}", keys(&redis)) };
    assert!(key.starts_with("rollgate:rate:limit@file:") && !key.contains("127.0.0.1"), "{key}");
    let lives = redis.command(&["PTTL", key]);
    let lives: u64 = lives.trim().trim_start_matches(':').parse().expect("it has an end");
    assert!((10_790_000..=10_802_000).contains(&lives), "{lives} ms");
    // A replica that is new finds the bucket as it is.
    drop(one);
    assert_eq!(statuses([&asking(&text).await]).await, [429]);
}

#[tokio::test]
async fn a_redis_that_is_killed_and_comes_back_costs_no_request() {
    let (backend, mut redis) = (Backend::echo("s"), Redis::start());
    let text = dynamic(&backend, &hourly(4, &redis, ", replicas: 2"));
    let (one, other) = (asking(&text).await, asking(&text).await);
    assert_eq!(statuses([&one, &one, &one, &other, &other]).await, [200, 200, 200, 200, 429]);
    redis.kill();
    // Each has its share, from the first request on, whether it knows already or not.
    assert_eq!(statuses([&one, &one, &one, &other, &other, &other]).await, [200, 200, 429, 200, 200, 429]);
    connected(&one, 0.0).await;
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(status(&one, "h0.test").await, 429);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "nobody waits for it: {:?}", began.elapsed());
    assert_eq!((decided(&one, "fallback_allowed").await, decided(&one, "fallback_refused").await), (2.0, 51.0));
    redis.restart();
    connected(&one, 2.0).await;
    connected(&other, 2.0).await;
    // It kept nothing: the bucket is a new one, and shared again.
    assert_eq!(statuses([&one, &one, &one, &other, &other]).await, [200, 200, 200, 200, 429]);
    assert_eq!(decided(&one, "fallback_refused").await, 51.0);
    let log = eventually("the log tells", async || {
        let log = one.stdout() + &one.stderr();
        (log.matches("redis is asked").count() == 2).then_some(log)
    })
    .await;
    assert_eq!(log.matches("redis cannot be asked").count(), 1, "{log}");
    redis.kill();
    eventually("the log tells of the next time too", async || {
        let log = one.stdout() + &one.stderr();
        (log.matches("redis cannot be asked").count() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn under_load_every_request_is_answered_while_redis_dies_and_returns() {
    let (backend, mut redis) = (Backend::echo("s"), Redis::start());
    let gateway = asking(&dynamic(&backend, &hourly(8_000, &redis, "").replace("1h", "1ms"))).await;
    let web = gateway.web();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stopped = stopped.clone();
            tokio::spawn(async move {
                let mut client = rollgate_testkit::Connection::http1(web).await;
                let mut asked = 0;
                while !*stopped.borrow() {
                    assert_eq!(client.ask(Ask::get("http://h0.test/")).await.status, 200, "after {asked}");
                    asked += 1;
                }
                asked
            })
        })
        .collect();
    let count = async |decision: &str, more: f64| {
        let before = decided(&gateway, decision).await;
        let enough = async || (decided(&gateway, decision).await >= before + more).then_some(());
        eventually(&format!("{more} more {decision}"), enough).await;
    };
    for _ in 0..2 {
        count("allowed", 200.0).await;
        redis.kill();
        count("fallback_allowed", 200.0).await;
        redis.restart();
        connected(&gateway, 2.0).await;
    }
    count("allowed", 200.0).await;
    stop.send_replace(true);
    let mut asked = 0;
    for client in clients {
        asked += within("a client ends", client).await.expect("each of its requests was answered with 200");
    }
    assert_eq!(backend.requests(), asked);
    assert_eq!(decided(&gateway, "allowed").await + decided(&gateway, "fallback_allowed").await, asked as f64);
}

#[tokio::test]
async fn a_redis_that_hangs_stops_nobody_else() {
    let (backend, redis) = (Backend::echo("s"), Redis::start());
    let limit = hourly(100, &redis, "").replace("readTimeout: 20s", "readTimeout: 3s");
    let gateway = Launch::new(&configuration(&dynamic(&backend, &limit))).argument("--workers=1").start();
    connected(&gateway, 2.0).await;
    assert_eq!(statuses([&gateway]).await, [200]);
    redis.pause();
    let began = Instant::now();
    let web = gateway.web();
    let waiting: Vec<_> =
        (0..20).map(|_| tokio::spawn(async move { Ask::get("http://h0.test/").send(web).await.status })).collect();
    // The only worker goes on meanwhile.
    for _ in 0..20 {
        assert_eq!(status(&gateway, "free.test").await, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(waiting.iter().any(|asked| !asked.is_finished()), "they wait for redis");
    for asked in waiting {
        assert_eq!(within("a limited request is answered", asked).await.expect("it is"), 200);
    }
    connected(&gateway, 0.0).await;
    let began = Instant::now();
    assert_eq!(statuses([&gateway]).await, [200]);
    assert!(began.elapsed() < Duration::from_secs(2), "nobody waits again: {:?}", began.elapsed());
    redis.resume();
    connected(&gateway, 2.0).await;
    let before = decided(&gateway, "allowed").await;
    assert_eq!(statuses([&gateway]).await, [200]);
    assert_eq!(decided(&gateway, "allowed").await, before + 1.0);
}

#[tokio::test]
async fn without_redis_requests_pass_or_are_refused_as_the_operator_wants() {
    let (backend, mut redis) = (Backend::echo("s"), Redis::start());
    redis.kill();
    for (on_failure, expected) in [("allow", [200, 200, 200]), ("deny", [503, 503, 503]), ("local", [200, 429, 429])] {
        let limit = hourly(1, &redis, &format!(", onFailure: {on_failure}"));
        let gateway = Gateway::with(&dynamic(&backend, &limit));
        assert_eq!(statuses([&gateway; 3]).await, expected, "{on_failure}");
        let reply = gateway.get("http://h0.test/").await;
        assert_eq!(reply.header("retry-after").is_some(), on_failure != "allow", "{on_failure}");
        assert_eq!(status(&gateway, "free.test").await, 200);
    }
}

#[tokio::test]
async fn a_user_a_database_and_tls_are_used() {
    let authority = Authority::new("redis ca");
    let identity = authority.issue(&["127.0.0.1"]);
    let options = [
        ["--port", "0"],
        ["--tls-port", "@PORT@"],
        ["--tls-cert-file", "@DIR@/cert.pem"],
        ["--tls-key-file", "@DIR@/key.pem"],
        ["--tls-ca-cert-file", "@DIR@/ca.pem"],
        ["--aclfile", "@DIR@/users.acl"],
    ];
    let users = "user default off\nuser gateway on >sesame ~rollgate:* -@all +@scripting +get +set +time +select\n";
    let files = [
        ("cert.pem", identity.cert_pem.as_str()),
        ("key.pem", identity.key_pem.as_str()),
        ("ca.pem", authority.pem.as_str()),
        ("users.acl", users),
    ];
    let (backend, redis) = (Backend::echo("s"), Redis::with_files(options.as_flattened(), &files));
    let launch = |password: &str, ca: &str| {
        let client = authority.issue(&["gateway"]);
        let tls = format!("{{ca: '@DIR@/{ca}', cert: '@DIR@/client.pem', key: '@DIR@/client.key'}}");
        let more = format!(", username: gateway, password: {password}, db: 3, tls: {tls}");
        Launch::new(&configuration(&dynamic(&backend, &hourly(2, &redis, &more))))
            .file("ca.pem", &authority.pem)
            .file("other.pem", &Authority::new("somebody else's").pem)
            .file("client.pem", &client.cert_pem)
            .file("client.key", &client.key_pem)
            .start()
    };
    let (one, other) = (launch("sesame", "ca.pem"), launch("sesame", "ca.pem"));
    connected(&one, 2.0).await;
    connected(&other, 2.0).await;
    assert_eq!(statuses([&one, &other, &one]).await, [200, 200, 429]);
    for wrong in [launch("open", "ca.pem"), launch("sesame", "other.pem")] {
        assert_eq!(statuses([&wrong, &wrong, &wrong]).await, [200, 200, 429]);
        assert_eq!((decided(&wrong, "allowed").await, decided(&wrong, "fallback_allowed").await), (0.0, 2.0));
        let told = async || (wrong.stdout() + &wrong.stderr()).contains("redis cannot be asked").then_some(());
        eventually("the log tells", told).await;
    }
}

#[tokio::test]
async fn an_average_of_none_asks_nobody() {
    let (backend, redis) = (Backend::echo("s"), Redis::start());
    let limit = hourly(1, &redis, "").replace("average: 1", "average: 0");
    let gateway = Gateway::with(&dynamic(&backend, &limit));
    assert_eq!(statuses([&gateway; 10]).await, [200; 10]);
    assert_eq!(keys(&redis), [""; 0]);
}

#[tokio::test]
async fn each_router_has_a_bucket_of_its_own_with_scope_router() {
    let (backend, redis) = (Backend::echo("s"), Redis::start());
    let limit = hourly(1, &redis, "").replace("burst: 1,", "burst: 1, scope: router,");
    let text = dynamic(&backend, &limit);
    let (one, other) = (asking(&text).await, asking(&text).await);
    for host in ["h0.test", "h1.test"] {
        assert_eq!([status(&one, host).await, status(&other, host).await], [200, 429], "{host}");
    }
    assert_eq!(keys(&redis).len(), 2);
}

#[tokio::test]
async fn a_changed_limit_applies_to_the_buckets_that_are_there() {
    let (backend, redis) = (Backend::echo("s"), Redis::start());
    let gateway = asking(&dynamic(&backend, &hourly(3, &redis, ""))).await;
    assert_eq!(statuses([&gateway; 4]).await, [200, 200, 200, 429]);
    let larger = dynamic(&backend, &hourly(5, &redis, "")).replace("free.test", "new.test");
    gateway.rewrite("rollgate.yml", &configuration(&larger));
    eventually("the change is live", async || (status(&gateway, "new.test").await == 200).then_some(())).await;
    assert_eq!(statuses([&gateway; 3]).await, [200, 200, 429]);
}
