use rollgate_config::{Allow, Document, Format, read_dynamic, read_static};

use super::*;

const CONFIGURATION: &str = "
entryPoints:
  web:
    address: ':8000'
    http: {middlewares: [edge]}
  strict:
    address: ':8001'
    http: {underscoreHeadersStrategy: reject}
  proxied:
    address: ':8002'
    forwardedHeaders: {trustedIPs: [10.0.0.0/8]}
ping: {}
http:
  routers:
    split: {rule: Host(`split.test`), service: split, middlewares: [own]}
    one: {rule: 'Host(`split.test`) && Header(`X-Version`, `b`)', service: b}
    secure: {rule: 'Host(`split.test`) && Header(`X-Forwarded-Proto`, `https`)', service: b, priority: 500}
    empty: {rule: Host(`empty.test`), service: none}
    alone: {rule: Host(`one.test`), service: near}
    kept: {rule: Host(`kept.test`), service: users, middlewares: [cb]}
  middlewares:
    edge: {headers: {customRequestHeaders: {X-Edge: '1'}}}
    cb: {circuitBreaker: {expression: 'NetworkErrorRatio()>0.5', responseCode: 429}}
    strict: {circuitBreaker: {expression: 'NetworkErrorRatio() > 0.9', onTrip: fail}}
    own: {chain: {middlewares: [first, second]}}
    first: {addPrefix: {prefix: /first}}
    second: {addPrefix: {prefix: /second}}
  services:
    split:
      weighted:
        services: [{name: a, weight: 60}, {name: nested, weight: 40}, {name: idle, weight: 0}, {name: none, weight: 100}]
    nested:
      weighted:
        services: [{name: b, weight: 0.5}, {name: a, weight: 1.5}]
    users: {weighted: {services: [{name: sessions, weight: 90}, {name: near, weight: 10}], cohort: {header: X-User}}}
    sessions: {weighted: {services: [{name: a}, {name: none}], sticky: {cookie: {name: at}}}}
    near: {middlewares: [cb, strict], loadBalancer: {strategy: hrw, servers: [{url: 'http://10.0.0.6'}, {url: 'http://10.0.0.7', weight: 2.5}]}}
    a: {loadBalancer: {servers: [{url: 'http://10.0.0.1'}, {url: 'http://10.0.0.2'}]}}
    b: {loadBalancer: {servers: [{url: 'http://10.0.0.3'}]}}
    idle: {loadBalancer: {servers: [{url: 'http://10.0.0.4'}]}}
    none: {loadBalancer: {servers: [{url: 'http://10.0.0.5', weight: 0}]}}
";

fn ask(entry_point: &str, path: &str, lines: &[(&'static str, &'static str)]) -> Explanation {
    let document = Document::parse("test.yml", CONFIGURATION, Format::Yaml).unwrap();
    let allow = Allow::default();
    let read = read_static(&document, &allow);
    assert_eq!(read.problems, []);
    let statics = read.value.unwrap();
    let read = read_dynamic(&[document], "file", Some(&statics), &allow);
    assert_eq!(read.problems, []);
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let question = Question {
        entry_point: entry_point.to_owned(),
        tls: false,
        path: path.to_owned(),
        query: None,
        method: Method::GET,
        headers,
        client: [10, 1, 1, 1].into(),
    };
    explain(&statics, (&read.value.unwrap(), Vec::new()), &question).unwrap()
}

fn winner_of(entry_point: &str, lines: &[(&'static str, &'static str)]) -> String {
    ask(entry_point, "/", lines).winner.map_or_else(|| "none".to_owned(), |winner| winner.name)
}

#[test]
fn shares_are_of_the_whole_stream_and_idle_versions_are_marked() {
    let winner = ask("web", "/", &[("host", "split.test")]).winner.unwrap();
    let mut seen = Vec::new();
    let mut rest = vec![&winner.service];
    while let Some(branch) = rest.pop() {
        let share = (branch.share * 1e6).round() / 1e6;
        seen.push((branch.name.trim_end_matches("@file"), share, branch.weight, branch.unavailable));
        rest.extend(branch.children.iter().rev());
    }
    let expected = [
        ("split", 1.0, None, false),
        ("a", 0.6, Some(60.0), false),
        ("nested", 0.4, Some(40.0), false),
        ("b", 0.1, Some(0.5), false),
        ("a", 0.3, Some(1.5), false),
        ("idle", 0.0, Some(0.0), false),
        ("none", 0.0, Some(100.0), true),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_service_without_a_server_is_marked_where_a_router_leads_to_it() {
    let winner = ask("web", "/", &[("host", "empty.test")]).winner.unwrap();
    assert!(winner.service.unavailable);
}

#[test]
fn the_entry_points_middlewares_come_first_and_chains_are_flattened() {
    let winner = ask("web", "/", &[("host", "split.test")]).winner.unwrap();
    assert_eq!(winner.middlewares, ["edge@file", "first@file", "second@file"]);
}

#[test]
fn who_leads_to_a_version_passes_its_weighted_services_by() {
    let passed = |lines: &[_]| ask("web", "/", lines).winner.unwrap().passes_by;
    assert_eq!(passed(&[("host", "split.test"), ("x-version", "b")]), ["nested@file"]);
    assert!(passed(&[("host", "split.test")]).is_empty());
}

#[test]
fn headers_are_what_a_router_sees_after_the_entry_point() {
    let host = ("host", "Split.TEST.:8000");
    let proto = ("x-forwarded-proto", "https");
    for (entry_point, lines, wins) in [
        ("strict", &[host][..], "split@file"),
        ("strict", &[host, ("x-version", "b")], "one@file"),
        // `Connection` names it away.
        ("strict", &[host, ("x-version", "b"), ("connection", "X-Version")], "split@file"),
        // Whoever is not trusted does not say over what it came.
        ("strict", &[host, proto], "split@file"),
        ("proxied", &[host, proto], "secure@file"),
    ] {
        assert_eq!(winner_of(entry_point, lines), wins, "{entry_point} {lines:?}");
    }
}

#[test]
fn what_a_request_is_refused_for_is_told() {
    let host = ("host", "split.test");
    for (path, lines, says) in [
        ("/%zz", &[host][..], "bad percent-encoding"),
        ("/", &[host, ("host", "other.test")], "more than one Host"),
        ("/", &[("host", "a@b")], "invalid Host"),
        ("/", &[host, ("x_version", "b")], "underscore"),
    ] {
        let explanation = ask("strict", path, lines);
        let told = explanation.target.unwrap_err();
        assert!(told.contains(says), "{told}");
        assert_eq!((explanation.winner, explanation.candidates.len(), explanation.own), (None, 0, false));
    }
    assert!(ask("web", "/", &[host, ("x_version", "b")]).target.is_ok());
}

#[test]
fn what_an_entry_point_answers_itself_is_told() {
    for (entry_point, path, own) in [
        ("traefik", "/ping", true),
        ("traefik", "/live", true),
        ("traefik", "/x/../ping", true),
        ("traefik", "/api", false),
        ("web", "/ping", false),
    ] {
        assert_eq!(ask(entry_point, path, &[("host", "split.test")]).own, own, "{entry_point} {path}");
    }
}

#[test]
fn a_host_that_no_router_wants_leaves_no_candidate_but_the_number_of_routers() {
    let explanation = ask("web", "/", &[("host", "nobody.test")]);
    assert_eq!((explanation.routers, explanation.candidates.len()), (6, 0));
    assert_eq!(explanation.target.unwrap().host, "nobody.test");
}

#[test]
fn what_keeps_a_client_says_where_the_request_goes() {
    let keeping = |lines: &[(&'static str, &'static str)]| {
        let mut lines = lines.to_vec();
        lines.push(("host", "kept.test"));
        let users = ask("web", "/", &lines).winner.unwrap().service;
        let all = [&users, &users.children[0], &users.children[1]].map(|branch| branch.keeping.clone().unwrap());
        let [by_user, by_cookie, by_address] = all;
        assert_eq!(by_user.by, "cohort by header x-user");
        assert_eq!(by_cookie.by, "sticky by cookie at");
        assert_eq!(by_address.by, "hrw by the client's address");
        (by_user.found, by_cookie.found, by_address.found)
    };
    let (by_user, by_cookie, by_address) = keeping(&[]);
    assert_eq!((by_user, by_cookie), (Found::Missing, Found::Issued));
    assert!(matches!(by_address, Found::LeadsTo(url) if url.starts_with("http://10.0.0.")));
    let (by_user, by_cookie, _) = keeping(&[("x-user", "eve"), ("cookie", "at=a")]);
    assert!(matches!(by_user, Found::LeadsTo(name) if name == "sessions@file" || name == "near@file"));
    assert_eq!(by_cookie, Found::LeadsTo("a@file".to_owned()));
    // A version without servers, and one that nobody knows.
    for cookie in ["at=none", "at=nobody"] {
        assert_eq!(keeping(&[("cookie", cookie)]).1, Found::Unknown, "{cookie}");
    }
    assert!(ask("web", "/", &[("host", "split.test")]).winner.unwrap().service.keeping.is_none());
}

#[test]
fn breakers_say_what_they_do_in_their_place_and_servers_what_they_weigh() {
    let winner = ask("web", "/", &[("host", "kept.test")]).winner.unwrap();
    let told = |breakers: &[Breaking]| -> Vec<String> {
        let told = |breaker: &Breaking| {
            let Breaking { middleware, expression, redistributes, response_code } = breaker;
            format!("{middleware}: {expression}, {redistributes}, {response_code}")
        };
        breakers.iter().map(told).collect()
    };
    assert_eq!(told(&winner.breakers), ["cb@file: NetworkErrorRatio() > 0.5, false, 429"]);
    let near = &winner.service.children[1];
    let expected =
        ["cb@file: NetworkErrorRatio() > 0.5, true, 429", "strict@file: NetworkErrorRatio() > 0.9, false, 503"];
    assert_eq!(told(&near.breakers), expected);
    assert_eq!(told(&winner.service.children[0].breakers), [""; 0]);
    let servers: Vec<_> = near.servers.iter().map(|server| (server.url.as_str(), server.weight)).collect();
    assert_eq!((near.strategy, servers), (Some("hrw"), vec![("http://10.0.0.6", 1.0), ("http://10.0.0.7", 2.5)]));
    assert_eq!(winner.service.strategy, None);
    // Who leads to the service alone is no version.
    let alone = ask("web", "/", &[("host", "one.test")]).winner.unwrap().service;
    assert_eq!(told(&alone.breakers), expected.map(|told| told.replace("true", "false")));
}

#[test]
fn an_audience_is_told_with_whether_the_request_belongs_to_it() {
    use crate::{
        Over, TrialMode, TrialOrder,
        trial::tests::{order, trial_of},
    };
    let document = Document::parse("f.yml", CONFIGURATION, Format::Yaml).unwrap();
    let statics = read_static(&document, &Allow::default()).value.unwrap();
    let configuration = read_dynamic(&[document], "file", Some(&statics), &Allow::default()).value.unwrap();
    let all = rollgate_config::dynamic::rollout::audience::AllOf {
        query: vec![("beta".to_owned(), Vec::new())],
        ..Default::default()
    };
    let mut told = Vec::new();
    for (draw, query, braked) in [
        (None, Some("beta"), false),
        (None, None, false),
        (Some(rollgate_config::scalar::Share(250_000)), Some("beta=1"), false),
        (None, Some("beta"), true),
    ] {
        let audience = rollgate_config::dynamic::rollout::audience::Audience { any_of: vec![all.clone()] };
        let trial = trial_of(TrialOrder {
            service: "split@file".into(),
            stable: "a@file".into(),
            canary: "nested@file".into(),
            mode: TrialMode::Audience { audience, draw },
            ..order(Default::default())
        });
        if braked {
            trial.watched().brake();
        }
        let question = Question {
            entry_point: "web".to_owned(),
            tls: false,
            path: "/".to_owned(),
            query: query.map(str::to_owned),
            method: Method::GET,
            headers: HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("split.test"))]),
            client: [10, 1, 1, 1].into(),
        };
        let over = Over { trial: Some(trial.into()), ..Over::default() };
        let over = vec![("split@file".into(), over)];
        let service = explain(&statics, (&configuration, over), &question).unwrap().winner.unwrap().service;
        let judging = service.judging.unwrap();
        let audience = judging.audience.unwrap();
        assert_eq!((judging.rollout.as_str(), judging.canary.as_str()), ("r-1", "nested@file"));
        assert_eq!((audience.who.as_str(), judging.braked), ("query beta", braked));
        let shares: Vec<_> = service.children.iter().map(|child| (child.share * 1e6).round() / 1e6).collect();
        told.push((audience.belongs, shares));
    }
    let expected = [
        (true, vec![0.0, 1.0, 0.0, 0.0]),
        (false, vec![0.6, 0.4, 0.0, 0.0]),
        (true, vec![0.75, 0.25, 0.0, 0.0]),
        (true, vec![1.0, 0.0, 0.0, 0.0]),
    ];
    assert_eq!(told, expected);
}
