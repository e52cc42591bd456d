//! What only Traefik knows is refused by name, and may be allowed by that name.

use rollgate_config::{Allow, Document, Format, Read, problem::Problem, read_dynamic, read_static};

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn yaml(name: &str, text: &str) -> Document {
    Document::parse(name, text, Format::Yaml).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

#[test]
fn what_only_traefik_knows_is_refused_and_may_be_allowed() {
    let text = "
entryPoints: {web: {address: ':80', http3: {}, udp: {timeout: 3s}, allowACMEByPass: true, http: {tls: {certResolver: le}}}}
providers: {docker: {}, kubernetesCRD: {}, file: {filename: x}, precedence: [file]}
certificatesResolvers: {le: {acme: {}}}
tracing: {}
experimental: {plugins: {}}
hostResolver: {}
spiffe: {}
ocsp: {}
tcpServersTransport: {}
serversTransport: {spiffe: {}}
core: {defaultRuleSyntax: v2}
metrics: {otlp: {}, datadog: {}, statsD: {}, influxDB2: {}}
log: {maxSize: 1, maxAge: 1, maxBackups: 1, compress: true, otlp: {}}
accessLog: {otlp: {}, dualOutput: true, fields: {queryParameters: {}}}
";
    let document = yaml("a.yml", text);
    let Read { value, problems, warnings, .. } = read_static(&document, &Allow::default());
    assert!(value.is_none() && warnings.is_empty());
    insta::assert_snapshot!(listed(&problems));
    let keys: Vec<String> =
        problems.iter().map(|problem| problem.unsupported.clone().expect("the key's path")).collect();
    let allowed = read_static(&document, &Allow::parse(&keys.join(",")));
    assert_eq!(allowed.problems, []);
    assert_eq!(allowed.warnings.len(), problems.len());
    assert!(allowed.value.is_some());
}

#[test]
fn what_only_traefik_knows_of_the_dynamic_part_too() {
    let kinds = ["ipWhiteList", "plugin"];
    let middlewares: String = kinds.iter().map(|kind| format!("    m{kind}: {{{kind}: {{}}}}\n")).collect();
    let text = format!(
        "
tcp: {{}}
udp: {{}}
http:
  routers:
    r: {{rule: Host(`a`), service: l, ruleSyntax: v2, parentRefs: [x], tls: {{certResolver: le}}}}
  services:
    l: {{loadBalancer: {{}}}}
  serversTransports: {{t: {{spiffe: {{}}, peerCertSANs: [], minVersion: VersionTLS11}}}}
  middlewares:
{middlewares}tls:
  certificates: [{{certFile: a, keyFile: b, stores: [other]}}]
  stores: {{other: {{}}, default: {{defaultGeneratedCert: {{}}}}}}
  options: {{default: {{minVersion: VersionTLS10, cipherSuites: [TLS_RSA_WITH_AES_128_CBC_SHA], curvePreferences: [CurveP521]}}}}
"
    );
    let document = [yaml("a.yml", &text)];
    let refused = read_dynamic(&document, "file", None, &Allow::default());
    insta::assert_snapshot!(listed(&refused.problems));
    let keys: Vec<String> =
        refused.problems.iter().map(|problem| problem.unsupported.clone().expect("the key's path")).collect();
    let allowed = read_dynamic(&document, "file", None, &Allow::parse(&keys.join(",")));
    assert_eq!(allowed.problems, []);
    assert_eq!(allowed.warnings.len(), refused.problems.len());
    assert_eq!(allowed.value.unwrap().services.len(), 1);
}
