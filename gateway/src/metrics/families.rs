//! The families by name, and how their metrics are made.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::{
    rows::{Counts, Rows},
    series::{BUCKETS, Key, SUM},
};

/// In the order entry points, routers, services.
pub(super) const KINDS: [Kind; 3] = [
    Kind { prefix: "traefik_entrypoint", labels: &["entrypoint"] },
    Kind { prefix: "traefik_router", labels: &["router", "service"] },
    Kind { prefix: "traefik_service", labels: &["service"] },
];

pub(super) type Suffix = (&'static str, &'static str, &'static [&'static str]);
pub(super) const KEY_LABELS: &[&str] = &["code", "method", "protocol"];
pub(super) const REQUESTS: Suffix = ("requests_total", "Requests that came to their end.", KEY_LABELS);
pub(super) const DURATIONS: Suffix =
    ("request_duration_seconds", "Time from a request's head to the end of its answer.", KEY_LABELS);
pub(super) const FAMILIES: [Suffix; 5] = [
    REQUESTS,
    DURATIONS,
    ("requests_bytes_total", "Bytes of request bodies.", KEY_LABELS),
    ("responses_bytes_total", "Bytes of response bodies.", KEY_LABELS),
    ("requests_tls_total", "Requests over TLS.", &["tls_version", "tls_cipher"]),
];

pub(super) const OPEN_CONNECTIONS: Single =
    Single::gauge("traefik_open_connections", "Connections from clients that are open.", &["entrypoint", "protocol"]);
pub(super) const CONNECTIONS: Single =
    Single::counter("rollgate_connections_total", "Connections from clients that were accepted.", &["entrypoint"]);
pub(super) const SERVICE_RETRIES: Single =
    Single::counter("traefik_service_retries_total", "Requests that were tried once more.", &["service"]);
pub(super) const UPSTREAM_CONNECTS: Single = Single::counter(
    "rollgate_upstream_connects_total",
    "Connections to servers that were tried.",
    &["outcome", "service"],
);
pub(super) const UPSTREAM_REPEATED: Single = Single::counter(
    "rollgate_upstream_repeated_total",
    "Requests that were sent once more because nothing had come of the first time.",
    &["service"],
);
pub(super) const ASSIGNMENTS: Single = Single::counter(
    "rollgate_assignments_total",
    "Requests to a service that keeps clients with their version or server, by how the client came to it.",
    &["assignment", "service"],
);
pub(super) const RETRIES_ENDED: Single =
    Single::counter("rollgate_retries_total", "Further attempts of retry by how they ended.", &["outcome", "service"]);
pub(super) const RETRIES_SKIPPED: Single = Single::counter(
    "rollgate_retries_skipped_total",
    "Requests that retry would have sent once more and did not.",
    &["reason", "service"],
);
pub(super) const VERSION_SHARE: Single = Single::gauge(
    "rollgate_version_share",
    "Share of a weighted service's requests: target by weight, actual by the draws of the last minute.",
    &["kind", "service", "version"],
);
pub(super) const VERSION_REQUESTS: Single = Single::counter(
    "rollgate_version_requests_total",
    "Requests to a version by how they ended.",
    &["outcome", "service", "version"],
);
pub(super) const REFUSED: Single =
    Single::counter("rollgate_refused_total", "Requests and connections that the gateway itself refused.", &["reason"]);
pub(super) const PANICS: Single = Single::counter("rollgate_panics_total", "Requests that were ended by a panic.", &[]);
pub(super) const ACCEPT_FAILURES: Single = Single::counter(
    "rollgate_accept_failures_total",
    "Times that a connection could not be accepted for want of descriptors or memory.",
    &[],
);
pub(super) const COMPRESS_SKIPPED: Single = Single::counter(
    "rollgate_compress_skipped_total",
    "Answers that went out as they are for want of room for another encoder.",
    &[],
);
pub(super) const MEMORY: Single =
    Single::gauge("rollgate_memory_bytes", "Memory in use, and what there may be (if there is a limit).", &["kind"]);
pub(super) const MEMORY_REFUSING: Single =
    Single::gauge("rollgate_memory_refusing", "1 while new requests are refused for want of memory.", &[]);
pub(super) const NOTICES_LOST: Single =
    Single::counter("rollgate_notices_lost_total", "Changes that the control plane was too slow to be told of.", &[]);
pub(super) const ACCESS_LOG_DROPPED: Single =
    Single::counter("rollgate_access_log_dropped_total", "Access log lines that were lost.", &[]);
pub(super) const BUILD_INFO: Single =
    Single::gauge("rollgate_build_info", "1, labelled with the version of Rollgate.", &["version"]);
pub(super) const RELOADS: Single =
    Single::counter("traefik_config_reloads_total", "Configurations that were applied.", &[]);
pub(super) const LAST_RELOAD: Single = Single::gauge(
    "traefik_config_last_reload_success",
    "When a configuration was last applied, in seconds since 1970.",
    &[],
);
pub(super) const CERTIFICATES: Single = Single::gauge(
    "traefik_tls_certs_not_after",
    "When a certificate ends, in seconds since 1970.",
    &["cn", "serial", "sans"],
);
pub(super) const SERVER_UP: Single =
    Single::gauge("traefik_service_server_up", "1 if a server is up, 0 if not.", &["service", "url"]);
pub(super) const SERVER_CHANGES: Single = Single::counter(
    "rollgate_server_changes_total",
    "Times that a server went up or down, by what was the cause.",
    &["service", "url", "to", "cause"],
);
pub(super) const HEALTH_CHECKS: Single =
    Single::counter("rollgate_health_checks_total", "Probes of servers.", &["service", "outcome"]);
pub(super) const CONFIG_PROBLEMS: Single =
    Single::gauge("rollgate_config_problems", "Problems that a provider's last configuration has.", &["provider"]);
pub(super) const HELD_BACK: Single =
    Single::gauge("rollgate_config_held_back", "Files that are not live with their newest text.", &["provider"]);
pub(super) const RESTART_NEEDED: Single = Single::gauge(
    "rollgate_config_restart_needed",
    "1 for each static key that was changed and takes effect at the next start.",
    &["key"],
);
pub(super) const LOOKUPS: Single =
    Single::counter("rollgate_dns_lookups_total", "Lookups of servers' names.", &["outcome"]);
pub(super) const LOOKUPS_FAILING: Single =
    Single::gauge("rollgate_dns_failing", "1 for each name of a server whose lookups fail now.", &["host"]);
pub(super) const PASSWORD_CHECKS: Single =
    Single::counter("rollgate_password_checks_total", "Passwords that were compared with a slow hash.", &["outcome"]);
pub(super) const UNSUPPORTED: Single =
    Single::gauge("rollgate_unsupported_allowed", "1 for each key without effect that the operator allowed.", &["key"]);

pub(super) const TRIAL_VERDICTS: Single = Single::counter(
    "rollgate_trial_verdicts_total",
    "Times that the judge of a service's canary came to say something else.",
    &["service", "verdict"],
);
pub(crate) const TRIAL_REQUESTS: Single = Single::counter(
    "rollgate_trial_requests_total",
    "Requests of a rollout's versions that are judged.",
    &["rollout", "service", "version"],
);
pub(crate) const TRIAL_ERRORS: Single =
    Single::counter("rollgate_trial_errors_total", "Those of them that failed.", &["rollout", "service", "version"]);
pub(crate) const TRIAL_SLOW: Single = Single::counter(
    "rollgate_trial_slow_total",
    "Those of the others that were slow; with cohorts, users that had one.",
    &["rollout", "service", "version"],
);
pub(crate) const TRIAL_EVIDENCE: Single = Single::gauge(
    "rollgate_trial_evidence",
    "The natural logarithm of the evidence against a canary.",
    &["rollout", "service", "against"],
);
pub(crate) const TRIAL_BRAKED: Single = Single::gauge(
    "rollgate_trial_braked",
    "1 if the judge has stopped the canary.",
    &["rollout", "service", "version"],
);
pub(crate) const MIRRORED: Single = Single::counter(
    "rollgate_mirrored_total",
    "Copies of requests for a mirror, by what became of them.",
    &["service", "mirror", "outcome"],
);
pub(crate) const RATE_LIMIT: Single = Single::counter(
    "rollgate_ratelimit_total",
    "Requests that met a rate limit, by what became of them.",
    &["middleware", "decision"],
);
pub(crate) const RATE_LIMIT_SOURCES: Single =
    Single::gauge("rollgate_ratelimit_sources", "Sources that have a bucket of their own.", &["middleware"]);
pub(crate) const REDIS_CONNECTIONS: Single =
    Single::gauge("rollgate_redis_connections", "Connections to Redis that can be asked.", &["endpoint"]);
pub(crate) const IN_FLIGHT: Single =
    Single::gauge("rollgate_inflight_requests", "Requests that are under way behind inFlightReq.", &["middleware"]);
pub(crate) const IN_FLIGHT_REFUSED: Single =
    Single::counter("rollgate_inflight_refused_total", "Requests that inFlightReq refused.", &["middleware"]);

pub(super) const BREAKER_STATE: Single = Single::gauge(
    "rollgate_circuit_breaker_state",
    "1 for the state that a circuit breaker is in, 0 for the others.",
    &["middleware", "router", "service", "state"],
);
pub(super) const BREAKER_TRANSITIONS: Single = Single::counter(
    "rollgate_circuit_breaker_transitions_total",
    "How often a circuit breaker came to a state.",
    &["middleware", "router", "service", "to"],
);
pub(super) const BREAKER_REJECTED: Single = Single::counter(
    "rollgate_circuit_breaker_rejected_total",
    "Requests that a circuit breaker did not let through, by what became of them.",
    &["middleware", "router", "service", "outcome"],
);

pub(super) const SINGLES: &[&Single] = &[
    &OPEN_CONNECTIONS,
    &CONNECTIONS,
    &SERVICE_RETRIES,
    &UPSTREAM_CONNECTS,
    &UPSTREAM_REPEATED,
    &ASSIGNMENTS,
    &RETRIES_ENDED,
    &RETRIES_SKIPPED,
    &VERSION_SHARE,
    &VERSION_REQUESTS,
    &REFUSED,
    &PANICS,
    &ACCEPT_FAILURES,
    &COMPRESS_SKIPPED,
    &MEMORY,
    &MEMORY_REFUSING,
    &ACCESS_LOG_DROPPED,
    &NOTICES_LOST,
    &BUILD_INFO,
    &RELOADS,
    &LAST_RELOAD,
    &CERTIFICATES,
    &SERVER_UP,
    &SERVER_CHANGES,
    &HEALTH_CHECKS,
    &CONFIG_PROBLEMS,
    &HELD_BACK,
    &RESTART_NEEDED,
    &UNSUPPORTED,
    &TRIAL_VERDICTS,
    &TRIAL_REQUESTS,
    &TRIAL_ERRORS,
    &TRIAL_SLOW,
    &TRIAL_EVIDENCE,
    &TRIAL_BRAKED,
    &LOOKUPS,
    &LOOKUPS_FAILING,
    &RATE_LIMIT,
    &RATE_LIMIT_SOURCES,
    &REDIS_CONNECTIONS,
    &IN_FLIGHT,
    &IN_FLIGHT_REFUSED,
    &BREAKER_STATE,
    &BREAKER_TRANSITIONS,
    &BREAKER_REJECTED,
    &PASSWORD_CHECKS,
];

/// A kind of owner with Traefik's five request families.
pub(super) struct Kind {
    pub(super) prefix: &'static str,
    pub(super) labels: &'static [&'static str],
}

/// A family that stands on its own.
pub(crate) struct Single {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
}

impl Single {
    pub(super) const fn counter(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: MetricType::COUNTER, labels }
    }

    pub(super) const fn gauge(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        Self { name, help, kind: MetricType::GAUGE, labels }
    }

    pub(super) fn family(&self, metrics: Vec<Metric>) -> MetricFamily {
        family(self.name, self.help, self.kind, metrics)
    }

    pub(super) fn rows(&self, rows: &Rows) -> MetricFamily {
        let metric = |(values, value): (Vec<String>, f64)| {
            gauge(self.labels.iter().zip(&values).map(|(label, value)| pair(label, value)).collect(), value)
        };
        self.family(rows.all().into_iter().map(metric).collect())
    }
}

impl Single {
    pub(super) fn counts(&self, counts: &Counts) -> MetricFamily {
        let metric = |(values, count): (Vec<String>, u64)| {
            counter(self.labels.iter().zip(&values).map(|(label, value)| pair(label, value)).collect(), count)
        };
        self.family(counts.all().into_iter().map(metric).collect())
    }
}

pub(super) fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

pub(super) fn counter(labels: Vec<LabelPair>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

pub(super) fn gauge(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

pub(super) fn histogram(labels: Vec<LabelPair>, bounds: &[f64], cells: &[u64]) -> Metric {
    let mut count = 0;
    let mut buckets = Vec::with_capacity(bounds.len());
    for (bound, cell) in bounds.iter().zip(&cells[BUCKETS..]) {
        count += cell;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(count);
        buckets.push(bucket);
    }
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(cells[BUCKETS..].iter().sum());
    histogram.set_sample_sum(cells[SUM] as f64 / 1e9);
    let mut metric = labelled(labels);
    metric.set_histogram(histogram);
    metric
}

/// A metric with its labels sorted by name.
pub(super) fn labelled(mut labels: Vec<LabelPair>) -> Metric {
    labels.sort_by(|a, b| a.name().cmp(b.name()));
    Metric::from_label(labels)
}

pub(super) fn key_labels(key: Key, owner: &[LabelPair]) -> Vec<LabelPair> {
    let own = [pair("code", &key.code()), pair("method", key.method()), pair("protocol", key.protocol())];
    own.into_iter().chain(owner.iter().cloned()).collect()
}

pub(super) fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}
