use proptest::prelude::*;
use serde_json::{Value, json};

use super::{answer::Scored, *};

/// A request with these metrics and pairs `(name, experiment, control)`.
fn request(metrics: &Value, pairs: &[(&str, Value, Value)]) -> Request {
    let pairs: Vec<Value> = pairs
        .iter()
        .map(|(name, experiment, control)| {
            json!({"name": name, "id": "1", "tags": {}, "values": {"experiment": experiment, "control": control},
                "scopes": {}, "attributes": {}})
        })
        .collect();
    let config = json!({"name": "c", "metrics": metrics, "templates": {}, "classifier": {"groupWeights": {}}});
    let request = json!({"canaryConfig": config, "scoreThresholds": {"pass": 75.0, "marginal": 50.0},
        "metricSetPairList": pairs});
    serde_json::from_value(request).unwrap()
}

fn metric(name: &str, canary: &Value) -> Value {
    json!({"name": name, "groups": ["all"], "query": {"type": "prometheus"}, "analysisConfigurations": {"canary": canary}})
}

/// Failures among requests.
fn counts(canary: &Value) -> Value {
    let mut errors = metric("errors", canary);
    errors["analysisConfigurations"]["rollgate"] = json!({"of": "requests"});
    json!([errors, metric("requests", &json!({"muted": true}))])
}

/// The classification of the first metric, its reason, whether it is critical, and the score with its classification.
fn told(request: &Request) -> String {
    match judge(request) {
        Ok(judged) => {
            let first = &judged.results[0];
            let reason = first.classification_reason.as_deref().unwrap_or("-");
            let critical = if first.critical { " critical" } else { "" };
            let Scored { score, classification, .. } = judged.score;
            format!("{}{critical} ({reason}) {score} {classification}", first.classification)
        }
        Err(Unfit { field, what, allowed }) => format!("{field} {what}; {allowed}"),
    }
}

fn of_counts(canary: &Value, errors: [Value; 2], requests: [Value; 2]) -> String {
    let ([experiment, control], [all_experiment, all_control]) = (errors, requests);
    told(&request(&counts(canary), &[("errors", experiment, control), ("requests", all_experiment, all_control)]))
}

#[test]
fn counts_are_judged_by_their_evidence() {
    let up = json!({"direction": "increase"});
    for (canary, errors, requests, expected) in [
        // Three errors of a canary with a twentieth of the users are enough; as many of both are not.
        (
            &up,
            [json!([0, 3]), json!([0, 0])],
            [json!([5, 5]), json!([95, 95])],
            "High (errors was classified as High) 0 Fail",
        ),
        (&up, [json!([30, 30]), json!([30, 30])], [json!([300, 300]), json!([300, 300])], "Pass (-) 100 Pass"),
        // Both versions fail in the second half, in which the canary has most of the users.
        (&up, [json!([0, 90]), json!([1, 10])], [json!([50, 900]), json!([950, 100])], "Pass (-) 100 Pass"),
        (
            &json!({"direction": "increase", "critical": true}),
            [json!([10]), json!([0])],
            [json!([100]), json!([100])],
            "High critical (The metric errors was classified as High (Critical)) 0 Fail",
        ),
        (
            &json!({"direction": "increase", "effectSize": {"allowedIncrease": 3.0}}),
            [json!([200]), json!([100])],
            [json!([1000]), json!([1000])],
            "Pass (-) 100 Pass",
        ),
        (
            &json!({"direction": "decrease"}),
            [json!([0]), json!([50])],
            [json!([500]), json!([500])],
            "Low (errors was classified as Low) 0 Fail",
        ),
        (&up, [json!([0]), json!([50])], [json!([500]), json!([500])], "Pass (-) 100 Pass"),
        (
            &up,
            [json!([0]), json!([1])],
            [json!([49]), json!([5000])],
            "Nodata (errors: 49 requests of one version are too few, 50 are needed) 0 Fail",
        ),
        (&up, [json!([]), json!([1])], [json!([]), json!([5000])], "Nodata (Missing data for errors) 0 Fail"),
        (
            &json!({"mustHaveData": true}),
            [json!(["NaN"]), json!([1])],
            [json!(["NaN"]), json!([100])],
            "NodataFailMetric (Missing data for errors) 0 Fail",
        ),
        // Points that are missing make one of all.
        (
            &up,
            [json!([3]), json!([0, 0])],
            [json!([5, 5]), json!([95, 95])],
            "High (errors was classified as High) 0 Fail",
        ),
    ] {
        assert_eq!(of_counts(canary, errors, requests), expected);
    }
}

#[test]
fn what_is_no_count_is_named() {
    let up = json!({"direction": "increase"});
    for (canary, errors, requests, expected) in [
        (
            &up,
            [json!([0.5]), json!([0])],
            [json!([1]), json!([1])],
            "metricSetPairList[0].values.experiment[0] is 0.5, which is no count; a whole number, as of Rollgate's \
             increase(...), which does not extrapolate",
        ),
        (
            &up,
            [json!([0]), json!([0])],
            [json!([1]), json!([-1])],
            "metricSetPairList[1].values.control[0] is -1, which is no count; a whole number, as of Rollgate's \
             increase(...), which does not extrapolate",
        ),
        (
            &up,
            [json!([0]), json!([2])],
            [json!([1]), json!([1])],
            "metricSetPairList[0].values.control has 2 failures among 1 requests (point 0); at most what \
             metricSetPairList[1] has",
        ),
        (
            &json!({"nanStrategy": "replace"}),
            [json!([0]), json!([0])],
            [json!([1]), json!([1])],
            "canaryConfig.metrics[0].analysisConfigurations.canary.nanStrategy has no meaning for counts; ",
        ),
        (
            &json!({"direction": "up"}),
            [json!([0]), json!([0])],
            [json!([1]), json!([1])],
            "canaryConfig.metrics[0].analysisConfigurations.canary.direction is \"up\"; increase, decrease, either",
        ),
    ] {
        assert_eq!(of_counts(canary, errors, requests), expected);
    }
    let alone = request(&counts(&up), &[("errors", json!([0]), json!([0]))]);
    assert_eq!(
        told(&alone),
        "canaryConfig.metrics[0].analysisConfigurations.rollgate.of is \"requests\", of which there is no pair with the \
         same tags; the name of a metric that counts all requests"
    );
    let other = request(&json!([]), &[("errors", json!([0]), json!([0]))]);
    assert_eq!(
        told(&other),
        "metricSetPairList[0].name is \"errors\", which canaryConfig.metrics has not; the name of one of canaryConfig.metrics"
    );
}

#[test]
fn there_are_bounds() {
    let (many, up) = (vec![0; 11_001], json!({}));
    for (pairs, expected) in [
        (
            vec![("m", json!(many), json!([0]))],
            "metricSetPairList[0].values.experiment has 11001 values; at most 11000, as many as a Prometheus gives",
        ),
        (
            vec![("m", json!([0]), json!(many))],
            "metricSetPairList[0].values.control has 11001 values; at most 11000, as many as a Prometheus gives",
        ),
        (vec![("m", json!([0]), json!([0])); 1_001], "metricSetPairList has 1001 items; at most 1000"),
    ] {
        assert_eq!(told(&request(&json!([metric("m", &up)]), &pairs)), expected);
    }
    let metrics = json!(vec![metric("m", &up); 1_001]);
    assert_eq!(told(&request(&metrics, &[])), "canaryConfig.metrics has 1001 items; at most 1000");
}

fn of_series(canary: &Value, experiment: &[f64], control: &[f64]) -> String {
    told(&request(&json!([metric("latency", canary)]), &[("latency", json!(experiment), json!(control))]))
}

/// So many values around a mean.
fn around(mean: f64, count: usize) -> Vec<f64> {
    (0..count).map(|index| mean + (index * 7 % 13) as f64 * mean / 100.0).collect()
}

#[test]
fn series_are_compared_by_ranks() {
    let either = json!({});
    for (canary, experiment, control, expected) in [
        (&either, around(100.0, 60), around(101.0, 60), "Pass (-) 100 Pass"),
        (&either, around(200.0, 60), around(100.0, 60), "High (latency was classified as High) 0 Fail"),
        (&either, around(50.0, 60), around(100.0, 60), "Low (latency was classified as Low) 0 Fail"),
        (&json!({"direction": "increase"}), around(50.0, 60), around(100.0, 60), "Pass (-) 100 Pass"),
        (&json!({"effectSize": {"allowedIncrease": 2.5}}), around(200.0, 60), around(100.0, 60), "Pass (-) 100 Pass"),
        (
            &json!({"effectSize": {"measure": "cles", "allowedIncrease": 0.9}}),
            around(200.0, 60),
            around(100.0, 60),
            "High (latency was classified as High) 0 Fail",
        ),
        (
            &json!({"critical": true, "effectSize": {"criticalIncrease": 3.0}}),
            around(200.0, 60),
            around(100.0, 60),
            "High (latency was classified as High) 0 Fail",
        ),
        (
            &either,
            around(200.0, 19),
            around(100.0, 60),
            "Nodata (latency: 19 points of one version are too few, 20 are needed) 0 Fail",
        ),
        (&either, vec![], around(100.0, 60), "Nodata (Missing data for latency) 0 Fail"),
        (&json!({"critical": true}), vec![], vec![], "Nodata critical (Missing data for latency) 0 Fail"),
        (&json!({"nanStrategy": "replace"}), vec![], vec![1.0], "Pass (-) 100 Pass"),
        (&either, vec![5.0; 30], vec![5.0; 30], "Pass (-) 100 Pass"),
        (&either, vec![6.0; 30], vec![5.0; 30], "High (latency was classified as High) 0 Fail"),
        (&either, vec![0.0; 30], vec![5.0; 30], "Low (latency was classified as Low) 0 Fail"),
    ] {
        assert_eq!(of_series(canary, &experiment, &control), expected, "{canary}");
    }
}

#[test]
fn outliers_are_taken_out_where_that_is_asked_for() {
    let mut experiment = around(100.0, 300);
    experiment.extend([1e9; 2]);
    let told = |canary: &Value| {
        let judged = judge(&request(
            &json!([metric("latency", canary)]),
            &[("latency", json!(experiment), json!(around(100.0, 300)))],
        ));
        serde_json::to_value(judged.unwrap()).unwrap()["results"][0]["experimentMetadata"]["stats"]["count"].clone()
    };
    assert_eq!(told(&json!({"outliers": {"strategy": "remove"}})), 300);
    assert_eq!(told(&json!({})), 302);
}

#[test]
fn groups_have_weights_and_what_has_none_shares_the_rest() {
    let of = |name: &str, group: &str, critical: bool| json!({"name": name, "groups": [group], "analysisConfigurations": {"canary": {"critical": critical}}});
    let (good, bad, none) = (json!(vec![5.0; 30]), json!(vec![9.0; 30]), json!([]));
    let pairs = |second: &Value, third: &Value| {
        let control = || good.clone();
        [("a", good.clone(), control()), ("b", second.clone(), control()), ("c", third.clone(), control())]
    };
    let judged = |second: &Value, third: &Value, critical: bool, weights: Value| {
        let metrics = json!([of("a", "one", false), of("b", "two", critical), of("c", "three", false)]);
        let mut request = request(&metrics, &pairs(second, third));
        request.canary_config.classifier = serde_json::from_value(json!({"groupWeights": weights})).unwrap();
        let Scored { score, classification, classification_reason } = judge(&request).unwrap().score;
        format!("{score} {classification} {classification_reason}")
    };
    for (found, expected) in [
        (judged(&good, &good, false, json!({"one": 50, "two": 30, "three": 20})), "100 Pass "),
        (judged(&bad, &good, false, json!({"one": 50, "two": 30, "three": 20})), "70 Marginal "),
        (judged(&bad, &good, false, json!({"one": 50})), "75 Pass "),
        (judged(&bad, &good, false, json!(null)), "66.67 Marginal "),
        (judged(&bad, &bad, false, json!({})), "33.33 Fail "),
        (judged(&bad, &none, false, json!({})), "66.67 Marginal "),
        (judged(&none, &none, false, json!({})), "0 Fail Canary Failed: 50% or more metrics returned NODATA"),
        (judged(&bad, &good, true, json!({})), "0 Fail Canary Failed: The metric b was classified as High (Critical)"),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn the_answer_is_what_kayenta_reads() {
    let request = request(
        &counts(&json!({"direction": "increase"})),
        &[("errors", json!([8, 0]), json!([0, 0])), ("requests", json!([50, 50]), json!([50, 50]))],
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&judge(&request).unwrap()).unwrap());
}

#[test]
fn whatever_is_no_number_is_written_as_jackson_does() {
    let values = json!([1, "NaN", "Infinity", "-Infinity", null, 2.5]);
    let request = request(&json!([metric("m", &json!({}))]), &[("m", values.clone(), values)]);
    let sides = request.metric_set_pair_list[0].sides("").unwrap();
    assert_eq!(format!("{:?}", sides.canary), "[1.0, NaN, inf, -inf, NaN, 2.5]");
    for wrong in [json!(["x"]), json!([true]), json!([[]]), json!("x")] {
        let pair = json!({"name": "m", "values": {"control": wrong}});
        assert!(serde_json::from_value::<Pair>(pair).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_values_are_too_strange(
        experiment in prop::collection::vec(any::<f64>(), 0..60), control in prop::collection::vec(any::<f64>(), 0..60),
        settings in prop::sample::select(vec![
            json!({}), json!({"outliers": {"strategy": "remove"}}), json!({"nanStrategy": "replace", "critical": true}),
            json!({"effectSize": {"measure": "cles"}}),
        ]),
    ) {
        let text = |values: &[f64]| -> Value { values.iter().map(|value| {
            if value.is_nan() { json!("NaN") }
            else if value.is_infinite() { json!(if *value > 0.0 { "Infinity" } else { "-Infinity" }) }
            else { json!(value) }
        }).collect() };
        let request = request(&json!([metric("m", &settings)]), &[("m", text(&experiment), text(&control))]);
        let judged = judge(&request).unwrap();
        prop_assert!((0.0..=100.0).contains(&judged.score.score));
        serde_json::to_string(&judged).unwrap();
    }
}

/// A canary that is as good as the stable version is found worse in one of a hundred judgments at most. Errors come at a rate
/// that changes, and so does the weight.
#[test]
fn equal_versions_are_equal() {
    let mut random = numbers(1);
    let mut high = 0;
    for _ in 0..300 {
        let mut sides = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
        for point in 0..40 {
            let (weight, rate) = (f64::from(point % 4 + 1) / 10.0, if point > 20 { 0.05 } else { 0.005 });
            let mut counted = [[0_u32; 2]; 2];
            for _ in 0..50 {
                let side = &mut counted[usize::from(random() >= weight)];
                side[1] += 1;
                side[0] += u32::from(random() < rate);
            }
            for (side, counted) in sides.iter_mut().zip(counted) {
                side[0].push(counted[0]);
                side[1].push(counted[1]);
            }
        }
        let [[errors, requests], [stable_errors, stable_requests]] = sides;
        let up = json!({"direction": "increase"});
        let told = of_counts(&up, [json!(errors), json!(stable_errors)], [json!(requests), json!(stable_requests)]);
        high += usize::from(told.starts_with("High"));
    }
    assert!(high <= 3, "{high} of 300");
}

/// Numbers from 0 to 1 (splitmix64).
fn numbers(mut seed: u64) -> impl FnMut() -> f64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = seed;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
