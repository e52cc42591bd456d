//! Prometheus' HTTP API over what is kept of the last hour, for whoever knows no other: Kayenta, Flagger, Argo Rollouts.
//! Requests, answers and errors are shaped as there.

use std::{
    fmt::Write as _,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::json;
use url::form_urlencoded;

use super::Shared;
use crate::{
    history::NAMES,
    promql::{Failed, Refused, Row, Times, Value, duration, evaluate, parse},
};

/// `query`: values at one time.
pub async fn query(State(shared): State<Shared>, uri: Uri, body: Bytes) -> Response {
    let read = Asked::new(&uri, &body).and_then(|asked| Ok((asked.time("time")?.unwrap_or_else(now), asked)));
    let (time, asked) = match read {
        Ok(read) => read,
        Err(error) => return error.into_response(),
    };
    answer(shared, asked, move |newest| {
        Ok((time, Times::at(if time <= newest + LATE { time.min(newest) } else { time })))
    })
    .await
}

/// `query_range`: values at many.
pub async fn query_range(State(shared): State<Shared>, uri: Uri, body: Bytes) -> Response {
    let (times, asked) = match Asked::new(&uri, &body).and_then(|asked| Ok((asked.times()?, asked))) {
        Ok(read) => read,
        Err(error) => return error.into_response(),
    };
    answer(shared, asked, move |_| Err(times)).await
}

/// `label/__name__/values`: the names of all metrics.
pub async fn names() -> Response {
    success(json!({"status": "success", "data": NAMES.map(|(name, _)| name)}).to_string())
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
            Failed::Late => Self { status: StatusCode::SERVICE_UNAVAILABLE, kind: "timeout", what: failed.to_string() },
        }
    }
}

impl From<Refused> for Error {
    fn from(Refused { at, what }: Refused) -> Self {
        Self::bad("query", format_args!("1:{at}: parse error: {what}"))
    }
}

/// The values of [`PARAMETERS`]: those of the body stand before those of the address, and of several the first one.
struct Asked([Option<String>; PARAMETERS.len()]);

/// What is read; other parameters of Prometheus make no difference to an answer, or to none that is given here.
const PARAMETERS: [&str; 5] = ["query", "time", "start", "end", "step"];

impl Asked {
    fn new(uri: &Uri, body: &[u8]) -> Result<Self, Error> {
        if body.len() > FORM {
            let what = format!("a form has at most {FORM} bytes");
            return Err(Error { status: StatusCode::PAYLOAD_TOO_LARGE, kind: "bad_data", what });
        }
        let mut values = [const { None }; PARAMETERS.len()];
        let address = uri.query().unwrap_or_default().as_bytes();
        for (name, value) in form_urlencoded::parse(body).chain(form_urlencoded::parse(address)) {
            let known = PARAMETERS.iter().position(|known| *known == name);
            if let Some(place @ None) = known.map(|index| &mut values[index])
                && !value.is_empty()
            {
                *place = Some(value.into_owned());
            }
        }
        Ok(Self(values))
    }

    fn one(&self, name: &str) -> Option<&str> {
        let index = PARAMETERS.iter().position(|known| *known == name)?;
        self.0[index].as_deref()
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
    let history = shared.history.clone();
    let answered = shared.bounds.heavy(move || -> Result<String, Error> {
        let text = asked.one("query").ok_or_else(|| Error::bad("query", "it is needed"))?;
        let expr = parse(text)?;
        let until = Instant::now() + LONGEST;
        let is_late = || Instant::now() > until;
        let history = history.lock();
        let newest = history.span().map_or(i64::MIN / 2, |(_, newest)| newest);
        let (when, evaluated) = match when(newest) {
            Ok((shown, times)) => (Ok(shown), evaluate(&expr, &history, times, &is_late)),
            Err(times) => (Err(times), evaluate(&expr, &history, times, &is_late)),
        };
        // Whoever takes samples need not wait until it is written.
        drop(history);
        Ok(match when {
            Ok(shown) => at_one(evaluated?, shown)?,
            Err(times) => at_many(evaluated?, times)?,
        })
    });
    match answered.await {
        Ok(Ok(body)) => success(body),
        Ok(Err(error)) => error.into_response(),
        Err(busy) => {
            let error = Error { status: StatusCode::SERVICE_UNAVAILABLE, kind: "unavailable", what: busy.detail };
            error.into_response()
        }
    }
}

fn success(body: String) -> Response {
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

fn at_one(value: Value, time: i64) -> Result<String, Failed> {
    match value {
        Value::Scalar(number) => {
            let mut body = "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":".to_owned();
            write_point(&mut body, time, number);
            Ok(body + "}}")
        }
        Value::Vector(rows) => written("vector", rows, |row, body| {
            let Some(value) = row.values.first().copied().flatten() else { return 0 };
            body.push_str("\"value\":");
            write_point(body, time, value);
            1
        }),
    }
}

fn at_many(value: Value, times: Times) -> Result<String, Failed> {
    let rows = match value {
        Value::Scalar(number) => vec![Row { labels: [].into(), values: vec![Some(number); times.count()] }],
        Value::Vector(rows) => rows,
    };
    written("matrix", rows, |row, body| {
        body.push_str("\"values\":");
        let mut count = 0;
        for (time, value) in times.all().zip(&row.values) {
            let Some(value) = value else { continue };
            body.push(if count == 0 { '[' } else { ',' });
            write_point(body, time, *value);
            count += 1;
        }
        body.push(']');
        count
    })
}

/// An answer of series. `values` writes those of one and says how many there were; one without any is left out.
fn written(kind: &str, rows: Vec<Row>, values: impl Fn(&Row, &mut String) -> usize) -> Result<String, Failed> {
    let mut body = format!("{{\"status\":\"success\",\"data\":{{\"resultType\":\"{kind}\",\"result\":[");
    let (begin, mut total) = (body.len(), 0);
    for row in rows {
        let before = body.len();
        let labels = serde_json::to_string(&row.labels).unwrap_or_default();
        body.push_str(if before == begin { "" } else { "," });
        body.extend(["{\"metric\":", &labels, ","]);
        let count = values(&row, &mut body);
        body.push('}');
        if count == 0 {
            body.truncate(before);
        }
        total += count;
        if total > MOST_ANSWERED {
            let what = format!("the answer has more than {MOST_ANSWERED} values: add up more of them, or ask for less");
            return Err(Failed::NotPossible(what));
        }
    }
    Ok(body + "]}}")
}

/// `[1435781430.781, "0.5"]`.
fn write_point(body: &mut String, time: i64, value: f64) {
    // Writing to a string does not fail.
    let _ = if time % 1_000 == 0 { write!(body, "[{}", time / 1_000) } else { write!(body, "[{}", time as f64 / 1e3) };
    let _ = match value {
        _ if value == f64::INFINITY => write!(body, ",\"+Inf\"]"),
        _ if value == f64::NEG_INFINITY => write!(body, ",\"-Inf\"]"),
        _ => write!(body, ",\"{value}\"]"),
    };
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    i64::try_from(now).unwrap_or_default()
}

const JSON: &str = "application/json";

/// Points of a series, as in Prometheus.
const POINTS: usize = 11_000;

/// Values in one answer.
const MOST_ANSWERED: usize = 100_000;

/// Bytes of a form: what a query may have, with all of it escaped, is a fifth of it.
const FORM: usize = 64 << 10;

/// What a query may take: as long is no sample taken, and others wait who ask for much.
const LONGEST: Duration = Duration::from_secs(2);

/// A query at a time that has not come is answered by the newest sample, as clocks differ.
const LATE: i64 = 5 * 60 * 1_000;

/// Seconds since 1970 that a time may have.
const FARTHEST: f64 = 1e12;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        let uri = format!("/prometheus/api/v1/query_range?{query}").parse().unwrap();
        Asked::new(&uri, b"").map_err(|error| error.what).unwrap()
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
            let mut body = String::new();
            write_point(&mut body, time, value);
            assert_eq!(body, expected);
        }
    }

    fn row(name: &str, values: &[Option<f64>]) -> Row {
        Row { labels: [("service".to_owned(), name.to_owned())].into(), values: values.to_vec() }
    }

    #[test]
    fn answers_are_written_as_prometheus_writes_them() {
        let times = Times { start: 1_000, end: 3_000, step: 1_000 };
        let rows =
            || vec![row("none", &[None; 3]), row("a\"b", &[Some(1.0), None, Some(2.5)]), row("c", &[Some(0.0); 3])];
        for (written, expected) in [
            (
                at_many(Value::Vector(rows()), times),
                r#"{"resultType":"matrix","result":[{"metric":{"service":"a\"b"},"values":[[1,"1"],[3,"2.5"]]},{"metric":{"service":"c"},"values":[[1,"0"],[2,"0"],[3,"0"]]}]}"#,
            ),
            (
                at_many(Value::Scalar(7.0), times),
                r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"7"],[2,"7"],[3,"7"]]}]}"#,
            ),
            (at_many(Value::Vector(vec![]), times), r#"{"resultType":"matrix","result":[]}"#),
            (
                at_one(Value::Vector(rows()), 1_500),
                r#"{"resultType":"vector","result":[{"metric":{"service":"a\"b"},"value":[1.5,"1"]},{"metric":{"service":"c"},"value":[1.5,"0"]}]}"#,
            ),
            (at_one(Value::Scalar(f64::NAN), 2_000), r#"{"resultType":"scalar","result":[2,"NaN"]}"#),
        ] {
            assert_eq!(written.unwrap(), format!(r#"{{"status":"success","data":{expected}}}"#));
        }
    }

    #[test]
    fn an_answer_has_a_bound() {
        let times = Times { start: 0, end: 9_999_000, step: 1_000 };
        let rows = |count: usize| Value::Vector(vec![row("a", &vec![Some(1.0); 10_000]); count]);
        assert!(at_many(rows(10), times).is_ok());
        assert_eq!(
            at_many(rows(11), times),
            Err(Failed::NotPossible(
                "the answer has more than 100000 values: add up more of them, or ask for less".to_owned()
            ))
        );
    }

    #[test]
    fn a_form_has_a_bound_and_stands_before_the_address() {
        let uri = "/prometheus/api/v1/query?query=b&time=2&query=c&other=d".parse().unwrap();
        let asked = Asked::new(&uri, b"query=&query=a+b&x=y").map_err(|error| error.what).unwrap();
        assert_eq!((asked.one("query"), asked.one("time"), asked.one("step")), (Some("a b"), Some("2"), None));
        let Err(error) = Asked::new(&uri, &[b'&'; FORM + 1]) else { panic!("it is read") };
        assert_eq!((error.status.as_u16(), &*error.what), (413, "a form has at most 65536 bytes"));
    }
}
