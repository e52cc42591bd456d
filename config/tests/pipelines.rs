//! Pipelines: from the configuration, by themselves, and from what was kept of them, always the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{prelude::*, sample::Index};
use rollgate_config::{
    Allow, Document, Format,
    dynamic::{
        Configuration,
        rollout::{
            OnFailure, Pipeline,
            stage::{DeployBy, StageKind},
        },
    },
    problem::Problem,
    read_dynamic, read_pipeline, reread_pipeline,
    scalar::{Secret, Share},
    schema, validate_pipeline,
};
use serde_json::{Map, Value, json};

const EXAMPLE: &str = include_str!("../../examples/rollout/rollgate.yml");

const SERVICES: &str = "http:
  routers: {preview: {rule: Path(`/`), service: new}}
  services:
    pro: {weighted: {services: [{name: old}, {name: new, weight: 0}], cohort: {header: X-User}}}
    old: {loadBalancer: {servers: [{url: 'http://127.0.0.1:1'}]}}
    new: {loadBalancer: {servers: [{url: 'http://127.0.0.1:2'}]}}
";

fn parse(text: &str, format: Format) -> Document {
    Document::parse("a", text, format).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

fn configuration(texts: &[(&str, Format)]) -> Result<Configuration, Vec<Problem>> {
    let documents: Vec<Document> = texts.iter().map(|(text, format)| parse(text, *format)).collect();
    let read = read_dynamic(&documents, "file", None, &Allow::default());
    read.value.ok_or(read.problems)
}

/// Of a configuration beside the services.
fn pipeline(text: &str, format: Format) -> Result<Arc<Pipeline>, Vec<Problem>> {
    configuration(&[(SERVICES, Format::Yaml), (text, format)]).map(|read| read.rollouts["r@file"].clone())
}

fn again(pipeline: &Pipeline) -> Pipeline {
    reread_pipeline("r@file", &pipeline.source).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

/// Everything but places and the source.
fn shown(pipeline: &Pipeline) -> (String, Vec<BTreeMap<String, Secret>>) {
    let text = format!("{pipeline:?}");
    let places = regex::Regex::new(r#"at: Place \{ source: "[^"]*", line: \d+, column: \d+ \}"#).expect("it is one");
    (places.replace_all(&text, "").into_owned(), secrets(pipeline))
}

/// What a debug form does not show.
fn secrets(pipeline: &Pipeline) -> Vec<BTreeMap<String, Secret>> {
    let failure = match &pipeline.on_failure {
        OnFailure::Stages(stages) => stages,
        OnFailure::Rollback | OnFailure::Hold => &Vec::new(),
    };
    let of = |kind: &StageKind| match kind {
        StageKind::Job(job) => Some(job.env.clone()),
        StageKind::Webhook(webhook) => Some(webhook.headers.clone()),
        StageKind::Deploy(deploy) => match &deploy.by {
            Some(DeployBy::Command(command)) => Some(command.env.clone()),
            Some(DeployBy::Webhook(webhook)) => Some(webhook.headers.clone()),
            None => None,
        },
        _ => None,
    };
    pipeline.stages.iter().chain(failure).filter_map(|stage| of(&stage.kind)).collect()
}

#[test]
fn the_example_is_read_and_read_again() {
    let read = configuration(&[(EXAMPLE, Format::Yaml)]).unwrap_or_else(|problems| panic!("{}", listed(&problems)));
    let pipeline = &read.rollouts["release@file"];
    let kinds: Vec<&str> = pipeline.stages.iter().map(|stage| stage.kind.name()).collect();
    assert_eq!(
        kinds.join(" "),
        "job deploy approve abTest abTest ramp approve protect promote wait webhook",
        "the example shows each kind"
    );
    assert_eq!(shown(&again(pipeline)), shown(pipeline));
    assert_eq!(validate_pipeline("release@file", pipeline, &read), []);
}

#[test]
fn every_key_is_in_the_fixture() {
    let read = configuration(&[(include_str!("fixtures/dynamic.yml"), Format::Yaml)]).expect("it is right");
    let mut written = BTreeSet::new();
    for pipeline in read.rollouts.values() {
        collect(&serde_json::from_str(&pipeline.source).expect("it is JSON"), "", &mut written);
    }
    // The same readers.
    let same = |key: &str| {
        key.replace("onFailure[]", "stages[]").replace("deploy.webhook", "webhook").replace("match[]", "match")
    };
    let written: BTreeSet<String> = written.iter().map(|key| same(key)).collect();
    let known: BTreeSet<String> =
        schema().iter().filter_map(|(key, _)| Some(same(key.strip_prefix("rollouts.N.")?))).collect();
    assert!(known.len() > 60, "{known:?}");
    let missing: Vec<&String> = known.iter().filter(|key| !written.contains(*key)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The paths of all keys.
fn collect(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            paths.insert(path.clone());
            collect(value, &path, paths);
        }),
        Value::Array(items) => items.iter().for_each(|item| collect(item, &format!("{path}[]"), paths)),
        _ => {}
    }
}

#[test]
fn what_is_kept_is_what_was_written() {
    let yaml = "# A pipeline
rollouts:
  r:
    service: pro
    Stable: 'old'
    canary: new@file
    analysis: ~
    stages:
      - &step {ramp: {steps: [0.5%, {weight: 0.10, margin: '3'}], cohort: True}}
      - promote: {}
      - <<: {wait: 090s}
        name: \"a\"
";
    let source = r#"{"service":"pro","Stable":"old","canary":"new@file","analysis":null,"stages":[{"ramp":{"steps":["0.5%",{"weight":0.10,"margin":"3"}],"cohort":"True"}},{"promote":{}},{"name":"a","wait":"090s"}]}"#;
    let read = pipeline(yaml, Format::Yaml).unwrap_or_else(|problems| panic!("{}", listed(&problems)));
    assert_eq!(&*read.source, source);
    assert_eq!(&*again(&read).source, source);
    // Its own name is kept by whoever keeps it.
    let sent = format!("{{\"NAME\": \"r\", {}", &source[1..]);
    let configuration = configuration(&[(SERVICES, Format::Yaml)]).expect("it is right");
    let read = read_pipeline(&parse(&sent, Format::Json), "file", &configuration, &Allow::default());
    let (name, sent) = read.value.unwrap_or_else(|| panic!("{}", listed(&read.problems)));
    assert_eq!((&*name, &*sent.source), ("r@file", source));
}

#[test]
fn what_looks_like_a_template_is_kept_too() {
    // A file may not hold it but escaped.
    let text = "rollouts: {r: {service: pro, stable: old, canary: new, stages: [{approve: {message: \"\\x7B{a}}\"}}]}}";
    let read = pipeline(text, Format::Yaml).unwrap_or_else(|problems| panic!("{}", listed(&problems)));
    assert!(read.source.contains("{{a}}"), "{}", read.source);
    assert_eq!(shown(&again(&read)), shown(&read));
}

#[test]
fn names_are_qualified_by_the_provider_of_the_pipeline() {
    let sent = r#"{"name": "r", "service": "pro", "stable": "old", "canary": "new", "stages": [{"ramp": {}}]}"#;
    let rest = read_dynamic(&[parse(SERVICES, Format::Yaml)], "rest", None, &Allow::default()).value.expect("right");
    let read = read_pipeline(&parse(sent, Format::Json), "rest", &rest, &Allow::default());
    let (name, pipeline) = read.value.unwrap_or_else(|| panic!("{}", listed(&read.problems)));
    assert_eq!((&*name, &*pipeline.service.value), ("r@rest", "pro@rest"));
    let again = reread_pipeline(&name, &pipeline.source).expect("it is right");
    assert_eq!(shown(&again), shown(&pipeline));
    // What it refers to is gone.
    let problems = validate_pipeline(&name, &again, &Configuration::default());
    assert_eq!(listed(&problems), "r@rest:1:12: rollouts.r.service: unknown service \"pro\"\n");
}

#[test]
fn stages_without_a_name_have_their_kinds() {
    let text = "rollouts: {r: {service: pro, stable: old, canary: new, stages: [{wait: 1}, {name: wait-2, wait: 1}, \
                {wait: 1}, {promote: {}}, {wait: 1}], onFailure: [{wait: 1}, {name: a_B-9, wait: 1}]}}";
    let read = pipeline(text, Format::Yaml).unwrap_or_else(|problems| panic!("{}", listed(&problems)));
    let OnFailure::Stages(failure) = &read.on_failure else { panic!("there are stages") };
    let names: Vec<&str> = read.stages.iter().chain(failure).map(|stage| &*stage.name).collect();
    assert_eq!(names, ["wait", "wait-2", "wait-3", "promote", "wait-4", "wait-5", "a_B-9"]);
}

#[test]
fn a_reference_to_what_is_broken_is_not_broken_itself() {
    let text = "http:
  routers: {preview: {rule: Nothing(), service: new}}
  services: {pro: {weighted: {services: []}, loadBalancer: {}}, none: {weighted: {services: []}}, old: {loadBalancer: {}}, new: {loadBalancer: {}}}
rollouts: {r: {service: pro, stable: old, canary: new, stages: [{deploy: {router: preview}}]},
  s: {service: none, stable: old, canary: new, stages: [{promote: {}}]}}
";
    let problems = configuration(&[(text, Format::Yaml)]).expect_err("some are broken");
    assert!(problems.iter().all(|problem| problem.path.starts_with("http.")), "{}", listed(&problems));
}

#[test]
fn nobody_is_shown_a_secret() {
    let text = r#"{"rollouts": {"r": {"service": "pro", "stable": "old", "canary": "new", "stages": [
        {"job": {"command": ["a"], "env": {"A": "hunter2"}}},
        {"deploy": {"command": ["a"], "ENV": {"A": "hunter2"}}},
        {"deploy": {"webhook": {"url": "http://a", "headers": {"A": "hunter2"}}}},
        {"abTest": {"match": {"headers": {"A": "seen"}}, "requests": 1}},
        {"webhook": {"url": "http://a", "Headers": {"A": "hunter2"}}}],
        "onFailure": [{"job": {"command": ["a"], "env": {"A": "hunter2"}}}, {"webhook": {"url": "http://a", "headers": {"A": "hunter2"}}}]}}}"#;
    let pipeline = pipeline(text, Format::Json).unwrap_or_else(|problems| panic!("{}", listed(&problems)));
    assert_eq!(pipeline.source.matches("hunter2").count(), 6);
    assert!(secrets(&pipeline).iter().all(|secrets| secrets.values().all(|secret| secret.0 == "hunter2")));
    assert_eq!(secrets(&pipeline).len(), 6);
    for shown in [format!("{pipeline:?}"), format!("{pipeline:#?}"), pipeline.shown()] {
        assert!(!shown.contains("hunter2") && shown.contains("seen"), "{shown}");
    }
    let masked: Value = serde_json::from_str(&pipeline.shown()).expect("it is JSON");
    let mut source: Value = serde_json::from_str(&pipeline.source.replace("hunter2", "***")).expect("it is JSON");
    assert_eq!(masked, source);
    source["stages"][0]["job"]["env"]["A"] = "other".into();
    assert_ne!(masked, source);
}

/// A key that may be left out.
fn maybe(
    key: &'static str,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Option<(&'static str, Value)>> {
    prop::option::of(value.prop_map(move |value| (key, value))).boxed()
}

/// A key that is always there.
fn key(
    key: &'static str,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Option<(&'static str, Value)>> {
    value.prop_map(move |value| Some((key, value))).boxed()
}

fn section(keys: Vec<BoxedStrategy<Option<(&'static str, Value)>>>) -> BoxedStrategy<Value> {
    let object = |keys: Vec<Option<(&str, Value)>>| {
        keys.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()
    };
    keys.prop_map(move |keys| Value::Object(object(keys))).boxed()
}

/// Any text that may be a command's argument, and that a file may hold.
fn text() -> BoxedStrategy<Value> {
    any::<String>().prop_map(|text| text.replace(['\0', '{'], "").into()).boxed()
}

fn printable() -> BoxedStrategy<Value> {
    "[ -zé]{0,12}".prop_map(Value::from).boxed()
}

fn share(most: u32) -> BoxedStrategy<Value> {
    (1..=most, any::<bool>())
        .prop_map(|(share, percent)| {
            let decimal = rollgate_config::scalar::Weight(share.into()).to_string();
            if percent { Share(share).to_string().into() } else { decimal.into() }
        })
        .boxed()
}

fn seconds() -> BoxedStrategy<Value> {
    prop_oneof![(1..600_u32).prop_map(Value::from), (1..10_u32).prop_map(|minutes| format!("{minutes}m0.5s").into())]
        .boxed()
}

fn names(value: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let entries = prop::collection::btree_map("[a-z]{1,4}", value, 1..4);
    entries.prop_map(|entries| Value::Object(entries.into_iter().collect())).boxed()
}

fn list(item: BoxedStrategy<Value>, least: usize) -> BoxedStrategy<Value> {
    prop::collection::vec(item, least..least + 3).prop_map(Value::Array).boxed()
}

fn command() -> Vec<BoxedStrategy<Option<(&'static str, Value)>>> {
    let command = list(text(), 0).prop_map(|arguments| {
        let Value::Array(arguments) = arguments else { unreachable!("it is a list") };
        Value::Array([json!("run")].into_iter().chain(arguments).collect())
    });
    vec![
        key("command", command),
        maybe("env", names(text())),
        maybe("directory", Just(json!("/srv"))),
        maybe("retries", (0..=10).prop_map(Value::from)),
        maybe("timeout", seconds()),
    ]
}

fn webhook() -> BoxedStrategy<Value> {
    let wanted = section(vec![key("pointer", Just(json!("/a/0~1"))), key("value", text())]);
    let success = section(vec![maybe("status", Just(json!([200, "202-204"]))), maybe("json", wanted)]);
    section(vec![
        key("url", Just(json!("https://a/b?c"))),
        maybe("method", Just(json!("put"))),
        maybe("headers", names(printable())),
        maybe(
            "body",
            prop_oneof![
                Just(json!("{\"a\": \"${stage}\"}")),
                printable().prop_filter("no name", |text| !text.to_string().contains("${"))
            ],
        ),
        maybe("timeout", seconds()),
        maybe("retries", (0..=100).prop_map(Value::from)),
        maybe("success", success),
    ])
}

fn audience() -> BoxedStrategy<Value> {
    let values = |value: BoxedStrategy<Value>| names(prop_oneof![value.clone(), list(value, 0)].boxed());
    let address = json!({"sourceRange": "10.0.0.0/8", "ipStrategy": {"depth": 1}});
    let all = section(vec![
        maybe("headers", values(printable())),
        maybe("cookies", values(text())),
        key("query", values(text())),
        maybe("clientIP", Just(address)),
    ]);
    prop_oneof![all.clone(), list(all, 1)].boxed()
}

fn ramp() -> BoxedStrategy<Value> {
    let weights = prop::collection::btree_set(1..=500_000_u32, 1..6);
    let steps = weights.prop_flat_map(|weights| {
        let step = |weight: u32| {
            let weight: Value = Share(weight).to_string().into();
            let long = section(vec![
                key("weight", Just(weight.clone())),
                maybe("minDuration", seconds()),
                maybe("minRequests", (0..1000).prop_map(Value::from)),
                maybe("margin", prop_oneof![Just(json!(1.5)), Just(json!("20"))]),
            ]);
            prop_oneof![Just(weight), long].boxed()
        };
        weights.into_iter().map(step).collect::<Vec<_>>().prop_map(Value::Array)
    });
    section(vec![maybe("steps", steps), maybe("cohort", any::<bool>().prop_map(Value::from))])
}

/// A stage that may stand anywhere.
fn stage() -> BoxedStrategy<Value> {
    let approve = section(vec![
        maybe("message", text()),
        maybe("role", Just(json!("admin"))),
        maybe("tokens", Just(json!(["ann", "ci"]))),
        key("timeout", seconds()),
        maybe("onTimeout", Just(json!("approve"))),
    ]);
    let deploy = prop_oneof![
        section(command()),
        section(vec![
            maybe("webhook", webhook()),
            maybe("router", Just(json!("preview"))),
            maybe("healthy", Just(json!("2")))
        ]),
    ];
    let observed = section(vec![maybe("headroom", Just(json!(1))), maybe("atLeast", Just(json!(5)))]);
    let rate = prop_oneof![observed, Just(json!({"average": 5, "burst": 1}))];
    let breaker = prop_oneof![
        section(vec![maybe("factor", Just(json!(2.5)))]),
        Just(json!({"expression": "NetworkErrorRatio() > 0.5"}))
    ];
    prop_oneof![
        section(vec![key("job", section(command()))]),
        section(vec![key("deploy", deploy)]),
        section(vec![key("approve", approve)]),
        section(vec![key("wait", prop_oneof![seconds(), seconds().prop_map(|length| json!({"duration": length}))])]),
        section(vec![key("webhook", webhook())]),
        section(vec![key("protect", section(vec![key("rateLimit", rate), maybe("circuitBreaker", breaker)]))]),
    ]
    .boxed()
}

/// A pipeline that is right.
fn right() -> impl Strategy<Value = Value> {
    let test = section(vec![
        key("match", audience()),
        maybe("duration", seconds()),
        key("requests", (1..1000).prop_map(Value::from)),
        maybe("draw", share(500_000)),
    ]);
    let before = prop::collection::vec(prop_oneof![3 => stage(), 1 => section(vec![key("abTest", test)])], 0..4);
    let end = prop::collection::vec(stage(), 0..2);
    let ramp = prop::option::of(section(vec![key("ramp", ramp())]));
    let stages = (before, ramp, end).prop_map(|(before, ramp, end)| {
        let mut stages: Vec<Value> =
            before.into_iter().chain(ramp).chain([json!({"promote": {}})]).chain(end).collect();
        stages[0]["name"] = "first".into();
        Value::Array(stages)
    });
    let errors = section(vec![
        maybe("status", Just(json!(["500-599", 429]))),
        maybe("grpc", Just(json!([14]))),
        maybe("connect", any::<bool>().prop_map(Value::from)),
        key("timeout", Just(json!(true))),
    ]);
    let latency = prop_oneof![Just(json!(false)), Just(json!({"quantile": "99%"})), Just(json!({"threshold": "1s"}))];
    let analysis = section(vec![
        maybe("alpha", share(200_000)),
        maybe("beta", share(500_000)),
        maybe("promise", share(999_999)),
        maybe("minErrors", (1..1000).prop_map(Value::from)),
        maybe("veto", any::<bool>().prop_map(Value::from)),
        maybe("errors", errors),
        maybe("exclude", Just(json!(["/a"]))),
        maybe("latency", latency),
        maybe("repeatedErrors", any::<bool>().prop_map(Value::from)),
        maybe("discard", seconds()),
    ]);
    let failure = prop_oneof![Just(json!("rollback")), Just(json!("hold")), list(stage(), 1)];
    section(vec![
        key("service", Just(json!("pro"))),
        key("stable", Just(json!("old"))),
        key("canary", Just(json!("new@file"))),
        maybe("analysis", analysis),
        key("stages", stages),
        maybe("onFailure", failure),
    ])
}

/// The `index`th value in a tree, in the order written.
fn nth<'v>(value: &'v mut Value, index: &mut usize) -> Option<&'v mut Value> {
    if *index == 0 {
        return Some(value);
    }
    *index -= 1;
    match value {
        Value::Object(entries) => entries.values_mut().find_map(|value| nth(value, index)),
        Value::Array(items) => items.iter_mut().find_map(|value| nth(value, index)),
        _ => None,
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Object(entries) => 1 + entries.values().map(count).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// What may stand where something else belongs.
fn stray() -> impl Strategy<Value = Value> {
    let strays = [
        "false",
        "true",
        "null",
        "{}",
        "[]",
        "\"\"",
        "\"x\"",
        "0",
        "-1",
        "[false]",
        "[null]",
        "{\"a\": false}",
        "[[]]",
    ];
    prop::sample::select(strays.to_vec()).prop_map(|text| serde_json::from_str(text).expect("it is JSON"))
}

proptest! {
    #[test]
    fn what_is_kept_reads_as_what_was_written(value in right()) {
        let text = json!({"rollouts": {"r": value}}).to_string();
        let read = pipeline(&text, Format::Json);
        prop_assert!(read.is_ok(), "{text}\n{}", listed(&read.err().unwrap_or_default()));
        let read = read.expect("it was just looked at");
        prop_assert_eq!(&*read.source, &value.to_string());
        let again = again(&read);
        prop_assert_eq!(shown(&again), shown(&read));
        prop_assert_eq!(&again.source, &read.source);
        // By itself.
        let mut sent = value;
        sent["name"] = "r".into();
        let services = configuration(&[(SERVICES, Format::Yaml)]).expect("it is right");
        let sent = read_pipeline(&parse(&sent.to_string(), Format::Json), "file", &services, &Allow::default());
        let (_, sent) = sent.value.expect("it is the same");
        prop_assert_eq!(shown(&sent), shown(&read));
        prop_assert_eq!(&sent.source, &read.source);
        // Nothing of what it refers to is missed.
        prop_assert_eq!(validate_pipeline("r@file", &again, &services), vec![]);
    }

    #[test]
    fn what_has_no_meaning_is_a_problem_and_never_passed_over(mut value in right(), at in any::<Index>(), stray in stray()) {
        let place = at.index(count(&value));
        *nth(&mut value, &mut { place }).expect("there are so many") = stray;
        let text = json!({"rollouts": {"r": value}}).to_string();
        let Ok(read) = configuration(&[(SERVICES, Format::Yaml), (&text, Format::Json)]) else { return Ok(()) };
        let read = &read.rollouts["r@file"];
        let written = value["stages"].as_array().map(Vec::len);
        prop_assert_eq!(written, Some(read.stages.len()), "{}", text);
        for (stage, written) in read.stages.iter().zip(value["stages"].as_array().into_iter().flatten()) {
            prop_assert!(!written[stage.kind.name()].is_null(), "{} is no {}: {}", written, stage.kind.name(), text);
            if let StageKind::AbTest(test) = &stage.kind {
                let all = &test.audience.any_of;
                prop_assert!(!all.is_empty(), "{}", text);
                for all in all {
                    let named = all.headers.len() + all.cookies.len() + all.query.len();
                    prop_assert!(named + all.client_ip.len() > 0, "everybody is of the audience: {}", text);
                }
            }
        }
        prop_assert_eq!(shown(&again(read)), shown(read));
    }
}
