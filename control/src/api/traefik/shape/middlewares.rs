//! Middlewares.

use super::{
    IP_STRATEGY, Key, Or, boolean, decimal, duration, integer, numbers, pairs, secret, secrets, section, sent, text,
    texts, url,
};

/// A middleware: its kind.
pub(in crate::api::traefik) const MIDDLEWARE: &[Key] = &[
    section("addPrefix", &[text("prefix")]),
    section("stripPrefix", &[texts("prefixes"), boolean("forceSlash").kept()]),
    section("stripPrefixRegex", &[texts("regex")]),
    section("replacePath", &[text("path")]),
    section("replacePathRegex", &[text("regex"), text("replacement")]),
    section("chain", &[texts("middlewares")]),
    section("ipAllowList", &[texts("sourceRange"), section("ipStrategy", IP_STRATEGY), integer("rejectStatusCode")]),
    section("headers", HEADERS),
    section("encodedCharacters", ENCODED_CHARACTERS),
    section("errors", ERRORS),
    section("rateLimit", RATE_LIMIT),
    section("redirectRegex", &[text("regex"), text("replacement"), boolean("permanent")]),
    section("redirectScheme", &[text("scheme"), text("port"), boolean("permanent")]),
    section("basicAuth", USERS),
    section("digestAuth", USERS),
    section("forwardAuth", FORWARD_AUTH),
    section("inFlightReq", &[integer("amount"), section("sourceCriterion", SOURCE_CRITERION), text("scope")]),
    section("buffering", BUFFERING),
    section("circuitBreaker", CIRCUIT_BREAKER),
    section("compress", COMPRESS),
    section("passTLSClientCert", &[boolean("pem"), section("info", CERTIFICATE_INFO)]),
    section("retry", RETRY),
    section("contentType", &[boolean("autoDetect").kept()]),
    section("grpcWeb", &[texts("allowOrigins")]),
];

const HEADERS: &[Key] = &[
    sent("customRequestHeaders"),
    pairs("customResponseHeaders"),
    boolean("accessControlAllowCredentials"),
    texts("accessControlAllowHeaders"),
    texts("accessControlAllowMethods"),
    texts("accessControlAllowOriginList"),
    texts("accessControlAllowOriginListRegex"),
    texts("accessControlExposeHeaders"),
    integer("accessControlMaxAge").kept(),
    boolean("addVaryHeader"),
    texts("allowedHosts"),
    texts("hostsProxyHeaders"),
    pairs("sslProxyHeaders"),
    integer("stsSeconds").kept(),
    boolean("stsIncludeSubdomains"),
    boolean("stsPreload"),
    boolean("forceSTSHeader"),
    boolean("frameDeny"),
    text("customFrameOptionsValue"),
    boolean("contentTypeNosniff"),
    boolean("browserXssFilter"),
    text("customBrowserXSSValue"),
    text("contentSecurityPolicy"),
    text("contentSecurityPolicyReportOnly"),
    text("publicKey"),
    text("referrerPolicy"),
    text("permissionsPolicy"),
    boolean("isDevelopment"),
];

const ENCODED_CHARACTERS: &[Key] = &[
    boolean("allowEncodedSlash"),
    boolean("allowEncodedBackSlash"),
    boolean("allowEncodedNullCharacter"),
    boolean("allowEncodedSemicolon"),
    boolean("allowEncodedPercent"),
    boolean("allowEncodedQuestionMark"),
    boolean("allowEncodedHash"),
];

const ERRORS: &[Key] =
    &[texts("status"), numbers("statusRewrites"), text("service"), text("query"), texts("errorRequestHeaders")];

const RATE_LIMIT: &[Key] = &[
    integer("average"),
    duration("period").or(Or::Milliseconds(1_000)),
    integer("burst").or(Or::Integer(1)),
    section("sourceCriterion", SOURCE_CRITERION),
    section("redis", REDIS),
    text("scope"),
    integer("maxSources"),
    boolean("responseHeaders"),
];

const SOURCE_CRITERION: &[Key] =
    &[section("ipStrategy", IP_STRATEGY), text("requestHeaderName"), boolean("requestHost")];

const REDIS: &[Key] = &[
    texts("endpoints").or(Or::Texts(&["localhost:6379"])),
    section("tls", CLIENT_TLS),
    secret("username"),
    secret("password"),
    integer("db"),
    integer("poolSize"),
    integer("minIdleConns"),
    integer("maxActiveConns"),
    duration("readTimeout").or(Or::Milliseconds(3_000)).kept(),
    duration("writeTimeout").or(Or::Milliseconds(3_000)).kept(),
    duration("dialTimeout").or(Or::Milliseconds(5_000)).kept(),
    text("onFailure"),
    integer("replicas"),
];

/// Each may be the text of a file.
const CLIENT_TLS: &[Key] =
    &[secret("ca"), secret("cert"), secret("key"), boolean("insecureSkipVerify"), boolean("caOptional").kept()];

const USERS: &[Key] =
    &[secrets("users"), text("usersFile"), text("realm"), boolean("removeHeader"), text("headerField")];

const FORWARD_AUTH: &[Key] = &[
    url("address"),
    section("tls", CLIENT_TLS),
    boolean("trustForwardHeader").kept(),
    texts("authResponseHeaders"),
    text("authResponseHeadersRegex"),
    texts("authRequestHeaders"),
    integer("maxResponseBodySize").kept(),
    texts("addAuthCookiesToResponse"),
    text("headerField"),
    boolean("forwardBody"),
    integer("maxBodySize").or(Or::Integer(-1)).kept(),
    boolean("preserveLocationHeader"),
    boolean("preserveRequestMethod"),
    url("authSigninURL"),
];

const BUFFERING: &[Key] = &[
    integer("maxRequestBodyBytes"),
    integer("memRequestBodyBytes"),
    integer("maxResponseBodyBytes"),
    integer("memResponseBodyBytes"),
    text("retryExpression"),
];

const CIRCUIT_BREAKER: &[Key] = &[
    text("expression"),
    duration("checkPeriod").or(Or::Milliseconds(100)),
    duration("fallbackDuration").or(Or::Milliseconds(10_000)),
    duration("recoveryDuration").or(Or::Milliseconds(10_000)),
    integer("responseCode").or(Or::Integer(503)),
    integer("minRequests").kept(),
    text("onTrip"),
];

const COMPRESS: &[Key] = &[
    texts("excludedContentTypes"),
    texts("includedContentTypes"),
    integer("minResponseBodyBytes"),
    texts("encodings").or(Or::Texts(&["gzip", "br", "zstd"])),
    text("defaultEncoding"),
];

const CERTIFICATE_INFO: &[Key] = &[
    boolean("notAfter"),
    boolean("notBefore"),
    boolean("sans"),
    boolean("serialNumber"),
    section("subject", SUBJECT),
    section("issuer", ISSUER),
];

const SUBJECT: &[Key] = &[
    boolean("country"),
    boolean("province"),
    boolean("locality"),
    boolean("organization"),
    boolean("organizationalUnit"),
    boolean("commonName"),
    boolean("serialNumber"),
    boolean("domainComponent"),
];

const ISSUER: &[Key] = &[
    boolean("country"),
    boolean("province"),
    boolean("locality"),
    boolean("organization"),
    boolean("commonName"),
    boolean("serialNumber"),
    boolean("domainComponent"),
];

const RETRY: &[Key] = &[
    integer("attempts"),
    duration("timeout"),
    duration("initialInterval"),
    integer("maxRequestBodyBytes").or(Or::Integer(2 << 20)).kept(),
    texts("status"),
    boolean("disableRetryOnNetworkError"),
    boolean("retryNonIdempotentMethod"),
    duration("perTryTimeout"),
    section("budget", &[decimal("percent"), integer("minPerSecond").kept()]),
];
