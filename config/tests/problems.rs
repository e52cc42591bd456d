//! What an operator is told: each message as a snapshot, in every format.

use rollgate_config::{Allow, Document, Format, read_dynamic, read_static};

/// Everything that is wrong with a file that may hold static and dynamic configuration.
fn told(name: &str, text: &str) -> String {
    told_allowing(name, text, "")
}

fn told_allowing(name: &str, text: &str, allow: &str) -> String {
    let allow = Allow::parse(allow);
    let document = match Document::parse(
        name,
        text,
        Format::of(name).expect("a name with an extension"),
    ) {
        Ok(document) => document,
        Err(problems) => return listed(&problems),
    };
    let statics = read_static(&document, &allow);
    let dynamic = read_dynamic(&[document], "file", statics.value.as_ref(), &allow);
    assert_eq!(statics.value.is_none(), !statics.problems.is_empty());
    assert_eq!(dynamic.value.is_none(), !dynamic.problems.is_empty());
    let mut lines = listed(&[statics.problems, dynamic.problems].concat());
    for (heading, problems) in [
        ("allowed", [statics.warnings, dynamic.warnings].concat()),
        (
            "extensions",
            [statics.extensions, dynamic.extensions].concat(),
        ),
    ] {
        if !problems.is_empty() {
            lines += &format!("-- {heading}\n{}", listed(&problems));
        }
    }
    lines
}

fn listed(problems: &[rollgate_config::problem::Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect()
}

#[test]
fn a_router_with_everything_wrong() {
    insta::assert_snapshot!(told(
        "rollgate.yml",
        "entryPoints:
  web:
    address: \":80\"
    transport:
      respondingTimeouts:
        readTimout: 5s
        idleTimeout: soon
http:
  routers:
    pro:
      rule: \"Host(`pro.coding`) && Hots(`x`)\"
      entryPoints: [wbe]
      service: stble
      middlewares: nope
      priority: high
    dev:
      rule: |
        Host(`dev.coding`)
          && Path(`x`)
      service: stable
      tls: {certResolver: le, options: strict}
    dev: {}
  services:
    stable:
      loadBalancer:
        servers:
          - url: localhost:8080
          - url: http://a:1/?q
            weight: -1
          - adress: x
    split:
      weighted:
        services:
          - {name: stable, weight: 90.5}
          - {name: canery}
    canary:
      loadBalancer: {sticky: {cookie: {}}, strategy: hrw}
      weighted: {services: []}
  middlewares:
    limit: {rateLimit: {average: 10}}
    two: {addPrefix: {prefix: x}, stripPrefix: {prefixes: /a}}
    none: {}
tcp: {}
htp: {}
"
    ));
}
