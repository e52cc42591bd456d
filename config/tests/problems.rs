//! What an operator is told: each message as a snapshot, in every format.

use rollgate_config::{Allow, Document, Format, read_dynamic, read_static};

/// Everything that is wrong with a file that may hold static and dynamic configuration.
fn told(name: &str, text: &str) -> String {
    told_allowing(name, text, "")
}

fn told_allowing(name: &str, text: &str, allow: &str) -> String {
    let allow = Allow::parse(allow);
    let document = match Document::parse(name, text, Format::of(name).expect("a name with an extension")) {
        Ok(document) => document,
        Err(problems) => return listed(&problems),
    };
    let statics = read_static(&document, &allow);
    let dynamic = read_dynamic(&[document], "file", statics.value.as_ref(), &allow);
    assert_eq!(statics.value.is_none(), !statics.problems.is_empty());
    assert_eq!(dynamic.value.is_none(), !dynamic.problems.is_empty());
    let mut lines = listed(&[statics.problems, dynamic.problems].concat());
    for (heading, problems) in [
        ("allowed", [statics.warnings, dynamic.warnings].concat()),
        ("extensions", [statics.extensions, dynamic.extensions].concat()),
    ] {
        if !problems.is_empty() {
            lines += &format!("-- {heading}\n{}", listed(&problems));
        }
    }
    lines
}

fn listed(problems: &[rollgate_config::problem::Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn a_router_with_everything_wrong() {
    insta::assert_snapshot!(told(
        "rollgate.yml",
        "entryPoints:
  web:
    address: \":80\"
    transport:
      respondingTimeouts:
        readTimout: 5s
        idleTimeout: soon
http:
  routers:
    pro:
      rule: \"Host(`pro.coding`) && Hots(`x`)\"
      entryPoints: [wbe]
      service: stble
      middlewares: nope
      priority: high
    dev:
      rule: |
        Host(`dev.coding`)
          && Path(`x`)
      service: stable
      tls: {certResolver: le, options: strict}
    dev: {}
  services:
    stable:
      loadBalancer:
        servers:
          - url: localhost:8080
          - url: http://a:1/?q
            weight: -1
          - adress: x
    split:
      weighted:
        services:
          - {name: stable, weight: 90.5}
          - {name: canery}
    canary:
      loadBalancer: {sticky: {cookie: {}}, strategy: hrw}
      weighted: {services: []}
  middlewares:
    other: {plugin: {demo: {}}}
    two: {addPrefix: {prefix: x}, stripPrefix: {prefixes: /a}}
    none: {}
tcp: {}
htp: {}
"
    ));
}

#[test]
fn the_same_mistakes_in_toml_and_json() {
    let toml = "# as in the other formats
[entryPoints.web]
address = \"eighty\"
[http.routers.\"pro ü\"]
rule = \"Host(`pro.coding`) && Hots(`x`)\"
service = \"stble\"
[http.services.stable.loadBalancer]
servers = [{ url = \"http://a\", weight = -1 }, { adress = 1_000, wieght = 0x10 }]
[[http.services.split.weighted.services]]
name = \"stable\"
weight = 1e3
[[http.services.split.weighted.services]]
nam = 1979-05-27
";
    let json = "{
  \"entryPoints\": {\"web\": {\"address\": \"eighty\"}},
  \"http\": {
    \"routers\": {\"pro ü\": {\"rule\": \"Host(`pro.coding`) && Hots(`x`)\", \"service\": \"stble\"}},
    \"services\": {
      \"stable\": {\"loadBalancer\": {\"servers\": [{\"url\": \"http://a\", \"weight\": -1}, {\"adress\": 1000}]}},
      \"split\": {\"weighted\": {\"services\": [{\"name\": \"stable\", \"weight\": 1e3}, {\"nam\": null}]}}
    }
  }
}
";
    insta::assert_snapshot!(format!("{}--\n{}", told("a.toml", toml), told("a.json", json)));
}

#[test]
fn static_values_that_are_wrong() {
    insta::assert_snapshot!(told(
        "static.yml",
        "entryPoints:
  a: {address: 80}
  b: {address: ':http'}
  c: {address: ':70000'}
  d: {address: '::1:80'}
  e: {address: '[::g]:80'}
  f: {address: ':80/sctp'}
  g:
    address: [':80']
    asDefault: on
    proxyProtocol: {trustedIPs: [10.0.0.0/40, x]}
    forwardedHeaders: {connection: ['a b']}
    transport: {keepAliveMaxRequests: -1, keepAliveMaxTime: -1s, lifeCycle: {graceTimeOut: 1.5}}
    http:
      redirections: {entryPoint: {to: nowhere, priority: 1.5}}
      underscoreHeadersStrategy: remove
      maxHeaderBytes: 0777
      maxHeaderFields: 0
      maxRequestLineBytes: 65537
      maxBodyBytes: -1
      encodedCharacters: {allowEncodedSlsh: true}
    http2: {maxConcurrentStreams: 9999999999, maxPingsPerSecond: -1}
  G: {address: ':80'}
  a.b: {address: ':80'}
providers: {file: {filename: a, directory: b}}
limits: {maxConnections: 0, maxConnectionsPerClient: -1, memory: 1Gi, memoryRefuseAt: 101, max: 1}
ping: {entryPoint: nope, terminatingStatusCode: 99}
metrics: {prometheus: {buckets: [1, 0.5], headerLabels: {__x: 'a b', 1y: a}}}
log: {level: loud, format: xml}
accessLog:
  format: combined
  filters: {statusCodes: ['99', '500-400', a], minDuration: 1}
  fields: {defaultMode: redact, names: {a: b}, headers: {names: {a: maybe}}}
core: {defaultRuleSyntax: v4}
global: []
"
    ));
}

#[test]
fn who_may_ask_and_is_written_wrong() {
    insta::assert_snapshot!(told(
        "api.yml",
        "api:
  basePath: admin
  host: a
  hosts: ['https://a', 'a:8080', '*.a', '', 'a..b', '[10.0.0.1]', '[::1]:8080', ok.example.com.]
  tokens:
    - {name: ci, role: operate, hash: 'sha256:0001020304050607080910111213141516171819202122232425262728293031'}
    - {name: ci, role: owner, hash: 'sha256:0001020304050607080910111213141516171819202122232425262728293031'}
    - {name: a b, role: read, hash: rg_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8}
    - {name: loopback, role: read, hash: hunter2}
    - {name: md5, role: Read, hash: 'sha256:000102'}
    - {role: read, token: secret}
    - text
  clientCertificates:
    - {name: a, role: read}
    - {name: a, role: admin}
    - {name: '', role: 1}
    - {}
providers: {rest: {insecure: true, secure: false}}
"
    ));
    for path in ["", "/a//b", "//", "/a/..", "/a%20b", "/a?b", "a/"] {
        let told = told("a.json", &format!("{{\"api\": {{\"basePath\": {path:?}}}}}"));
        assert!(told.contains("is no path to serve below"), "{path}: {told}");
    }
}

#[test]
fn breakers_that_are_wrong_or_in_the_wrong_place() {
    insta::assert_snapshot!(told(
        "breaker.yml",
        "entryPoints:
  web: {address: ':80', http: {middlewares: [held@file]}}
http:
  routers:
    r: {rule: Path(`/`), service: s, middlewares: [good, holder, away, fails]}
  services:
    s: {middlewares: [away], loadBalancer: {servers: []}}
  middlewares:
    good: {circuitBreaker: {expression: NetworkErrorRatio() > 0.5}}
    ours: {circuitBreaker: {expression: '!(NetworkErrorRatio() < 0.5)', minRequests: 0}}
    away: {circuitBreaker: {expression: NetworkErrorRatio() > 0.5, onTrip: redistribute}}
    fails: {circuitBreaker: {expression: NetworkErrorRatio() > 0.5, onTrip: fail}}
    held: {chain: {middlewares: [good, away]}}
    holder: {chain: {middlewares: [held]}}
    none: {circuitBreaker: {}}
    empty: {circuitBreaker: {expression: ''}}
    long:
      circuitBreaker:
        expression: |
          NetworkErrorRatio() > 0.5
            || RequestTreshold() > 10
    values:
      circuitBreaker:
        expression: RequestThreshold() > 1.5
        checkPeriod: 0
        fallbackDuration: -1s
        recoveryDuration: soon
        responseCode: 600
        minRequests: -1
        onTrip: other
        minRequest: 5
"
    ));
}

#[test]
fn dynamic_values_that_are_wrong() {
    insta::assert_snapshot!(told(
        "dynamic.yml",
        "http:
  routers:
    high: {rule: Path(`/`), service: s, priority: 9223372036854774808}
    list: {rule: [a], service: {a: b}}
    a@b: {rule: Path(`/`), service: s@docker}
    slow: {rule: Path(`/`), service: s, timeouts: {request: -1s, backend: 1s}}
  services:
    s: {loadBalancer: {servers: [{url: ''}, {url: 'ftp://a'}, {url: 'http://u:p@a'}, {url: 'http://a/#f'}, {url: 'h2c:///x'}], strategy: random}}
    w: {weighted: {services: [{name: s, weight: 0.0000001}, {name: s, weight: 1000001}]}}
    t: {loadBalancer: {serversTransport: none}}
  serversTransports:
    t: {maxIdleConnsPerHost: many, minVersion: VersionTLS13, maxVersion: VersionTLS12, cipherSuites: [TLS_X]}
  middlewares:
    headers: {headers: {customRequestHeaders: {'a b': c, d: \"e\\nf\"}, accessControlAllowOriginListRegex: ['('], stsSeconds: -1, sslRedirect: true}}
    path: {replacePath: {path: x}}
    regex: {redirectRegex: {regex: '(?=x)', replacement: ''}}
    scheme: {redirectScheme: {scheme: 'a b', port: 70000}}
    allow: {ipAllowList: {ipStrategy: {depth: -1, ipv6Subnet: 129}}}
    chain: {chain: {middlewares: [path, pth, x@other]}}
    retry: {retry: {initialInterval: 2h, maxRequestBodyBytes: -2, status: [5xx, 99], disableRetryOnNetworkError: true, budget: {percent: 1001, perSecond: 1}}}
    network: {retry: {attempts: 0, disableRetryOnNetworkError: true}}
    buffer: {buffering: {maxRequestBodyBytes: -1, retryExpression: 'IsNetworkError() && Atempts() < 2'}}
    pages: {errors: {status: 600-500, statusRewrites: {abc: 500, '404': 199}, service: none, errorRequestHeaders: ['a b']}}
    nowhere: {errors: {status: '500'}}
    compress: {compress: {excludedContentTypes: [text/html], includedContentTypes: ['text/', a b], encodings: [gzip, deflate], defaultEncoding: br}}
    nothing: {compress: {encodings: []}}
    web: {grpcWeb: {origins: ['*']}}
    strange: {rateLimits: {}}
tls:
  certificates: [{certFile: a}, {certFile: a, keyFile: ''}]
  options:
    a: {minVersion: TLS12, curvePreferences: [P256], alpnProtocols: [h3], clientAuth: {clientAuthType: RequireAndVerifyClientCert}}
"
    ));
}

#[test]
fn limits_that_are_wrong() {
    insta::assert_snapshot!(told(
        "limits.yml",
        "http:
  middlewares:
    negative: {rateLimit: {average: -1, period: -1s, burst: -1}}
    words: {rateLimit: {average: many, period: soon, burst: 1.5, responseHeaders: perhaps, scope: service, maxSources: 0}}
    slow: {rateLimit: {average: 1, period: 1h, burst: 10000}}
    slower: {rateLimit: {average: 1, period: 10000h}}
    two: {rateLimit: {average: 1, sourceCriterion: {ipStrategy: {depth: 1}, requestHost: true}}}
    three: {inFlightReq: {amount: 1, sourceCriterion: {ipStrategy: {}, requestHeaderName: X, requestHost: true}}}
    address: {rateLimit: {sourceCriterion: {ipStrategy: {depth: -1, excludedIPs: [x], ipv6Subnet: 129}}}}
    header: {rateLimit: {sourceCriterion: {requestHeaderName: 'a b'}}}
    endpoints: {rateLimit: {redis: {endpoints: [redis, 'redis:0', '::1:6379', 'redis://a:6379', 'a@b:1', ':6379'], onFailure: retry, replicas: 0}}}
    numbers: {rateLimit: {redis: {db: -1, poolSize: 1001, minIdleConns: -1, readTimeout: 10m, dialTimeout: soon, password: [a]}}}
    both: {rateLimit: {redis: {onFailure: allow, endpoint: a, tls: {cert: a.pem}}}}
    none: {inFlightReq: {}}
    less: {inFlightReq: {amount: -1}}
    right: {rateLimit: {average: 0, period: 0, burst: 0, sourceCriterion: {requestHeaderName: '', requestHost: false}}}
"
    ));
}

#[test]
fn users_and_servers_to_ask_that_are_wrong() {
    insta::assert_snapshot!(told(
        "auth.yml",
        "http:
  middlewares:
    plain: {basicAuth: {users: ['test:test', 'test'], realm: \"a\\nb\", headerField: 'a b', realms: x}}
    nobody: {basicAuth: {users: []}}
    damaged: {basicAuth: {users: ['a:$2y$31$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e', 'b:$apr1$x']}}
    noFile: {basicAuth: {usersFile: ''}}
    digest: {digestAuth: {users: ['a:b', 'a:b:secret'], usersFile: [a]}}
    forward:
      forwardAuth:
        address: ftp://a
        tls: {cert: a.pem, caOption: true}
        authResponseHeaders: ['a b']
        authResponseHeadersRegex: '('
        maxResponseBodySize: 100000000
        maxBodySize: all
        addAuthCookiesToResponse: ['a=b']
        authSigninURL: login.html
    secret: {forwardAuth: {address: 'http://u:p@a', tls: {key: a.key}}}
    nowhere: {forwardAuth: {address: 'http://', maxBodySize: 1}}
    missing: {forwardAuth: {forwardBody: true}}
"
    ));
}

#[test]
fn what_is_wrong_with_checks_and_with_services_of_services() {
    insta::assert_snapshot!(told(
        "services.yml",
        "http:
  services:
    asked:
      loadBalancer:
        healthCheck:
          mode: tcp
          scheme: ftp
          path: http://elsewhere/x
          method: 'a b'
          status: 99
          port: 70000
          interval: 0
          unhealthyInterval: -1s
          timeout: 500us
          hostname: a/b
          followRedirects: maybe
          headers: {Host: a, Content-Length: '1', 'a b': c}
          retries: 3
        passiveHealthCheck: {failureWindow: 0, maxFailedAttempts: 0, maxEjectedPercent: 101}
    elsewhere: {loadBalancer: {healthCheck: {path: //a/b, method: CONNECT}}}
    weighted: {weighted: {services: [{name: asked}], healthCheck: {interval: 1s}}}
    spare: {failover: {service: asked}}
    silent: {failover: {service: nobody, fallback: copied}}
    copied: {failover: {service: silent, fallback: nothing}}
    nothing: {weighted: {services: []}, failover: {}}
"
    ));
}
