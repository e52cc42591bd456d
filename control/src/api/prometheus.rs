//! Prometheus' HTTP API over what is kept of the last hour, for whoever knows no other: Kayenta, Flagger, Argo Rollouts.
//! Requests, answers and errors are shaped as there.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Number, Value as Json, json};
use url::form_urlencoded;

use super::Shared;
use crate::{
    history::NAMES,
    promql::{Failed, Refused, Row, Times, Value, duration, evaluate, parse},
};

/// `query`: values at one time.
pub async fn query(State(shared): State<Shared>, uri: Uri, body: Bytes) -> Response {
    let asked = Asked::new(&uri, &body);
    let time = match asked.time("time") {
        Ok(time) => time.unwrap_or_else(now),
        Err(error) => return error.into_response(),
    };
    answer(shared, asked, move |newest| {
        Ok((time, Times::at(if time <= newest + LATE { time.min(newest) } else { time })))
    })
    .await
}

/// `query_range`: values at many.
pub async fn query_range(State(shared): State<Shared>, uri: Uri, body: Bytes) -> Response {
    let asked = Asked::new(&uri, &body);
    let times = match asked.times() {
        Ok(times) => times,
        Err(error) => return error.into_response(),
    };
    answer(shared, asked, move |_| Err(times)).await
}

/// `label/__name__/values`: the names of all metrics.
pub async fn names() -> Response {
    success(&json!(NAMES.map(|(name, _)| name)))
}

/// `/-/healthy`.
pub async fn healthy() -> &'static str {
    "Prometheus Server is Healthy.\n"
}

/// Why there is no answer, as Prometheus says it.
struct Error {
    status: StatusCode,
    kind: &'static str,
    what: String,
}

impl Error {
    fn bad(parameter: &str, what: impl std::fmt::Display) -> Self {
        let what = format!("invalid parameter {parameter:?}: {what}");
        Self { status: StatusCode::BAD_REQUEST, kind: "bad_data", what }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = json!({"status": "error", "errorType": self.kind, "error": self.what});
        (self.status, [(header::CONTENT_TYPE, JSON)], body.to_string()).into_response()
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Wrong(what) => Self::bad("query", what),
            Failed::NotPossible(what) => Self { status: StatusCode::UNPROCESSABLE_ENTITY, kind: "execution", what },
        }
    }
}

/// The parameters: those of the body stand before those of the address.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn new(uri: &Uri, body: &[u8]) -> Self {
        let parsed = |bytes| form_urlencoded::parse(bytes).into_owned();
        Self(parsed(body).chain(parsed(uri.query().unwrap_or_default().as_bytes())).collect())
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| &**value)
    }

    fn time(&self, name: &'static str) -> Result<Option<i64>, Error> {
        let Some(text) = self.one(name) else { return Ok(None) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.abs() < FARTHEST);
        let time = seconds.map(|seconds| (seconds * 1e3).round() as i64);
        let time = time.or_else(|| Some(text.parse::<Timestamp>().ok()?.as_millisecond()));
        let wrong = || {
            Error::bad(
                name,
                format_args!("cannot parse {text:?} to a valid timestamp: RFC 3339, or seconds since 1970"),
            )
        };
        time.ok_or_else(wrong).map(Some)
    }

    fn times(&self) -> Result<Times, Error> {
        let needed = |name: &'static str| self.time(name)?.ok_or_else(|| Error::bad(name, "it is needed"));
        let (start, end) = (needed("start")?, needed("end")?);
        let Some(text) = self.one("step") else { return Err(Error::bad("step", "it is needed")) };
        let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.abs() < FARTHEST);
        let step = seconds.map(|seconds| (seconds * 1e3).round() as i64).or_else(|| duration(text));
        let Some(step) = step else {
            return Err(Error::bad(
                "step",
                format_args!("cannot parse {text:?} to a valid duration: seconds, or like 5m"),
            ));
        };
        if end < start {
            return Err(Error::bad("end", "end timestamp must not be before start time"));
        }
        if step <= 0 {
            return Err(Error::bad("step", "zero or negative query resolution step widths are not accepted"));
        }
        let times = Times { start, end, step };
        if times.count() > POINTS {
            let what = format!("exceeded maximum resolution of {POINTS} points per timeseries");
            return Err(Error { status: StatusCode::BAD_REQUEST, kind: "bad_data", what });
        }
        Ok(times)
    }
}

/// Evaluates the query at the times that `when` makes of the time of the newest sample: one that is shown as another, or many.
async fn answer(
    shared: Shared,
    asked: Asked,
    when: impl FnOnce(i64) -> Result<(i64, Times), Times> + Send + 'static,
) -> Response {
    let Some(text) = asked.one("query") else { return Error::bad("query", "it is needed").into_response() };
    let expr = match parse(text) {
        Ok(expr) => expr,
        Err(Refused { at, what }) => {
            return Error::bad("query", format_args!("1:{at}: parse error: {what}")).into_response();
        }
    };
    let history = shared.history.clone();
    let evaluated = shared.bounds.heavy(move || {
        let history = history.lock();
        let newest = history.span().map_or(i64::MIN / 2, |(_, newest)| newest);
        match when(newest) {
            Ok((shown, times)) => evaluate(&expr, &history, times).map(|value| at_one(value, shown)),
            Err(times) => evaluate(&expr, &history, times).map(|value| at_many(value, times)),
        }
    });
    match evaluated.await {
        Ok(Ok(data)) => success(&data),
        Ok(Err(failed)) => Error::from(failed).into_response(),
        Err(busy) => {
            let error = Error { status: StatusCode::SERVICE_UNAVAILABLE, kind: "unavailable", what: busy.detail };
            error.into_response()
        }
    }
}

fn success(data: &Json) -> Response {
    let body = json!({"status": "success", "data": data}).to_string();
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

fn at_one(value: Value, time: i64) -> Json {
    match value {
        Value::Scalar(number) => json!({"resultType": "scalar", "result": point(time, number)}),
        Value::Vector(rows) => {
            let one = |row: Row| {
                let value = row.values.first().copied().flatten()?;
                Some(json!({"metric": row.labels, "value": point(time, value)}))
            };
            json!({"resultType": "vector", "result": rows.into_iter().filter_map(one).collect::<Vec<_>>()})
        }
    }
}

fn at_many(value: Value, times: Times) -> Json {
    let rows = match value {
        Value::Scalar(number) => vec![Row { labels: [].into(), values: vec![Some(number); times.count()] }],
        Value::Vector(rows) => rows,
    };
    let all = |row: Row| {
        let points = times.all().zip(row.values).filter_map(|(time, value)| Some(point(time, value?)));
        let points: Vec<Json> = points.collect();
        (!points.is_empty()).then(|| json!({"metric": row.labels, "values": points}))
    };
    json!({"resultType": "matrix", "result": rows.into_iter().filter_map(all).collect::<Vec<_>>()})
}

/// `[1435781430.781, "0.5"]`.
fn point(time: i64, value: f64) -> Json {
    let seconds = if time % 1_000 == 0 {
        Number::from(time / 1_000)
    } else {
        Number::from_f64(time as f64 / 1e3).unwrap_or_else(|| Number::from(time / 1_000))
    };
    let text = match value {
        _ if value == f64::INFINITY => "+Inf".to_owned(),
        _ if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => value.to_string(),
    };
    Json::Array(vec![Json::Number(seconds), Json::String(text)])
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or_default()
}

const JSON: &str = "application/json";

/// Points of a series, as in Prometheus.
const POINTS: usize = 11_000;

/// A query at a time that has not come is answered by the newest sample, as clocks differ.
const LATE: i64 = 5 * 60 * 1_000;

/// Seconds since 1970 that a time may have.
const FARTHEST: f64 = 1e12;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked::new(&format!("/prometheus/api/v1/query_range?{query}").parse().unwrap(), b"")
    }

    #[test]
    fn times_are_read_as_prometheus_reads_them() {
        for (query, expected) in [
            ("start=1435781430&end=1435781431.781&step=15", (1_435_781_430_000, 1_435_781_431_781, 15_000)),
            (
                "start=2015-07-01T20:10:30.781Z&end=2015-07-01T22:11:00%2B02:00&step=1m",
                (1_435_781_430_781, 1_435_781_460_000, 60_000),
            ),
            ("start=0&end=0&step=0.5", (0, 0, 500)),
        ] {
            let times = asked(query).times().map_err(|error| error.what).unwrap();
            assert_eq!((times.start, times.end, times.step), expected, "{query}");
        }
        for (query, expected) in [
            ("end=1&step=1", "invalid parameter \"start\": it is needed"),
            (
                "start=x&end=1&step=1",
                "invalid parameter \"start\": cannot parse \"x\" to a valid timestamp: RFC 3339, or seconds since 1970",
            ),
            (
                "start=NaN&end=1&step=1",
                "invalid parameter \"start\": cannot parse \"NaN\" to a valid timestamp: RFC 3339, or seconds since 1970",
            ),
            (
                "start=0&end=1e300&step=1",
                "invalid parameter \"end\": cannot parse \"1e300\" to a valid timestamp: RFC 3339, or seconds since 1970",
            ),
            ("start=2&end=1&step=1", "invalid parameter \"end\": end timestamp must not be before start time"),
            ("start=0&end=1", "invalid parameter \"step\": it is needed"),
            (
                "start=0&end=1&step=0",
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted",
            ),
            (
                "start=0&end=1&step=x",
                "invalid parameter \"step\": cannot parse \"x\" to a valid duration: seconds, or like 5m",
            ),
            ("start=0&end=11000&step=1", "exceeded maximum resolution of 11000 points per timeseries"),
        ] {
            let error = asked(query).times().map(|times| times.count()).map_err(|error| error.what);
            assert_eq!(error, Err(expected.to_owned()), "{query}");
        }
    }

    #[test]
    fn points_are_written_as_prometheus_writes_them() {
        for (time, value, expected) in [
            (1_435_781_430_000, 1.0, r#"[1435781430,"1"]"#),
            (1_435_781_430_781, 0.5, r#"[1435781430.781,"0.5"]"#),
            (0, f64::NAN, r#"[0,"NaN"]"#),
            (-500, f64::INFINITY, r#"[-0.5,"+Inf"]"#),
            (0, f64::NEG_INFINITY, r#"[0,"-Inf"]"#),
            (0, 1e21, r#"[0,"1000000000000000000000"]"#),
        ] {
            assert_eq!(point(time, value).to_string(), expected);
        }
    }
}
