use rollgate_config::{Use, schema};

use super::{
    Key, Kind, MIDDLEWARE, SERVICE,
    routers::{ROUTER, TLS},
};

fn leaves(keys: &[Key], path: &str, found: &mut Vec<String>) {
    for key in keys {
        let path = format!("{path}.{}", key.name);
        match key.kind {
            Kind::Section(keys) if !keys.is_empty() => leaves(keys, &path, found),
            Kind::Sections(keys) => leaves(keys, &format!("{path}[]"), found),
            _ => found.push(path),
        }
    }
}

#[test]
fn every_key_that_is_read_is_shown_and_every_key_that_is_shown_is_read() {
    let mut shown = Vec::new();
    leaves(SERVICE, "http.services.N", &mut shown);
    leaves(MIDDLEWARE, "http.middlewares.N", &mut shown);
    leaves(TLS, "http.routers.N.tls", &mut shown);
    leaves(ROUTER, "http.routers.N", &mut shown);
    let is_here = |key: &str| {
        let sections = [
            "http.services.N.",
            "http.middlewares.N.",
            "http.routers.N.tls.",
            "http.routers.N.timeouts.",
            "http.routers.N.ruleSyntax",
        ];
        sections.iter().any(|section| key.starts_with(section))
    };
    let known = schema();
    let read = known.iter().filter(|(key, is)| is_here(key) && (*is != Use::Refused)).map(|(key, _)| key);
    let missing: Vec<&String> = read.filter(|key| !shown.contains(key)).collect();
    assert_eq!(missing, [""; 0]);
    let is_known = |key: &&String| !known.iter().any(|(known, _)| known == *key);
    assert_eq!(shown.iter().filter(is_known).collect::<Vec<_>>(), [""; 0]);
}
