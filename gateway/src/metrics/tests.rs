use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, Method};
use rollgate_config::problem::{Located, Place};

use super::*;

pub(super) fn config() -> Prometheus {
    let at = Place { source: "test".into(), line: 1, column: 1 };
    Prometheus {
        entry_point: Located { value: "traefik".to_owned(), at },
        manual_routing: false,
        buckets: vec![0.1, 0.3, 1.2, 5.0],
        entry_points: true,
        routers: true,
        services: true,
        header_labels: BTreeMap::new(),
    }
}

fn with_header_labels(labels: &[(&str, &str)]) -> Prometheus {
    let owned = |(label, header): &(&str, &str)| ((*label).to_owned(), (*header).to_owned());
    Prometheus { header_labels: labels.iter().map(owned).collect(), ..config() }
}

/// A GET over plain HTTP that went well.
fn plain(method: &Method) -> Finished<'_> {
    Finished {
        entry_point: None,
        router: None,
        service: None,
        versions: &[],
        method,
        protocol: Protocol::Http,
        code: 200,
        tls: None,
        duration: Duration::from_millis(50),
        request_bytes: 10,
        response_bytes: 1_000,
        outcome: Outcome::Ok,
        header_labels: None,
    }
}

/// The text without what differs from run to run.
fn text(metrics: &Metrics, now: u64) -> String {
    let text = String::from_utf8(metrics.encode(now)).unwrap();
    let stays = |line: &&str| !["process_", "rollgate_build_info"].iter().any(|name| line.contains(name));
    text.lines().filter(stays).fold(String::new(), |text, line| text + line + "\n")
}

/// The value of the series that begins so.
fn value(metrics: &Metrics, series: &str) -> Option<f64> {
    let text = text(metrics, 0);
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    Some(line.trim().parse().unwrap())
}

/// The lines of a family, without its head.
fn family(text: &str, name: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[test]
fn a_script_of_requests_as_prometheus_sees_it() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let (web, secure) = (metrics.entry_point_id("web"), metrics.entry_point_id("websecure"));
    let router = metrics.router_id("pro@file", "split@file");
    let (stable, canary) = (metrics.service_id("stable@file"), metrics.service_id("canary@file"));
    let versions = [metrics.version_id("split@file", "stable"), metrics.version_id("split@file", "canary")];
    metrics.set_target_share(versions[0], 0.9);
    metrics.set_target_share(versions[1], 0.1);
    let workers = [metrics.worker(), metrics.worker()];

    workers[0].connection_opened(web);
    workers[1].connection_opened(web);
    workers[1].connection_closed(web);
    workers[0].upstream_connect(stable, true);
    workers[0].upstream_connect(canary, false);
    for (at, worker) in workers.iter().enumerate() {
        worker.drawn(versions[0], 100);
        worker.drawn(versions[at], 100);
        let request = Finished {
            entry_point: Some(web),
            router: Some(router),
            service: Some(stable),
            versions: &versions[..1],
            ..plain(&Method::GET)
        };
        worker.finish(&request);
        worker.finish(&Finished { duration: Duration::from_millis(400), ..request });
    }
    let tls = Some(TlsLabels { version: "1.3", cipher: "TLS_AES_128_GCM_SHA256" });
    let failed = Finished {
        entry_point: Some(secure),
        router: Some(router),
        service: Some(canary),
        versions: &versions[1..],
        code: 502,
        tls,
        duration: Duration::from_secs(7),
        outcome: Outcome::Error,
        ..plain(&Method::POST)
    };
    workers[0].retried(canary);
    let split = metrics.service_id("split@file");
    workers[0].assigned(split, Assignment::Kept);
    workers[1].assigned(split, Assignment::Kept);
    workers[1].assigned(split, Assignment::Lost);
    for how in [Assignment::Issued, Assignment::Keyless] {
        workers[0].assigned(stable, how);
    }
    workers[0].finish(&failed);
    workers[1].finish(&Finished { code: 14, protocol: Protocol::Grpc, outcome: Outcome::Client, ..failed });
    let brew: Method = "BREW".parse().unwrap();
    workers[1].finish(&Finished { entry_point: Some(web), code: 404, ..plain(&brew) });
    workers[0].refused("bad_host");
    workers[1].refused("bad_host");
    workers[1].refused("underscore_header");
    workers[1].panicked();
    told_by_the_control_plane(&metrics);
    insta::assert_snapshot!(text(&metrics, 105));
}

fn told_by_the_control_plane(metrics: &Metrics) {
    metrics.reloaded(1_700_000_000);
    metrics.set_problems("file", 2);
    metrics.set_held_back("file", 1);
    metrics.set_restart_needed(["log"]);
    metrics.set_unsupported_allowed(["entryPoints.web.http3"]);
    metrics.set_servers("stable@file", [("http://10.0.0.3:80", true)]);
    metrics.set_servers("stable@file", [("http://10.0.0.1:80", true), ("http://10.0.0.2:80", true)]);
    metrics.set_servers("stable@file-too", [("http://10.0.0.1:80", true)]);
    metrics.set_servers("stable@file-too", []);
    metrics.server_changed("stable@file", "http://10.0.0.2:80", false, "probe");
    metrics.set_certificates(&[Certificate {
        common_name: "a.example".to_owned(),
        serial: "4711".to_owned(),
        sans: "a.example,b.example".to_owned(),
        not_after: 1_800_000_000,
    }]);
    metrics.access_log_dropped().fetch_add(3, Relaxed);
}

#[test]
fn families_that_are_not_asked_for_are_not_counted() {
    let off = Prometheus { entry_points: false, services: false, routers: false, ..config() };
    for config in [None, Some(&off)] {
        let metrics = Metrics::new(config).unwrap();
        let worker = metrics.worker();
        let version = metrics.version_id("split", "canary");
        worker.finish(&Finished {
            entry_point: Some(metrics.entry_point_id("web")),
            router: Some(metrics.router_id("r", "s")),
            service: Some(metrics.service_id("s")),
            versions: &[version],
            ..plain(&Method::GET)
        });
        let text = text(&metrics, 0);
        assert!(!text.contains("requests_total{code") && !text.contains("duration"), "{text}");
        assert!(text.contains(r#"rollgate_version_requests_total{outcome="ok",service="split",version="canary"} 1"#));
    }
}

#[test]
fn workers_on_their_own_threads_sum_up() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let web = metrics.entry_point_id("web");
    let version = metrics.version_id("split", "canary");
    let requests = 20_000;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let worker = metrics.worker();
                for at in 0..requests {
                    let request = plain(&Method::GET);
                    let code = if at % 2 == 0 { 200 } else { 404 };
                    worker.finish(&Finished { entry_point: Some(web), versions: &[version], code, ..request });
                }
            });
        }
        // Scrapes beside it see what is there, never more.
        for _ in 0..20 {
            let seen = value(
                &metrics,
                r#"traefik_entrypoint_requests_total{code="200",entrypoint="web",method="GET",protocol="http"}"#,
            );
            assert!(seen.unwrap_or_default() <= f64::from(4 * requests / 2));
        }
    });
    for code in [200, 404] {
        let labels = format!(r#"{{code="{code}",entrypoint="web",method="GET",protocol="http"}}"#);
        let total = |name: &str| value(&metrics, &format!("traefik_entrypoint_{name}{labels}"));
        assert_eq!(total("requests_total"), Some(40_000.0));
        assert_eq!(total("requests_bytes_total"), Some(400_000.0));
        assert_eq!(total("responses_bytes_total"), Some(40_000_000.0));
        assert_eq!(total("request_duration_seconds_count"), Some(40_000.0));
        assert_eq!(total("request_duration_seconds_sum"), Some(2_000.0));
    }
    assert_eq!(
        value(&metrics, r#"rollgate_version_requests_total{outcome="ok",service="split",version="canary"}"#),
        Some(80_000.0)
    );
}

#[test]
fn durations_fall_into_the_bucket_that_bounds_them() {
    let families = Families::new(&config()).unwrap();
    let table = [
        (0, 0),
        (100_000_000, 0),
        (100_000_001, 1),
        (300_000_000, 1),
        (1_200_000_001, 3),
        (5_000_000_000, 3),
        (u64::MAX, 4),
    ];
    for (nanoseconds, bucket) in table {
        assert_eq!(families.bucket(nanoseconds), bucket, "{nanoseconds}");
    }
}

const WEB: &str = r#"traefik_service_requests_total{code="200",method="GET",protocol="http",service="s@file"}"#;

fn hit(metrics: &Metrics, worker: &WorkerMetrics) {
    worker.finish(&Finished { service: Some(metrics.service_id("s@file")), ..plain(&Method::GET) });
}

fn live(metrics: &Metrics) -> Live {
    Live { services: vec![metrics.service_id("s@file")], ..Live::default() }
}

#[test]
fn a_name_that_stays_goes_on_counting() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let worker = metrics.worker();
    for reload in 1..=5 {
        hit(&metrics, &worker);
        metrics.retain(&live(&metrics));
        worker.prune();
        assert_eq!(value(&metrics, WEB), Some(f64::from(reload)));
    }
}

#[test]
fn a_name_that_is_gone_is_shown_once_more() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let worker = metrics.worker();
    hit(&metrics, &worker);
    metrics.retain(&Live::default());
    assert_eq!(value(&metrics, WEB), Some(1.0));
    assert_eq!(value(&metrics, WEB), None);
}

#[test]
fn a_name_that_comes_back_before_it_was_forgotten_goes_on() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let worker = metrics.worker();
    hit(&metrics, &worker);
    metrics.retain(&Live::default());
    assert_eq!(value(&metrics, WEB), Some(1.0));
    hit(&metrics, &worker);
    metrics.retain(&live(&metrics));
    assert_eq!([value(&metrics, WEB), value(&metrics, WEB)], [Some(2.0); 2]);
}

#[test]
fn a_name_that_comes_back_later_starts_at_zero_and_an_old_request_does_not_count_for_it() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let worker = metrics.worker();
    let old = metrics.service_id("s@file");
    hit(&metrics, &worker);
    metrics.retain(&Live::default());
    text(&metrics, 0);
    text(&metrics, 0);
    worker.prune();
    worker.finish(&Finished { service: Some(old), ..plain(&Method::GET) });
    assert_eq!(value(&metrics, WEB), None);
    hit(&metrics, &worker);
    worker.finish(&Finished { service: Some(old), ..plain(&Method::GET) });
    assert_eq!(value(&metrics, WEB), Some(1.0));
}

#[test]
fn names_are_forgotten_although_nobody_scrapes() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let old = metrics.service_id("s@file");
    for _ in 0..64 {
        metrics.retain(&Live::default());
    }
    assert_eq!(metrics.service_id("s@file"), old);
    for _ in 0..65 {
        metrics.retain(&Live::default());
    }
    assert_ne!(metrics.service_id("s@file"), old);
}

#[test]
fn shares_follow_the_draws_of_the_last_minute() {
    let metrics = Metrics::new(None).unwrap();
    let workers = [metrics.worker(), metrics.worker()];
    let [stable, canary] = ["stable", "canary"].map(|version| metrics.version_id("split", version));
    for at in 0..100 {
        workers[at % 2].drawn(if at % 4 == 0 { canary } else { stable }, 1_000 + at as u64 / 10);
    }
    let actual = |now| family(&text(&metrics, now), r#"rollgate_version_share{kind="actual""#);
    let shares = [
        r#"rollgate_version_share{kind="actual",service="split",version="canary"} 0.25"#,
        r#"rollgate_version_share{kind="actual",service="split",version="stable"} 0.75"#,
    ];
    assert_eq!(actual(1_010), shares);
    assert_eq!(actual(1_059), shares);
    assert_eq!(actual(1_100), [""; 0]);
}

#[test]
fn header_labels_join_the_request_counters_only() {
    let metrics = Metrics::new(Some(&with_header_labels(&[("agent", "user-agent"), ("tenant", "x-tenant")]))).unwrap();
    let worker = metrics.worker();
    let service = metrics.service_id("s");
    for (agent, times) in [("curl", 2), ("", 1), (&"long".repeat(100), 1)] {
        let mut headers = HeaderMap::new();
        if !agent.is_empty() {
            headers.insert("user-agent", agent.parse().unwrap());
        }
        let values = worker.label_values(&headers);
        for _ in 0..times {
            worker.finish(&Finished { service: Some(service), header_labels: values.as_ref(), ..plain(&Method::GET) });
        }
    }
    let text = text(&metrics, 0);
    let labels = r#"code="200",method="GET",protocol="http",service="s""#;
    let expected = [("", 1), ("curl", 2), ("other", 1)].map(|(agent, count)| {
        format!(r#"traefik_service_requests_total{{agent="{agent}",{labels},tenant=""}} {count}"#)
    });
    assert_eq!(family(&text, "traefik_service_requests_total"), expected);
    assert_eq!(
        family(&text, "traefik_service_request_duration_seconds_count"),
        [format!("traefik_service_request_duration_seconds_count{{{labels}}} 4")]
    );
}

#[test]
fn without_header_labels_nothing_is_captured() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    assert!(metrics.worker().label_values(&HeaderMap::new()).is_none());
}

#[test]
fn header_labels_are_bounded() {
    let metrics = Metrics::new(Some(&with_header_labels(&[("id", "x-id")]))).unwrap();
    let workers = [metrics.worker(), metrics.worker()];
    let service = metrics.service_id("s");
    for at in 0..3_000 {
        let worker = &workers[at % 2];
        let mut headers = HeaderMap::new();
        headers.insert("x-id", at.into());
        let values = worker.label_values(&headers);
        worker.finish(&Finished { service: Some(service), header_labels: values.as_ref(), ..plain(&Method::GET) });
    }
    let series = family(&text(&metrics, 0), "traefik_service_requests_total");
    assert_eq!(series.len(), 1_001);
    let other =
        r#"traefik_service_requests_total{code="200",id="other",method="GET",protocol="http",service="s"} 2000"#;
    assert!(series.iter().any(|line| line == other));
}

#[test]
fn codes_are_bounded() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let worker = metrics.worker();
    let service = metrics.service_id("s");
    for code in 0..5_000 {
        worker.finish(&Finished { service: Some(service), code, ..plain(&Method::GET) });
    }
    let series = family(&text(&metrics, 0), "traefik_service_requests_total");
    assert_eq!(series.len(), 1_001);
    assert!(series.iter().any(|line| line.contains(r#"code="other""#) && line.ends_with(" 4000")));
}

#[test]
fn a_bad_header_label_is_an_error() {
    for labels in [("bad label", "x-id"), ("id", "bad header")] {
        assert!(Metrics::new(Some(&with_header_labels(&[labels]))).is_err(), "{labels:?}");
    }
}

#[test]
fn a_worker_gives_back_what_is_forgotten() {
    let metrics = Metrics::new(Some(&config())).unwrap();
    let worker = metrics.worker();
    hit(&metrics, &worker);
    let id = metrics.service_id("s@file");
    let part = {
        let owner = metrics.shared.owners.services.owner(id.0).unwrap();
        Arc::downgrade(&owner.parts.lock()[0])
    };
    metrics.retain(&Live::default());
    text(&metrics, 0);
    worker.prune();
    assert!(part.upgrade().is_some(), "it is still shown");
    text(&metrics, 0);
    worker.prune();
    assert!(part.upgrade().is_none());
}
