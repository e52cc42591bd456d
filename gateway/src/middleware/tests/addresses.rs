//! Who may pass, by address.

use super::*;

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
