//! Kayenta reads Rollgate as a Prometheus and asks it as a remote judge, with the files of integrations/kayenta.
//!
//! Its part is played by what its sources do: templates are expanded as by commons-text's StringSubstitutor, a query is sent
//! for each metric and scope, answers are read as by its PrometheusResponseConverter, pairs are made as by its mixer.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use http::StatusCode;
use jiff::Timestamp;
use rollgate_testkit::{
    Admin, Ask, Connection, Gateway, Launch, Reply,
    tls::{Authority, Identity},
    wait,
};
use serde_json::{Value, json};

use crate::site::{HOST, Site, Users, shipped};

const SERVICE: &str = "pro@file";
const STABLE: &str = "k8s-flask@file";
const CANARY: &str = "k8s-flask-canary@file";

/// Kayenta, with an account that reads from here.
struct Kayenta {
    address: SocketAddr,
    token: String,
    config: Value,
}

impl Kayenta {
    fn new(gateway: &Gateway, site: &Site) -> Self {
        let config = serde_json::from_str(&shipped("kayenta/canary-config.json")).expect("it is JSON");
        Self { address: gateway.address("traefik"), token: site.token.text.clone(), config }
    }

    /// Below `/prometheus`, as the account's `baseUrl` says.
    async fn get(&self, path: &str) -> Reply {
        let ask = Ask::get(&format!("http://{HOST}/prometheus/{path}"));
        ask.header("authorization", &format!("Bearer {}", self.token)).send(self.address).await
    }

    /// `PrometheusMetricsService.queryMetrics`: values of each set of tags.
    async fn query(&self, metric: &Value, scope: &str, times: [Timestamp; 2]) -> BTreeMap<String, Vec<Value>> {
        let template = metric["query"]["customInlineTemplate"].as_str().expect("it has a template");
        let bound = [("${scope}", scope), ("${service}", SERVICE), ("${window}", "1s")];
        let filter = bound.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value));
        assert!(!filter.contains("${"), "a variable that is not bound: {filter}");
        let query = filter.strip_prefix("PromQL:").expect("it is an expression");
        let [start, end] = times.map(|time| escaped(&time.to_string()));
        let path = format!("api/v1/query_range?query={}&start={start}&end={end}&step=1", escaped(query));
        let reply = self.get(&path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer: Value = serde_json::from_slice(&reply.body).expect("it is JSON");
        assert_eq!((&answer["status"], &answer["data"]["resultType"]), (&json!("success"), &json!("matrix")));
        let mut sets = BTreeMap::new();
        for series in answer["data"]["result"].as_array().expect("a list") {
            let points = series["values"].as_array().expect("a list");
            assert!(points[0][0].as_f64().is_some(), "it reads the first one's time, so there has to be one: {answer}");
            let values = points.iter().map(|point| {
                let text = point[1].as_str().expect("a text");
                text.parse::<f64>()
                    .ok()
                    .filter(|value| value.is_finite())
                    .map_or_else(|| json!(text), |value| json!(value))
            });
            sets.insert(series["metric"].to_string(), values.collect());
        }
        if sets.is_empty() {
            sets.insert("{}".to_owned(), Vec::new());
        }
        sets
    }

    /// The request to the remote judge.
    async fn collect(&self, times: [Timestamp; 2]) -> Value {
        let mut pairs = Vec::new();
        for metric in self.config["metrics"].as_array().expect("a list") {
            let control = self.query(metric, STABLE, times).await;
            let experiment = self.query(metric, CANARY, times).await;
            let expected = control.values().chain(experiment.values()).map(Vec::len).max().unwrap_or_default();
            let padded = |values: Option<&Vec<Value>>| {
                let mut values = values.cloned().unwrap_or_default();
                values.resize(expected, json!("NaN"));
                values
            };
            for tags in control.keys() {
                let values = json!({"control": padded(control.get(tags)), "experiment": padded(experiment.get(tags))});
                let tags: Value = serde_json::from_str(tags).expect("it was JSON");
                pairs.push(json!({"name": metric["name"], "id": "0b8c4a", "tags": tags, "values": values,
                    "scopes": {}, "attributes": {}}));
            }
        }
        json!({"canaryConfig": self.config, "scoreThresholds": self.config["classifier"]["scoreThresholds"],
            "metricSetPairList": pairs})
    }

    async fn judge(&self, request: &Value) -> Value {
        let reply =
            judging(request).header("authorization", &format!("Bearer {}", self.token)).send(self.address).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        serde_json::from_slice(&reply.body).expect("it is JSON")
    }

    /// Until there are enough points of both versions for a judgment of everything.
    async fn enough(&self, start: Timestamp) -> Value {
        let latency = &self.config["metrics"][2];
        for scope in [STABLE, CANARY] {
            loop {
                let points = self.query(latency, scope, [start, Timestamp::now()]).await;
                if points.values().any(|values| values.len() >= 22) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        self.collect([start, Timestamp::now()]).await
    }
}

fn judging(request: &Value) -> Ask {
    Ask::new("POST", &format!("http://{HOST}/kayenta/judge"))
        .header("content-type", "application/json; charset=UTF-8")
        .body(request.to_string())
}

/// As OkHttp does it to a query.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |escaped, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped + &char::from(byte).to_string(),
        _ => escaped + &format!("%{byte:02X}"),
    })
}

/// Both versions have users.
async fn split(admin: &Admin) {
    let weights = json!({"weights": {"k8s-flask": "80", "k8s-flask-canary": "20"}});
    admin.change("PUT", "/services/pro/weights", &weights).await.ok();
}

/// The classification of each metric, and the score's.
fn told(judged: &Value) -> String {
    let results = judged["results"].as_array().expect("a list");
    let each = results
        .iter()
        .map(|it| format!("{}: {}", it["name"].as_str().unwrap(), it["classification"].as_str().unwrap()));
    let score = &judged["score"];
    format!(
        "{} -> {} {}",
        each.collect::<Vec<_>>().join(", "),
        score["score"],
        score["classification"].as_str().unwrap()
    )
}

#[tokio::test]
async fn a_good_canary_passes() {
    let site = Site::new("operate");
    let (gateway, admin) = site.start("");
    split(&admin).await;
    let kayenta = Kayenta::new(&gateway, &site);
    let start = Timestamp::now();
    let _users = Users::calm(&gateway);
    let request = wait::within("points", kayenta.enough(start)).await;
    let judged = kayenta.judge(&request).await;
    assert!(told(&judged).starts_with("errors: Pass, requests: "), "{judged:#}");
    assert!(told(&judged).ends_with(", latency: Pass -> 100.0 Pass"), "{judged:#}");
    // What was read is what was counted: windows that stand side by side leave nothing out.
    let requests = &request["metricSetPairList"][1];
    let sum: f64 = requests["values"]["experiment"].as_array().unwrap().iter().filter_map(Value::as_f64).sum();
    assert!(sum > 100.0 && sum.fract() == 0.0, "{requests}");
}

#[tokio::test]
async fn a_canary_that_fails_is_failed_and_the_reason_is_told() {
    let site = Site::new("operate");
    let (gateway, admin) = site.start("");
    split(&admin).await;
    site.fails();
    let kayenta = Kayenta::new(&gateway, &site);
    let start = Timestamp::now();
    let _users = Users::calm(&gateway);
    // Errors need no number of points.
    let request = wait::eventually("some errors", async || {
        let request = kayenta.collect([start, Timestamp::now()]).await;
        let errors = request["metricSetPairList"][0]["values"]["experiment"].as_array()?.iter();
        (errors.filter_map(Value::as_f64).sum::<f64>() > 10.0).then_some(request)
    })
    .await;
    let judged = kayenta.judge(&request).await;
    assert!(told(&judged).starts_with("errors: High, "), "{judged:#}");
    assert_eq!(judged["results"][0]["critical"], true);
    assert_eq!(
        judged["score"],
        json!({"score": 0.0, "classification": "Fail",
            "classificationReason": "Canary Failed: The metric errors was classified as High (Critical)"})
    );
}

#[tokio::test]
async fn who_may_look_may_ask_and_nobody_else() {
    let site = Site::new("read");
    let (gateway, _) = site.start("");
    let kayenta = Kayenta::new(&gateway, &site);
    assert_eq!(kayenta.get("-/healthy").await.text(), "Prometheus Server is Healthy.\n");
    let names: Value = serde_json::from_slice(&kayenta.get("api/v1/label/__name__/values").await.body).unwrap();
    assert_eq!(names["status"], "success");
    assert!(names["data"].as_array().unwrap().contains(&json!("rollgate_version_requests_total")), "{names}");
    let empty = json!({"canaryConfig": {"metrics": []}, "scoreThresholds": {"pass": 75, "marginal": 50}, "metricSetPairList": []});
    assert_eq!(kayenta.judge(&empty).await["results"], json!([]));
    for path in ["api/v1/query?query=vector(1)", "-/healthy"] {
        let reply = Ask::get(&format!("http://{HOST}/prometheus/{path}")).send(kayenta.address).await;
        assert_eq!(reply.status, 401, "{path}");
    }
    assert_eq!(judging(&empty).send(kayenta.address).await.status, 401);
    assert_eq!(kayenta.get("api/v1/series").await.status, StatusCode::NOT_FOUND);
    let wrong = json!({"canaryConfig": {"metrics": []}, "scoreThresholds": {"pass": 75}, "metricSetPairList": []});
    let reply =
        judging(&wrong).header("authorization", &format!("Bearer {}", kayenta.token)).send(kayenta.address).await;
    let problem: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &problem["field"]), (422, &json!("scoreThresholds")), "{problem}");
}

#[tokio::test]
async fn what_is_not_supported_is_refused_as_prometheus_refuses() {
    let site = Site::new("read");
    let (gateway, _) = site.start("");
    let kayenta = Kayenta::new(&gateway, &site);
    for (path, error) in [
        (
            "api/v1/query?query=up",
            "invalid parameter \"query\": 1:1: parse error: no course is kept of up: it is of rollgate_version_requests_total, ",
        ),
        ("api/v1/query", "invalid parameter \"query\": it is needed"),
        ("api/v1/query?query=1&time=x", "invalid parameter \"time\": cannot parse \"x\" to a valid timestamp"),
        (
            "api/v1/query_range?query=1&start=0&end=100000&step=1",
            "exceeded maximum resolution of 11000 points per timeseries",
        ),
        (
            "api/v1/query_range?query=topk(1,x)&start=0&end=1&step=1",
            "invalid parameter \"query\": 1:1: parse error: topk is not supported; supported are rate(",
        ),
    ] {
        let reply = kayenta.get(path).await;
        let answer: Value = serde_json::from_slice(&reply.body).expect("it is JSON");
        assert_eq!((reply.status, &answer["status"], &answer["errorType"]), (400, &json!("error"), &json!("bad_data")));
        assert!(answer["error"].as_str().unwrap().starts_with(error), "{path}: {answer}");
    }
}

/// Flagger asks for the address and Argo Rollouts with a form (client_golang), both for one time.
#[tokio::test]
async fn flagger_and_argo_rollouts_find_a_prometheus() {
    let site = Site::new("operate");
    let (gateway, admin) = site.start("");
    split(&admin).await;
    let _users = Users::calm(&gateway);
    let kayenta = Kayenta::new(&gateway, &site);
    let online: Value = serde_json::from_slice(&kayenta.get("api/v1/query?query=vector%281%29").await.body).unwrap();
    assert_eq!(online["data"]["resultType"], "vector");
    assert_eq!(online["data"]["result"][0]["metric"], json!({}));
    assert_eq!(online["data"]["result"][0]["value"][1], "1");
    // Flagger's own success rate of Traefik, with a service of a file.
    let bucket = "traefik_service_request_duration_seconds_bucket";
    let query = format!(
        "sum( rate( {bucket}{{ service=~\"k8s-flask-[0-9a-zA-Z-]+@file\", code!~\"5..\", le=\"+Inf\" }}[10s] ) ) \
         / sum( rate( {bucket}{{ service=~\"k8s-flask-[0-9a-zA-Z-]+@file\", le=\"+Inf\" }}[10s] ) ) * 100"
    );
    let form = async |query: &str| {
        let time = Timestamp::now().as_millisecond() as f64 / 1e3;
        let ask = Ask::new("POST", &format!("http://{HOST}/prometheus/api/v1/query"))
            .header("authorization", &format!("Bearer {}", kayenta.token))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("query={}&time={time}", escaped(query)));
        let reply = ask.send(kayenta.address).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        serde_json::from_slice::<Value>(&reply.body).expect("it is JSON")
    };
    let rate = wait::eventually("a rate", async || {
        let answer = form(&query).await;
        answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    })
    .await;
    assert_eq!(rate, "100");
    site.fails();
    wait::eventually("a rate that falls", async || {
        let answer = form(&query).await;
        let rate: f64 = answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()?;
        (rate < 90.0).then_some(())
    })
    .await;
}

/// Kayenta sends no token to a remote judge, but shows a certificate.
#[tokio::test]
async fn over_tls_a_certificate_lets_the_judge_in() {
    let authority = Authority::new("ours");
    let server = authority.issue(&[HOST]);
    let config = format!(
        "entryPoints: {{web: {{address: '127.0.0.1:0'}}, traefik: {{address: '127.0.0.1:0', http: {{tls: {{}}}}}}}}
api: {{hosts: [{HOST}], clientCertificates: [{{name: kayenta.test, role: read}}]}}
http: {{}}
tls:
  certificates: [{{certFile: '@DIR@/a.crt', keyFile: '@DIR@/a.key'}}]
  options: {{default: {{clientAuth: {{caFiles: ['@DIR@/ca.crt'], clientAuthType: VerifyClientCertIfGiven}}}}}}
"
    );
    let launch = Launch::new(&config).file("a.crt", &server.cert_pem).file("a.key", &server.key_pem);
    let gateway = launch.file("ca.crt", &authority.pem).start();
    let empty = json!({"canaryConfig": {"metrics": []}, "scoreThresholds": {"pass": 75, "marginal": 50}, "metricSetPairList": []});
    let asked = async |identity: Option<&Identity>| {
        let client = authority.client_with(&["http/1.1"], rustls::ALL_VERSIONS, identity);
        let mut connection = Connection::tls(gateway.address("traefik"), HOST, client).await;
        connection.ask(judging(&empty)).await.status
    };
    assert_eq!(asked(Some(&authority.issue(&["kayenta.test"]))).await, 200);
    assert_eq!(asked(Some(&authority.issue(&["other.test"]))).await, 401);
    assert_eq!(asked(None).await, 401);
}
