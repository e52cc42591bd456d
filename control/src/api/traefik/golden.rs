//! Beside Traefik itself: `fixtures/*.json` are its own answers (master of 2026-07-24, fd5a576, built with Go) when it ran with
//! `fixtures/static.yml` in the same folder, 13 seconds after its start. They were indented and are otherwise as they came;
//! `queries.json` has of each answer the status, `X-Next-Page` and the names or the message. `certificates.json` is its answer
//! with the certificates of `certificates.pem`.
//!
//! What differs on purpose is in the tests, and in docs/traefik.md.

use rollgate_config::{
    Allow, Document, Format,
    dynamic::{
        Configuration,
        tls::{Certificate, PemSource},
    },
    problem::Place,
    read_dynamic, read_static,
    static_config::Static,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

/// Both are as the files have them.
pub(super) struct Loaded {
    pub(super) statics: Static,
    pub(super) configuration: Configuration,
    document: Document,
}

impl Loaded {
    pub(super) fn new(statics: &str, dynamic: &str) -> Self {
        let document =
            |text: &str| Document::parse("a.yml", text, Format::Yaml).unwrap_or_else(|found| panic!("{found:#?}"));
        let statics = read_static(&document(statics), &Allow::default());
        let statics = statics.value.unwrap_or_else(|| panic!("{:#?}", statics.problems));
        let document = document(dynamic);
        let read = read_dynamic(std::slice::from_ref(&document), "file", Some(&statics), &Allow::default());
        let configuration = read.value.unwrap_or_else(|| panic!("{:#?}", read.problems));
        Self { statics, configuration, document }
    }

    fn fixtures() -> Self {
        Self::new(include_str!("fixtures/static.yml"), include_str!("fixtures/dynamic.yml"))
    }

    /// Nobody answers at the ports that are probed but one that Traefik had not probed yet.
    pub(super) fn ask(&self, path: &str, query: &str) -> Option<TraefikAnswer> {
        let services = |name: &str| {
            let item = self.configuration.services.get(name)?;
            let rollgate_config::dynamic::service::ServiceKind::LoadBalancer(balancer) = &item.kind else {
                return None;
            };
            let servers = balancer.servers.iter().map(|server| (server.url.value.to_string(), name != "asked@file"));
            Some(ServiceStatus { servers: servers.collect() })
        };
        let view = View {
            configuration: &self.configuration,
            statics: &self.statics,
            documents: &[("file", &self.document)],
            services: &services,
            version: "0.1.0",
            started: "2026-11-26T10:00:00.5Z".parse().expect("it is a time"),
            now: "2026-11-26T12:00:00Z".parse().expect("it is a time"),
        };
        answer(path, query, &view)
    }

    pub(super) fn json(&self, path: &str) -> Value {
        let answer = self.ask(path, "").unwrap_or_else(|| panic!("there is no {path}"));
        assert_eq!(answer.status, 200, "{path}");
        serde_json::from_slice(&answer.body).expect("it is JSON")
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("it is JSON")
}

/// Each on its own, so that a difference is told by name.
fn compare(ours: &Value, traefik: &Value) {
    let names = |list: &Value| -> Vec<Value> {
        list.as_array().into_iter().flatten().map(|item| item["name"].clone()).collect()
    };
    assert_eq!(names(ours), names(traefik));
    for (ours, traefik) in ours.as_array().into_iter().flatten().zip(traefik.as_array().into_iter().flatten()) {
        assert_eq!(ours, traefik, "{}", ours["name"]);
    }
}

/// Who may come in is a secret.
fn without_users(mut value: Value, paths: &[&str]) -> Value {
    for path in paths {
        let users = value.pointer_mut(path).and_then(Value::as_array_mut).expect("Traefik shows them");
        users.iter_mut().for_each(|user| *user = json!("xxxx"));
    }
    value
}

#[test]
fn routers_are_as_traefik_shows_them() {
    compare(&Loaded::fixtures().json("http/routers"), &parsed(include_str!("fixtures/routers.json")));
}

#[test]
fn services_are_as_traefik_shows_them() {
    compare(&Loaded::fixtures().json("http/services"), &parsed(include_str!("fixtures/services.json")));
}

#[test]
fn middlewares_are_as_traefik_shows_them() {
    let traefik = parsed(include_str!("fixtures/middlewares.json"));
    let place = |name: &str| traefik.as_array().and_then(|all| all.iter().position(|item| item["name"] == name));
    let [basic, digest] = ["basic@file", "digest@file"].map(|name| place(name).expect("it is there"));
    let paths = [format!("/{basic}/basicAuth/users"), format!("/{digest}/digestAuth/users")];
    let traefik = without_users(traefik, &[&paths[0], &paths[1]]);
    compare(&Loaded::fixtures().json("http/middlewares"), &traefik);
}

#[test]
fn entry_points_are_as_traefik_shows_them() {
    compare(&Loaded::fixtures().json("entrypoints"), &parsed(include_str!("fixtures/entrypoints.json")));
}

#[test]
fn everything_at_once_is_as_traefik_shows_it() {
    let users = ["/middlewares/basic@file/basicAuth/users", "/middlewares/digest@file/digestAuth/users"];
    let traefik = without_users(parsed(include_str!("fixtures/rawdata.json")), &users);
    let ours = Loaded::fixtures().json("rawdata");
    let names = |value: &Value| -> Vec<String> {
        value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&ours), names(&traefik));
    for section in names(&traefik) {
        let (ours, traefik) = (&ours[&section], &traefik[&section]);
        assert_eq!(names(ours), names(traefik));
        names(traefik).iter().for_each(|name| assert_eq!(ours[name], traefik[name], "{name}"));
    }
}

#[test]
fn the_overview_is_as_traefik_shows_it() {
    assert_eq!(Loaded::fixtures().json("overview"), parsed(include_str!("fixtures/overview.json")));
}

#[test]
fn certificates_are_as_traefik_shows_them() {
    let mut loaded = Loaded::fixtures();
    let pems = include_str!("fixtures/certificates.pem").split_inclusive("-----END CERTIFICATE-----\n");
    loaded.configuration.tls.certificates = pems
        .map(|pem| Certificate {
            at: Place::default(),
            cert: PemSource::Text(pem.to_owned()),
            key: PemSource::Text(String::new()),
        })
        .collect();
    // One that is there twice is one.
    loaded.configuration.tls.default_certificate = loaded.configuration.tls.certificates.first().cloned();
    let traefik = parsed(include_str!("fixtures/certificates.json"));
    compare(&loaded.json("certificates"), &traefik);
    for certificate in traefik.as_array().into_iter().flatten() {
        let name = certificate["name"].as_str().expect("it has one");
        assert_eq!(loaded.json(&format!("certificates/{name}")), *certificate);
    }
    assert_eq!(loaded.json("overview")["certificates"], json!({"total": 5, "warnings": 0, "errors": 0}));
}

/// An answer of `queries.json`.
#[derive(Deserialize)]
struct Asked {
    path: String,
    status: u16,
    next: Option<String>,
    names: Option<Vec<String>>,
    message: Option<String>,
}

#[test]
fn lists_are_sought_sorted_and_paged_as_by_traefik() {
    let loaded = Loaded::fixtures();
    let asked: Vec<Asked> = serde_json::from_str(include_str!("fixtures/queries.json")).expect("it is JSON");
    for Asked { path, status, next, names, message } in asked {
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let shown = format!("{path}?{query}");
        let Some(answer) = loaded.ask(path, query) else {
            assert_eq!((status, &message), (404, &None), "{shown}");
            continue;
        };
        assert_eq!(answer.status, status, "{shown}");
        let found = answer.headers.iter().find(|(name, _)| *name == "x-next-page").map(|(_, value)| value);
        assert_eq!(found, next.as_ref(), "{shown}");
        let body: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
        assert_eq!(body["message"].as_str(), message.as_deref(), "{shown}");
        if let Some(names) = names {
            let found: Vec<&str> =
                body.as_array().into_iter().flatten().filter_map(|item| item["name"].as_str()).collect();
            assert_eq!(found, names, "{shown}");
        }
    }
}
