//! Traefik's own cases of `writeHeader` and `oldWriteHeader` are among these.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use rollgate_config::{
    dynamic::middleware::{MiddlewareKind, Pattern},
    problem::{Located, Place},
};

use super::*;
use crate::middleware::{Middleware, tests::compile};

fn config() -> Config {
    let address = Url::parse("http://auth.test:8080/check?a=b").unwrap();
    Config::new(Located { value: address, at: Place::default() })
}

fn made(config: Config) -> Arc<ForwardAuth> {
    match compile(&MiddlewareKind::ForwardAuth(Box::new(config))) {
        Ok(Middleware::ForwardAuth(auth)) => auth,
        other => panic!("{other:?}"),
    }
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

/// `name: value`, sorted.
fn shown(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

const CLIENT: HeaderValue = HeaderValue::from_static("192.0.2.1");

/// What is told of `GET /path?q=1` on `foo.bar` with these fields.
fn told(trusts: Option<bool>, only: &[&str], fields: &[(&'static str, &'static str)]) -> Vec<String> {
    let auth = made(Config { trust_forward_header: trusts, auth_request_headers: strings(only), ..config() });
    let mut parts = Request::get("/path?q=1").body(()).unwrap().into_parts().0;
    parts.headers = headers(fields);
    parts.headers.insert("host", HeaderValue::from_static("foo.bar"));
    shown(&auth.told(&parts, &CLIENT, false))
}

const OWN: [&str; 6] = [
    "x-forwarded-for: 192.0.2.1",
    "x-forwarded-host: foo.bar",
    "x-forwarded-method: GET",
    "x-forwarded-port: 80",
    "x-forwarded-proto: http",
    "x-forwarded-uri: /path?q=1",
];

/// With a line for each field, those of `changed` in place of those of the same name.
fn with(changed: &[&str]) -> Vec<String> {
    let name = |line: &str| line.split(':').next().unwrap().to_owned();
    let mut lines: Vec<String> = OWN
        .iter()
        .filter(|line| !changed.iter().any(|other| name(other) == name(line)))
        .map(|l| l.to_string())
        .collect();
    lines.extend(strings(changed));
    lines.sort();
    lines
}

#[test]
fn without_trust_what_says_where_a_request_came_from_is_our_own() {
    let fields = [
        ("accept", "application/json"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "fii.bir"),
        ("x-forwarded-uri", "/forward?q=1"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/p"),
        ("x-real-ip", "10.0.0.1"),
    ];
    assert_eq!(told(Some(false), &[], &fields), with(&["accept: application/json"]));
}

#[test]
fn with_trust_it_is_what_came_and_the_peer_joins() {
    let fields = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "fii.bir"),
        ("x-forwarded-uri", "/forward?q=1"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-forwarded-prefix", "/p"),
        ("x-forwarded-proto", "https"),
    ];
    assert_eq!(
        told(Some(true), &[], &fields),
        with(&[
            "x-forwarded-for: 10.0.0.1, 192.0.2.1",
            "x-forwarded-host: fii.bir",
            "x-forwarded-method: OPTIONS",
            "x-forwarded-port: 443",
            "x-forwarded-prefix: /p",
            "x-forwarded-proto: https",
            "x-forwarded-uri: /forward?q=1",
        ])
    );
    assert_eq!(told(Some(true), &[], &[]), with(&[]));
}

#[test]
fn without_a_word_on_it_some_are_set_and_others_stay() {
    let fields = [("x-forwarded-host", "fii.bir"), ("x-forwarded-prefix", "/p"), ("x-forwarded-for", "10.0.0.1")];
    let mut expected = with(&["x-forwarded-prefix: /p"]);
    expected.retain(|line| !line.starts_with("x-forwarded-port"));
    assert_eq!(told(None, &[], &fields), expected);
}

#[test]
fn what_is_meant_for_one_hop_is_not_told() {
    let fields = [
        ("connection", "upgrade"),
        ("keep-alive", "1"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("content-length", "5"),
        ("expect", "100-continue"),
        ("proxy-authenticate", "a"),
        ("proxy-authorization", "b"),
        ("x-custom", "c"),
    ];
    assert_eq!(
        told(Some(false), &[], &fields),
        with(&["proxy-authenticate: a", "proxy-authorization: b", "x-custom: c"])
    );
}

#[test]
fn a_list_says_what_is_told_of_the_clients_headers() {
    let fields = [("x-custom", "c"), ("content-type", "text/html"), ("x-forwarded-uri", "/path?q=2")];
    assert_eq!(told(Some(false), &["x-custom", "x-none"], &fields), with(&["x-custom: c"]));
    let trusted = with(&["x-custom: c", "x-forwarded-uri: /path?q=2"]);
    assert_eq!(told(Some(true), &["x-custom"], &fields), trusted);
}

#[test]
fn cookies_of_http2_are_one_field_again() {
    assert_eq!(told(Some(false), &[], &[("cookie", "a=1"), ("cookie", "b=2")]), with(&["cookie: a=1; b=2"]));
}

#[test]
fn the_port_is_the_one_that_was_asked_for_or_the_protocols() {
    let port = |host: &'static str, tls: bool| {
        let auth = made(Config { trust_forward_header: Some(false), ..config() });
        let mut parts = Request::get("/").body(()).unwrap().into_parts().0;
        parts.headers = headers(&[("host", host)]);
        let told = auth.told(&parts, &CLIENT, tls);
        (told["x-forwarded-port"].clone(), told["x-forwarded-proto"].clone())
    };
    assert_eq!(port("foo.bar:8443", true), (HeaderValue::from_static("8443"), HeaderValue::from_static("https")));
    assert_eq!(port("[::1]", true), (HeaderValue::from_static("443"), HeaderValue::from_static("https")));
    assert_eq!(port("foo.bar", false), (HeaderValue::from_static("80"), HeaderValue::from_static("http")));
}

#[test]
fn what_a_server_could_take_for_a_name_that_matches_goes_too() {
    let auth = made(Config { auth_response_headers_regex: Some(Pattern(Regex::new("^X-Auth-").unwrap())), ..config() });
    let fields = [("x_auth_role", "admin"), ("x-auth_role", "admin"), ("x_auth-role", "admin"), ("x_author", "stays")];
    let mut request = headers(&fields);
    auth.admit(&mut request, &headers(&[("x-auth-user", "user")]));
    assert_eq!(shown(&request), ["x-auth-user: user", "x_author: stays"]);
}

#[test]
fn a_good_answers_headers_replace_what_the_client_said() {
    let auth = made(Config {
        auth_response_headers: strings(&["x-auth-user", "x-auth-group"]),
        auth_response_headers_regex: Some(Pattern(Regex::new("^Foo-").unwrap())),
        ..config()
    });
    let mut request = headers(&[
        ("x-auth-user", "admin"),
        ("x_auth_user", "admin"),
        ("x-auth-group", "admin_group"),
        ("foo-bar", "client-value"),
        ("foo-baz", "client-value"),
        ("x-other", "stays"),
    ]);
    let answer = headers(&[
        ("x-auth-user", "user@example.com"),
        ("x-auth-secret", "secret"),
        ("x-auth-group", "group1"),
        ("x-auth-group", "group2"),
        ("foo-bar", "auth-value"),
    ]);
    auth.admit(&mut request, &answer);
    assert_eq!(
        shown(&request),
        [
            "foo-bar: auth-value",
            "x-auth-group: group1",
            "x-auth-group: group2",
            "x-auth-user: user@example.com",
            "x-other: stays"
        ]
    );
    auth.admit(&mut request, &HeaderMap::new());
    assert_eq!(shown(&request), ["x-other: stays"], "an answer that does not name them takes them away");
}

#[test]
fn its_cookies_take_the_place_of_the_servers_own_of_the_same_names() {
    let auth = made(Config { add_auth_cookies_to_response: strings(&["authCookie"]), ..config() });
    assert!(auth.has_response_half());
    let answer = headers(&[("set-cookie", "authCookie=Auth; Path=/"), ("set-cookie", "authCookieNotAdded=Auth")]);
    let Note::Cookies(cookies) = auth.cookies_of(&answer) else { panic!("there are cookies") };
    let mut response = headers(&[("set-cookie", "authCookie=Backend"), ("set-cookie", "backendCookie=Backend")]);
    auth.response(&cookies, &mut response);
    assert_eq!(shown(&response), ["set-cookie: authCookie=Auth; Path=/", "set-cookie: backendCookie=Backend"]);
    // One that set none leaves the server's.
    assert!(matches!(auth.cookies_of(&HeaderMap::new()), Note::Nothing));
    assert!(!made(config()).has_response_half());
}

fn refused(config: Config, status: u16, fields: &[(&'static str, &'static str)]) -> (u16, Vec<String>, String) {
    let mut answer = Response::new(Bytes::from_static(b"no"));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    *answer.headers_mut() = headers(fields);
    let Answer { status, headers, body } = made(config).refusal(&Method::GET, answer);
    (status.as_u16(), shown(&headers), String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn any_other_answer_is_the_clients_without_what_was_meant_for_one_hop() {
    let fields = [
        ("x-foo", "bar"),
        ("set-cookie", "example=testing; Path=/"),
        ("content-length", "2"),
        ("connection", "x-hop, close"),
        ("x-hop", "gone"),
        ("keep-alive", "1"),
        ("transfer-encoding", "chunked"),
        ("www-authenticate", "Bearer"),
    ];
    let expected = strings(&["set-cookie: example=testing; Path=/", "www-authenticate: Bearer", "x-foo: bar"]);
    assert_eq!(refused(config(), 403, &fields), (403, expected, "no".to_owned()));
}

#[test]
fn a_relative_location_becomes_the_asked_servers_unless_it_is_to_stay() {
    let location = |preserve: bool, location: &'static str| {
        let config = Config { preserve_location_header: preserve, ..config() };
        let (status, mut headers, _) = refused(config, 302, &[("location", location)]);
        (status, headers.pop().unwrap_or_default())
    };
    for (written, seen) in [
        ("http://example.com", "http://example.com"),
        ("/login?x=1", "http://auth.test:8080/login?x=1"),
        ("login", "http://auth.test:8080/login"),
        ("?x", "http://auth.test:8080/check?x"),
        ("//other.test/a", "http://other.test/a"),
    ] {
        assert_eq!(location(false, written), (302, format!("location: {seen}")), "{written}");
        assert_eq!(location(true, written), (302, format!("location: {written}")), "{written}");
    }
    assert_eq!(location(false, "http://[broken").0, 500);
    assert_eq!(location(true, "http://[broken").0, 302);
    assert_eq!(
        refused(config(), 401, &[("location", "/index.html")]).1,
        ["location: http://auth.test:8080/index.html"]
    );
}

#[test]
fn a_401_sends_the_client_to_sign_in_if_there_is_a_place_for_it() {
    let signin = || Config { auth_signin_url: Some("https://auth.test/login?a=1&b=\"".to_owned()), ..config() };
    let (status, headers, body) = refused(signin(), 401, &[("x-foo", "bar")]);
    assert_eq!(status, 302);
    assert_eq!(headers, ["content-type: text/html; charset=utf-8", "location: https://auth.test/login?a=1&b=\""]);
    assert_eq!(body, "<a href=\"https://auth.test/login?a=1&amp;b=&#34;\">Found</a>.\n\n");
    assert_eq!(refused(signin(), 403, &[]).0, 403);
}
