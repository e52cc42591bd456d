use std::fmt::Write as _;

use proptest::prelude::*;
use rollgate_gateway::metrics::SeriesId;

use super::*;
use crate::history::{History, Limits};

/// Three minutes of a canary that fails each tenth request, and of a stable version that fails each hundredth: 20 requests
/// each a second, answered within 0.1 s or, each tenth, within 1.2 s.
fn history() -> History {
    let mut history = History::new(Limits::default(), &[0.1, 0.3, 1.2, 5.0]);
    for second in 0..=180_u64 {
        history.tick(second as i64 * 1_000);
        for (owner, name, of) in [(0, "canary@file", 10), (1, "stable@file", 100)] {
            let all = 20 * second;
            let errors = all / of;
            let version = move || vec!["pro@file".to_owned(), name.to_owned()];
            history.take(SeriesId::Version { owner }, &[all - errors, errors, 0], &version);
            for (code, count) in [(200, all - errors), (500, errors)] {
                let slow = count / 10;
                let cells = [count - slow, 0, slow, 0, 0, count * 200_000_000];
                let labels = move || [name, &code.to_string(), "GET", "http"].map(str::to_owned).to_vec();
                history.take(SeriesId::Service { owner, key: code }, &cells, &labels);
            }
        }
    }
    history
}

/// Each series with its value at one time.
fn told(query: &str, at: i64) -> String {
    let expr = match parse(query) {
        Ok(expr) => expr,
        Err(Refused { at, what }) => return format!("refused at {at}: {what}"),
    };
    match evaluate(&expr, &history(), Times::at(at), &|| false) {
        Ok(Value::Scalar(number)) => number.to_string(),
        Ok(Value::Vector(rows)) => rows.iter().fold(String::new(), |mut told, row| {
            let value = row.values[0].map_or_else(|| "none".to_owned(), |value| format!("{value:.4}"));
            let labels: Vec<String> = row.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            write!(told, "{{{}}} {value};", labels.join(",")).unwrap();
            told
        }),
        Err(failed) => format!("failed: {failed}"),
    }
}

#[test]
fn what_is_supported_is_answered() {
    for (query, expected) in [
        ("vector(1)", "{} 1.0000;"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * -3 / 2", "-4.5"),
        ("10 - 4 - 3", "3"),
        (r#"sum(rate(rollgate_version_requests_total{version="canary@file",outcome="error"}[1m]))"#, "{} 2.0000;"),
        (
            r#"increase(rollgate_version_requests_total{version="canary@file",outcome="error"}[1m])"#,
            "{outcome=error,service=pro@file,version=canary@file} 120.0000;",
        ),
        (
            r#"rollgate_version_requests_total{version=~"can.*",outcome!="ok"}"#,
            "{__name__=rollgate_version_requests_total,outcome=client,service=pro@file,version=canary@file} 0.0000;\
             {__name__=rollgate_version_requests_total,outcome=error,service=pro@file,version=canary@file} 360.0000;",
        ),
        (
            r#"sum by (version) (rate(rollgate_version_requests_total{outcome="error"}[30s])) / sum(rate(rollgate_version_requests_total[30s])) by (version)"#,
            "{version=canary@file} 0.1000;{version=stable@file} 0.0100;",
        ),
        (r#"sum(rate(traefik_service_requests_total{service="canary@file",code=~"5.."}[1m])) * 100"#, "{} 200.0000;"),
        (r#"100 - sum(rate(traefik_service_requests_total{service="canary@file",code=~'5..'}[1m]))"#, "{} 98.0000;"),
        (
            "histogram_quantile(0.5, sum(rate(traefik_service_request_duration_seconds_bucket{service=`canary@file`}[1m])) by (le))",
            "{} 0.0556;",
        ),
        (
            r#"sum(rate(traefik_service_request_duration_seconds_sum{service="canary@file"}[1m])) / sum(rate(traefik_service_request_duration_seconds_count{service="canary@file"}[1m]))"#,
            "{} 0.2000;",
        ),
        (r#"sum(rate(traefik_service_requests_total{service="none@file"}[1m]))"#, ""),
        (r#"sum(rate(traefik_service_requests_total{service="none@file"}[1m])) or vector(0)"#, "{} 0.0000;"),
        (
            r#"avg(rate(traefik_service_requests_total{code="200"}[1m])) by (method,protocol)"#,
            "{method=GET,protocol=http} 18.9000;",
        ),
        (
            "count(rollgate_version_requests_total) without (service, outcome)",
            "{version=canary@file} 3.0000;{version=stable@file} 3.0000;",
        ),
        (
            "max(rate(rollgate_version_requests_total[1m])) - min(rate(rollgate_version_requests_total[1m]))",
            "{} 19.8000;",
        ),
        (
            r#"sum(rate({__name__="x"}[1m]))"#,
            "refused at 10: a metric with a window like NAME[5m] has to stand here instead of \"{\"; ",
        ),
    ] {
        let found = told(query, 180_000);
        assert!(found == expected || (expected.ends_with("; ") && found.starts_with(expected)), "{query}\n{found}");
    }
}

/// Flagger's own two metrics of Traefik, as they are in its source.
#[test]
fn flaggers_queries_of_traefik_are_answered() {
    let service = "prod-pro-canary-[0-9a-zA-Z-]+@kubernetescrd";
    let mut history = History::new(Limits::default(), &[0.1, 0.3, 1.2, 5.0]);
    for second in 0..=60_u64 {
        history.tick(second as i64 * 1_000);
        for (code, count) in [(200, 19 * second), (503, second)] {
            let cells = [count, 0, 0, 0, 0, count];
            let labels = move || {
                ["prod-pro-canary-80@kubernetescrd", &code.to_string(), "GET", "http"].map(str::to_owned).to_vec()
            };
            history.take(SeriesId::Service { owner: 0, key: code }, &cells, &labels);
        }
    }
    let rate = format!(
        "sum( rate( traefik_service_request_duration_seconds_bucket{{ service=~\"{service}\", code!~\"5..\", le=\"+Inf\" }}[10s] ) ) \
         / sum( rate( traefik_service_request_duration_seconds_bucket{{ service=~\"{service}\", le=\"+Inf\" }}[10s] ) ) * 100"
    );
    let duration = format!(
        "histogram_quantile( 0.99, sum( rate( traefik_service_request_duration_seconds_bucket{{ service=~\"{service}\" }}[10s] ) ) by (le) )"
    );
    for (query, expected) in [(rate, 95.0), (duration, 0.099)] {
        let Value::Vector(rows) = evaluate(&parse(&query).unwrap(), &history, Times::at(60_000), &|| false).unwrap()
        else {
            panic!("{query}")
        };
        let [Row { values, .. }] = &rows[..] else { panic!("{rows:?}") };
        assert!((values[0].unwrap() - expected).abs() < 1e-9, "{values:?}");
    }
}

#[test]
fn what_is_not_supported_is_refused_with_what_is() {
    let long = format!("vector({})", "1".repeat(LONGEST));
    let deep = format!("{}1{}", "(".repeat(30), ")".repeat(30));
    let words = "1+".repeat(300);
    let patterns = vec!["traefik_service_requests_total{code=~\"5..\"}"; 17].join(" or ");
    let pattern = format!("traefik_service_requests_total{{code=~\"{}\"}}", "a".repeat(2_000));
    let queries = [
        "",
        "up",
        "rate(up[5m])",
        "traefik_service_requests_total[5m]",
        "rate(traefik_service_requests_total)",
        "rate(traefik_service_requests_total[2h])",
        "rate(traefik_service_requests_total[5])",
        "rate(traefik_service_requests_total[5m] offset 1m)",
        "rate(traefik_service_requests_total[5m:1m])",
        "irate(traefik_service_requests_total[5m])",
        "topk(3, traefik_service_requests_total)",
        "sum(rate(traefik_service_requests_total[5m])) > 1",
        "vector(1) / on() vector(1)",
        "vector(1) and vector(2)",
        "traefik_service_requests_total{code=\"200\"",
        "traefik_service_requests_total{code=200}",
        "traefik_service_requests_total{code==\"200\"}",
        "traefik_service_requests_total{code=~\"(\"}",
        "traefik_service_requests_total{code=~\"2)|(.*\"}",
        "traefik_service_requests_total{code=~\"(a{1000}){1000}\"}",
        "traefik_service_requests_total{code=\"\\d\"}",
        "\"text\"",
        "\"text",
        "1 $ 2",
        "1 2",
        "time()",
        &long,
        &deep,
        &words,
        &pattern,
        &patterns,
        "vector(1) unless vector(2)",
        "vector(1) == bool 1",
        "2 ^ 2",
        "2 % 2",
        "traefik_service_requests_total @ 5",
        "traefik_service_requests_total offset 5m",
        "-traefik_service_requests_total",
        "rate(sum(traefik_service_requests_total)[5m:])",
        "rate(traefik_service_requests_total[1m] @ start())",
        "{code=\"200\"}",
        "sum(traefik_service_requests_total) by code",
        "vector(1 + 1)",
        "histogram_quantile(vector(1), traefik_service_requests_total)",
        "quantile(0.5, traefik_service_requests_total)",
        "label_replace(traefik_service_requests_total, \"a\", \"b\", \"c\", \"d\")",
        "0x1F",
    ];
    let told = queries.iter().fold(String::new(), |mut told, query| {
        let refused = parse(query).expect_err(query);
        let shown: String = query.chars().take(60).collect();
        writeln!(told, "{shown}\n  {}: {}", refused.at, refused.what.replace(SUPPORTED, "SUPPORTED")).unwrap();
        told
    });
    insta::assert_snapshot!(told);
}

#[test]
fn kinds_that_do_not_fit_are_told() {
    for (query, expected) in [
        ("sum(1)", "failed: series have to stand there, and a number is none"),
        ("1 or vector(1)", "failed: or stands between series, and a number is none: vector(0) makes it one"),
        ("histogram_quantile(0.5, 3)", "failed: series have to stand there, and a number is none"),
    ] {
        assert_eq!(told(query, 180_000), expected, "{query}");
    }
}

#[test]
fn a_time_without_samples_has_no_value() {
    let query = "sum(rate(rollgate_version_requests_total[10s]))";
    for (at, expected) in [(-1, ""), (0, ""), (1_000, "{} 40.0000;"), (195_000, "{} 0.0000;"), (196_000, "")] {
        // Half a minute after the newest sample nobody knows.
        let expected = if at == 195_000 { "" } else { expected };
        assert_eq!(told(query, at), expected, "{at}");
    }
    assert_eq!(told(query, 185_000), "{} 40.0000;", "half a window is known");
}

/// What a query comes to at so many times.
fn at(query: &str, count: i64, is_late: &dyn Fn() -> bool) -> Result<usize, Failed> {
    let times = Times { start: 0, end: (count - 1) * 1_000, step: 1_000 };
    let value = evaluate(&parse(query).unwrap(), &history(), times, is_late)?;
    Ok(if let Value::Vector(rows) = value { rows.iter().map(|row| row.values.len()).sum() } else { 0 })
}

#[test]
fn what_a_whole_query_takes_has_a_bound() {
    let too_much = Err(Failed::NotPossible(
        "it takes more than 1000000 values, 32 for a series itself: narrow it down".to_owned(),
    ));
    let metric = "rollgate_version_requests_total";
    // It has six series; each counts 11,032.
    assert_eq!(at(metric, 11_000, &|| false), Ok(66_000));
    let times = |count: usize| vec![metric; count].join(" or ");
    assert_eq!(at(&times(15), 11_000, &|| false), Ok(66_000));
    assert_eq!(at(&times(16), 11_000, &|| false), too_much);
    let numbers = |count: usize| format!("{} or {}", times(10), vec!["vector(1)"; count].join(" or "));
    assert_eq!(at(&numbers(30), 11_000, &|| false), Ok(77_000));
    assert_eq!(at(&numbers(31), 11_000, &|| false), too_much);
    assert_eq!(at("rate(rollgate_version_requests_total[1m])", 1_000_001, &|| false), too_much);
}

#[test]
fn a_query_that_is_late_ends() {
    let asked = std::cell::Cell::new(0);
    let after = |count: usize| {
        asked.set(0);
        at("sum(rollgate_version_requests_total)", 10, &|| {
            asked.set(asked.get() + 1);
            asked.get() > count
        })
    };
    // Twice for what it is made of, and for each of six series.
    assert_eq!(after(8), Ok(10));
    for count in 0..8 {
        assert_eq!((after(count), asked.get()), (Err(Failed::Late), count + 1));
    }
}

#[test]
fn durations() {
    for (text, expected) in [
        ("5m", Some(300_000)),
        ("1h30m", Some(5_400_000)),
        ("500ms", Some(500)),
        ("0s", None),
        ("5", None),
        ("m", None),
        ("5y", None),
        ("99999999999999999999s", None),
        ("9999999999999w", None),
        ("", None),
        ("5\u{b5}", None),
    ] {
        assert_eq!(duration(text), expected, "{text}");
    }
}

/// Pieces that queries are made of, so that many of them mean something.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "sum",
        "by",
        "(",
        ")",
        "rate",
        "[5m]",
        "[",
        "]",
        "{",
        "}",
        ",",
        "traefik_service_requests_total",
        "code",
        "=~",
        "=",
        "\"5..\"",
        "\"(\"",
        "/",
        "*",
        "-",
        "+",
        "or",
        "vector",
        "1",
        "0.5",
        "1e",
        "histogram_quantile",
        "le",
        "'",
        "\\",
        "`",
        " ",
        "\u{e4}",
        "offset",
        "increase",
        "rollgate_version_requests_total",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in prop_oneof![any::<String>(), pieces()], at in any::<i32>()) {
        match parse(&text) {
            Ok(expr) => drop(evaluate(&expr, &history(), Times::at(i64::from(at)), &|| false)),
            Err(refused) => prop_assert!(refused.at >= 1 && refused.at <= text.chars().count() + 1, "{refused:?}"),
        }
    }

    #[test]
    fn counts_of_windows_that_stand_side_by_side_are_the_whole(step in 1..60_i64) {
        let query = format!("sum(increase(rollgate_version_requests_total[{step}s]))");
        let expr = parse(&query).unwrap();
        let times = Times { start: step * 1_000, end: 180_000, step: step * 1_000 };
        let Value::Vector(rows) = evaluate(&expr, &history(), times, &|| false).unwrap() else { panic!("it is a number") };
        let sum: f64 = rows[0].values.iter().flatten().sum();
        prop_assert_eq!(sum, (180 / step * step * 40) as f64);
    }
}
