use super::*;

fn policy() -> ForwardedPolicy {
    ForwardedPolicy::new(&ForwardedHeaders::default(), UnderscoreHeaders::Keep, "gateway-1", 8443)
}

fn peer(trusted: bool, tls: bool) -> Peer {
    let trust = Trust { insecure: trusted, trusted_ips: Vec::new() };
    Peer::new("192.0.2.9:4711".parse().unwrap(), tls, &trust)
}

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

/// The lines, sorted by name.
fn lines(headers: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort();
    lines
}

fn sanitised(given: &[(&str, &str)], peer: &Peer, policy: &ForwardedPolicy) -> HeaderMap {
    let mut headers = map(given);
    let host = headers.get(HOST).cloned();
    sanitise_incoming(&mut headers, peer, policy, host.as_ref(), false).unwrap();
    headers
}

/// What is left of `given` beside what the gateway says itself.
fn rest(headers: &HeaderMap) -> Vec<String> {
    let own = [
        "x-forwarded-for: 192.0.2.9",
        "x-forwarded-host: a.example",
        "x-forwarded-port: 80",
        "x-forwarded-proto: http",
        "x-forwarded-server: gateway-1",
        "x-real-ip: 192.0.2.9",
        "host: a.example",
    ];
    lines(headers).into_iter().filter(|line| !own.contains(&line.as_str())).collect()
}

#[test]
fn a_request_says_who_sent_it() {
    let mut headers = sanitised(
        &[("host", "a.example"), ("user-agent", "curl/8"), ("accept", "*/*")],
        &peer(false, false),
        &policy(),
    );
    let incoming = [
        "accept: */*",
        "host: a.example",
        "user-agent: curl/8",
        "x-forwarded-host: a.example",
        "x-forwarded-port: 80",
        "x-forwarded-proto: http",
        "x-forwarded-server: gateway-1",
        "x-real-ip: 192.0.2.9",
    ];
    assert_eq!(lines(&headers), incoming);
    prepare_upstream(&mut headers, &peer(false, false), &policy(), false);
    let mut upstream = incoming.to_vec();
    upstream.insert(3, "x-forwarded-for: 192.0.2.9");
    assert_eq!(lines(&headers), upstream);
}

#[test]
fn protocol_and_port_say_how_it_came() {
    let table = [
        (false, false, Some("a.example"), "http", "80"),
        (true, false, Some("a.example"), "https", "443"),
        (false, true, Some("a.example"), "ws", "80"),
        (true, true, Some("a.example"), "wss", "443"),
        (false, false, Some("a.example:8443"), "http", "8443"),
        (true, false, Some("a.example:80"), "https", "80"),
        (false, false, Some("a.example:443"), "http", "443"),
        (false, false, Some("[2001:db8::1]:9000"), "http", "9000"),
        (true, false, Some("[2001:db8::1]"), "https", "443"),
        (true, false, Some("2001:db8::1"), "https", "443"),
        (false, false, Some("a.example:"), "http", "80"),
        (false, false, Some("a.example:http"), "http", "80"),
        (false, false, Some("a.example:123456"), "http", "80"),
        (false, false, None, "http", "80"),
    ];
    for (tls, is_websocket, host, proto, port) in table {
        let mut headers = HeaderMap::new();
        let host_value = host.map(|host| host.parse().unwrap());
        sanitise_incoming(&mut headers, &peer(false, tls), &policy(), host_value.as_ref(), is_websocket).unwrap();
        assert_eq!(headers["x-forwarded-proto"], proto, "{host:?}");
        assert_eq!(headers["x-forwarded-port"], port, "{host:?}");
        assert_eq!(headers.get("x-forwarded-host"), host_value.as_ref(), "{host:?}");
    }
}

#[test]
fn what_a_stranger_says_about_itself_is_not_believed() {
    for name in &FORWARDED {
        let given = [("host", "a.example"), (name.as_str(), "spoofed"), (name.as_str(), "twice")];
        let mut headers = sanitised(&given, &peer(false, false), &policy());
        prepare_upstream(&mut headers, &peer(false, false), &policy(), false);
        assert_eq!(rest(&headers), [""; 0], "{name}");
    }
}

#[test]
fn what_a_trusted_peer_says_stays() {
    for name in &FORWARDED {
        let given = [("host", "a.example"), (name.as_str(), "198.51.100.7")];
        let mut headers = sanitised(&given, &peer(true, false), &policy());
        prepare_upstream(&mut headers, &peer(true, false), &policy(), false);
        let expected = match name.as_str() {
            "x-forwarded-server" => "gateway-1",
            "x-forwarded-for" => "198.51.100.7, 192.0.2.9",
            _ => "198.51.100.7",
        };
        assert_eq!(headers[name], expected, "{name}");
    }
}

#[test]
fn what_a_trusted_peer_leaves_empty_is_filled() {
    let empty = ["x-forwarded-proto", "x-forwarded-port", "x-forwarded-host", "x-real-ip"].map(|name| (name, ""));
    let given = [&[("host", "a.example")][..], &empty].concat();
    assert_eq!(rest(&sanitised(&given, &peer(true, false), &policy())), [""; 0]);
}

#[test]
fn the_port_follows_the_protocol_that_a_trusted_peer_names() {
    for (proto, port) in [("https", "443"), ("wss", "443"), ("http", "80")] {
        let headers = sanitised(&[("host", "a.example"), ("x-forwarded-proto", proto)], &peer(true, false), &policy());
        assert_eq!(headers["x-forwarded-port"], port, "{proto}");
    }
}

#[test]
fn the_chain_of_proxies_becomes_one_line() {
    let append = policy();
    let config = ForwardedHeaders { not_append_x_forwarded_for: true, ..ForwardedHeaders::default() };
    let keep = ForwardedPolicy::new(&config, UnderscoreHeaders::Keep, "gateway-1", 80);
    let table = [
        (vec![], "192.0.2.9", None),
        (vec!["10.0.0.1"], "10.0.0.1, 192.0.2.9", Some("10.0.0.1")),
        (
            vec!["10.0.0.1, 10.0.0.2", "10.0.0.3"],
            "10.0.0.1, 10.0.0.2, 10.0.0.3, 192.0.2.9",
            Some("10.0.0.1, 10.0.0.2, 10.0.0.3"),
        ),
        (vec!["10.0.0.1", "", "10.0.0.3"], "10.0.0.1, 10.0.0.3, 192.0.2.9", Some("10.0.0.1, 10.0.0.3")),
        (vec![""], "192.0.2.9", Some("")),
    ];
    for (given, appended, kept) in table {
        for (policy, expected) in [(&append, Some(appended)), (&keep, kept)] {
            let given: Vec<_> = given.iter().map(|value| ("x-forwarded-for", *value)).collect();
            let mut headers = sanitised(&given, &peer(true, false), policy);
            prepare_upstream(&mut headers, &peer(true, false), policy, false);
            let all: Vec<_> = headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(all, Vec::from_iter(expected), "{given:?}");
        }
    }
}

#[test]
fn scheme_headers_are_added_if_asked_for() {
    let config = ForwardedHeaders { add_x_forwarded_scheme_headers: true, ..ForwardedHeaders::default() };
    let policy = ForwardedPolicy::new(&config, UnderscoreHeaders::Keep, "gateway-1", 80);
    let headers = sanitised(&[("x-scheme", "gopher")], &peer(false, true), &policy);
    assert_eq!(headers["x-scheme"], "https");
    assert_eq!(headers["x-forwarded-scheme"], "https");
}

#[test]
fn aliases_of_forwarded_headers_never_pass() {
    let aliases = [
        "x_forwarded_for",
        "x-forwarded_for",
        "x_forwarded-for",
        "X_Real_IP",
        "x-real_ip",
        "x_scheme",
        "x_forwarded_tls_client_cert_info",
    ];
    for name in aliases {
        for trusted in [false, true] {
            let headers = sanitised(&[("host", "a.example"), (name, "spoofed")], &peer(trusted, false), &policy());
            assert_eq!(rest(&headers), [""; 0], "{name}");
        }
    }
}

#[test]
fn other_names_with_underscores_go_as_the_strategy_says() {
    let given = [("host", "a.example"), ("my_header", "1"), ("x_forwarded_fox", "2"), ("x-plain", "3")];
    let table = [
        (UnderscoreHeaders::Keep, Ok(vec!["my_header: 1", "x-plain: 3", "x_forwarded_fox: 2"])),
        (UnderscoreHeaders::Delete, Ok(vec!["x-plain: 3"])),
        (UnderscoreHeaders::Reject, Err(Refusal::Underscore)),
    ];
    for (strategy, expected) in table {
        let policy = ForwardedPolicy::new(&ForwardedHeaders::default(), strategy, "gateway-1", 80);
        let mut headers = map(&given);
        let host = headers[HOST].clone();
        let result = sanitise_incoming(&mut headers, &peer(false, false), &policy, Some(&host), false);
        assert_eq!(
            result.map(|()| rest(&headers)),
            expected.map(|lines| lines.into_iter().map(str::to_owned).collect())
        );
    }
}

#[test]
fn hop_by_hop_fields_end_here() {
    let table: [(&str, &str, bool); 16] = [
        ("connection", "close", false),
        ("connection", "keep-alive", false),
        ("proxy-connection", "keep-alive", false),
        ("keep-alive", "timeout=5", false),
        ("proxy-authenticate", "Basic", false),
        ("proxy-authorization", "Basic eA==", false),
        ("te", "trailers", true),
        ("te", "Trailers", true),
        ("te", "gzip", false),
        ("te", "trailers, deflate", false),
        ("trailer", "x-sum", true),
        ("transfer-encoding", "chunked", false),
        ("upgrade", "h2c", false),
        ("http2-settings", "AAA", false),
        ("authorization", "Basic eA==", true),
        ("forwarded", "for=192.0.2.1", true),
    ];
    for (name, value, stays) in table {
        let mut headers = sanitised(&[("host", "a.example"), (name, value)], &peer(false, false), &policy());
        prepare_upstream(&mut headers, &peer(false, false), &policy(), false);
        assert_eq!(headers.contains_key(name), stays, "{name}: {value} of a request");
        let mut headers = map(&[(name, value)]);
        prepare_response(&mut headers, false);
        assert_eq!(headers.contains_key(name), stays, "{name}: {value} of a response");
    }
}

#[test]
fn connection_names_fields_away_but_not_those_that_matter() {
    let given = [
        ("host", "a.example"),
        ("connection", "X-Hop, x-real-ip,close"),
        ("connection", "X-Forwarded-For, host, content-length, \u{7f}"),
        ("x-hop", "1"),
        ("x-stays", "2"),
        ("content-length", "0"),
    ];
    let given = given.map(|(name, value)| (name, value.trim_end_matches(['\u{7f}', ' ', ','])));
    let mut headers = sanitised(&given, &peer(true, false), &policy());
    assert!(!headers.contains_key(CONNECTION));
    prepare_upstream(&mut headers, &peer(true, false), &policy(), false);
    assert_eq!(rest(&headers), ["content-length: 0", "x-stays: 2"]);
    for name in ["host", "x-real-ip", "x-forwarded-for"] {
        assert!(headers.contains_key(name), "{name}");
    }
}

#[test]
fn a_field_that_may_pass_through_the_chain_goes_before_it_is_sent() {
    let config = ForwardedHeaders { connection: vec!["x-hop".to_owned()], ..ForwardedHeaders::default() };
    let policy = ForwardedPolicy::new(&config, UnderscoreHeaders::Keep, "gateway-1", 80);
    let given = [("host", "a.example"), ("connection", "X-Hop, X-Other, Connection"), ("x-hop", "1"), ("x-other", "2")];
    let mut headers = sanitised(&given, &peer(false, false), &policy);
    assert_eq!(rest(&headers), ["connection: X-Hop", "x-hop: 1"]);
    prepare_upstream(&mut headers, &peer(false, false), &policy, false);
    assert_eq!(rest(&headers), [""; 0]);
}

#[test]
fn a_field_that_a_middleware_adds_cannot_be_named_away_by_the_client() {
    let mut headers = sanitised(&[("host", "a.example"), ("connection", "x-user")], &peer(false, false), &policy());
    headers.insert("x-user", "alice".parse().unwrap());
    prepare_upstream(&mut headers, &peer(false, false), &policy(), false);
    assert_eq!(rest(&headers), ["x-user: alice"]);
}

#[test]
fn an_upgrade_passes_only_where_it_is_one() {
    let given = [("host", "a.example"), ("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
    for (upgrade, expected) in [(true, vec!["connection: Upgrade", "upgrade: websocket"]), (false, vec![])] {
        let mut headers = sanitised(&given, &peer(false, false), &policy());
        assert_eq!(rest(&headers), ["connection: Upgrade", "upgrade: websocket"]);
        prepare_upstream(&mut headers, &peer(false, false), &policy(), upgrade);
        assert_eq!(rest(&headers), expected);

        let mut headers = map(&given[1..]);
        prepare_response(&mut headers, upgrade);
        assert_eq!(rest(&headers), expected);
    }
    let mut headers = sanitised(&[("host", "a.example"), ("connection", "upgrade")], &peer(false, false), &policy());
    prepare_upstream(&mut headers, &peer(false, false), &policy(), true);
    assert_eq!(rest(&headers), [""; 0]);
}

#[test]
fn an_ipv4_address_in_ipv6_is_an_ipv4_address() {
    let trust = Trust { insecure: false, trusted_ips: vec!["192.0.2.0/24".parse().unwrap()] };
    let peer = Peer::new("[::ffff:192.0.2.9]:1".parse().unwrap(), false, &trust);
    assert_eq!((peer.ip_value.to_str().unwrap(), peer.trusted), ("192.0.2.9", true));
}

#[test]
fn a_host_name_that_fits_no_header_is_left_out() {
    for name in ["", "bad\nname"] {
        let policy = ForwardedPolicy::new(&ForwardedHeaders::default(), UnderscoreHeaders::Keep, name, 80);
        assert!(!sanitised(&[("host", "a.example")], &peer(false, false), &policy).contains_key("x-forwarded-server"));
    }
}

/// What one pass says of a name is what a comparison with every name says.
#[test]
fn each_name_has_one_bit() {
    for (at, name) in FORWARDED.iter().enumerate() {
        let seen = Seen::of(&map(&[(name.as_str(), "")]), false);
        assert!((0..FORWARDED.len()).all(|other| seen.has_forwarded(other) == (other == at)), "{name}");
        assert!(!seen.any_hop_by_hop() && !seen.has(Kind::Connection));
    }
    for (kind, name) in &HOP_BY_HOP {
        let seen = Seen::of(&map(&[(name.as_str(), "")]), false);
        assert!(HOP_BY_HOP.iter().all(|(other, _)| seen.has(*other) == (other == kind)), "{name}");
        assert!(seen.any_hop_by_hop() && !seen.any_forwarded());
    }
    for name in [
        "host",
        "cookie",
        "accept",
        "user-agent",
        "x-request-id",
        "x-forwarded-fo",
        "x-forwarded-for-more",
        "via",
        "priority",
    ] {
        let seen = Seen::of(&map(&[(name, "")]), true);
        assert!(
            !seen.any_forwarded()
                && !seen.any_hop_by_hop()
                && !seen.has(Kind::Connection)
                && !seen.has(Kind::Underscore),
            "{name}"
        );
    }
}
