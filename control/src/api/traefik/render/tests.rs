use rollgate_config::{Document, Format};
use serde_json::json;

use super::{
    super::shape::{MIDDLEWARE, SERVICE},
    *,
};

fn shown(keys: &[Key], written: &str) -> Value {
    let text = format!("http: {{services: {{a: {written}}}}}");
    let document = Document::parse("a", &text, Format::Yaml).unwrap_or_else(|problems| panic!("{problems:?}"));
    section(keys, document.written("services").next().map(|(_, written)| written)).into()
}

#[test]
fn nothing_secret_is_shown() {
    let secret = "s3cret";
    for (written, expected) in [
        ("{basicAuth: {users: ['a:s3cret', 'b:s3cret']}}", json!({"basicAuth": {"users": ["xxxx", "xxxx"]}})),
        (
            "{digestAuth: {users: 'a:s3cret', usersFile: u}}",
            json!({"digestAuth": {"users": ["xxxx"], "usersFile": "u"}}),
        ),
        (
            "{forwardAuth: {address: 'http://a?key=s3cret', tls: {ca: s3cret, cert: s3cret, key: s3cret}}}",
            json!({"forwardAuth": {"address": "http://a?key=xxxx", "maxBodySize": -1,
                "tls": {"ca": "xxxx", "cert": "xxxx", "key": "xxxx"}}}),
        ),
        (
            "{rateLimit: {redis: {username: s3cret, password: s3cret, tls: {key: s3cret}}}}",
            json!({"rateLimit": {"period": "1s", "burst": 1, "redis": {"endpoints": ["localhost:6379"], "username": "xxxx",
                "password": "xxxx", "tls": {"key": "xxxx"}, "readTimeout": "3s", "writeTimeout": "3s", "dialTimeout": "5s"}}}),
        ),
        (
            "{headers: {customRequestHeaders: {Authorization: Basic s3cret, X-A: b}}}",
            json!({"headers": {"customRequestHeaders": {"Authorization": "xxxx", "X-A": "b"}}}),
        ),
    ] {
        let shown = shown(MIDDLEWARE, written);
        assert_eq!(shown, expected, "{written}");
        assert!(!shown.to_string().contains(secret));
    }
}

#[test]
fn keys_of_ours_are_shown_where_they_are_written() {
    let weighted =
        "{weighted: {services: [{name: a, weight: 90.50}, {name: b, weight: '10.0'}], cohort: {header: X-User}}}";
    assert_eq!(
        shown(SERVICE, weighted),
        json!({"weighted": {"services": [{"name": "a", "weight": 90.5}, {"name": "b", "weight": 10}],
            "cohort": {"header": "X-User"}}})
    );
    assert_eq!(
        shown(MIDDLEWARE, "{circuitBreaker: {expression: x, minRequests: 0, onTrip: redistribute}}"),
        json!({"circuitBreaker": {"expression": "x", "checkPeriod": "100ms", "fallbackDuration": "10s",
            "recoveryDuration": "10s", "responseCode": 503, "minRequests": 0, "onTrip": "redistribute"}})
    );
}

#[test]
fn keys_have_one_spelling_and_a_section_can_be_off() {
    assert_eq!(
        shown(SERVICE, "{LOADBALANCER: {PassHostHeader: F, healthcheck: false, sticky: true, responseForwarding: {}}}"),
        json!({"loadBalancer": {"passHostHeader": false, "strategy": "wrr", "sticky": {},
            "responseForwarding": {"flushInterval": "100ms"}}})
    );
}

#[test]
fn a_value_of_another_kind_than_it_should_be_is_left_out() {
    assert_eq!(shown(MIDDLEWARE, "{addPrefix: {prefix: [a]}, chain: 7}"), json!({"addPrefix": {}, "chain": {}}));
    assert_eq!(shown(MIDDLEWARE, "7"), json!({}));
}
