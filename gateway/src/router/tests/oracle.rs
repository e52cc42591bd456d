//! The table against the plainest possible reading of the rules: sort, then ask one after the other.

use proptest::{prelude::*, sample::select};

use super::*;

fn reads(expression: &Expression, request: &Request) -> bool {
    match expression {
        Expression::And(parts) => parts.iter().all(|part| reads(part, request)),
        Expression::Or(parts) => parts.iter().any(|part| reads(part, request)),
        Expression::Not(inner) => !reads(inner, request),
        Expression::Matcher(Matcher::Host(pattern)) => {
            let labels: Vec<_> = request.host.split('.').collect();
            let starred = [&["*"], &labels[1..]].concat().join(".");
            !request.host.is_empty() && (pattern == "*" || *pattern == request.host || *pattern == starred)
        }
        Expression::Matcher(Matcher::HostRegexp(regex)) => {
            !request.host.is_empty() && regex.is_match(request.host.as_bytes())
        }
        Expression::Matcher(Matcher::PathPrefix(prefix)) => request.path.starts_with(prefix),
        Expression::Matcher(Matcher::Header { name, value }) => {
            request.headers.iter().any(|(found, line)| found.as_str() == name && line == value)
        }
        other => panic!("the oracle does not know {other:?}"),
    }
}

fn plain_find(routes: &[Route], request: &Request) -> Option<usize> {
    let mut order: Vec<usize> = (0..routes.len()).collect();
    order.sort_by_key(|at| {
        let route = &routes[*at];
        (-route.priority, route.provider_rank, route.name.clone(), *at)
    });
    order.into_iter().find(|at| reads(&routes[*at].rule.expression, request))
}

fn expressions() -> impl Strategy<Value = Expression> {
    let hosts = vec!["a.x", "b.x", "x", "a.b.x", "*.x", "*.b.x", "*", "*.a"];
    let leaf = prop_oneof![
        6 => select(hosts).prop_map(host),
        1 => select(vec!["^a", "x$", "b"]).prop_map(host_regexp),
        2 => select(vec!["/", "/p", "/p/q"]).prop_map(prefix),
        1 => select(vec!["1", "2"]).prop_map(|value| header("x-h", value)),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            3 => proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
            3 => proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
            1 => inner.prop_map(not),
        ]
    })
}

fn routes() -> impl Strategy<Value = Vec<Route>> {
    let one = (expressions(), 0..4_i64, 0..2_u32, select(vec!["a", "b", "c", "service-1", "service-12", "service-"]));
    let one = one.prop_map(|(expression, priority, provider_rank, name)| Route {
        provider_rank,
        ..route(name, priority, expression)
    });
    proptest::collection::vec(one, 0..12)
}

fn requests() -> impl Strategy<Value = Request> {
    let hosts = vec!["", "a.x", "b.x", "x", "a.b.x", "c.b.x", "c.x", "y", "z.a", ".x"];
    let parts = (select(hosts), select(vec!["/", "/p", "/p/q", "/z"]), select(vec!["", "1", "2"]));
    parts.prop_map(|(host, path, value)| Request {
        host: host.to_owned(),
        path: path.to_owned(),
        ..Request::with(&[("x-h", value)])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_table_finds_what_a_scan_finds(routes in routes(), requests in proptest::collection::vec(requests(), 1..8)) {
        let table = Table::build(routes.clone());
        for request in &requests {
            let expected = plain_find(&routes, request);
            prop_assert_eq!(table.find(&request.facts()), expected, "{:?}", request.facts());
            let verdicts = table.explain(&request.facts());
            let winner = verdicts.iter().find(|verdict| verdict.outcome == Outcome::Wins).map(|verdict| verdict.route);
            prop_assert_eq!(winner, expected);
        }
    }
}
