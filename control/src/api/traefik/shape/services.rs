//! Services.

use super::{IP_STRATEGY, Key, Or, boolean, decimal, duration, integer, section, sections, sent, text, texts, url};

/// A service: its kind, and what all kinds have.
pub(in crate::api::traefik) const SERVICE: &[Key] = &[
    texts("middlewares"),
    section("loadBalancer", LOAD_BALANCER),
    section("highestRandomWeight", &[sections("services", CHILD), HEALTH]),
    section("weighted", &[sections("services", CHILD), section("sticky", STICKY), section("cohort", COHORT), HEALTH]),
    section("mirroring", MIRRORING),
    section("failover", FAILOVER),
];

const LOAD_BALANCER: &[Key] = &[
    section("sticky", STICKY),
    sections("servers", &[url("url"), decimal("weight"), boolean("preservePath")]),
    text("strategy").or(Or::Text("wrr")),
    section("healthCheck", HEALTH_CHECK),
    section("passiveHealthCheck", PASSIVE_HEALTH_CHECK),
    boolean("passHostHeader").or(Or::Boolean(true)).kept(),
    section("responseForwarding", &[duration("flushInterval").or(Or::Milliseconds(100))]).or(Or::Section),
    text("serversTransport"),
];

const HEALTH_CHECK: &[Key] = &[
    text("scheme"),
    text("mode").or(Or::Text("http")),
    url("path"),
    text("method"),
    integer("status"),
    integer("port"),
    duration("interval").or(Or::Milliseconds(30_000)),
    duration("unhealthyInterval").kept(),
    duration("timeout").or(Or::Milliseconds(5_000)),
    text("hostname"),
    boolean("followRedirects").or(Or::Boolean(true)).kept(),
    sent("headers"),
];

const PASSIVE_HEALTH_CHECK: &[Key] = &[
    duration("failureWindow").or(Or::Milliseconds(10_000)),
    integer("maxFailedAttempts").or(Or::Integer(1)),
    integer("maxEjectedPercent"),
];

const MIRRORING: &[Key] = &[
    text("service"),
    boolean("mirrorBody").or(Or::Boolean(true)).kept(),
    integer("maxBodySize").or(Or::Integer(-1)).kept(),
    duration("timeout"),
    sections("mirrors", &[text("name"), integer("percent")]),
    HEALTH,
];

const FAILOVER: &[Key] = &[
    text("service"),
    text("fallback"),
    HEALTH,
    section("errors", &[integer("maxRequestBodyBytes").or(Or::Integer(-1)).kept(), texts("status")]),
];

const CHILD: &[Key] = &[text("name"), decimal("weight").or(Or::Integer(1))];

/// That what is above is told of what is below.
const HEALTH: Key = section("healthCheck", &[]);

const STICKY: &[Key] = &[section("cookie", COOKIE), boolean("drain")];

const COHORT: &[Key] = &[section("cookie", COOKIE), text("header"), section("clientIP", IP_STRATEGY), text("salt")];

const COOKIE: &[Key] = &[
    text("name"),
    boolean("secure"),
    boolean("httpOnly"),
    text("sameSite"),
    integer("maxAge"),
    text("path").or(Or::Text("/")).kept(),
    text("domain"),
];
