//! Several providers together: whose a name is, what may refer to what, and what there can only be one of.

use rollgate_config::{
    Allow, Document, Format, Read, dynamic::Configuration, problem::Problem, read_dynamic, read_dynamic_of,
    read_static, static_config::Static, validate_entry_points,
};

fn document(name: &str, text: &str) -> Document {
    Document::parse(name, text, Format::Yaml).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// The files' text and what was sent.
fn read(file: &str, rest: &str) -> Read<Configuration> {
    let (file, rest) = ([document("a.yml", file)], [document("rest", rest)]);
    read_dynamic_of(&[("file", &file), ("rest", &rest)], None, &Allow::default())
}

fn value(file: &str, rest: &str) -> Configuration {
    let read = read(file, rest);
    assert_eq!(listed(&read.problems), "");
    read.value.expect("there is no problem")
}

const SERVICE: &str = "http: {services: {s: {loadBalancer: {servers: [{url: 'http://a'}]}}}}";

#[test]
fn the_same_name_of_two_providers_is_two_and_each_means_its_own() {
    let text = "http:
  routers: {r: {rule: Host(`a`), service: s, middlewares: [m], tls: {options: o}}}
  services:
    s: {weighted: {services: [{name: b}]}}
    b: {loadBalancer: {serversTransport: t, servers: [{url: 'http://a'}]}}
  middlewares: {m: {chain: {middlewares: [n]}}, n: {errors: {status: '500', service: b}}}
  serversTransports: {t: {serverName: a}}
tls: {options: {o: {sniStrict: true}}}
";
    let both = value(text, text);
    let names = |names: Vec<&str>| names.join(" ");
    assert_eq!(names(both.routers.keys().map(|name| &**name).collect()), "r@file r@rest");
    assert_eq!(names(both.services.keys().map(|name| &**name).collect()), "b@file b@rest s@file s@rest");
    assert_eq!(names(both.servers_transports.keys().map(|name| &**name).collect()), "t@file t@rest");
    assert_eq!(names(both.tls.options.keys().map(|name| &**name).collect()), "o@file o@rest");
    for provider in ["file", "rest"] {
        let router = &both.routers[&*format!("r@{provider}")];
        let leads = [&router.service, &router.middlewares[0], router.tls.as_ref().unwrap().options.as_ref().unwrap()];
        let expected = ["s", "m", "o"].map(|name| format!("{name}@{provider}"));
        assert_eq!(leads.map(|name| &*name.value), expected.each_ref().map(|name| &**name));
        let references = both.services[&*format!("s@{provider}")].kind.references();
        assert_eq!(references[0].value, format!("b@{provider}"));
    }
}

#[test]
fn one_provider_may_refer_to_another_by_its_name() {
    let rest = "http:
  routers: {r: {rule: Host(`a`), service: s@file, middlewares: [m@file], tls: {options: o@file}}}
  services: {w: {weighted: {services: [{name: s@file}, {name: l}]}}, l: {loadBalancer: {serversTransport: t@file}}}
";
    let file = "http:
  routers: {back: {rule: Host(`b`), service: w@rest}}
  services: {s: {loadBalancer: {}}}
  middlewares: {m: {addPrefix: {prefix: /a}}}
  serversTransports: {t: {}}
tls: {options: {o: {}}}
";
    let both = value(file, rest);
    assert_eq!(both.routers["r@rest"].service.value, "s@file");
    assert_eq!(both.routers["back@file"].service.value, "w@rest");
}

#[test]
fn what_is_missing_is_told_as_it_was_written_with_the_nearest_name() {
    let rest = "http:
  routers:
    own: {rule: Host(`a`), service: s}
    others: {rule: Host(`a`), service: z@file, middlewares: [m@file, m]}
  services:
    w: {weighted: {services: [{name: x@file}, {name: s@fil}, {name: w1}]}}
";
    insta::assert_snapshot!(listed(&read(SERVICE, rest).problems));
}

#[test]
fn circles_over_providers_are_found() {
    let file = "http:
  services: {a: {weighted: {services: [{name: b@rest}]}}}
  middlewares: {one: {chain: {middlewares: [other@rest]}}}
";
    let rest = "http:
  services: {b: {weighted: {services: [{name: c}]}}, c: {weighted: {services: [{name: a@file}]}}}
  middlewares: {other: {chain: {middlewares: [one@file]}}}
";
    insta::assert_snapshot!(listed(&read(file, rest).problems));
}

#[test]
fn there_is_one_default_and_certificates_are_of_all() {
    let text = "tls:
  certificates: [{certFile: a, keyFile: b}]
  options: {default: {sniStrict: true}}
  stores: {default: {defaultCertificate: {certFile: a, keyFile: b}}}
";
    let without = "tls: {certificates: [{certFile: c, keyFile: d}]}";
    let both = value(text, without);
    assert_eq!(both.tls.certificates.len(), 2);
    assert!(both.tls.options["default"].sni_strict && both.tls.default_certificate.is_some());
    assert!(value(without, text).tls.options["default"].sni_strict);
    insta::assert_snapshot!(listed(&read(text, text).problems));
}

#[test]
fn entry_points_may_name_what_another_provider_has() {
    let main = document("main.yml", "entryPoints: {web: {address: ':80', http: {middlewares: [m@rest, m]}}}");
    let statics: Static = read_static(&main, &Allow::default()).value.unwrap();
    let both = value(SERVICE, "http: {middlewares: {m: {addPrefix: {prefix: /a}}}}");
    let problems = listed(&validate_entry_points(&statics, &both));
    assert!(
        problems.contains("unknown middleware \"m\"")
            && !problems.contains("m@rest\" (")
            && problems.lines().count() == 1,
        "{problems}"
    );
}

#[test]
fn of_one_provider_it_is_as_ever() {
    let documents = [document("a.yml", SERVICE)];
    let (one, of) = (
        read_dynamic(&documents, "file", None, &Allow::default()),
        read_dynamic_of(&[("file", &documents[..])], None, &Allow::default()),
    );
    assert_eq!(format!("{:?}", one.value), format!("{:?}", of.value));
    // What was read for one provider is not taken for another's.
    let other = read_dynamic(&documents, "rest", None, &Allow::default()).value.unwrap();
    assert!(other.services.contains_key("s@rest") && other.services.len() == 1);
}
