use http::{Method, Request, StatusCode, request::Parts};
use regex::Regex;
use rollgate_config::dynamic::middleware::{Headers as Keys, Pattern};

use super::*;

fn compiled(keys: Keys) -> Headers {
    Headers::compile(&keys).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

fn patterns(items: &[&str]) -> Vec<Pattern> {
    items.iter().map(|item| Pattern(Regex::new(item).unwrap())).collect()
}

fn asked(method: Method, fields: &[(&'static str, &'static str)]) -> Parts {
    let mut parts = Request::builder().method(method).uri("/").body(()).unwrap().into_parts().0;
    parts.headers.insert(header::HOST, HeaderValue::from_static("h:80"));
    for (name, value) in fields {
        parts.headers.append(*name, HeaderValue::from_static(value));
    }
    parts
}

fn head(parts: &mut Parts, tls: bool) -> Head<'_> {
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    Head { tls, ..Head::plain(parts, client) }
}

fn sorted(headers: &HeaderMap) -> String {
    let mut lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    lines.sort();
    lines.join(" ")
}

/// The fields of a response to a request, as the gateway would run both halves.
fn responded(headers: &Headers, mut parts: Parts, tls: bool, from_backend: &[(&'static str, &'static str)]) -> String {
    let mut head = head(&mut parts, tls);
    let asked = if headers.looks_ahead() { headers.look_ahead(&head) } else { Asked::default() };
    assert_eq!(headers.request(&mut head), ControlFlow::Continue(()));
    let mut response = HeaderMap::new();
    for (name, value) in from_backend {
        response.append(*name, HeaderValue::from_static(value));
    }
    let before = response.clone();
    headers.response(&asked, &mut response);
    assert!(headers.has_response_half() || response == before);
    sorted(&response)
}

fn requested(keys: Keys, parts: &mut Parts) -> ControlFlow<Answer> {
    let mut head = head(parts, false);
    compiled(keys).request(&mut head)
}

#[test]
fn request_fields_are_set_and_removed() {
    let fields = [("x-set", "new"), ("x-removed", ""), ("x-missing", ""), ("host", "backend.local"), ("x-other", "1")];
    let keys = Keys { custom_request_headers: pairs(&fields), ..Keys::default() };
    let headers = compiled(keys.clone());
    assert!(!headers.has_response_half() && !headers.looks_ahead());
    let mut parts = asked(Method::GET, &[("x-set", "old"), ("x-set", "older"), ("x-removed", "a"), ("x-kept", "k")]);
    assert_eq!(requested(keys, &mut parts), ControlFlow::Continue(()));
    assert_eq!(sorted(&parts.headers), "host=backend.local x-kept=k x-other=1 x-set=new");
    assert_eq!(parts.extensions.get::<WithoutForwardedFor>(), None);
}

#[test]
fn removing_the_host_keeps_it_and_removing_x_forwarded_for_is_told() {
    let keys = Keys { custom_request_headers: pairs(&[("host", ""), ("x-forwarded-for", "")]), ..Keys::default() };
    let mut parts = asked(Method::GET, &[("x-forwarded-for", "10.0.0.1")]);
    assert_eq!(requested(keys, &mut parts), ControlFlow::Continue(()));
    assert_eq!(sorted(&parts.headers), "host=h:80");
    assert_eq!(parts.extensions.get(), Some(&WithoutForwardedFor));
}

#[test]
fn response_fields_are_set_and_removed() {
    let fields = [("x-set", "new"), ("server", ""), ("x-added", "1")];
    let headers = compiled(Keys { custom_response_headers: pairs(&fields), ..Keys::default() });
    assert!(headers.has_response_half() && !headers.looks_ahead());
    let backend = [("x-set", "old"), ("x-set", "older"), ("server", "s"), ("x-kept", "k")];
    let found = responded(&headers, asked(Method::GET, &[]), false, &backend);
    assert_eq!(found, "x-added=1 x-kept=k x-set=new");
}

/// A preflight from `https://a.x` that asks for PUT.
fn preflight() -> Parts {
    asked(
        Method::OPTIONS,
        &[
            ("origin", "https://a.x"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-one, x-two"),
        ],
    )
}

fn cors() -> Keys {
    Keys {
        access_control_allow_methods: strings(&["GET", "OPTIONS", "PUT"]),
        access_control_allow_headers: strings(&["x-one", "x-two"]),
        access_control_allow_origin_list: strings(&["https://a.x", "https://b.x"]),
        access_control_max_age: Some(600),
        ..Keys::default()
    }
}

#[test]
fn a_preflight_is_answered() {
    let star = || strings(&["*"]);
    let cases = [
        (
            cors(),
            "access-control-allow-headers=x-one,x-two access-control-allow-methods=GET,OPTIONS,PUT \
             access-control-allow-origin=https://a.x access-control-max-age=600 content-length=0",
        ),
        (
            Keys {
                access_control_allow_origin_list: strings(&["https://b.x"]),
                access_control_max_age: Some(0),
                ..cors()
            },
            "access-control-allow-headers=x-one,x-two access-control-allow-methods=GET,OPTIONS,PUT \
             access-control-max-age=0 content-length=0",
        ),
        (
            Keys { access_control_allow_origin_list: star(), ..Keys::default() },
            "access-control-allow-origin=* content-length=0",
        ),
        (
            Keys {
                access_control_allow_credentials: true,
                access_control_allow_origin_list: star(),
                access_control_allow_headers: star(),
                access_control_allow_methods: star(),
                access_control_expose_headers: star(),
                ..Keys::default()
            },
            "access-control-allow-credentials=true access-control-allow-headers=x-one, x-two \
             access-control-allow-methods=PUT access-control-allow-origin=https://a.x content-length=0",
        ),
        (
            Keys {
                access_control_allow_headers: star(),
                access_control_allow_methods: star(),
                access_control_expose_headers: strings(&["x-a", "x-b"]),
                ..Keys::default()
            },
            "access-control-allow-headers=* access-control-allow-methods=* \
             access-control-expose-headers=x-a,x-b content-length=0",
        ),
        (
            Keys { access_control_allow_origin_list_regex: patterns(&["^https://[a-c]\\.x$"]), ..Keys::default() },
            "access-control-allow-origin=https://a.x content-length=0",
        ),
        (Keys { add_vary_header: true, ..Keys::default() }, "content-length=0"),
    ];
    for (keys, expected) in cases {
        let answer = requested(keys.clone(), &mut preflight()).break_value().unwrap();
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{keys:?}");
        assert_eq!(sorted(&answer.headers), expected, "{keys:?}");
    }
}

#[test]
fn only_a_preflight_under_cors_keys_is_answered() {
    let without = |name: &str| {
        let mut parts = preflight();
        parts.headers.remove(name);
        parts
    };
    let mut get = preflight();
    get.method = Method::GET;
    let others = [get, without("origin"), without("access-control-request-method"), asked(Method::OPTIONS, &[])];
    for mut parts in others {
        assert_eq!(requested(cors(), &mut parts), ControlFlow::Continue(()), "{parts:?}");
    }
    let plain = Keys { custom_response_headers: pairs(&[("x-a", "1")]), frame_deny: true, ..Keys::default() };
    assert_eq!(requested(plain, &mut preflight()), ControlFlow::Continue(()));
    let mut bare = without("access-control-request-headers");
    assert!(requested(cors(), &mut bare).is_break());
}

#[test]
fn responses_tell_which_origins_may_read_them() {
    let list = |items: &[&str]| Keys { access_control_allow_origin_list: strings(items), ..Keys::default() };
    let regex = |items: &[&str]| Keys { access_control_allow_origin_list_regex: patterns(items), ..Keys::default() };
    let with_credentials = |keys| Keys { access_control_allow_credentials: true, ..keys };
    let cases = [
        (list(&["https://a.x"]), "https://a.x", "access-control-allow-origin=https://a.x"),
        (list(&["https://a.x"]), "https://b.x", ""),
        (list(&["https://a.x"]), "", ""),
        (list(&["https://b.x", "*"]), "https://a.x", "access-control-allow-origin=*"),
        (list(&["*"]), "", "access-control-allow-origin=*"),
        (
            with_credentials(list(&["*"])),
            "https://a.x",
            "access-control-allow-credentials=true access-control-allow-origin=https://a.x",
        ),
        (with_credentials(list(&["*"])), "", "access-control-allow-credentials=true"),
        (regex(&["^https://[ab]\\.x$"]), "https://a.x", "access-control-allow-origin=https://a.x"),
        (regex(&["^https://[ab]\\.x$"]), "https://c.x", ""),
        (regex(&[".*"]), "", ""),
        (
            Keys { access_control_expose_headers: strings(&["x-a", "x-b"]), ..Keys::default() },
            "",
            "access-control-expose-headers=x-a,x-b",
        ),
        (
            with_credentials(Keys { access_control_expose_headers: strings(&["*"]), ..Keys::default() }),
            "",
            "access-control-allow-credentials=true",
        ),
    ];
    for (keys, origin, expected) in cases {
        let fields = if origin.is_empty() { vec![] } else { vec![("origin", origin)] };
        let found = responded(&compiled(keys.clone()), asked(Method::GET, &fields), false, &[]);
        assert_eq!(found, expected, "{keys:?} {origin}");
    }
}

#[test]
fn cors_overwrites_what_the_backend_says() {
    let backend = [("access-control-allow-origin", "*"), ("access-control-allow-origin", "x")];
    let parts = asked(Method::GET, &[("origin", "https://a.x")]);
    assert_eq!(responded(&compiled(cors()), parts, false, &backend), "access-control-allow-origin=https://a.x");
    let parts = asked(Method::GET, &[("origin", "https://c.x")]);
    assert_eq!(responded(&compiled(cors()), parts, false, &backend[..1]), "access-control-allow-origin=*");
}

#[test]
fn the_origin_is_the_clients_even_if_the_backend_is_not_told() {
    let keys = Keys { custom_request_headers: pairs(&[("origin", "")]), ..cors() };
    let parts = asked(Method::GET, &[("origin", "https://a.x")]);
    assert_eq!(responded(&compiled(keys), parts, false, &[]), "access-control-allow-origin=https://a.x");
}

/// What the backend sends, and what the client gets.
type Varied<'a> = (&'a [(&'static str, &'static str)], &'a str);

#[test]
fn vary_names_origin_once() {
    let headers = compiled(Keys { add_vary_header: true, ..Keys::default() });
    assert!(!headers.looks_ahead());
    let cases: [Varied<'_>; 6] = [
        (&[], "vary=Origin"),
        (&[("vary", "Origin")], "vary=Origin"),
        (&[("vary", "Testing")], "vary=Testing,Origin"),
        (&[("vary", "Testing, origin")], "vary=Testing, origin"),
        (&[("vary", "A"), ("vary", "B")], "vary=A,Origin vary=B"),
        (&[("vary", "")], "vary=Origin"),
    ];
    for (backend, expected) in cases {
        assert_eq!(responded(&headers, asked(Method::GET, &[]), false, backend), expected, "{backend:?}");
    }
}

/// The fields that these keys add to the response of a request without any.
fn added(change: impl FnOnce(&mut Keys), tls: bool) -> String {
    let mut keys = Keys::default();
    change(&mut keys);
    responded(&compiled(keys), asked(Method::GET, &[]), tls, &[])
}

#[test]
fn browsers_are_told_to_be_careful() {
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        (added(|k| k.frame_deny = true, false), "x-frame-options=DENY"),
        (added(|k| k.content_type_nosniff = true, false), "x-content-type-options=nosniff"),
        (added(|k| k.browser_xss_filter = true, false), "x-xss-protection=1; mode=block"),
        (added(|k| k.content_security_policy = some("a 'b'"), false), "content-security-policy=a 'b'"),
        (added(|k| k.content_security_policy_report_only = some("a"), false), "content-security-policy-report-only=a"),
        (added(|k| k.referrer_policy = some("same-origin"), false), "referrer-policy=same-origin"),
        (added(|k| k.permissions_policy = some("camera=()"), false), "permissions-policy=camera=()"),
        (added(|k| k.referrer_policy = some(""), false), ""),
        (added(|_| (), true), ""),
    ];
    for (at, (found, expected)) in cases.iter().enumerate() {
        assert_eq!(found, expected, "case {at}");
    }
}

#[test]
fn values_of_ones_own_win_over_the_usual_ones() {
    let keys = Keys {
        frame_deny: true,
        custom_frame_options_value: Some("SAMEORIGIN".to_owned()),
        browser_xss_filter: true,
        custom_browser_xss_value: Some("0".to_owned()),
        ..Keys::default()
    };
    let found = responded(&compiled(keys), asked(Method::GET, &[]), false, &[]);
    assert_eq!(found, "x-frame-options=SAMEORIGIN x-xss-protection=0");
}

#[test]
fn response_fields_win_over_hardening_ones() {
    let keys = Keys {
        frame_deny: true,
        content_type_nosniff: true,
        custom_response_headers: pairs(&[("x-frame-options", ""), ("x-content-type-options", "other")]),
        ..Keys::default()
    };
    let backend = [("x-frame-options", "ALLOW")];
    assert_eq!(responded(&compiled(keys), asked(Method::GET, &[]), false, &backend), "x-content-type-options=other");
}

#[test]
fn strict_transport_security_is_for_tls() {
    let plain = "strict-transport-security=max-age=60";
    let whole = "strict-transport-security=max-age=60; includeSubDomains; preload";
    let cases = [
        (added(|k| k.sts_seconds = 60, true), plain),
        (added(|k| k.sts_seconds = 60, false), ""),
        (added(|k| (k.sts_seconds, k.force_sts_header) = (60, true), false), plain),
        (added(|k| (k.sts_seconds, k.sts_include_subdomains, k.sts_preload) = (60, true, true), true), whole),
        (added(|k| (k.sts_seconds, k.is_development) = (60, true), true), ""),
        (added(|k| (k.sts_preload, k.force_sts_header) = (true, true), true), ""),
        (added(|k| k.public_key = Some("pins".to_owned()), true), "public-key-pins=pins"),
        (added(|k| k.public_key = Some("pins".to_owned()), false), ""),
    ];
    for (at, (found, expected)) in cases.iter().enumerate() {
        assert_eq!(found, expected, "case {at}");
    }
}

#[test]
fn tls_may_have_ended_at_a_proxy_in_front() {
    let keys = |fields: &[(&str, &str)]| {
        compiled(Keys { sts_seconds: 60, ssl_proxy_headers: pairs(fields), ..Keys::default() })
    };
    let told = |proto: &'static str| asked(Method::GET, &[("x-forwarded-proto", proto)]);
    let proxied = keys(&[("x-proto", "tls"), ("x-forwarded-proto", "https")]);
    assert!(proxied.looks_ahead());
    assert_eq!(responded(&proxied, told("https"), false, &[]), "strict-transport-security=max-age=60");
    assert_eq!(responded(&proxied, told("http"), false, &[]), "");
    assert_eq!(responded(&keys(&[]), told("https"), false, &[]), "");
}

#[test]
fn hosts_that_are_not_allowed_are_refused() {
    let keys = || Keys { allowed_hosts: strings(&["A.x", "b.x:81"]), ..Keys::default() };
    let proxied = || Keys { hosts_proxy_headers: strings(&["x-first", "x-second"]), ..keys() };
    let renamed = || Keys { custom_request_headers: pairs(&[("host", "a.x")]), ..keys() };
    let host = |host: &'static str| {
        let mut parts = asked(Method::GET, &[]);
        parts.headers.insert(header::HOST, HeaderValue::from_static(host));
        parts
    };
    let cases = [
        (keys(), host("a.x"), true),
        (keys(), host("B.X:81"), true),
        (keys(), host("a.x:80"), false),
        (keys(), host("b.x"), false),
        (proxied(), asked(Method::GET, &[("x-second", "a.x")]), true),
        (proxied(), asked(Method::GET, &[("x-first", "c.x"), ("x-second", "a.x")]), false),
        (proxied(), asked(Method::GET, &[("x-first", ""), ("x-second", "a.x")]), true),
        (proxied(), host("a.x"), true),
        (renamed(), host("c.x"), true),
        (Keys { is_development: true, ..keys() }, host("c.x"), true),
    ];
    for (keys, mut parts, allowed) in cases {
        let answer = requested(keys.clone(), &mut parts).break_value();
        assert_eq!(answer.is_none(), allowed, "{keys:?} {:?}", parts.headers);
        if let Some(answer) = answer {
            assert_eq!((answer.status.as_u16(), &*answer.body), (500, &b"Bad Host\n"[..]));
        }
    }
}

#[test]
fn a_refused_host_still_gets_response_fields_and_cors() {
    let keys = Keys {
        allowed_hosts: strings(&["a.x"]),
        frame_deny: true,
        custom_response_headers: pairs(&[("x-a", "1")]),
        ..cors()
    };
    let answer = requested(keys, &mut asked(Method::GET, &[("origin", "https://a.x")])).break_value().unwrap();
    assert_eq!(
        sorted(&answer.headers),
        "access-control-allow-origin=https://a.x content-type=text/plain; charset=utf-8 \
         x-a=1 x-content-type-options=nosniff"
    );
}
