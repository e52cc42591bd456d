//! Where clients are sent instead.

use super::*;

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
