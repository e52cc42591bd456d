//! Every middleware, as the client and the server behind it see it.

#![cfg(test)]

use rollgate_testkit::{Ask, Backend, Gateway, Launch, Reply, configuration};

/// A gateway in which the middleware of row N (YAML's flow form) stands before `cN.test`.
fn gateway(backend: &Backend, middlewares: &[&str]) -> Gateway {
    Gateway::with(&dynamic(backend, middlewares))
}

fn dynamic(backend: &Backend, middlewares: &[&str]) -> String {
    let (mut routers, mut rows) = (String::new(), String::new());
    for (number, middleware) in middlewares.iter().enumerate() {
        routers.push_str(&format!(
            "    r{number}: {{rule: 'Host(`c{number}.test`)', middlewares: [m{number}], service: s}}\n"
        ));
        rows.push_str(&format!("    m{number}: {middleware}\n"));
    }
    format!("http:\n  routers:\n{routers}  middlewares:\n{rows}  services:\n    s: {}\n", backend.load_balancer())
}

/// What a path becomes: the target the server sees, and a header that tells of the old path.
struct Rewrite {
    middleware: &'static str,
    path: &'static str,
    target: &'static str,
    tells: Option<(&'static str, &'static str)>,
}

const fn rewrite(
    middleware: &'static str,
    path: &'static str,
    target: &'static str,
    tells: Option<(&'static str, &'static str)>,
) -> Rewrite {
    Rewrite { middleware, path, target, tells }
}

const PREFIX: &str = "x-forwarded-prefix";
const REPLACED: &str = "x-replaced-path";

const REWRITES: &[Rewrite] = &[
    rewrite("{addPrefix: {prefix: /foo}}", "/bar", "/foo/bar", None),
    rewrite("{addPrefix: {prefix: /foo}}", "/", "/foo/", None),
    rewrite("{addPrefix: {prefix: /foo}}", "/bar?x=1&y=%20", "/foo/bar?x=1&y=%20", None),
    rewrite("{addPrefix: {prefix: /foo}}", "/a%2Fb", "/foo/a%2Fb", None),
    rewrite("{stripPrefix: {prefixes: [/api]}}", "/api/x", "/x", Some((PREFIX, "/api"))),
    rewrite("{stripPrefix: {prefixes: [/api]}}", "/api", "/", Some((PREFIX, "/api"))),
    rewrite("{stripPrefix: {prefixes: [/api]}}", "/api/", "/", Some((PREFIX, "/api"))),
    rewrite("{stripPrefix: {prefixes: [/api]}}", "/apix", "/x", Some((PREFIX, "/api"))),
    rewrite("{stripPrefix: {prefixes: [/api]}}", "/other", "/other", None),
    rewrite("{stripPrefix: {prefixes: [/api]}}", "/api/x?q=1", "/x?q=1", Some((PREFIX, "/api"))),
    rewrite("{stripPrefix: {prefixes: [/a, /b]}}", "/b/c", "/c", Some((PREFIX, "/b"))),
    rewrite("{stripPrefix: {prefixes: [/api]}}", "/api/a%2Fb", "/a%2Fb", Some((PREFIX, "/api"))),
    rewrite(
        "{stripPrefixRegex: {regex: ['/foo/[a-z0-9]+/[0-9]+/']}}",
        "/foo/abc/123/bar",
        "/bar",
        Some((PREFIX, "/foo/abc/123/")),
    ),
    rewrite("{stripPrefixRegex: {regex: ['^/v[0-9]+']}}", "/v12/x", "/x", Some((PREFIX, "/v12"))),
    rewrite("{stripPrefixRegex: {regex: ['/v[0-9]+']}}", "/x/v1/y", "/x/v1/y", None),
    rewrite("{replacePath: {path: /new}}", "/old/path", "/new", Some((REPLACED, "/old/path"))),
    rewrite("{replacePath: {path: /new}}", "/old?x=1", "/new?x=1", Some((REPLACED, "/old"))),
    rewrite(
        "{replacePathRegex: {regex: '^/foo/(.*)', replacement: '/bar/$1'}}",
        "/foo/x/y",
        "/bar/x/y",
        Some((REPLACED, "/foo/x/y")),
    ),
    rewrite("{replacePathRegex: {regex: '^/foo/(.*)', replacement: '/bar/$1'}}", "/other", "/other", None),
    rewrite(
        "{replacePathRegex: {regex: '^/(?P<who>[a-z]+)/id$', replacement: '/id/${who}'}}",
        "/bob/id",
        "/id/bob",
        Some((REPLACED, "/bob/id")),
    ),
];

#[tokio::test]
async fn paths_are_rewritten() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &REWRITES.iter().map(|row| row.middleware).collect::<Vec<_>>());
    for (number, row) in REWRITES.iter().enumerate() {
        let reply = gateway.get(&format!("http://c{number}.test{}", row.path)).await;
        assert_eq!(reply.status, 200, "{} on {}", row.middleware, row.path);
        let seen = reply.seen();
        assert_eq!(seen.uri, row.target, "{} on {}", row.middleware, row.path);
        for name in [PREFIX, REPLACED] {
            let told = row.tells.filter(|(told, _)| *told == name).map(|(_, value)| value);
            assert_eq!(seen.header(name), told, "{name}: {} on {}", row.middleware, row.path);
        }
    }
}

#[tokio::test]
async fn a_path_that_would_climb_after_the_prefix_is_refused() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &["{stripPrefix: {prefixes: [/api]}}"]);
    assert_eq!(gateway.get("http://c0.test/api../secret").await.status, 400);
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn a_prefix_header_of_the_client_does_not_survive() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &["{stripPrefix: {prefixes: [/api]}}"]);
    let ask = Ask::get("http://c0.test/api/x").header("X-Forwarded-Prefix", "/evil");
    assert_eq!(gateway.ask(ask).await.seen().all("x-forwarded-prefix"), ["/api"]);
}

#[tokio::test]
async fn schemes_are_redirected() {
    let backend = Backend::echo("s");
    let rows = [
        ("{redirectScheme: {scheme: https}}", "GET", 302, "https://c0.test/x?y=1"),
        ("{redirectScheme: {scheme: https}}", "POST", 307, "https://c1.test/x?y=1"),
        ("{redirectScheme: {scheme: https, permanent: true}}", "GET", 301, "https://c2.test/x?y=1"),
        ("{redirectScheme: {scheme: https, permanent: true}}", "POST", 308, "https://c3.test/x?y=1"),
        ("{redirectScheme: {scheme: https, port: '8443'}}", "GET", 302, "https://c4.test:8443/x?y=1"),
        ("{redirectScheme: {scheme: https, port: '443'}}", "GET", 302, "https://c5.test/x?y=1"),
    ];
    let gateway = gateway(&backend, &rows.map(|row| row.0));
    for (number, (middleware, method, status, location)) in rows.into_iter().enumerate() {
        for port in ["", ":8080"] {
            let reply = gateway.ask(Ask::new(method, &format!("http://c{number}.test{port}/x?y=1"))).await;
            assert_eq!(reply.status, status, "{middleware}");
            assert_eq!(reply.header("location"), Some(location), "{middleware}");
        }
    }
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn a_scheme_that_a_trusted_proxy_already_had_is_not_redirected() {
    let backend = Backend::echo("s");
    let config = configuration(&dynamic(&backend, &["{redirectScheme: {scheme: https}}"]));
    let trusting = config.replace(
        "web: {address: \"127.0.0.1:0\"}",
        "web: {address: \"127.0.0.1:0\", forwardedHeaders: {insecure: true}}",
    );
    let ask = || Ask::get("http://c0.test/").header("X-Forwarded-Proto", "https");
    assert_eq!(Gateway::start(&trusting).ask(ask()).await.status, 200);
    assert_eq!(Gateway::start(&config).ask(ask()).await.status, 302);
}

#[tokio::test]
async fn urls_are_redirected_by_expression() {
    let backend = Backend::echo("s");
    let gateway = gateway(
        &backend,
        &[
            "{redirectRegex: {regex: '^http://c0.test/(.*)', replacement: 'https://new.test/$1'}}",
            "{redirectRegex: {regex: '^http://c1.test/(.*)', replacement: 'https://new.test/${1}', permanent: true}}",
            "{redirectRegex: {regex: '^http://c2.test/old$', replacement: 'http://c2.test/new'}}",
        ],
    );
    let reply = gateway.get("http://c0.test/a/b?c=d").await;
    assert_eq!((reply.status, reply.header("location")), (302, Some("https://new.test/a/b?c=d")));
    let reply = gateway.get("http://c1.test/x").await;
    assert_eq!((reply.status, reply.header("location")), (301, Some("https://new.test/x")));
    let reply = gateway.ask(Ask::new("PUT", "http://c1.test/x")).await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://new.test/x")));
    assert_eq!(gateway.get("http://c2.test/other").await.status, 200);
    assert_eq!(gateway.get("http://c2.test/old").await.header("location"), Some("http://c2.test/new"));
}

#[tokio::test]
async fn addresses_are_allowed_by_list() {
    let rows = [
        ("{ipAllowList: {sourceRange: [127.0.0.1/32]}}", None, 200),
        ("{ipAllowList: {sourceRange: [127.0.0.1]}}", None, 200),
        ("{ipAllowList: {sourceRange: [10.0.0.0/8]}}", None, 403),
        ("{ipAllowList: {sourceRange: [10.0.0.0/8]}}", Some("10.0.0.1"), 403),
        ("{ipAllowList: {sourceRange: [10.0.0.0/8, '::1', 127.0.0.0/8]}}", None, 200),
        ("{ipAllowList: {sourceRange: [10.0.0.0/8], rejectStatusCode: 404}}", None, 404),
        ("{ipAllowList: {sourceRange: [10.2.0.0/16], ipStrategy: {depth: 1}}}", Some("10.1.1.1, 10.2.2.2"), 200),
        ("{ipAllowList: {sourceRange: [10.2.0.0/16], ipStrategy: {depth: 2}}}", Some("10.1.1.1, 10.2.2.2"), 403),
        ("{ipAllowList: {sourceRange: [10.2.0.0/16], ipStrategy: {depth: 3}}}", Some("10.1.1.1, 10.2.2.2"), 403),
        (
            "{ipAllowList: {sourceRange: [10.1.0.0/16], ipStrategy: {excludedIPs: [10.2.0.0/16]}}}",
            Some("10.1.1.1, 10.2.2.2"),
            200,
        ),
        (
            "{ipAllowList: {sourceRange: [10.1.0.0/16], ipStrategy: {excludedIPs: [10.3.0.0/16]}}}",
            Some("10.1.1.1, 10.2.2.2"),
            403,
        ),
    ];
    let backend = Backend::echo("s");
    let config = configuration(&dynamic(&backend, &rows.map(|row| row.0))).replace(
        "web: {address: \"127.0.0.1:0\"}",
        "web: {address: \"127.0.0.1:0\", forwardedHeaders: {insecure: true}}",
    );
    let gateway = Gateway::start(&config);
    for (number, (middleware, forwarded, status)) in rows.into_iter().enumerate() {
        let mut ask = Ask::get(&format!("http://c{number}.test/"));
        if let Some(forwarded) = forwarded {
            ask = ask.header("X-Forwarded-For", forwarded);
        }
        assert_eq!(gateway.ask(ask).await.status, status, "{middleware}");
    }
}

#[tokio::test]
async fn request_headers_are_set_and_deleted() {
    let backend = Backend::echo("s");
    let gateway = gateway(
        &backend,
        &["{headers: {customRequestHeaders: {X-Set: new, X-Gone: '', Host: other.test, X-Version: 'v 2'}}}"],
    );
    let ask = Ask::get("http://c0.test/").header("X-Set", "old").header("X-Gone", "here").header("X-Kept", "kept");
    let seen = gateway.ask(ask).await.seen();
    assert_eq!(seen.all("x-set"), ["new"]);
    assert_eq!(seen.header("x-gone"), None);
    assert_eq!(seen.header("x-kept"), Some("kept"));
    assert_eq!(seen.header("x-version"), Some("v 2"));
    assert_eq!(seen.header("host"), Some("other.test"));
}

#[tokio::test]
async fn response_headers_are_set_and_deleted() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &["{headers: {customResponseHeaders: {X-Set: new, X-Gone: ''}}}"]);
    let ask = Ask::get("http://c0.test/").header("echo-header", "x-set: old").header("echo-header", "x-gone: here");
    let reply = gateway.ask(ask.header("echo-header", "x-kept: kept")).await;
    assert_eq!(all(&reply, "x-set"), ["new"]);
    assert_eq!(reply.header("x-gone"), None);
    assert_eq!(reply.header("x-kept"), Some("kept"));
}

#[tokio::test]
async fn security_headers_are_added() {
    let rows = [
        ("{headers: {frameDeny: true}}", "x-frame-options", "DENY"),
        ("{headers: {customFrameOptionsValue: SAMEORIGIN}}", "x-frame-options", "SAMEORIGIN"),
        ("{headers: {contentTypeNosniff: true}}", "x-content-type-options", "nosniff"),
        ("{headers: {browserXssFilter: true}}", "x-xss-protection", "1; mode=block"),
        ("{headers: {customBrowserXSSValue: '0'}}", "x-xss-protection", "0"),
        ("{headers: {contentSecurityPolicy: \"default-src 'self'\"}}", "content-security-policy", "default-src 'self'"),
        (
            "{headers: {contentSecurityPolicyReportOnly: \"default-src 'none'\"}}",
            "content-security-policy-report-only",
            "default-src 'none'",
        ),
        ("{headers: {referrerPolicy: same-origin}}", "referrer-policy", "same-origin"),
        ("{headers: {permissionsPolicy: 'camera=()'}}", "permissions-policy", "camera=()"),
        (
            "{headers: {stsSeconds: 100, stsIncludeSubdomains: true, stsPreload: true, forceSTSHeader: true}}",
            "strict-transport-security",
            "max-age=100; includeSubDomains; preload",
        ),
        ("{headers: {stsSeconds: 100, forceSTSHeader: true}}", "strict-transport-security", "max-age=100"),
    ];
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &rows.map(|row| row.0));
    for (number, (middleware, name, value)) in rows.into_iter().enumerate() {
        let reply = gateway.get(&format!("http://c{number}.test/")).await;
        assert_eq!(reply.status, 200, "{middleware}");
        assert_eq!(reply.header(name), Some(value), "{middleware}");
    }
}

#[tokio::test]
async fn transport_security_is_not_promised_in_clear_text() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &["{headers: {stsSeconds: 100}}"]);
    assert_eq!(gateway.get("http://c0.test/").await.header("strict-transport-security"), None);
}

#[tokio::test]
async fn foreign_hosts_are_refused() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', middlewares: [m], service: s}}}}
  middlewares: {{m: {{headers: {{allowedHosts: [good.test]}}}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    ));
    assert_eq!(gateway.get("http://good.test/").await.status, 200);
    assert_ne!(gateway.get("http://bad.test/").await.status, 200);
    assert_eq!(backend.requests(), 1);
}

const CORS: &str = "{headers: {accessControlAllowMethods: [GET, PUT], accessControlAllowHeaders: [X-One, X-Two], \
     accessControlAllowOriginList: ['https://app.test'], accessControlAllowOriginListRegex: ['^https://[a-z]+\\.ok$'], \
     accessControlAllowCredentials: true, accessControlExposeHeaders: [X-Seen], accessControlMaxAge: 100, \
     addVaryHeader: true}}";

#[tokio::test]
async fn a_preflight_is_answered_here() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &[CORS]);
    let ask = Ask::new("OPTIONS", "http://c0.test/")
        .header("Origin", "https://app.test")
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", "x-one");
    let reply = gateway.ask(ask).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.test"));
    assert_eq!(reply.header("access-control-allow-methods"), Some("GET,PUT"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("X-One,X-Two"));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(reply.header("access-control-max-age"), Some("100"));
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn answers_say_which_origin_may_read_them() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &[CORS]);
    for (origin, allowed) in [
        ("https://app.test", Some("https://app.test")),
        ("https://abc.ok", Some("https://abc.ok")),
        ("https://evil.test", None),
        ("https://abc.ok.evil", None),
    ] {
        let reply = gateway.ask(Ask::get("http://c0.test/").header("Origin", origin)).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("access-control-allow-origin"), allowed, "{origin}");
        if allowed.is_some() {
            assert_eq!(reply.header("access-control-expose-headers"), Some("X-Seen"));
        }
        assert!(all(&reply, "vary").iter().any(|vary| vary.to_lowercase().contains("origin")), "{reply:?}");
    }
}

#[tokio::test]
async fn a_plain_options_request_reaches_the_server() {
    let backend = Backend::echo("s");
    let gateway = gateway(&backend, &[CORS]);
    assert_eq!(gateway.ask(Ask::new("OPTIONS", "http://c0.test/")).await.seen().method, "OPTIONS");
}

#[tokio::test]
async fn several_run_in_the_order_they_are_named() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers:
    ab: {{rule: 'Host(`ab.test`)', middlewares: [a, b], service: s}}
    ba: {{rule: 'Host(`ba.test`)', middlewares: [b, a], service: s}}
    chain: {{rule: 'Host(`chain.test`)', middlewares: [both, c], service: s}}
    nested: {{rule: 'Host(`nested.test`)', middlewares: [outer], service: s}}
    service: {{rule: 'Host(`service.test`)', middlewares: [a], service: own}}
  middlewares:
    a: {{addPrefix: {{prefix: /a}}}}
    b: {{addPrefix: {{prefix: /b}}}}
    c: {{addPrefix: {{prefix: /c}}}}
    both: {{chain: {{middlewares: [a, b]}}}}
    outer: {{chain: {{middlewares: [c, both]}}}}
  services:
    s: {s}
    own: {{middlewares: [b], loadBalancer: {{servers: [{{url: '{url}'}}]}}}}
",
        s = backend.load_balancer(),
        url = backend.url()
    ));
    for (host, target) in
        [("ab", "/b/a/x"), ("ba", "/a/b/x"), ("chain", "/c/b/a/x"), ("nested", "/b/a/c/x"), ("service", "/b/a/x")]
    {
        assert_eq!(gateway.get(&format!("http://{host}.test/x")).await.seen().uri, target, "{host}");
    }
}

#[tokio::test]
async fn an_early_answer_still_gets_the_headers_of_those_before() {
    let backend = Backend::echo("s");
    let gateway = Gateway::with(&format!(
        "http:
  routers:
    refused: {{rule: 'Host(`refused.test`)', middlewares: [mark, cors, nobody, after], service: s}}
    moved: {{rule: 'Host(`moved.test`)', middlewares: [mark, move], service: s}}
    empty: {{rule: 'Host(`empty.test`)', middlewares: [mark], service: none}}
  middlewares:
    mark: {{headers: {{customResponseHeaders: {{X-Mark: here}}}}}}
    cors: {{headers: {{accessControlAllowOriginList: ['*']}}}}
    nobody: {{ipAllowList: {{sourceRange: [10.0.0.0/8]}}}}
    after: {{headers: {{customResponseHeaders: {{X-After: here}}}}}}
    move: {{redirectScheme: {{scheme: https}}}}
  services:
    s: {}
    none: {{loadBalancer: {{servers: []}}}}
",
        backend.load_balancer()
    ));
    let reply = gateway.ask(Ask::get("http://refused.test/").header("Origin", "https://x.test")).await;
    assert_eq!((reply.status, reply.header("x-mark")), (403, Some("here")));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("x-after"), None, "those after the answer were never passed");
    let reply = gateway.get("http://moved.test/").await;
    assert_eq!((reply.status, reply.header("x-mark")), (302, Some("here")));
    let reply = gateway.get("http://empty.test/").await;
    assert_eq!((reply.status, reply.header("x-mark")), (503, Some("here")));
    assert_eq!(reply.text(), "no available server\n");
}

#[tokio::test]
async fn entry_point_middlewares_run_first() {
    let backend = Backend::echo("s");
    let config = format!(
        "entryPoints:
  web: {{address: '127.0.0.1:0', http: {{middlewares: [first@file]}}}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', middlewares: [second], service: s}}}}
  middlewares:
    first: {{addPrefix: {{prefix: /first}}}}
    second: {{addPrefix: {{prefix: /second}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    );
    assert_eq!(Launch::new(&config).start().get("http://h/x").await.seen().uri, "/second/first/x");
}

fn all<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    reply.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}
