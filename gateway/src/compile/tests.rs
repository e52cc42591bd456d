use std::{collections::BTreeMap, fmt::Write as _};

use http::{HeaderMap, Method};
use proptest::prelude::*;
use rollgate_config::{Allow, Document, Format, scalar::Weight, static_config::Static};

use super::*;
use crate::{
    entry_point,
    router::Facts,
    snapshot::{Routing, ServiceIndex},
    trial::{
        TrialOrder,
        tests::{order, trial_of},
    },
};

const STATIC: &str = "
entryPoints:
  web: {address: ':0', http: {redirections: {entryPoint: {to: secure}}}}
  secure: {address: ':1', http: {tls: {}, middlewares: [edge]}}
  plain: {address: ':2'}
";

/// What a configuration may be made of: an index into the variants of each, the last of which is that it is not there.
#[derive(Debug, Clone)]
struct Written {
    routers: [usize; 4],
    services: [usize; 3],
    middlewares: [usize; 2],
    transport: usize,
    comment: bool,
}

const ROUTERS: [&str; 5] = [
    "{rule: Host(`a.test`), service: s0}",
    "{rule: Host(`a.test`) && PathPrefix(`/b`), service: s1, middlewares: [m0]}",
    "{rule: 'Host(`b.test`) || Host(`c.test`)', service: s2, entryPoints: [plain, secure], middlewares: [chain]}",
    "{rule: PathPrefix(`/c`), service: split, tls: {}}",
    "",
];
const SERVICES: [&str; 5] = [
    "{loadBalancer: {servers: [{url: 'http://10.0.0.1:80'}]}}",
    "{loadBalancer: {servers: [{url: 'http://10.0.0.1:80'}, {url: 'http://10.0.0.2:80', weight: 2}], serversTransport: t}}",
    "{loadBalancer: {servers: []}, middlewares: [m1]}",
    "{weighted: {services: [{name: other}, {name: api@internal, weight: 0}]}}",
    "{failover: {service: flips, fallback: other}}",
];
const MIDDLEWARES: [&str; 2] = ["{addPrefix: {prefix: /a}}", "{addPrefix: {prefix: /b}}"];
const TRANSPORTS: [&str; 2] = ["{maxIdleConnsPerHost: 1}", "{maxIdleConnsPerHost: 2}"];

impl Written {
    fn text(&self) -> String {
        let mut text = String::from(if self.comment { "# moved\nhttp:\n  routers:\n" } else { "http:\n  routers:\n" });
        text.push_str("    always: {rule: Host(`always.test`), service: split}\n");
        for (number, variant) in self.routers.iter().enumerate().filter(|(_, variant)| !ROUTERS[**variant].is_empty()) {
            let _ = writeln!(text, "    r{number}: {}", ROUTERS[*variant]);
        }
        text.push_str("  services:\n    other: {loadBalancer: {servers: [{url: 'http://10.0.0.9:80'}]}}\n");
        text.push_str("    split: {weighted: {services: [{name: s0, weight: 9}, {name: s1}]}}\n");
        for (number, variant) in self.services.iter().enumerate() {
            let _ = writeln!(text, "    s{number}: {}", SERVICES[*variant]);
        }
        let server = if self.comment { "{url: 'http://10.0.0.7:80'}" } else { "" };
        let _ = writeln!(text, "    flips: {{loadBalancer: {{servers: [{server}]}}}}");
        // One that comes and goes.
        if self.comment {
            text.push_str("    k: {loadBalancer: {servers: [{url: 'http://10.0.0.8:80'}]}}\n");
        }
        text.push_str(
            "  middlewares:\n    edge: {addPrefix: {prefix: /edge}}\n    chain: {chain: {middlewares: [m0, m1]}}\n",
        );
        for (number, variant) in self.middlewares.iter().enumerate() {
            let _ = writeln!(text, "    m{number}: {}", MIDDLEWARES[*variant]);
        }
        let _ = writeln!(text, "  serversTransports:\n    t: {}", TRANSPORTS[self.transport]);
        text
    }
}

fn written() -> impl Strategy<Value = Written> {
    let parts = (
        prop::array::uniform4(0..ROUTERS.len()),
        prop::array::uniform3(0..SERVICES.len()),
        prop::array::uniform2(0..MIDDLEWARES.len()),
        0..TRANSPORTS.len(),
        any::<bool>(),
    );
    parts.prop_map(|(routers, services, middlewares, transport, comment)| Written {
        routers,
        services,
        middlewares,
        transport,
        comment,
    })
}

struct Compiling {
    statics: Static,
    compiler: Compiler,
    document: Option<Document>,
}

impl Compiling {
    fn new() -> Self {
        let document = Document::parse("static.yml", STATIC, Format::Yaml).unwrap();
        let statics = rollgate_config::read_static(&document, &Allow::default()).value.unwrap();
        let metrics = Arc::new(Metrics::new(None).unwrap());
        let entry_points = entry_point::unbound(&statics, &metrics);
        let compiler = Compiler::new(statics.clone(), entry_points, metrics, 1).unwrap();
        Self { statics, compiler, document: None }
    }

    fn compile(&mut self, text: &str) -> Snapshot {
        let document = Document::parse_after(self.document.as_ref(), "f.yml", text, Format::Yaml).unwrap();
        let documents = [document];
        let read = rollgate_config::read_dynamic(&documents, "file", Some(&self.statics), &Allow::default());
        let configuration = read.value.unwrap_or_else(|| panic!("{:?}", read.problems));
        let [document] = documents;
        self.document = Some(document);
        self.compiler.compile(&configuration).map_err(|problems| format!("{problems:?}")).unwrap().snapshot
    }
}

/// All that a request could find out, by names.
fn shown(snapshot: &Snapshot) -> String {
    let mut shown = String::new();
    for (place, routes) in snapshot.entry_points.iter().enumerate() {
        for (kind, routing) in [("plain", &routes.plain), ("tls", &routes.tls)] {
            for route in &routing.routes {
                let middlewares = format!("{:?}", route.middlewares);
                let _ = writeln!(shown, "{place} {kind} {} {middlewares}", route.name);
                service(snapshot, route.service, 1, &mut shown);
            }
            found(routing, &mut shown);
        }
        for host in ["a.test", "always.test"] {
            let _ = writeln!(shown, "{host} {:?} {}", routes.options_of(host), routes.uniform_options);
        }
    }
    shown
}

fn found(routing: &Routing, shown: &mut String) {
    let headers = HeaderMap::new();
    for host in ["a.test", "b.test", "c.test", "always.test", "none.test"] {
        for path in ["/", "/b", "/c"] {
            let client = [192, 0, 2, 1].into();
            let facts = Facts { host, path, query: None, method: &Method::GET, headers: &headers, client };
            let name = routing.table.find(&facts).map(|found| &*routing.routes[found].name);
            let _ = writeln!(shown, "{host}{path} -> {name:?}");
        }
    }
}

fn service(snapshot: &Snapshot, index: ServiceIndex, depth: usize, shown: &mut String) {
    let service_ = snapshot.services.at(index);
    let _ = writeln!(shown, "{:depth$}{} {:?}", "", service_.name, service_.middlewares);
    match &service_.kind {
        ServiceKind::LoadBalancer(balancer) => {
            for server in &balancer.servers {
                let idle = server.target.max_idle;
                let _ = writeln!(shown, "{:depth$} {} {} {idle}", "", server.url, server.weight);
            }
        }
        ServiceKind::Weighted(weighted) => {
            for child in &weighted.children {
                let _ = writeln!(shown, "{:depth$} {} {}", "", child.weight, child.available);
                service(snapshot, child.service, depth + 1, shown);
            }
            if let Some(laid) = &weighted.trial {
                let w = laid.stratum.as_ref().map(|stratum| stratum.w);
                let without: Vec<u64> = laid.without.children.iter().map(|child| child.weight).collect();
                let _ = writeln!(shown, "{:depth$} {} {} {w:?} {without:?}", "", laid.stable, laid.canary);
            }
        }
        ServiceKind::Failover(failover) => {
            for leg in [failover.main, failover.fallback] {
                let _ = writeln!(shown, "{:depth$} {}", "", leg.available);
                service(snapshot, leg.service, depth + 1, shown);
            }
        }
        ServiceKind::Mirroring(mirroring) => service(snapshot, mirroring.service, depth + 1, shown),
        ServiceKind::Internal(internal) => drop(writeln!(shown, "{:depth$} {internal:?}", "")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn after_any_changes_a_snapshot_is_what_it_would_be_from_the_start(texts in prop::collection::vec(written(), 2..6)) {
        let mut changing = Compiling::new();
        for written in &texts {
            let text = written.text();
            prop_assert_eq!(shown(&changing.compile(&text)), shown(&Compiling::new().compile(&text)), "{}", text);
        }
    }
}

/// Over which service, and the weight of its first child, whether its second is braked, and whether that is a rollout's canary.
type Laid = (usize, Option<u64>, bool, bool);

fn laid((service, weight, braked, tried): &Laid) -> (Arc<str>, Over) {
    let (service, [first, second]) = OVER[*service];
    let weights = weight.map(|weight| BTreeMap::from([(first.into(), Weight(weight))]));
    let braked = braked.then(|| second.into()).into_iter().collect();
    let order = TrialOrder {
        service: service.into(),
        stable: first.into(),
        canary: second.into(),
        ..order(Default::default())
    };
    (service.into(), Over { weights, braked, trial: tried.then(|| trial_of(order).into()) })
}

/// Weighted services, some of the time, with two children each.
const OVER: [(&str, [&str; 2]); 3] = [
    ("split@file", ["s0@file", "s1@file"]),
    ("s1@file", ["other@file", "api@internal"]),
    ("s2@file", ["other@file", "api@internal"]),
];

fn lain() -> impl Strategy<Value = Laid> {
    (0..OVER.len(), prop::option::of(0u64..3), any::<bool>(), any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn what_lies_over_weights_holds_for_all_that_comes_and_is_what_it_would_be_from_the_start(
        steps in prop::collection::vec((written(), prop::collection::vec(lain(), 0..3)), 1..5),
    ) {
        let mut changing = Compiling::new();
        let mut all = BTreeMap::new();
        for (written, over) in &steps {
            let text = written.text();
            let mut snapshot = changing.compile(&text);
            for one in over {
                let (service, one) = laid(one);
                all.insert(service.clone(), one.clone());
                snapshot = changing.compiler.reweigh(&snapshot, vec![(service, one)]).0;
            }
            let mut fresh = Compiling::new();
            fresh.compiler.lay(all.clone().into_iter().collect());
            prop_assert_eq!(shown(&snapshot), shown(&fresh.compile(&text)), "{}\n{:?}", text, all);
        }
    }
}

#[test]
fn a_change_of_weights_copies_what_it_changes() {
    let mut compiling = Compiling::new();
    let first = compiling.compile(&FIRST.text());
    let over = laid(&(0, Some(1), false, false));
    let (second, changes) = compiling.compiler.reweigh(&first, vec![over]);
    assert_eq!((second.generation, changes.services.len()), (first.generation + 1, 1));
    assert!(Arc::ptr_eq(&first.tls, &second.tls) && Arc::ptr_eq(&first.pages, &second.pages));
    for (before, after) in first.entry_points.iter().zip(&second.entry_points) {
        assert!(Arc::ptr_eq(before, after));
    }
    assert!(Arc::ptr_eq(&balancer(&first, "s0@file"), &balancer(&second, "s0@file")));
}

#[test]
fn a_trial_lies_over_its_service_whatever_the_files_say_and_gives_it_another_stratum_with_each_weight() {
    let mut compiling = Compiling::new();
    let trial = |snapshot: &Snapshot| {
        let split =
            snapshot.services.iter().find(|service| &*service.name == "split@file").map(|service| &service.kind);
        let Some(ServiceKind::Weighted(weighted)) = split else { panic!("{split:?}") };
        let laid = weighted.trial.as_ref()?;
        let without: Vec<u64> = laid.without.children.iter().map(|child| child.weight).collect();
        Some((laid.stratum.as_ref().and_then(|stratum| stratum.w), without))
    };
    let first = compiling.compile(&FIRST.text());
    assert_eq!(trial(&first), None);
    let (service, over) = laid(&(0, None, false, true));
    let (second, _) = compiling.compiler.reweigh(&first, vec![(service.clone(), over.clone())]);
    assert_eq!(trial(&second), Some((Some(0.1), vec![9_000_000, 0])));
    let lighter = Over { weights: Some(BTreeMap::from([("s0@file".into(), Weight(3_000_000))])), ..over };
    let (third, _) = compiling.compiler.reweigh(&second, vec![(service.clone(), lighter)]);
    assert_eq!(trial(&third), Some((Some(0.25), vec![3_000_000, 0])));
    let other = compiling.compile(&Written { services: [1, 1, 0], comment: true, ..FIRST }.text());
    assert_eq!(trial(&other), trial(&third));
    let (last, _) = compiling.compiler.reweigh(&other, vec![(service, Over::default())]);
    assert_eq!(trial(&last), None);
}

#[test]
fn what_was_laid_over_a_configuration_that_is_refused_is_taken_back() {
    let mut compiling = Compiling::new();
    let text = FIRST.text();
    let before = shown(&compiling.compile(&text));
    let document = Document::parse("f.yml", &text, Format::Yaml).unwrap();
    let pair =
        "tls: {certificates: [{certFile: '-----BEGIN CERTIFICATE-----', keyFile: '-----BEGIN PRIVATE KEY-----'}]}";
    let options = Document::parse("certificates.yml", pair, Format::Yaml).unwrap();
    let read = rollgate_config::read_dynamic(&[document, options], "file", Some(&compiling.statics), &Allow::default());
    let configuration =
        read.value.unwrap_or_else(|| panic!("only compiling finds what is wrong, not {:?}", read.problems));
    let over = vec![laid(&(0, Some(1), true, false))];
    assert!(compiling.compiler.compile_under(&configuration, over).is_err());
    assert_eq!(shown(&compiling.compile(&text)), before);
}

#[test]
fn of_two_routers_with_one_priority_the_files_is_asked_first_and_then_the_name_decides() {
    let compiling = &mut Compiling::new();
    let (statics, allow) = (compiling.statics.clone(), Allow::default());
    let mut winner = |file: &[&str], rest: &[&str]| {
        let text = |names: &[&str]| {
            let routers = names
                .iter()
                .map(|name| format!("{name}: {{rule: Host(`h.test`), service: api@internal, entryPoints: [plain]}}"));
            format!("http: {{routers: {{{}}}}}", routers.collect::<Vec<_>>().join(", "))
        };
        let [file, rest] = [file, rest].map(|names| [Document::parse("f", &text(names), Format::Yaml).unwrap()]);
        let providers = [("rest", &rest[..]), ("file", &file[..])];
        let read = rollgate_config::read_dynamic_of(&providers, Some(&statics), &allow);
        let configuration = read.value.unwrap_or_else(|| panic!("{:?}", read.problems));
        let snapshot = compiling.compiler.compile(&configuration).map_err(|problems| format!("{problems:?}")).unwrap();
        let plain = &snapshot.snapshot.entry_points[0].plain;
        let (headers, client) = (HeaderMap::new(), [192, 0, 2, 1].into());
        let facts = Facts { host: "h.test", path: "/", query: None, method: &Method::GET, headers: &headers, client };
        let found = plain.table.find(&facts).expect("one matches");
        plain.routes[found].name.to_string()
    };
    assert_eq!(winner(&["z"], &["a"]), "z@file");
    assert_eq!(winner(&["b", "a"], &["a"]), "a@file");
    assert_eq!(winner(&["a-b", "a"], &[]), "a@file", "by the name alone, not with what stands behind it");
    assert_eq!(winner(&[], &["b", "a", "c"]), "a@rest");
}

const FIRST: Written =
    Written { routers: [0, 1, 2, 3], services: [0, 0, 0], middlewares: [0, 0], transport: 0, comment: false };

fn balancer(snapshot: &Snapshot, name: &str) -> Arc<crate::snapshot::LoadBalancer> {
    let found = snapshot.services.iter().find(|service| &*service.name == name).map(|service| &service.kind);
    match found {
        Some(ServiceKind::LoadBalancer(balancer)) => balancer.clone(),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn what_a_change_does_not_concern_is_shared_with_the_snapshot_before() {
    let mut compiling = Compiling::new();
    let first = compiling.compile(&FIRST.text());
    // A service, and everything moves down a line: no routes change.
    let second = compiling.compile(&Written { services: [1, 0, 0], comment: true, ..FIRST }.text());
    for (before, after) in first.entry_points.iter().zip(&second.entry_points) {
        assert!(Arc::ptr_eq(before, after));
    }
    assert!(Arc::ptr_eq(&balancer(&first, "s1@file"), &balancer(&second, "s1@file")));
    assert!(!Arc::ptr_eq(&balancer(&first, "s0@file"), &balancer(&second, "s0@file")));
    // A router: the entry points that have it get new tables, and the other routers stay.
    let third =
        compiling.compile(&Written { services: [1, 0, 0], routers: [1, 1, 2, 3], comment: true, ..FIRST }.text());
    let route = |snapshot: &Snapshot, name: &str| {
        let all = snapshot.entry_points.iter().flat_map(|routes| routes.plain.routes.iter().chain(&routes.tls.routes));
        all.filter(|route| route.name.ends_with(name)).cloned().collect::<Vec<_>>()
    };
    let same = |name: &str| {
        let (before, after) = (route(&second, name), route(&third, name));
        assert!(!before.is_empty());
        before.iter().zip(&after).all(|(before, after)| Arc::ptr_eq(before, after))
    };
    assert!(same("r1@file") && same("r2@file") && same("always@file") && !same("r0@file"));
}

#[test]
fn a_service_that_comes_back_has_a_place_of_its_own() {
    let mut compiling = Compiling::new();
    let with = Written { comment: true, ..FIRST };
    let chunks = |snapshot: &Snapshot| snapshot.services.iter().count();
    let many = chunks(&compiling.compile(&with.text()));
    for _ in 0..3 {
        compiling.compile(&FIRST.text());
        let again = compiling.compile(&with.text());
        assert_eq!(chunks(&again), many, "its place is used again");
        assert_eq!(&*balancer(&again, "k@file").servers[0].url, "http://10.0.0.8");
    }
}
