//! What each matcher takes for a match, and how operators combine them.

use super::*;

#[test]
fn host_is_compared_without_case_port_or_trailing_dot() {
    for written in ["example.com", "example.com.", "EXAMPLE.COM"] {
        expect_urls(
            host(written),
            [
                ("https://example.com", true),
                ("https://example.com:8080/path", true),
                ("https://EXAMPLE.com/path", true),
                ("https://example.com.", true),
                ("https://example.org", false),
                ("https://example.org.", false),
                ("https://www.example.com", false),
                ("https://com", false),
            ],
        );
    }
    expect_urls(host("xn--9t9h.com"), [("https://xn--9t9h.com/", true), ("https://example.com", false)]);
}

#[test]
fn an_address_in_brackets_is_matched_without_them() {
    for written in ["::1", "[::1]"] {
        expect_urls(host(written), [("http://[::1]/", true), ("http://[::1]:80/", true), ("http://[::2]/", false)]);
    }
}

#[test]
fn a_wildcard_host_is_exactly_one_label() {
    expect_urls(
        host("*.example.com"),
        [
            ("https://test.example.com", true),
            ("https://TEST.example.com.:443", true),
            ("https://example.com", false),
            ("https://a.test.example.com", false),
            ("https://test.otherexample.com", false),
            ("https://com", false),
        ],
    );
}

#[test]
fn a_star_is_any_host_but_none() {
    expect(
        host("*"),
        [
            (Request::to("https://test.example.com"), true),
            (Request::to("https://localhost"), true),
            (Request::to("http://[::1]"), true),
            (Request::without_host(), false),
        ],
    );
}

#[test]
fn a_request_without_a_host_matches_no_host_matcher() {
    for expression in [host("example.com"), host("*"), host("*.com"), host(""), host_regexp(".*")] {
        expect(expression, [(Request::without_host(), false)]);
    }
    expect(not(host("example.com")), [(Request::without_host(), true)]);
    expect(prefix("/"), [(Request::without_host(), true)]);
}

#[test]
fn host_regexp_is_unanchored_on_the_lower_cased_host() {
    expect_urls(
        host_regexp("^[a-z-]+\\.com$"),
        [
            ("https://example.com", true),
            ("https://EXAMPLE.com:8080", true),
            ("https://example.org", false),
            ("https://a.example.com", false),
        ],
    );
    expect_urls(host_regexp("ample"), [("https://example.com", true), ("https://exam.com", false)]);
    expect_urls(host_regexp("^[A-Z]+\\.com$"), [("https://EXAMPLE.com", false)]);
}

#[test]
fn path_is_the_whole_routing_path() {
    expect_urls(
        path_is("/css"),
        [
            ("https://example.com", false),
            ("https://example.com/css", true),
            ("https://example.com/%63ss", true),
            ("https://example.com/x/../css", true),
            ("https://example.com/css?q=1", true),
            ("https://example.com/css/", false),
            ("https://example.com/css/main.css", false),
            ("https://example.com/CSS", false),
        ],
    );
    expect_urls(path_is("/foo bar"), [("http://h/foo%20bar", true), ("http://h/foobar", false)]);
    expect_urls(path_is("/a/b"), [("http://h/a%2Fb", false), ("http://h/a/b", true)]);
    expect_urls(path_is("/a%2Fb"), [("http://h/a%2fb", true), ("http://h/a/b", false)]);
}

#[test]
fn path_prefix_goes_by_characters() {
    expect_urls(
        prefix("/v1"),
        [
            ("https://example.com/v1", true),
            ("https://example.com/v1/", true),
            ("https://example.com/v12", true),
            ("https://example.com/v1/../v2", false),
            ("https://example.com/v", false),
            ("https://example.com/x/v1", false),
        ],
    );
}

#[test]
fn path_regexp_is_unanchored_and_case_sensitive() {
    expect_urls(
        path_regexp("^/(css|js)"),
        [
            ("https://example.com", false),
            ("https://example.com/css", true),
            ("https://example.com/js/main.js", true),
            ("https://example.com/CSS", false),
            ("https://example.com/a/css", false),
        ],
    );
    expect_urls(path_regexp("/\\{path:css\\}"), [("http://h/%7Bpath:css%7D/", true), ("http://h/css", false)]);
    expect_urls(path_regexp("css"), [("http://h/a/css", true)]);
}

#[test]
fn method_is_the_exact_token() {
    expect(
        method("GET"),
        [(Request::method("GET"), true), (Request::method("POST"), false), (Request::method("get"), false)],
    );
    expect(method("PURGE"), [(Request::method("PURGE"), true), (Request::method("GET"), false)]);
    expect(method("NO GOOD"), [(Request::method("GET"), false)]);
}

#[test]
fn header_is_one_of_the_lines_exactly() {
    for name in ["x-forwarded-proto", "X-Forwarded-Proto"] {
        expect(
            header(name, "https"),
            [
                (Request::with(&[("x-forwarded-proto", "https")]), true),
                (Request::with(&[("X-Forwarded-Proto", "http"), ("x-forwarded-proto", "https")]), true),
                (Request::with(&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]), true),
                (Request::with(&[("x-forwarded-proto", "http,https")]), false),
                (Request::with(&[("x-forwarded-proto", "HTTPS")]), false),
                (Request::with(&[("x-forwarded-host", "https")]), false),
                (Request::with(&[]), false),
            ],
        );
    }
    expect(header("x-empty", ""), [(Request::with(&[("x-empty", "")]), true), (Request::with(&[]), false)]);
}

#[test]
fn the_host_is_no_header() {
    let request = || Request::with(&[("host", "h")]);
    expect(header("host", "h"), [(request(), false)]);
    expect(header_regexp("host", ".*"), [(request(), false)]);
    expect(not(header("host", "h")), [(request(), true)]);
}

#[test]
fn header_regexp_is_unanchored_on_each_line() {
    expect(
        header_regexp("x-forwarded-proto", "^https?$"),
        [
            (Request::with(&[("x-forwarded-proto", "http")]), true),
            (Request::with(&[("x-forwarded-proto", "https")]), true),
            (Request::with(&[("x-forwarded-proto", "ws"), ("x-forwarded-proto", "https")]), true),
            (Request::with(&[("x-forwarded-proto", "HTTPS")]), false),
            (Request::with(&[("x-forwarded-host", "http")]), false),
            (Request::with(&[]), false),
        ],
    );
    expect(
        header_regexp("cookie", "version=canary"),
        [
            (Request::with(&[("cookie", "a=1; version=canary; b=2")]), true),
            (Request::with(&[("cookie", "a=1; version=stable")]), false),
        ],
    );
}

#[test]
fn query_is_one_of_the_values_exactly() {
    expect_urls(
        query("q", "traefik"),
        [
            ("https://example.com", false),
            ("https://example.com?q=traefik", true),
            ("https://example.com?rel=ddg&q=traefik", true),
            ("https://example.com?rel=ddg;q=traefik", true),
            ("https://example.com?q=awesome&q=traefik", true),
            ("https://example.com?%71=tr%61efik", true),
            ("https://example.com?q=nginx", false),
            ("https://example.com?q=TRAEFIK", false),
            ("https://example.com?Q=traefik", false),
            ("https://example.com?rel=traefik", false),
            ("https://example.com?q=traefik%", false),
        ],
    );
    expect_urls(
        query("q", "a b"),
        [("http://h/?q=a+b", true), ("http://h/?q=a%20b", true), ("http://h/?q=a%2Bb", false)],
    );
}

#[test]
fn query_without_a_value_wants_it_empty() {
    expect_urls(
        query("mobile", ""),
        [
            ("https://example.com", false),
            ("https://example.com?mobile", true),
            ("https://example.com?mobile=", true),
            ("https://example.com?mobile=true", false),
            ("https://example.com?mobile=true&mobile", true),
        ],
    );
    expect_urls(query_regexp("mobile", "^$"), [("http://h/?mobile", true), ("http://h/?mobile=true", false)]);
}

#[test]
fn query_regexp_is_unanchored_on_decoded_values() {
    expect_urls(
        query_regexp("q", "^(traefik|nginx)$"),
        [
            ("https://example.com", false),
            ("https://example.com?q=traefik", true),
            ("https://example.com?q=tr%61efik", true),
            ("https://example.com?q=x&q=nginx", true),
            ("https://example.com?q=haproxy", false),
            ("https://example.com?Q=nginx", false),
        ],
    );
    expect_urls(query_regexp("q", "a b"), [("http://h/?q=xa+bx", true)]);
}

#[test]
fn client_ip_is_the_peer_in_either_notation() {
    for net in ["192.168.1.0/24", "::ffff:192.168.1.0/120"] {
        expect(
            client(net),
            [
                (Request::from("192.168.1.1"), true),
                (Request::from("::ffff:192.168.1.100"), true),
                (Request::from("192.168.2.1"), false),
                (Request::from("::1"), false),
            ],
        );
    }
    expect(client("2001:db8::/32"), [(Request::from("2001:db8::1"), true), (Request::from("2001:db9::1"), false)]);
    let mut forwarded = Request::with(&[("x-forwarded-for", "10.0.0.1")]);
    forwarded.client = "192.0.2.1".parse().unwrap();
    expect(client("10.0.0.0/8"), [(forwarded, false)]);
}

#[test]
fn operators_combine() {
    let rule = || and([host("a.x"), or([prefix("/api"), header("x-version", "canary")]), not(client("10.0.0.0/8"))]);
    let request = |url: &str, version: &str, client: &str| Request {
        headers: Request::with(&[("x-version", version)]).headers,
        client: client.parse().unwrap(),
        ..Request::to(url)
    };
    expect(
        rule(),
        [
            (request("http://a.x/api", "stable", "192.0.2.1"), true),
            (request("http://a.x/", "canary", "192.0.2.1"), true),
            (request("http://a.x/", "stable", "192.0.2.1"), false),
            (request("http://a.x/api", "canary", "10.0.0.1"), false),
            (request("http://b.x/api", "canary", "192.0.2.1"), false),
        ],
    );
    expect_urls(
        or([host("a.x"), and([host("*.y"), prefix("/p")])]),
        [("http://a.x/", true), ("http://b.y/p", true), ("http://b.y/", false), ("http://c/p", false)],
    );
    expect_urls(not(or([host("a"), host("b")])), [("http://a/", false), ("http://c/", true)]);
    expect_urls(
        and([and([prefix("/p"), or([host("a"), host("b")])]), or([host("b"), prefix("/p/q")])]),
        [("http://a/p", false), ("http://a/p/q", true), ("http://b/p", true), ("http://c/p/q", false)],
    );
    expect_urls(and([host("*.x"), host("a.x")]), [("http://a.x/", true), ("http://b.x/", false)]);
    expect_urls(or([host("a.x"), host("*.x"), host("a.x")]), [("http://a.x/", true), ("http://b.x/", true)]);
}
