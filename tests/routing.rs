//! Every matcher of the rule language, priorities and ties, over real HTTP.

#![cfg(test)]

use rollgate_testkit::{Ask, Backend, Gateway};

/// A rule, and requests that it takes or leaves.
struct Row {
    rule: &'static str,
    takes: Vec<Ask>,
    leaves: Vec<Ask>,
}

fn row(rule: &'static str, takes: &[&str], leaves: &[&str]) -> Row {
    let asks = |urls: &[&str]| urls.iter().map(|url| Ask::get(url)).collect();
    Row { rule, takes: asks(takes), leaves: asks(leaves) }
}

fn asks(rule: &'static str, takes: Vec<Ask>, leaves: Vec<Ask>) -> Row {
    Row { rule, takes, leaves }
}

/// Each row has an entry point of its own, so that no rule hides another.
async fn holds(rows: Vec<Row>) {
    let backend = Backend::echo("found");
    let mut points = String::new();
    let mut routers = String::new();
    for (number, row) in rows.iter().enumerate() {
        points.push_str(&format!("  e{number}: {{address: \"127.0.0.1:0\"}}\n"));
        let rule = row.rule.replace('\'', "''");
        routers.push_str(&format!("    r{number}: {{entryPoints: [e{number}], rule: '{rule}', service: s}}\n"));
    }
    let gateway = Gateway::start(&format!(
        "entryPoints:\n  traefik: {{address: \"127.0.0.1:0\"}}\n{points}http:\n  routers:\n{routers}  services:\n    s: {}\n",
        backend.load_balancer()
    ));
    for (number, row) in rows.into_iter().enumerate() {
        let address = gateway.address(&format!("e{number}"));
        for ask in row.takes {
            let reply = ask.clone().send(address).await;
            assert_eq!(reply.status, 200, "{} takes {ask:?}", row.rule);
        }
        for ask in row.leaves {
            let reply = ask.clone().send(address).await;
            assert_eq!(reply.status, 404, "{} leaves {ask:?}", row.rule);
            assert_eq!(reply.text(), "404 page not found\n");
        }
    }
}

#[tokio::test]
async fn hosts_match_without_case_port_and_trailing_dot() {
    holds(vec![
        row(
            "Host(`a.test`)",
            &["http://a.test/", "http://A.TEST/", "http://a.test:8080/x", "http://a.test./"],
            &["http://b.test/", "http://x.a.test/", "http://a.test.evil/", "http://127.0.0.1/"],
        ),
        row("Host(`A.Test`)", &["http://a.test/"], &["http://b.test/"]),
        row("Host(`a.test.`)", &["http://a.test/", "http://a.test./"], &["http://a.tes/"]),
        row("Host(\"quoted.test\")", &["http://quoted.test/"], &["http://a.test/"]),
        row(
            "Host(`*.a.test`)",
            &["http://x.a.test/", "http://X.A.TEST:1/"],
            &["http://a.test/", "http://x.y.a.test/", "http://xa.test/", "http://x.b.test/"],
        ),
        row("Host(`*`)", &["http://a.test/", "http://127.0.0.1/"], &[]),
        row("Host(`127.0.0.1`)", &["http://127.0.0.1/", "http://127.0.0.1:99/"], &["http://127.0.0.2/"]),
    ])
    .await;
}

#[tokio::test]
async fn host_expressions_are_unanchored_on_the_lower_cased_host() {
    holds(vec![
        row("HostRegexp(`^[a-z]+\\.test$`)", &["http://a.test/", "http://ABC.TEST/"], &["http://a1.test/"]),
        row("HostRegexp(`pro`)", &["http://pro.coding/", "http://my-product/"], &["http://dev.coding/"]),
        row("HostRegexp(`^a\\.test$`)", &["http://a.test:8080/"], &["http://xa.test/"]),
    ])
    .await;
}

#[tokio::test]
async fn paths_match_whole_by_prefix_and_by_expression() {
    holds(vec![
        row(
            "Path(`/products`)",
            &["http://h/products", "http://h/products?x=1"],
            &["http://h/products/", "http://h/product", "http://h/", "http://h/Products"],
        ),
        row(
            "PathPrefix(`/v1`)",
            &["http://h/v1", "http://h/v1/x", "http://h/v12"],
            &["http://h/v2", "http://h/", "http://h/V1"],
        ),
        row("PathPrefix(`/`)", &["http://h/", "http://h/any/where"], &[]),
        row(
            "PathRegexp(`\\.(jpe?g|png)$`)",
            &["http://h/a.jpg", "http://h/x/b.jpeg", "http://h/c.png"],
            &["http://h/c.gif", "http://h/jpg"],
        ),
        row("PathRegexp(`^/items/[0-9]+$`)", &["http://h/items/12"], &["http://h/items/a", "http://h/x/items/1"]),
        // Unreserved characters are decoded before matching, reserved ones are not.
        row("Path(`/a/b`)", &["http://h/%61/b"], &["http://h/a%2Fb"]),
        row("Path(`/a%2Fb`)", &["http://h/a%2Fb"], &["http://h/a/b"]),
        row("Path(`/a b`)", &["http://h/a%20b"], &["http://h/a+b"]),
    ])
    .await;
}

#[tokio::test]
async fn methods_match_in_any_case_of_the_rule() {
    holds(vec![
        asks(
            "Method(`GET`)",
            vec![Ask::get("http://h/")],
            vec![Ask::new("POST", "http://h/"), Ask::new("DELETE", "http://h/")],
        ),
        asks("Method(`post`)", vec![Ask::new("POST", "http://h/")], vec![Ask::get("http://h/")]),
        asks("Method(`PURGE`)", vec![Ask::new("PURGE", "http://h/")], vec![Ask::get("http://h/")]),
    ])
    .await;
}

#[tokio::test]
async fn headers_match_if_one_line_does() {
    let with = |name: &str, value: &str| Ask::get("http://h/").header(name, value);
    holds(vec![
        asks(
            "Header(`X-Version`, `canary`)",
            vec![
                with("X-Version", "canary"),
                with("x-version", "canary"),
                with("X-Version", "stable").header("X-Version", "canary"),
            ],
            vec![
                Ask::get("http://h/"),
                with("X-Version", "Canary"),
                with("X-Version", "stable, canary"),
                with("X-Other", "canary"),
            ],
        ),
        asks("Header(`x-version`, `canary`)", vec![with("X-Version", "canary")], vec![Ask::get("http://h/")]),
        // The Host header is no header for this matcher.
        asks("Header(`Host`, `h`)", vec![], vec![Ask::get("http://h/")]),
        asks(
            "HeaderRegexp(`Cookie`, `(^|; )group=b(;|$)`)",
            vec![with("Cookie", "group=b"), with("Cookie", "x=1; group=b; y=2")],
            vec![with("Cookie", "group=bb"), Ask::get("http://h/")],
        ),
        asks(
            "HeaderRegexp(`X-Id`, `7`)",
            vec![with("X-Id", "1").header("X-Id", "272")],
            vec![with("X-Id", "1").header("X-Id", "2")],
        ),
    ])
    .await;
}

#[tokio::test]
async fn queries_match_after_decoding() {
    holds(vec![
        row(
            "Query(`version`, `canary`)",
            &["http://h/?version=canary", "http://h/x?a=1&version=canary", "http://h/?version=c%61nary"],
            &["http://h/", "http://h/?version=stable", "http://h/?version=canary2", "http://h/?Version=canary"],
        ),
        // With one argument the value must be empty.
        row(
            "Query(`debug`)",
            &["http://h/?debug", "http://h/?debug=", "http://h/?a=b&debug"],
            &["http://h/?debug=1", "http://h/"],
        ),
        row("Query(`q`, `a b`)", &["http://h/?q=a+b", "http://h/?q=a%20b"], &["http://h/?q=ab"]),
        row(
            "QueryRegexp(`id`, `^[0-9]+$`)",
            &["http://h/?id=12", "http://h/?id=a&id=7"],
            &["http://h/?id=a", "http://h/"],
        ),
        row("QueryRegexp(`id`)", &["http://h/?id", "http://h/?id="], &["http://h/?id=1"]),
    ])
    .await;
}

#[tokio::test]
async fn client_addresses_match_the_peer_never_a_header() {
    let forwarded = || Ask::get("http://h/").header("X-Forwarded-For", "10.1.2.3");
    holds(vec![
        asks("ClientIP(`127.0.0.1`)", vec![Ask::get("http://h/"), forwarded()], vec![]),
        asks("ClientIP(`127.0.0.0/8`)", vec![Ask::get("http://h/")], vec![]),
        asks("ClientIP(`10.0.0.0/8`)", vec![], vec![Ask::get("http://h/"), forwarded()]),
        asks("ClientIP(`::1`)", vec![], vec![Ask::get("http://h/")]),
        asks("!ClientIP(`10.0.0.0/8`)", vec![Ask::get("http://h/")], vec![]),
    ])
    .await;
}

#[tokio::test]
async fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    holds(vec![
        row(
            "Host(`a.test`) && PathPrefix(`/api`)",
            &["http://a.test/api/x"],
            &["http://a.test/x", "http://b.test/api"],
        ),
        row(
            "Host(`a.test`) || Host(`b.test`) && Path(`/b`)",
            &["http://a.test/any", "http://b.test/b"],
            &["http://b.test/any", "http://c.test/b"],
        ),
        row(
            "(Host(`a.test`) || Host(`b.test`)) && Path(`/b`)",
            &["http://a.test/b", "http://b.test/b"],
            &["http://a.test/any", "http://c.test/b"],
        ),
        row("Host(`a.test`) && !Path(`/x`)", &["http://a.test/y"], &["http://a.test/x", "http://b.test/y"]),
        row("!(Host(`a.test`) || Path(`/x`))", &["http://b.test/y"], &["http://a.test/y", "http://b.test/x"]),
        row("!!Host(`a.test`)", &["http://a.test/"], &["http://b.test/"]),
        row("host(`a.test`) && PATHPREFIX(`/x`)", &["http://a.test/x"], &["http://a.test/y"]),
    ])
    .await;
}

#[tokio::test]
async fn the_longest_rule_wins_unless_a_priority_says_otherwise() {
    let (long, short, high) = (Backend::echo("long"), Backend::echo("short"), Backend::echo("high"));
    let gateway = Gateway::with(&format!(
        "http:
  routers:
    short: {{rule: 'Host(`a.test`)', service: short}}
    long: {{rule: 'Host(`a.test`) && PathPrefix(`/long`)', service: long}}
    high: {{rule: 'PathPrefix(`/long/h`)', priority: 1000, service: high}}
    low: {{rule: 'Host(`a.test`) && PathPrefix(`/long`) && Method(`GET`)', priority: -1, service: high}}
    zero: {{rule: 'Host(`zero.test`) && PathPrefix(`/`) ', priority: 0, service: long}}
    under: {{rule: 'Host(`zero.test`)', service: short}}
  services:
    long: {}
    short: {}
    high: {}
",
        long.load_balancer(),
        short.load_balancer(),
        high.load_balancer()
    ));
    for (url, wins) in [
        ("http://a.test/", "short"),
        ("http://a.test/long", "long"),
        ("http://a.test/long/high", "high"),
        ("http://b.test/long/high", "high"),
        ("http://zero.test/", "long"),
    ] {
        assert_eq!(gateway.get(url).await.header("x-backend"), Some(wins), "{url}");
    }
}

#[tokio::test]
async fn ties_go_to_the_first_name() {
    let (a, b, c) = (Backend::echo("a"), Backend::echo("b"), Backend::echo("c"));
    let dynamic = |order: [&str; 3]| {
        let routers = order.map(|name| format!("    {name}: {{rule: 'Host(`a.test`)', service: {name}}}\n")).concat();
        format!(
            "http:\n  routers:\n{routers}  services:\n    a: {}\n    b: {}\n    c: {}\n",
            a.load_balancer(),
            b.load_balancer(),
            c.load_balancer()
        )
    };
    for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
        let gateway = Gateway::with(&dynamic(order));
        for _ in 0..5 {
            assert_eq!(gateway.get("http://a.test/").await.header("x-backend"), Some("a"), "written as {order:?}");
        }
    }
}

#[tokio::test]
async fn routers_serve_only_their_entry_points() {
    let backend = Backend::echo("found");
    let gateway = Gateway::start(&format!(
        "entryPoints:
  one: {{address: '127.0.0.1:0'}}
  two: {{address: '127.0.0.1:0', asDefault: true}}
  traefik: {{address: '127.0.0.1:0'}}
http:
  routers:
    everywhere: {{rule: 'Path(`/default`)', service: s}}
    named: {{entryPoints: [one], rule: 'Path(`/one`)', service: s}}
    both: {{entryPoints: [one, two], rule: 'Path(`/both`)', service: s}}
  services:
    s: {}
",
        backend.load_balancer()
    ));
    for (entry_point, path, status) in [
        ("one", "/default", 404),
        ("two", "/default", 200),
        ("one", "/one", 200),
        ("two", "/one", 404),
        ("one", "/both", 200),
        ("two", "/both", 200),
        ("traefik", "/default", 404),
    ] {
        let reply = Ask::get(&format!("http://h{path}")).send(gateway.address(entry_point)).await;
        assert_eq!(reply.status, status, "{path} on {entry_point}");
    }
}

#[tokio::test]
async fn a_thousand_hosts_lead_each_to_its_own_service() {
    let (even, odd) = (Backend::echo("even"), Backend::echo("odd"));
    let routers = (0..1000).map(|number| {
        let service = if number % 2 == 0 { "even" } else { "odd" };
        format!("    r{number}: {{rule: 'Host(`h{number}.test`)', service: {service}}}\n")
    });
    let gateway = Gateway::with(&format!(
        "http:\n  routers:\n{}  services:\n    even: {}\n    odd: {}\n",
        routers.collect::<String>(),
        even.load_balancer(),
        odd.load_balancer()
    ));
    for number in [0, 1, 2, 499, 998, 999] {
        let wins = if number % 2 == 0 { "even" } else { "odd" };
        assert_eq!(gateway.get(&format!("http://h{number}.test/")).await.header("x-backend"), Some(wins));
    }
    assert_eq!(gateway.get("http://h1000.test/").await.status, 404);
}
