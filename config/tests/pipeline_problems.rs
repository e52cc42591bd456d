//! What an operator is told of a pipeline that is wrong: each message as a snapshot.

use rollgate_config::{Allow, Document, Format, dynamic::Configuration, problem::Problem, read_dynamic, read_pipeline};

/// Services of every kind that a pipeline may be meant for.
const SERVICES: &str = "http:
  routers: {preview: {rule: Path(`/`), service: new}}
  services:
    pro: {weighted: {services: [{name: old}, {name: new, weight: 0}]}}
    known: {weighted: {services: [{name: old}, {name: new}], cohort: {header: X-User}}}
    kept: {weighted: {services: [{name: old}, {name: new}], sticky: {cookie: {}}}}
    nearest: {highestRandomWeight: {services: [{name: old}, {name: new}]}}
    old: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}
    new: {loadBalancer: {servers: [{url: 'http://127.0.0.1:2'}]}}
";

fn document(name: &str, text: &str) -> Document {
    let format = Format::of(name).expect("a name with an extension");
    Document::parse(name, text, format).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn services() -> Configuration {
    read_dynamic(&[document("services.yml", SERVICES)], "file", None, &Allow::default()).value.expect("it is right")
}

/// What is wrong with a file beside the services.
fn told(text: &str) -> String {
    let documents = [document("services.yml", SERVICES), document("rollouts.yml", text)];
    let read = read_dynamic(&documents, "file", None, &Allow::default());
    assert_eq!(read.value.is_none(), !read.problems.is_empty());
    listed(&read.problems)
}

/// What is wrong with one stage of a pipeline that is right otherwise, the pipeline's part of the place left out.
fn told_of_stage(stage: &str) -> String {
    let text = format!("rollouts: {{r: {{service: known, stable: old, canary: new, stages: [{stage}]}}}}");
    let told = told(&text);
    told.lines().map(|line| format!("{}\n", line.trim_start_matches(|c| c != ' ').trim_start())).collect()
}

#[test]
fn a_pipeline_with_everything_wrong() {
    insta::assert_snapshot!(told(
        "rollouts:
  a@b: {service: pro, stable: old, canary: new, stages: [{ramp: {}}]}
  nothing:
  none: false
  empty: {}
  text: promote
  keys: {service: pro, stable: old, canary: new, stage: [{promote: {}}], onfailure: rolback, name: keys}
  values:
    service: []
    stable: ''
    canary: {a: b}
    analysis:
      alpha: 0
      beta: 51%
      minErrors: 0
      promise: 100%
      veto: often
      errors: {status: 99, grpc: [0, 17, x], connect: 2, timeout: 1s}
      exclude: [health, /metrics]
      latency: {quantile: 40%, threshold: 0}
      repeatedError: true
      discard: 25h
    stages: promote
    onFailure: {webhook: {url: 'http://a'}}
  more:
    service: pro
    stable: old
    canary: new
    analysis: {errors: {status: [], grpc: [], connect: false, timeout: false}, latency: true, alpha: 5, beta: '%'}
    stages: []
    onFailure: []
  less: {service: pro, stable: old, canary: new, analysis: false, stages: [{ramp: {}}], onFailure: none}
"
    ));
}

#[test]
fn stages_that_are_none() {
    insta::assert_snapshot!(told(
        "rollouts:
  r:
    service: pro
    stable: old
    canary: new
    stages:
      - promote
      - ~
      - {}
      - false
      - {name: a}
      - {rmap: {}}
      - {ramp: {}, wait: 5m, name: both}
      - {ramp: false}
      - ramp:
      - {name: 'a b', wait: 5m}
      - {name: '', wait: 5m}
      - {name: é, wait: 5m}
      - {name: long-long-long-long-long-long-long-long-long-long-long-long-long, wait: 5m}
      - {Name: [a], wait: 5m}
"
    ));
}

#[test]
fn stages_in_an_order_that_makes_no_sense() {
    insta::assert_snapshot!(told(
        "rollouts:
  r:
    service: pro
    stable: old
    canary: new
    stages:
      - {name: wait-2, wait: 5m}
      - {wait: 5m}
      - {name: first, ramp: {steps: [1%, 5%]}}
      - {name: same, ramp: {steps: [5%, 10%]}}
      - {name: lower, ramp: {steps: [2%]}}
      - {name: higher, ramp: {steps: [3%]}}
      - {promote: {}}
      - {name: first, wait: 5m}
      - {promote: {}}
      - {ramp: {steps: [50%]}}
      - {abTest: {match: {headers: {a: b}}, duration: 5m}}
      - {watch: {}}
      - {wait: 5m}
      - {protect: {rateLimit: {}}}
    onFailure:
      - {name: first, wait: 5m}
      - {ramp: {}}
      - {promote: {}}
      - {abTest: {match: {headers: {a: b}}, duration: 5m}}
      - {watch: {}}
"
    ));
}

#[test]
fn services_that_are_not_what_a_pipeline_needs() {
    insta::assert_snapshot!(told(
        "rollouts:
  missing: {service: prod, stable: old, canary: new, stages: [{ramp: {}}]}
  elsewhere: {service: pro@rest, stable: old, canary: new, stages: [{ramp: {}}]}
  internal: {service: ping@internal, stable: old, canary: new, stages: [{ramp: {}}]}
  nearest: {service: nearest, stable: old, canary: new, stages: [{ramp: {}}]}
  one: {service: old, stable: old, canary: new, stages: [{ramp: {}}]}
  versions: {service: pro, stable: odl, canary: pro, stages: [{ramp: {}}]}
  same: {service: pro, stable: old, canary: old@file, stages: [{ramp: {}}]}
  router: {service: pro, stable: old, canary: new, stages: [{deploy: {router: preveiw}}], onFailure: [{deploy: {router: nobody@rest}}]}
  cohort: {service: pro, stable: old, canary: new, analysis: {repeatedErrors: true}, stages: [{ramp: {cohort: true}}]}
  kept:
    service: kept
    stable: old
    canary: new
    stages:
      - {name: all, abTest: {match: {headers: {a: b}}, duration: 5m}}
      - {name: half, abTest: {match: {headers: {a: b}}, duration: 5m, draw: 50%}}
      - {ramp: {}}
      - {name: users, ramp: {steps: [60%], cohort: true}}
      - {watch: {}}
"
    ));
    // All of it is right where the service has a cohort.
    let right = "analysis: {repeatedErrors: true}, stages: [{ramp: {cohort: true}}, {deploy: {router: preview}}]";
    assert_eq!(told(&format!("rollouts: {{r: {{service: known, stable: old, canary: new, {right}}}}}")), "");
}

#[test]
fn values_of_stages_that_are_wrong() {
    let stages = [
        "{job: {}}",
        "{job: {command: make all}}",
        "{job: {command: []}}",
        "{job: {command: ['', a]}}",
        "{job: {command: [a, ~, [b]]}}",
        "{job: {command: [\"a\\0\"], env: {A=B: hunter2, '': hunter2, ROLLGATE_STAGE: hunter2, A: \"hunter2\\0\", B: [hunter2]}}}",
        "{job: {command: [a], directory: '', timeout: 999ms, retries: 11, shell: true}}",
        "{job: {command: [a], directory: \"\\0\", timeout: 25h, retries: -1, env: [A]}}",
        "{deploy: {command: [a], webhook: {url: 'http://a'}}}",
        "{deploy: {env: {A: hunter2}, directory: /, retries: 1, healthy: 0, timeout: 0, router: ''}}",
        "{approve: {message: [a], role: owner, tokens: ['', \"a\\n\"], timeout: 31d, onTimeout: no}}",
        "{approve: {timeout: 721h}}",
        "{approve: {onTimeout: approve}}",
        "{watch: 5m}",
        "{watch: {margin: 1, minRequests: -1, duration: 5m}}",
        "{wait: 0}",
        "{wait: 721h}",
        "{wait: {}}",
        "{wait: {length: 5m}}",
        "{wait: [5m]}",
        "{protect: {}}",
        "{protect: {rateLimit: false, circuitBreaker: false}}",
        "{protect: {rateLimit: {headroom: 0.9, atLeast: 0, atMost: 1.5}}}",
        "{protect: {rateLimit: {headroom: 2, average: 0, burst: 0}}}",
        "{protect: {rateLimit: {burst: 5, atLeast: 5, atMost: 4}}}",
        "{protect: {circuitBreaker: {factor: 1, atLeast: 0, atMost: 101%}}}",
        "{protect: {circuitBreaker: {factor: 101, atMost: 4%}}}",
        "{protect: {circuitBreaker: {expression: RequestTreshold() > 1, atLeast: 5%}}}",
        "{promote: {writeBack: ' '}}",
        "{promote: {writeBack: \"a\\0\"}}",
        "{promote: all}",
    ];
    let told: String = stages.iter().map(|stage| format!("{stage}\n{}", told_of_stage(stage))).collect();
    assert!(!told.replace(&stages.concat(), "").lines().any(|line| !line.starts_with('{') && line.contains("hunter2")));
    insta::assert_snapshot!(told);
}

#[test]
fn webhooks_that_are_wrong() {
    let webhooks = [
        "{}",
        "{url: ftp://a, method: HEAD}",
        "{url: 'http://a/#b', method: post}",
        "{url: 'http://me:hunter2@a/'}",
        "{url: 'http://a', headers: {Host: hunter2, a b: hunter2, A: \"hunter2\\n\", B: [hunter2], c: x, C: x}}",
        "{url: 'http://a', body: '${stagee} ${other} ${stage'}",
        "{url: 'http://a', timeout: 11m, retries: 101}",
        "{url: 'http://a', success: {status: [], json: {pointer: status, value: [ok]}}}",
        "{url: 'http://a', success: {status: [20, 200-299], json: {pointer: /a~2}}}",
        "{url: 'http://a', success: false}",
    ];
    let told = webhooks.map(|webhook| format!("{webhook}\n{}", told_of_stage(&format!("{{webhook: {webhook}}}"))));
    assert!(!told.concat().lines().any(|line| !line.starts_with('{') && line.contains("hunter2")));
    insta::assert_snapshot!(told.concat());
}

#[test]
fn audiences_that_are_wrong() {
    let audiences = [
        "{}",
        "{match: {}, duration: 0}",
        "{match: [], requests: 0}",
        "{match: true, duration: 721h, draw: 0}",
        "{match: false, requests: 1, draw: 51%}",
        "{match: [{headers: {a: b}}, {}, x], duration: 5m}",
        "{match: {headers: {}, cookies: true, query: false, clientIP: {}}, duration: 5m}",
        "{match: {headers: {a b: c, Host: d, A: \"e\\n\", f: ~, g: {h: i}}}, duration: 5m}",
        "{match: {cookies: {a b: c, d: [[]]}, query: [a]}, duration: 5m}",
        "{match: {clientIP: false}, duration: 5m}",
        "{match: {clientIP: {sourceRange: [10.0.0.0/33], ipStrategy: {depth: -1}}}, duration: 5m}",
        "{match: {header: {a: b}}, duration: soon}",
    ];
    let told = audiences.map(|test| format!("{test}\n{}", told_of_stage(&format!("{{abTest: {test}}}"))));
    insta::assert_snapshot!(told.concat());
}

#[test]
fn ramps_that_are_wrong() {
    let ramps = [
        "{steps: []}",
        "{steps: [0, 1, 51%, '%', true, {}]}",
        "{steps: [5%, 5%, 1%, 10%]}",
        "{steps: [{weight: 5%, minDuration: 721h, minRequests: -1, margin: 1}, {weight: 0.1, margin: 100.1}]}",
        "{steps: [{weight: 5%, margin: 1e1, minDuration: -1s}], cohort: maybe}",
        "{step: 5%}",
    ];
    let told = ramps.map(|ramp| format!("{ramp}\n{}", told_of_stage(&format!("{{ramp: {ramp}}}"))));
    insta::assert_snapshot!(told.concat());
}

#[test]
fn what_is_too_much_is_told_with_what_is_allowed() {
    let many = |item: &str, count: usize| vec![item; count].join(", ");
    let pipeline = |rest: &str| format!("rollouts: {{r: {{service: pro, stable: old, canary: new, {rest}}}}}");
    let of = |rest: String| told(&pipeline(&rest));
    let steps: Vec<String> = (1..=33).map(|step| format!("{step}%")).collect();
    let list = |items: &[String]| format!("stages: [{{ramp: {{steps: [{}]}}}}]", items.join(", "));
    let networks = |count| {
        format!(
            "stages: [{{abTest: {{duration: 5m, match: {{clientIP: {{sourceRange: [{}]}}}}}}}}]",
            many("10.0.0.1", count)
        )
    };
    let exclude = |count| format!("analysis: {{exclude: [{}]}}, stages: [{{ramp: {{}}}}]", many("/a", count));
    let message = |length| format!("stages: [{{approve: {{message: {}}}}}]", "x".repeat(length));
    insta::assert_snapshot!(
        [
            of(format!("stages: [{}]", many("{wait: 5m}", 65))),
            of(format!("stages: [{{ramp: {{}}}}], onFailure: [{}]", many("{wait: 5m}", 65))),
            of(list(&steps)),
            of(networks(1_001)),
            of(exclude(65)),
            of(message(256 << 10)),
        ]
        .concat()
    );
    for right in [
        format!("stages: [{}]", many("{wait: 5m}", 64)),
        list(&steps[..32]),
        networks(1_000),
        exclude(64),
        message(255 << 10),
    ] {
        assert_eq!(of(right), "");
    }
}

#[test]
fn one_name_in_two_files_is_told_with_both_places() {
    let text = "rollouts: {r: {service: pro, stable: old, canary: new, stages: [{ramp: {}}]}}";
    let documents = [document("services.yml", SERVICES), document("a.yml", text), document("b.yml", text)];
    let read = read_dynamic(&documents, "file", None, &Allow::default());
    assert_eq!(listed(&read.problems), "b.yml:1:12: rollouts.r: \"r\" is given twice, first at a.yml:1:12\n");
}

#[test]
fn a_pipeline_that_is_sent_is_told_of_by_its_own_keys() {
    let told = |text: &str, provider: &str| {
        let document = document("request.json", text);
        listed(&read_pipeline(&document, provider, &services(), &Allow::default()).problems)
    };
    let wrong = r#"{
  "name": "a@b", "service": "prod", "stable": "old", "canary": "new",
  "stages": [{"deploy": {"router": "preveiw"}}, {"ramp": {"steps": ["60%"]}}],
  "http": {}
}"#;
    let others =
        r#"{"name": "a", "service": "pro", "stable": "old@file", "canary": "new@file", "stages": [{"ramp": {}}]}"#;
    let unnamed = r#"{"service": "pro", "stable": "old", "canary": "newer", "stages": [{"ramp": {}}]}"#;
    insta::assert_snapshot!([told(wrong, "file"), told(others, "rest"), told(unnamed, "file")].concat());
}
