use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use regex::bytes::Regex;
use rollgate_config::{
    rule::{Expression, Matcher, Rule},
    static_config::EncodedCharacters,
};

use super::*;
use crate::{authority, path};

mod matchers;
mod oracle;

/// A request that outlives its facts.
#[derive(Debug)]
struct Request {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    client: std::net::IpAddr,
}

impl Request {
    fn to(url: &str) -> Self {
        let uri: Uri = url.parse().unwrap();
        let authority = authority::parse(uri.authority().unwrap().as_str()).unwrap();
        let encoded = EncodedCharacters::ALL;
        let path = path::normalise(&path::PathRules { sanitize: true, encoded }, uri.path()).unwrap();
        Self {
            method: Method::GET,
            host: authority::canonical_host(authority.host).into_owned(),
            path: path::routing_path(&path).into_owned(),
            query: uri.query().map(str::to_owned),
            headers: HeaderMap::new(),
            client: "192.0.2.1".parse().unwrap(),
        }
    }

    fn without_host() -> Self {
        Self { host: String::new(), ..Self::to("http://h/") }
    }

    fn method(method: &str) -> Self {
        Self { method: method.parse().unwrap(), ..Self::to("http://h/") }
    }

    fn from(client: &str) -> Self {
        Self { client: client.parse().unwrap(), ..Self::to("http://h/") }
    }

    fn with(lines: &[(&str, &str)]) -> Self {
        let mut request = Self::to("http://h/");
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        request
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            method: &self.method,
            headers: &self.headers,
            client: self.client,
        }
    }
}

fn is(matcher: Matcher) -> Expression {
    Expression::Matcher(matcher)
}

fn host(host: &str) -> Expression {
    is(Matcher::Host(host.to_owned()))
}

fn host_regexp(regex: &str) -> Expression {
    is(Matcher::HostRegexp(Regex::new(regex).unwrap()))
}

fn path_is(path: &str) -> Expression {
    is(Matcher::Path(path.to_owned()))
}

fn prefix(path: &str) -> Expression {
    is(Matcher::PathPrefix(path.to_owned()))
}

fn path_regexp(regex: &str) -> Expression {
    is(Matcher::PathRegexp(Regex::new(regex).unwrap()))
}

fn method(name: &str) -> Expression {
    is(Matcher::Method(name.to_owned()))
}

fn header(name: &str, value: &str) -> Expression {
    is(Matcher::Header { name: name.to_owned(), value: value.to_owned() })
}

fn header_regexp(name: &str, regex: &str) -> Expression {
    is(Matcher::HeaderRegexp { name: name.to_owned(), value: Regex::new(regex).unwrap() })
}

fn query(key: &str, value: &str) -> Expression {
    is(Matcher::Query { key: key.to_owned(), value: value.to_owned() })
}

fn query_regexp(key: &str, regex: &str) -> Expression {
    is(Matcher::QueryRegexp { key: key.to_owned(), value: Regex::new(regex).unwrap() })
}

fn client(net: &str) -> Expression {
    is(Matcher::ClientIp(net.parse().unwrap()))
}

fn and<const N: usize>(parts: [Expression; N]) -> Expression {
    Expression::And(parts.into())
}

fn or<const N: usize>(parts: [Expression; N]) -> Expression {
    Expression::Or(parts.into())
}

fn not(inner: Expression) -> Expression {
    Expression::Not(Box::new(inner))
}

fn route(name: &str, priority: i64, expression: Expression) -> Route {
    Route {
        name: name.to_owned(),
        provider_rank: 0,
        rule: Rule { text: format!("rule of {name}"), expression },
        priority,
    }
}

#[track_caller]
fn expect<const N: usize>(expression: Expression, cases: [(Request, bool); N]) {
    let table = Table::build(vec![route("r", 1, expression)]);
    for (at, (request, matches)) in cases.iter().enumerate() {
        assert_eq!(table.find(&request.facts()).is_some(), *matches, "case {at}: {:?}", request.facts());
        let wins = table.explain(&request.facts()).iter().any(|verdict| verdict.outcome == Outcome::Wins);
        assert_eq!(wins, *matches, "explained, case {at}: {:?}", request.facts());
    }
}

#[track_caller]
fn expect_urls<const N: usize>(expression: Expression, cases: [(&str, bool); N]) {
    expect(expression, cases.map(|(url, matches)| (Request::to(url), matches)));
}

#[test]
fn the_highest_priority_is_asked_first_wherever_it_is_indexed() {
    let winner = |priorities: [i64; 3], url: &str| {
        let table = Table::build(vec![
            route("exact", priorities[0], host("a.x")),
            route("below", priorities[1], host("*.x")),
            route("common", priorities[2], prefix("/")),
        ]);
        table.find(&Request::to(url).facts())
    };
    assert_eq!(winner([3, 2, 1], "http://a.x/"), Some(0));
    assert_eq!(winner([2, 3, 1], "http://a.x/"), Some(1));
    assert_eq!(winner([1, 2, 3], "http://a.x/"), Some(2));
    assert_eq!(winner([3, 2, 1], "http://b.x/"), Some(1));
    assert_eq!(winner([3, 2, 1], "http://c/"), Some(2));
    assert_eq!(winner([-1, i64::MIN, -2], "http://a.x/"), Some(0));
}

#[test]
fn ties_are_broken_by_provider_then_name_then_order() {
    let tied = |rank: u32, name: &str| Route { provider_rank: rank, ..route(name, 5, host("h")) };
    let winner = |routes: [Route; 3]| Table::build(routes.into()).find(&Request::to("http://h/").facts());
    assert_eq!(winner([tied(2, "a"), tied(1, "c"), tied(1, "b")]), Some(2));
    assert_eq!(winner([tied(1, "c"), tied(0, "z"), tied(1, "b")]), Some(1));
    assert_eq!(winner([tied(1, "a"), tied(1, "a"), tied(1, "b")]), Some(0));
    assert_eq!(winner([tied(0, "a-b@file"), tied(1, "a@file"), tied(0, "a@file")]), Some(2));
    assert_eq!(winner([tied(0, "service-12@file"), tied(0, "service-2@file"), tied(0, "service-1@file")]), Some(2));
    let common = |name: &str| route(name, 5, prefix("/"));
    assert_eq!(winner([tied(0, "b"), common("a"), tied(0, "c")]), Some(1));
}

#[test]
fn an_empty_table_finds_nothing() {
    let table = Table::build(Vec::new());
    assert!(table.is_empty());
    assert_eq!(table.find(&Request::to("http://h/").facts()), None);
    assert!(table.explain(&Request::to("http://h/").facts()).is_empty());
}

#[test]
fn candidates_do_not_grow_with_the_number_of_hosts() {
    let routes = (0..10_000).map(|n| route(&format!("r{n}"), 10, and([host(&format!("h{n}.x")), prefix("/")])));
    let table = Table::build(routes.collect());
    assert_eq!(table.len(), 10_000);
    assert_eq!(table.candidates("h77.x").count(), 1);
    assert_eq!(table.find(&Request::to("http://h77.x/").facts()), Some(77));
    assert_eq!(table.candidates("unknown").count(), 0);
}

#[test]
fn every_route_that_could_match_is_explained() {
    let table = Table::build(vec![
        route("blue@file", 40, and([host("pro.coding"), header("x-version", "canary")])),
        route("paths@file", 30, and([host("pro.coding"), or([prefix("/api"), query("beta", "")])])),
        route("inside@file", 25, and([host("*.coding"), not(client("192.0.2.0/24"))])),
        route("main@file", 20, host("pro.coding")),
        route("elsewhere@file", 90, host("dev.coding")),
        route("last@file", 1, prefix("/")),
        route("deep@file", 50, not(host("pro.coding"))),
        route("odd@file", 60, header("host", "pro.coding")),
    ]);
    let explained = |request: &Request| {
        let verdicts = table.explain(&request.facts());
        let lines = verdicts.iter().map(|verdict| {
            assert_eq!(verdict.rule, format!("rule of {}", verdict.name));
            format!("{} {} #{}: {}", verdict.priority, verdict.name, verdict.route, verdict.outcome)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!("explained", explained(&Request::to("http://pro.coding/x?beta=1")));
    let canary =
        Request { headers: Request::with(&[("x-version", "canary")]).headers, ..Request::to("http://pro.coding") };
    insta::assert_snapshot!("explained_canary", explained(&canary));
    let stable = Request { headers: Request::with(&[("x-version", "a"), ("x-version", "b")]).headers, ..canary };
    insta::assert_snapshot!("explained_other_value", explained(&stable));
    insta::assert_snapshot!("explained_without_host", explained(&Request::without_host()));
}

#[test]
fn every_matcher_says_what_it_saw() {
    let request = Request {
        headers: Request::with(&[("x-a", "1")]).headers,
        query: Some("q=1&q=2+3".to_owned()),
        ..Request::to("http://a.b.c/p")
    };
    let rules = [
        host("*.c"),
        host("*"),
        host_regexp("z"),
        path_is("/x"),
        prefix("/x"),
        path_regexp("x"),
        method("POST"),
        method("NO GOOD"),
        header("x-a", "2"),
        header("x-b", "with `ticks`"),
        header_regexp("x-a", "^2"),
        query("q", "9"),
        query("r", ""),
        query_regexp("q", "9"),
        client("10.0.0.0/8"),
        not(and([method("GET"), prefix("/")])),
        not(or([method("GET"), prefix("/x")])),
        or([path_is("/x"), method("POST")]),
    ];
    let lines = rules.map(|rule| {
        // Behind a part that every host meets, so that no rule is left out for its host.
        let table = Table::build(vec![route("r", 1, or([and([rule, prefix("/")]), method("NO GOOD")]))]);
        let verdicts = table.explain(&request.facts());
        verdicts[0].outcome.to_string().replace("; Method(`NO GOOD`) does not match: there is no such method", "")
    });
    insta::assert_snapshot!(lines.join("\n"));
}
