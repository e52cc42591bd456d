//! Every key that is read, once, in each format: the types as snapshots, places left out.

use rollgate_config::{
    Allow, Document, Format, Read, dynamic::Configuration, read_dynamic, read_static, static_config::Static,
    validate_entry_points,
};

const STATIC: [(&str, &str); 3] = [
    ("static.yml", include_str!("fixtures/static.yml")),
    ("static.toml", include_str!("fixtures/static.toml")),
    ("static.json", include_str!("fixtures/static.json")),
];

const DYNAMIC: [(&str, &str); 3] = [
    ("dynamic.yml", include_str!("fixtures/dynamic.yml")),
    ("dynamic.toml", include_str!("fixtures/dynamic.toml")),
    ("dynamic.json", include_str!("fixtures/dynamic.json")),
];

fn document((name, text): (&str, &str)) -> Document {
    let format = Format::of(name).expect("a name with an extension");
    Document::parse(name, text, format).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn value<T>(read: Read<T>) -> T {
    assert_eq!(read.problems, []);
    assert_eq!(read.warnings, []);
    read.value.expect("there is no problem")
}

fn statics(file: (&str, &str)) -> Static {
    value(read_static(&document(file), &Allow::default()))
}

fn dynamic(file: (&str, &str)) -> Configuration {
    let statics = statics(STATIC[0]);
    value(read_dynamic(&[document(file)], "file", Some(&statics), &Allow::default()))
}

/// A debug form without places.
fn shown(value: impl std::fmt::Debug) -> String {
    let text = format!("{value:#?}");
    let mut lines: Vec<&str> = Vec::new();
    let mut inside: Option<usize> = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match inside {
            Some(outer) if indent > outer => {}
            Some(_) => inside = None,
            None if line.trim_start().starts_with("at: Place") => inside = Some(indent),
            None => lines.push(line),
        }
    }
    lines.join("\n")
}

#[test]
fn every_static_key_is_read() {
    insta::assert_snapshot!(shown(statics(STATIC[0])));
}

#[test]
fn every_dynamic_key_is_read() {
    insta::assert_snapshot!(shown(dynamic(DYNAMIC[0])));
}

#[test]
fn the_formats_mean_the_same() {
    let (first_static, first_dynamic) = (shown(statics(STATIC[0])), shown(dynamic(DYNAMIC[0])));
    for (file_static, file_dynamic) in STATIC.into_iter().zip(DYNAMIC).skip(1) {
        assert_eq!(shown(statics(file_static)), first_static, "{}", file_static.0);
        assert_eq!(shown(dynamic(file_dynamic)), first_dynamic, "{}", file_dynamic.0);
    }
}

#[test]
fn keys_are_read_whatever_their_case() {
    // Routers, services and the like keep the case of their names, so only known keys are folded.
    let text = STATIC[0].1;
    let keys = ["entryPoints", "respondingTimeouts", "readTimeout", "accessLog", "statusCodes", "serversTransport"];
    let upper = keys
        .iter()
        .fold(text.to_owned(), |text, key| text.replace(&format!("{key}:"), &format!("{}:", key.to_uppercase())));
    assert_ne!(upper, text);
    assert_eq!(shown(statics(("static.yml", &upper))), shown(statics(STATIC[0])));
}

#[test]
fn entry_points_refer_to_middlewares_and_options() {
    let (statics, dynamic) = (statics(STATIC[0]), dynamic(DYNAMIC[0]));
    let problems: Vec<String> = validate_entry_points(&statics, &dynamic).iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["static.yml:27:34: entryPoints.web.http.middlewares: unknown middleware \"limit\""]);
}

#[test]
fn what_is_ours_is_told_apart() {
    let of = |problems: Vec<rollgate_config::problem::Problem>| -> Vec<String> {
        problems.into_iter().map(|problem| problem.path).collect()
    };
    assert_eq!(
        of(read_static(&document(STATIC[0]), &Allow::default()).extensions),
        [
            "entryPoints.web.transport.respondingTimeouts.headerTimeout",
            "entryPoints.web.transport.respondingTimeouts.tlsHandshakeTimeout",
            "entryPoints.web.transport.respondingTimeouts.bodyIdleTimeout",
            "entryPoints.web.transport.respondingTimeouts.stallTimeout",
            "entryPoints.web.transport.respondingTimeouts.tcpUserTimeout",
            "entryPoints.web.http.maxHeaderFields",
            "entryPoints.web.http.maxRequestLineBytes",
            "entryPoints.web.http.maxBodyBytes",
            "entryPoints.web.http2.maxResetsPerSecond",
            "entryPoints.web.http2.maxPingsPerSecond",
            "entryPoints.web.http2.maxSettingsPerSecond",
            "entryPoints.web.http2.maxEmptyFramesPerSecond",
            "entryPoints.web.http2.maxWindowUpdatesPerSecond",
            "api.hosts",
            "api.tokens",
            "api.clientCertificates",
            "limits",
            "serversTransport.forwardingTimeouts.readIdleTimeout",
            "serversTransport.forwardingTimeouts.pingTimeout",
            "serversTransport.forwardingTimeouts.tcpKeepAlive",
            "serversTransport.forwardingTimeouts.tcpUserTimeout",
            "resolver",
        ]
    );
    assert_eq!(
        of(read_dynamic(&[document(DYNAMIC[0])], "file", None, &Allow::default()).extensions),
        [
            "http.routers.Pro.timeouts",
            "http.services.split.weighted.services[0].weight",
            "http.services.split.weighted.services[1].weight",
            "http.services.sessions.weighted.sticky.drain",
            "http.services.users.weighted.cohort",
            "http.services.browsers.weighted.cohort",
            "http.services.addresses.weighted.cohort",
            "http.services.asked.loadBalancer.passiveHealthCheck.maxEjectedPercent",
            "http.services.copied.mirroring.timeout",
            "http.middlewares.rate.rateLimit.scope",
            "http.middlewares.rate.rateLimit.maxSources",
            "http.middlewares.rate.rateLimit.responseHeaders",
            "http.middlewares.rateOfAll.rateLimit.redis.onFailure",
            "http.middlewares.rateOfAll.rateLimit.redis.replicas",
            "http.middlewares.few.inFlightReq.scope",
            "http.middlewares.again.retry.perTryTimeout",
            "http.middlewares.again.retry.budget",
            "http.middlewares.breaker.circuitBreaker.minRequests",
            "http.middlewares.breaker.circuitBreaker.onTrip",
            "http.serversTransports.own.forwardingTimeouts.tcpKeepAlive",
            "http.serversTransports.own.forwardingTimeouts.tcpUserTimeout",
            "rollouts",
        ]
    );
}

#[test]
fn nothing_written_is_the_defaults() {
    let nothing = Document::parse("a.json", "{}", Format::Json).expect("an empty section");
    let mut statics = value(read_static(&nothing, &Allow::default()));
    insta::assert_snapshot!(shown(&statics));
    statics.set_internal_default(":8080");
    assert_eq!(statics.entry_points["traefik"].address.value, ":8080");
    assert!(value(read_dynamic(&[nothing], "file", Some(&statics), &Allow::default())).routers.is_empty());
}

#[test]
fn an_internal_address_that_is_written_stays() {
    let mut statics = statics(STATIC[0]);
    statics.set_internal_default(":8080");
    assert_eq!(statics.entry_points["traefik"].address.value, "0.0.0.0:9000");
}
