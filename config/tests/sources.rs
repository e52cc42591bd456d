//! Flags, variables, several files together, and texts that are no configuration at all.

use rollgate_config::{
    Allow, Document, Format,
    problem::Problem,
    read_dynamic, read_static,
    static_config::{Api, Role, Static, Token},
};

fn flags(args: &[&str]) -> Result<Document, Vec<Problem>> {
    Document::from_flags(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>())
}

fn environment(vars: &[(&str, &str)]) -> Result<Document, Vec<Problem>> {
    Document::from_environment(
        &vars.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>(),
    )
}

fn statics(document: Result<Document, Vec<Problem>>) -> Static {
    let read = read_static(&document.expect("a tree"), &Allow::default());
    assert_eq!(read.problems, []);
    read.value.expect("there is no problem")
}

fn told(document: Result<Document, Vec<Problem>>) -> String {
    match document {
        Ok(document) => listed(&read_static(&document, &Allow::default()).problems),
        Err(problems) => listed(&problems),
    }
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn yaml(name: &str, text: &str) -> Document {
    Document::parse(name, text, Format::Yaml).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

#[test]
fn flags_are_read_as_traefiks() {
    let statics = statics(flags(&[
        "--entryPoints.web.address=:80",
        "--entrypoints.WebSecure.address=:443",
        "--entrypoints.websecure.http.tls=true",
        "--entrypoints.websecure.http.tls.domains[0].main=a.coding",
        "--entrypoints.websecure.http.tls.domains[0].sans=b.coding,c.coding",
        "--entrypoints.websecure.http.tls.domains[1].main=d.coding",
        "--ping",
        "-providers.file.filename",
        "dynamic.yml",
        "--metrics.prometheus=true",
        "--metrics.prometheus.buckets=0.1, 0.5",
        "--api.insecure",
        "--accesslog=false",
        "--entrypoints.web.forwardedheaders.trustedips=10.0.0.1",
        "--entrypoints.web.forwardedheaders.trustedips=10.0.0.2",
    ]));
    let websecure = &statics.entry_points["websecure"];
    assert_eq!(websecure.http.tls.as_ref().unwrap().domains, ["a.coding", "b.coding", "c.coding", "d.coding"]);
    assert_eq!(statics.entry_points["web"].address.at.to_string(), "--entryPoints.web.address");
    assert_eq!(statics.entry_points["web"].forwarded_headers.trust.trusted_ips.len(), 2);
    assert!(statics.ping.is_some() && statics.api.is_some() && statics.file_provider.is_some());
    assert_eq!(statics.prometheus.unwrap().buckets, [0.1, 0.5]);
    assert_eq!(statics.access_log, None);
}

#[test]
fn the_api_is_on_by_a_flag_and_off_by_another() {
    let api = |words: &[&str]| statics(flags(words)).api;
    let on = Some(Api::default());
    assert_eq!(api(&["--api=true"]), on);
    assert_eq!(api(&["--api"]), on);
    assert_eq!(api(&["--api.insecure=true", "--api.dashboard"]), on);
    assert_eq!(api(&["--api=true", "--api.insecure", "--api.basePath=/"]), on);
    assert_eq!(api(&["--api=false"]), None);
    assert_eq!(api(&["--ping"]), None);
    let hash = format!("sha256:{:064}", 1);
    let written = api(&[
        "--api.basePath=/gateway",
        "--api.hosts=A.example.com,b.example.com",
        "--api.tokens[0].name=ci",
        "--api.tokens[0].role=operate",
        &format!("--api.tokens[0].hash={hash}"),
        "--api.clientCertificates[0].name=spinnaker",
        "--api.clientCertificates[0].role=admin",
    ]);
    let written = written.unwrap();
    assert_eq!(written.base_path, "/gateway");
    assert_eq!(written.hosts, ["a.example.com", "b.example.com"]);
    assert_eq!((&*written.tokens[0].name, written.tokens[0].role), ("ci", Role::Operate));
    assert_eq!(Token::hash_text(&written.tokens[0].hash), hash);
    assert_eq!(
        (&*written.client_certificates[0].name, written.client_certificates[0].role),
        ("spinnaker", Role::Admin)
    );
    assert!(!format!("{:?}", written.tokens).contains("[0, 0"));
    assert!(statics(flags(&["--api", "--providers.rest=true"])).rest_provider);
    assert!(statics(flags(&["--api", "--providers.rest.insecure"])).rest_provider);
    assert!(!statics(flags(&["--providers.rest=false"])).rest_provider);
    for api in [&[][..], &["--api=false"]] {
        let told = told(flags(&[&["--providers.rest"], api].concat()));
        let line =
            "--providers.rest: providers.rest: is sent to the admin API, and there is no api (api: {} beside it)\n";
        assert_eq!(told, line);
    }
}

#[test]
fn variables_are_read_as_traefiks() {
    let statics = statics(environment(&[
        ("TRAEFIK_ENTRYPOINTS_WEB_ADDRESS", ":80"),
        ("TRAEFIK_ENTRYPOINTS_WEB_HTTP_TLS_DOMAINS_0_MAIN", "a.coding"),
        ("TRAEFIK_ENTRYPOINTS_WEB_HTTP_TLS_DOMAINS_1_MAIN", "b.coding"),
        ("TRAEFIK_PING", "true"),
        ("TRAEFIK_LOG_LEVEL", "DEBUG"),
        ("TRAEFIK_CONFIGFILE", "/etc/traefik.yml"),
        ("TRAEFIK_PORT", "tcp://10.0.0.1:80"),
        ("TRAEFIK_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("TRAEFIK_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("TRAEFIK_SERVICE_HOST", "10.0.0.1"),
        ("TRAEFIK_SERVICE_PORT", "80"),
        ("TRAEFIK_SERVICE_PORT_WEB", "80"),
        ("TRAEFIK_METRICS_SERVICE_HOST", "10.0.0.2"),
        ("TRAEFIK_METRICS_PORT_9100_TCP_PROTO", "tcp"),
        ("PATH", "/bin"),
    ]));
    assert_eq!(statics.entry_points["web"].http.tls.as_ref().unwrap().domains, ["a.coding", "b.coding"]);
    assert_eq!(statics.entry_points["web"].address.at.to_string(), "TRAEFIK_ENTRYPOINTS_WEB_ADDRESS");
    assert!(statics.ping.is_some() && statics.prometheus.is_none());
    assert_eq!(statics.log.level, "debug");
}

#[test]
fn wrong_flags_and_variables_are_told_by_name() {
    insta::assert_snapshot!(
        [
            told(flags(&[
                "--entryPoints.web.adress=:80",
                "--log.level=LOUD",
                "--certificatesResolvers.le.acme.email=x"
            ])),
            told(flags(&["--providers.file.filename"])),
            told(flags(&["--ping.entryPoint=wbe", "--entryPoints.web.address=:80", "--entryPoints.web.address=:81"])),
            told(flags(&["web", "--ping=maybe", "--ping.manualRouting=true"])),
            told(flags(&["--http.routers.a.rule=x"])),
            told(flags(&["--entryPoints.a b.address=80", "--entryPoints.u.address=:53/udp"])),
            told(environment(&[("TRAEFIK_ENTRYPOINTS_WEB_ADRESS", ":80"), ("TRAEFIK_PNG", "true")])),
        ]
        .join("--\n")
    );
}

#[test]
fn the_same_name_in_two_files_is_told_with_both_places() {
    let documents = [
        yaml("a.yml", "http:\n  services:\n    one: {loadBalancer: {servers: []}}\n    two: {loadBalancer: {}}\n"),
        yaml(
            "b.yml",
            "http:\n  services:\n    one: {loadBalancer: {servers: []}}\ntls:\n  options: {default: {}}\n  stores: {default: {defaultCertificate: {certFile: a, keyFile: b}}}\n",
        ),
        yaml(
            "c.yml",
            "tls:\n  options: {default: {}}\n  stores: {default: {defaultCertificate: {certFile: a, keyFile: b}}}\n",
        ),
    ];
    insta::assert_snapshot!(listed(&read_dynamic(&documents, "file", None, &Allow::default()).problems));
}

#[test]
fn files_refer_to_each_other() {
    let documents = [
        yaml("a.yml", "http: {routers: {r: {rule: Host(`a`), service: s}}}"),
        yaml("b.yml", "http: {services: {s: {loadBalancer: {servers: [{url: 'http://a'}]}}}}"),
    ];
    let read = read_dynamic(&documents, "file", None, &Allow::default());
    assert_eq!(read.problems, []);
    assert_eq!(read.value.unwrap().routers["r@file"].service.value, "s@file");
}

#[test]
fn circles_are_told_once_each() {
    let text = "http:
  services:
    a: {weighted: {services: [{name: b}, {name: leaf}]}}
    b: {weighted: {services: [{name: c}]}}
    c: {weighted: {services: [{name: a}, {name: leaf}]}}
    self: {weighted: {services: [{name: self@file}]}}
    leaf: {loadBalancer: {servers: []}}
    diamond: {weighted: {services: [{name: leaf}, {name: left}, {name: right}]}}
    left: {weighted: {services: [{name: leaf}]}}
    right: {weighted: {services: [{name: leaf}]}}
    page: {middlewares: [pages], loadBalancer: {servers: []}}
    pageless: {middlewares: [pages], weighted: {services: [{name: leaf}]}}
  middlewares:
    pages: {chain: {middlewares: [errors, one]}}
    errors: {errors: {status: [500], service: page}}
    one: {chain: {middlewares: [two]}}
    two: {chain: {middlewares: [one]}}
";
    insta::assert_snapshot!(listed(&read_dynamic(&[yaml("a.yml", text)], "file", None, &Allow::default()).problems));
}

#[test]
fn names_lead_through_64_others_and_no_further() {
    let told = |count: usize| {
        let services: String =
            (0..count).map(|n| format!("    s{n}: {{weighted: {{services: [{{name: s{}}}]}}}}\n", n + 1)).collect();
        let chains: String =
            (0..count).map(|n| format!("    c{n}: {{chain: {{middlewares: [c{}]}}}}\n", n + 1)).collect();
        let text = format!(
            "http:\n  services:\n{services}    s{count}: {{loadBalancer: {{}}}}\n  middlewares:\n{chains}    c{count}: {{headers: {{}}}}\n"
        );
        listed(&read_dynamic(&[yaml("a.yml", &text)], "file", None, &Allow::default()).problems)
    };
    assert_eq!(told(64), "");
    // However long it is, it is told once, of the first that is too far up.
    for (count, service, chain) in [(65, "3:39", "70:32"), (20_000, "19938:43", "39940:36")] {
        let number = count - 65;
        let expected = format!(
            "a.yml:{service}: http.services.s{number}: leads too deep (at most 64 of them one below another)\n\
             a.yml:{chain}: http.middlewares.c{number}: leads too deep (at most 64 of them one below another)\n",
        );
        assert_eq!(told(count), expected);
    }
}

#[test]
fn roots_tell_what_a_document_holds() {
    let both = yaml("a.yml", "EntryPoints: {}\nhttp: {}\n");
    assert!(both.has_static() && both.has_dynamic());
    let roots: Vec<String> = both.static_roots().into_iter().map(|(name, at)| format!("{at} {name}")).collect();
    assert_eq!(roots, ["a.yml:1:1 EntryPoints"]);
    let dynamic = yaml("a.yml", "tls: {}\n");
    assert!(!dynamic.has_static() && dynamic.has_dynamic() && dynamic.static_roots().is_empty());
}

#[test]
fn formats_go_by_the_extension() {
    for (name, format) in [
        ("a.yml", Some(Format::Yaml)),
        ("x/a.YAML", Some(Format::Yaml)),
        ("a.toml", Some(Format::Toml)),
        ("a.b.json", Some(Format::Json)),
        ("a.txt", None),
        ("yml", None),
        ("a.yml/b", None),
    ] {
        assert_eq!(Format::of(name), format, "{name}");
    }
}

#[test]
fn yaml_anchors_aliases_and_merge_keys_are_expanded() {
    let text = "http:
  services:
    a: &a
      loadBalancer: &balancer
        passHostHeader: false
        servers: [{url: 'http://a'}]
    b: *a
    c:
      loadBalancer:
        <<: *balancer
        passHostHeader: true
    d:
      loadBalancer:
        <<: [{strategy: p2c}, *balancer]
";
    let read = read_dynamic(&[yaml("a.yml", text)], "file", None, &Allow::default());
    assert_eq!(read.problems, []);
    let shown: Vec<String> = read
        .value
        .unwrap()
        .services
        .values()
        .map(|service| match &service.kind {
            rollgate_config::dynamic::service::ServiceKind::LoadBalancer(balancer) => {
                format!("{} {} {:?}", balancer.servers.len(), balancer.pass_host_header, balancer.strategy)
            }
            _ => panic!("a load balancer"),
        })
        .collect();
    assert_eq!(shown, ["1 false Wrr", "1 false Wrr", "1 true Wrr", "1 false P2c"]);
}

#[test]
fn texts_that_are_no_configuration_are_told() {
    let laughs: String =
        (1..9).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","))).collect();
    let deep_flow = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    let texts: [(&str, &str); 25] = [
        ("a.yml", ""),
        ("a.yml", "# nothing\n\n"),
        ("a.yml", "---\n"),
        ("a.toml", "# nothing\n"),
        ("a.json", ""),
        ("a.json", "null"),
        ("a.yml", "- a\n"),
        ("a.json", "[]"),
        ("a.yml", "just text"),
        ("a.yml", "http: {}\n---\nhttp: {}\n"),
        ("a.yml", "http: [\n"),
        ("a.yml", "http:\n\trouters: {}\n"),
        ("a.yml", "http: &a\n  routers: *a\n"),
        ("a.yml", "http: *b\n"),
        ("a.yml", "? [a]\n: b\n"),
        ("a.yml", "http: !mine {}\n"),
        ("a.yml", "http:\n  <<: 3\n"),
        ("a.yml", &format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{laughs}")),
        ("a.yml", &deep_flow),
        ("a.yml", "http:\n  routers: {{ .routers }}\n"),
        ("a.toml", "[http\nx = 1\ny =\n"),
        ("a.toml", "[http]\n[http]\n"),
        ("a.json", "{\"http\": {},}"),
        ("a.json", "{\n  // no\n}"),
        ("a.json", "{\"http\": {}, \"HTTP\": {}, \"tls\": {\"certificates\": 3, \"certificates\": 4}}"),
    ];
    let told = texts.map(|(name, text)| match Document::parse(name, text, Format::of(name).unwrap()) {
        Ok(document) => listed(&read_dynamic(&[document], "file", None, &Allow::default()).problems),
        Err(problems) => listed(&problems),
    });
    insta::assert_snapshot!(told.join("--\n"));
}

#[test]
fn a_commented_template_is_none() {
    assert!(Document::parse("a.yml", "# {{ not here }}\nhttp: {}\n", Format::Yaml).is_ok());
}
