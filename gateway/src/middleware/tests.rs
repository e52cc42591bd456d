use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode, header, request::Parts};
use regex::Regex;
use rollgate_config::{dynamic::middleware as config, scalar::IpStrategy};

use super::*;
use crate::{body::RequestBody, compile::States, helper::Helper, metrics::Metrics, pool::Targets, troubles::Troubles};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

pub(super) fn compile(kind: &MiddlewareKind) -> Result<Middleware, CompileError> {
    let (states, metrics) = (States::default(), Arc::new(Metrics::new(None).unwrap()));
    let (helper, troubles, targets) = (Helper::default(), Troubles::default(), Targets::default());
    let making = Making {
        name: "m@file",
        states: &states,
        metrics: &metrics,
        targets: &targets,
        helper: &helper,
        troubles: &troubles,
        workers: 1,
    };
    Middleware::compile(kind, &making)
}

fn compiled(kind: MiddlewareKind) -> Middleware {
    compile(&kind).unwrap()
}

fn get(host: &str, target: &str) -> Parts {
    let request = Request::builder().uri(target).header(header::HOST, host).body(()).unwrap();
    request.into_parts().0
}

fn run(middleware: &Middleware, parts: &mut Parts) -> Option<Answer> {
    run_over(middleware, parts, false)
}

fn run_over(middleware: &Middleware, parts: &mut Parts, tls: bool) -> Option<Answer> {
    run_for(middleware, parts, CLIENT, tls)
}

fn run_for(middleware: &Middleware, parts: &mut Parts, client: IpAddr, tls: bool) -> Option<Answer> {
    let mut body = RequestBody::Empty;
    let mut head =
        Head { parts, body: &mut body, client, tls, record: None, worker: 0, now: None, verdicts: Vec::new() };
    match middleware.request(&mut head) {
        Ok(_) => None,
        Err(Halt::Answer(answer)) => Some(*answer),
        Err(Halt::Wait(wait)) => panic!("{wait:?}"),
    }
}

fn lines(parts: &Parts, name: &str) -> Vec<String> {
    parts.headers.get_all(name).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// What becomes of a target: the new one and the value of a field that tells of the old one, or a status.
fn rewritten(middleware: &Middleware, target: &str, field: &str) -> Result<(String, String), u16> {
    let mut parts = get("h", target);
    match run(middleware, &mut parts) {
        Some(answer) => Err(answer.status.as_u16()),
        None => Ok((parts.uri.to_string(), lines(&parts, field).join(", "))),
    }
}

type Rewrite<'a> = (&'a str, Result<(&'a str, &'a str), u16>);

#[track_caller]
fn expect_rewrites<const N: usize>(kind: MiddlewareKind, field: &str, cases: [Rewrite<'_>; N]) {
    let middleware = compiled(kind);
    assert!(!middleware.has_response_half() && !middleware.looks_ahead());
    for (target, expected) in cases {
        let found = rewritten(&middleware, target, field);
        let found = found.as_ref().map(|(target, told)| (target.as_str(), told.as_str())).map_err(|status| *status);
        assert_eq!(found, expected, "{target:.80}");
    }
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn regexes(items: &[&str]) -> Vec<Regex> {
    items.iter().map(|item| Regex::new(item).unwrap()).collect()
}

#[test]
fn add_prefix_comes_before_the_path() {
    expect_rewrites(
        MiddlewareKind::AddPrefix("/a".to_owned()),
        "x-none",
        [
            ("/", Ok(("/a/", ""))),
            ("/b", Ok(("/a/b", ""))),
            ("/b/?q=1&r", Ok(("/a/b/?q=1&r", ""))),
            ("/b%2Fc", Ok(("/a/b%2Fc", ""))),
            ("http://h:81/b?q", Ok(("http://h:81/a/b?q", ""))),
        ],
    );
    expect_rewrites(MiddlewareKind::AddPrefix("/f\u{f6} o?".to_owned()), "x", [("/b", Ok(("/f%C3%B6%20o%3F/b", "")))]);
    expect_rewrites(MiddlewareKind::AddPrefix("a/".to_owned()), "x", [("/b", Ok(("/a/b", "")))]);
    let long = format!("/{}", "x".repeat(65_533));
    expect_rewrites(
        MiddlewareKind::AddPrefix("/0123456789/0123456789/0123456789".to_owned()),
        "x",
        [(&long, Err(414))],
    );
}

#[test]
fn strip_prefix_removes_the_first_that_fits() {
    expect_rewrites(
        MiddlewareKind::StripPrefix(strings(&["/stat", " /api/v1 ", "/api", "/foo bar"])),
        "x-forwarded-prefix",
        [
            ("/", Ok(("/", ""))),
            ("/other", Ok(("/other", ""))),
            ("/stat", Ok(("/", "/stat"))),
            ("/stat/", Ok(("/", "/stat"))),
            ("/stat/us", Ok(("/us", "/stat"))),
            ("/status", Ok(("/us", "/stat"))),
            ("/stat?q=1", Ok(("/?q=1", "/stat"))),
            ("/api/v1/x", Ok(("/x", "/api/v1"))),
            ("/api/v2/x/?q", Ok(("/v2/x/?q", "/api"))),
            ("/%61pi/x%2Fy", Ok(("/x%2Fy", "/api"))),
            ("/foo%20bar/x", Ok(("/x", "/foo bar"))),
            ("/a/stat", Ok(("/a/stat", ""))),
            ("/sta", Ok(("/sta", ""))),
            ("*", Ok(("*", ""))),
        ],
    );
}

#[test]
fn what_is_left_of_a_stripped_path_must_be_clean() {
    for kind in [MiddlewareKind::StripPrefix(strings(&["/api"])), MiddlewareKind::StripPrefixRegex(regexes(&["^/api"]))]
    {
        expect_rewrites(
            kind,
            "x-forwarded-prefix",
            [
                ("/api../admin", Err(400)),
                ("/api%2e%2e/admin", Err(400)),
                ("/api/../admin", Err(400)),
                ("/api./x", Err(400)),
                ("/api//x", Err(400)),
                ("/api%2F..%2Fx", Err(400)),
                ("/api%2fx", Err(400)),
                ("/api/x/..", Err(400)),
                ("/api.../x", Ok(("/.../x", "/api"))),
                ("/api/.x", Ok(("/.x", "/api"))),
            ],
        );
    }
}

#[test]
fn a_stripped_prefix_is_added_to_those_told_before() {
    let mut parts = get("h", "/b/c");
    parts.headers.insert("x-forwarded-prefix", HeaderValue::from_static("/a"));
    assert_eq!(run(&compiled(MiddlewareKind::StripPrefix(strings(&["/b"]))), &mut parts), None);
    assert_eq!(lines(&parts, "x-forwarded-prefix"), ["/a", "/b"]);
}

#[test]
fn strip_prefix_regex_matches_at_the_start_of_the_decoded_path() {
    expect_rewrites(
        MiddlewareKind::StripPrefixRegex(regexes(&["/a/api/", "^/b/([a-z0-9]+)/", "/c/[a-z ]+", "^/z*"])),
        "x-forwarded-prefix",
        [
            ("/a/api/test", Ok(("/test", "/a/api/"))),
            ("/a/api", Ok(("/a/api", "/"))),
            ("/b/id9/x?q", Ok(("/x?q", "/b/id9/"))),
            ("/c/a%20b/x", Ok(("/x", "/c/a b"))),
            ("/c/a%20b/x%2Fy", Ok(("/x%2Fy", "/c/a b"))),
            ("/zz", Ok(("/", "/zz"))),
        ],
    );
    expect_rewrites(
        MiddlewareKind::StripPrefixRegex(regexes(&["(?s)^/[^/]+", "x"])),
        "x-forwarded-prefix",
        [
            ("/a%0d%0aX-Evil:1/x", Err(400)),
            ("/a%00/x", Err(400)),
            ("/%FF/x", Ok(("/x", "/%FF"))),
            ("//x", Ok(("//x", ""))),
        ],
    );
}

#[test]
fn replace_path_keeps_the_query() {
    expect_rewrites(
        MiddlewareKind::ReplacePath("/new".to_owned()),
        "x-replaced-path",
        [
            ("/", Ok(("/new", "/"))),
            ("/a%20b/?q=1", Ok(("/new?q=1", "/a%20b/"))),
            ("http://h/a", Ok(("http://h/new", "/a"))),
        ],
    );
    expect_rewrites(MiddlewareKind::ReplacePath("a b?c#d%2F".to_owned()), "x", [("/", Ok(("/a%20b%3Fc%23d%2F", "")))]);
    let refused = compile(&MiddlewareKind::ReplacePath("/%zz".to_owned()));
    assert_eq!(refused.map(|_| ()), Err(CompileError::Path("/%zz".to_owned())));
}

fn replace_regex(regex: &str, replacement: &str) -> MiddlewareKind {
    MiddlewareKind::ReplacePathRegex { regex: Regex::new(regex).unwrap(), replacement: replacement.to_owned() }
}

#[test]
fn replace_path_regex_rewrites_what_matches() {
    expect_rewrites(
        replace_regex("^/who/(\\d+)/(.*)$", "/am/${2}/${1}"),
        "x-replaced-path",
        [
            ("/who/7/x", Ok(("/am/x/7", "/who/7/x"))),
            ("/who/7/x?q=1", Ok(("/am/x/7?q=1", "/who/7/x"))),
            ("/who/x", Ok(("/who/x", ""))),
            ("/who/7/a%20b", Ok(("/am/a%20b/7", "/who/7/a%20b"))),
            ("/who/7/..", Err(400)),
            ("/who/7//x", Err(400)),
        ],
    );
    // Pieces of the client's put together: an encoding that was none, dots that were none.
    expect_rewrites(
        replace_regex("^/(.*)-(.*)$", "/%$1$2/${1}${2}/x"),
        "x-none",
        [("/2-e", Err(400)), ("/6-1", Err(400)), ("/2-f", Err(400)), ("/2-F", Ok(("/%2F/2F/x", "")))],
    );
    expect_rewrites(
        replace_regex("^/(.*)-(.*)$", "/$1$2/x"),
        "x-none",
        [("/.-.", Err(400)), ("/a-", Ok(("/a/x", "")))],
    );
    expect_rewrites(replace_regex("^.*$", ""), "x-replaced-path", [("/a?q", Ok(("/?q", "/a")))]);
    expect_rewrites(replace_regex("^/a", "b ?#"), "x-none", [("/a", Ok(("/b%20%3F%23", "")))]);
    expect_rewrites(replace_regex("a", "%"), "x-none", [("/a", Err(500)), ("/b", Ok(("/b", "")))]);
    expect_rewrites(replace_regex("a", "bb"), "x-none", [("/aa/a", Ok(("/bbbb/bb", "")))]);
}

#[test]
fn a_target_without_a_path_is_left_alone() {
    let kinds = [
        MiddlewareKind::AddPrefix("/a".to_owned()),
        MiddlewareKind::StripPrefix(strings(&[""])),
        MiddlewareKind::StripPrefixRegex(regexes(&[".*"])),
        MiddlewareKind::ReplacePath("/a".to_owned()),
        replace_regex("^", "/a"),
        MiddlewareKind::RedirectScheme { scheme: "https".to_owned(), port: None, permanent: false },
        MiddlewareKind::RedirectRegex {
            regex: Regex::new(".*").unwrap(),
            replacement: "/".to_owned(),
            permanent: false,
        },
    ];
    for kind in kinds {
        let mut parts = get("h:443", "h:443");
        parts.method = Method::CONNECT;
        assert_eq!(run(&compiled(kind.clone()), &mut parts), None, "{kind:?}");
        assert_eq!(parts.uri.to_string(), "h:443", "{kind:?}");
        assert_eq!(parts.headers.len(), 1, "{kind:?}");
    }
}

fn location(answer: Option<Answer>) -> (u16, String) {
    let Some(answer) = answer else {
        return (0, String::new());
    };
    assert_eq!(answer.body, answer.status.canonical_reason().unwrap());
    let location = answer.headers.get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
    (answer.status.as_u16(), location.unwrap_or_default())
}

#[test]
fn redirect_scheme_leads_to_the_same_place() {
    // Scheme and port wanted; over TLS; host; X-Forwarded-Proto; location, or nothing if it passes.
    let cases = [
        ("https", None, false, "foo", "", "https://foo/p?q=1"),
        ("https", None, false, "foo:80", "", "https://foo/p?q=1"),
        ("https", None, false, "foo:8080", "", "https://foo/p?q=1"),
        ("https", Some(443), false, "foo", "", "https://foo/p?q=1"),
        ("https", Some(8443), false, "foo", "", "https://foo:8443/p?q=1"),
        ("https", Some(8443), false, "foo:8080", "", "https://foo:8443/p?q=1"),
        ("https", None, true, "foo", "", ""),
        ("https", None, true, "foo:443", "", ""),
        ("https", None, true, "foo:8443", "", "https://foo/p?q=1"),
        ("https", Some(8443), true, "foo:8443", "", ""),
        ("https", Some(8443), true, "foo", "", "https://foo:8443/p?q=1"),
        ("https", None, false, "foo", "https", ""),
        ("https", None, false, "foo", "HTTPS", ""),
        ("https", None, false, "foo", "wss", ""),
        ("https", None, false, "foo", "http", "https://foo/p?q=1"),
        ("https", None, true, "foo", "http", "https://foo/p?q=1"),
        ("https", None, true, "foo", "ws", "https://foo/p?q=1"),
        ("https", None, false, "foo", "bar", "https://foo/p?q=1"),
        ("https", None, true, "foo", "bar", ""),
        ("http", None, true, "foo", "", "http://foo/p?q=1"),
        ("http", Some(80), true, "foo:443", "", "http://foo/p?q=1"),
        ("http", Some(81), false, "foo", "", "http://foo:81/p?q=1"),
        ("http", None, false, "foo", "", ""),
        ("https", None, false, "[::1]:8080", "", "https://[::1]/p?q=1"),
        ("https", Some(8443), false, "[::1]", "", "https://[::1]:8443/p?q=1"),
        ("wss", None, false, "foo", "", "wss://foo/p?q=1"),
    ];
    for (scheme, port, tls, host, proto, expected) in cases {
        let kind = MiddlewareKind::RedirectScheme { scheme: scheme.to_owned(), port, permanent: false };
        let mut parts = get(host, "/p?q=1");
        if !proto.is_empty() {
            parts.headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
        }
        let (status, found) = location(run_over(&compiled(kind), &mut parts, tls));
        assert_eq!(found, expected, "{scheme} {port:?} {tls} {host} {proto}");
        assert_eq!(status, if expected.is_empty() { 0 } else { 302 });
    }
}

#[test]
fn a_redirection_keeps_methods_other_than_get() {
    let cases = [(Method::GET, 302, 301), (Method::POST, 307, 308), (Method::HEAD, 307, 308), (Method::PUT, 307, 308)];
    for (method, temporary, lasting) in cases {
        for (permanent, status) in [(false, temporary), (true, lasting)] {
            let kind = MiddlewareKind::RedirectScheme { scheme: "https".to_owned(), port: None, permanent };
            let mut parts = get("h", "/");
            parts.method = method.clone();
            assert_eq!(location(run(&compiled(kind), &mut parts)), (status, "https://h/".to_owned()), "{method}");
        }
    }
}

#[test]
fn a_redirection_without_a_sound_host_is_refused() {
    for host in ["", "a,b", "u@h"] {
        let kind = MiddlewareKind::RedirectScheme { scheme: "https".to_owned(), port: None, permanent: false };
        assert_eq!(location(run(&compiled(kind), &mut get(host, "/"))).0, 400, "{host}");
    }
}

/// Where a request for `url` is sent.
fn redirected(regex: &str, replacement: &str, url: &str) -> (u16, String) {
    let regex = Regex::new(regex).unwrap();
    let kind = MiddlewareKind::RedirectRegex { regex, replacement: replacement.to_owned(), permanent: false };
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    location(run_over(&compiled(kind), &mut get(host, &format!("/{path}")), scheme == "https"))
}

#[test]
fn redirect_regex_rewrites_the_whole_url() {
    const FOO: &str = "^(https?)://foo.com(:\\d+)?(.*)$";
    let cases = [
        (FOO, "https://bar.com${2}${3}", "http://foo.com/p?q", "https://bar.com/p?q"),
        (FOO, "${1}://bar.com${2}${3}", "https://foo.com:81/", "https://bar.com:81/"),
        ("^https://", "http://", "https://foo.com/a%20b", "http://foo.com/a%20b"),
        ("o", "a", "http://foo.com/", "http://faa.cam/"),
        ("^.*$", "/elsewhere", "http://foo.com/", "/elsewhere"),
        ("^http://foo.com/$", "https://bar.com/", "https://foo.com/", ""),
        ("^http://baz", "https://bar.com/", "http://foo.com/", ""),
        ("^(.*)$", "${1}", "http://foo.com/", ""),
    ];
    for (regex, replacement, url, expected) in cases {
        let status = if expected.is_empty() { 0 } else { 302 };
        assert_eq!(redirected(regex, replacement, url), (status, expected.to_owned()), "{regex} {url}");
    }
}

#[test]
fn a_location_is_encoded_as_a_url() {
    let cases = [
        ("https://h/a b\u{e9}{}#f", "https://h/a%20b%C3%A9%7B%7D#f"),
        ("https://u:p@h:1/?x=%", "https://u:p@h:1/?x=%"),
        ("mailto:a@b", "mailto:a@b"),
        ("//h/x", "//h/x"),
        ("https://[::1]/", "https://[::1]/"),
    ];
    for (replacement, expected) in cases {
        assert_eq!(redirected("^.*$", replacement, "http://h/"), (302, expected.to_owned()), "{replacement}");
    }
}

#[test]
fn a_location_that_is_no_url_is_an_error() {
    let replacements = [
        "",
        "https://h:port/",
        "https:///x",
        "https://a b/",
        "https://h/%zz",
        "https://h/\r\nX: y",
        ":x",
        "1a:x",
        "a_b:x",
    ];
    for replacement in replacements {
        assert_eq!(redirected("^.*$", replacement, "http://h/"), (500, String::new()), "{replacement}");
    }
}

fn allow_list(ranges: &[&str], strategy: IpStrategy) -> Middleware {
    let source_range = ranges.iter().map(|range| range.parse().unwrap()).collect();
    compiled(MiddlewareKind::IpAllowList { source_range, strategy, reject_status: 403 })
}

#[test]
fn ip_allow_list_goes_by_the_peer_unless_told_otherwise() {
    let list = allow_list(&["10.0.0.0/8", "2001:db8::/32"], IpStrategy::default());
    let cases = [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("2001:db8::1", true),
        ("11.1.2.3", false),
        ("2001:db9::1", false),
    ];
    for (client, allowed) in cases {
        let mut parts = get("h", "/");
        parts.headers.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        let answer = run_for(&list, &mut parts, client.parse().unwrap(), false);
        assert_eq!(answer, (!allowed).then(|| Answer::status(StatusCode::FORBIDDEN)), "{client}");
    }
}

/// A strategy, the lines of X-Forwarded-For, and the address it picks.
type Pick<'a> = (IpStrategy, &'a [&'a str], Option<&'a str>);

#[test]
fn an_ip_strategy_picks_an_address_from_x_forwarded_for() {
    let depth = |depth| IpStrategy { depth, ..IpStrategy::default() };
    let excluding = |nets: &[&str]| IpStrategy {
        excluded_ips: nets.iter().map(|net| net.parse().unwrap()).collect(),
        ..IpStrategy::default()
    };
    let subnet = |depth, bits| IpStrategy { depth, ipv6_subnet: Some(bits), ..IpStrategy::default() };
    let cases: [Pick<'_>; 21] = [
        (depth(0), &["1.1.1.1"], Some("192.0.2.1")),
        (depth(1), &["1.1.1.1, 2.2.2.2"], Some("2.2.2.2")),
        (depth(2), &["1.1.1.1,2.2.2.2"], Some("1.1.1.1")),
        (depth(3), &["1.1.1.1,2.2.2.2"], None),
        (depth(2), &["1.1.1.1", "2.2.2.2"], Some("1.1.1.1")),
        (depth(1), &[], None),
        (depth(1), &[""], None),
        (depth(1), &["not an address"], None),
        (depth(1), &["1.1.1.1:80"], Some("1.1.1.1")),
        (depth(1), &["[2001:db8::1]:80"], Some("2001:db8::1")),
        (depth(1), &["::ffff:1.1.1.1"], Some("1.1.1.1")),
        (excluding(&["10.0.0.0/8"]), &["1.1.1.1, 10.0.0.1, 10.0.0.2"], Some("1.1.1.1")),
        (excluding(&["10.0.0.0/8"]), &["1.1.1.1, 10.0.0.1", " , 10.0.0.2"], Some("1.1.1.1")),
        (excluding(&["10.0.0.0/8"]), &["10.0.0.1"], None),
        (excluding(&["10.0.0.0/8"]), &[], None),
        (excluding(&["10.0.0.0/8"]), &["1.1.1.1, junk, 10.0.0.2"], None),
        (IpStrategy { depth: 1, ..excluding(&["2.2.2.2/32"]) }, &["1.1.1.1, 2.2.2.2"], Some("2.2.2.2")),
        (subnet(1, 64), &["2001:db8:1:2:3:4:5:6"], Some("2001:db8:1:2::")),
        (subnet(1, 0), &["2001:db8::1"], Some("::")),
        (subnet(1, 128), &["2001:db8::1"], Some("2001:db8::1")),
        (subnet(1, 8), &["1.1.1.1"], Some("1.1.1.1")),
    ];
    for (strategy, lines, expected) in cases {
        let mut headers = http::HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
        }
        let found = ClientAddress::compile(&strategy).of(&headers, CLIENT);
        assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{strategy:?} {lines:?}");
    }
}

#[test]
fn an_address_that_cannot_be_told_is_rejected() {
    let mut parts = get("h", "/");
    let list = allow_list(&["0.0.0.0/0", "::/0"], IpStrategy { depth: 1, ..IpStrategy::default() });
    assert_eq!(run(&list, &mut parts).unwrap().status, StatusCode::FORBIDDEN);
}

#[test]
fn a_rejection_has_the_status_asked_for() {
    let kind = |reject_status| MiddlewareKind::IpAllowList {
        source_range: vec!["10.0.0.0/8".parse().unwrap()],
        strategy: IpStrategy::default(),
        reject_status,
    };
    let answer = run(&compiled(kind(404)), &mut get("h", "/")).unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (404, &b"Not Found"[..]));
    for status in [0, 99, 101, 600, 1000] {
        assert_eq!(compile(&kind(status)).map(|_| ()), Err(CompileError::Status(status)));
    }
}

#[test]
fn a_chain_is_no_middleware_of_its_own() {
    let refused = compile(&MiddlewareKind::Chain(Vec::new())).map(|_| ());
    assert_eq!(refused, Err(CompileError::Chain));
}

#[test]
fn headers_that_cannot_be_are_refused() {
    let kind = |name: &str, value: &str| {
        let fields = vec![(name.to_owned(), value.to_owned())];
        MiddlewareKind::Headers(Box::new(config::Headers { custom_request_headers: fields, ..Default::default() }))
    };
    let refused = |name, value| compile(&kind(name, value)).map(|_| ()).unwrap_err();
    assert_eq!(refused("a b", "x"), CompileError::HeaderName("a b".to_owned()));
    assert_eq!(refused("a", "x\ny"), CompileError::HeaderValue("x\ny".to_owned()));
}
