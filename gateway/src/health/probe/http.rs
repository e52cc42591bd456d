//! A request whose answer's status counts, at the end of its redirects.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::Full;
use rollgate_config::dynamic::service::health::Probe;
use url::Url;

use super::{
    Check,
    connection::{self, Answer},
    destination::Destination,
};
use crate::{
    health::fault::{Fault, MAX_REDIRECTS},
    pool::Targets,
};

pub(super) async fn ask(check: &Check, server: &Url, targets: &Targets) -> Result<(), Fault> {
    let probe = &check.config.probe;
    let mut to = Destination::of(probe, server)?;
    let mut host = to.host_value(probe)?;
    let mut headers = headers(probe)?;
    let mut method = method(probe)?;
    for _ in 0..=MAX_REDIRECTS {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.method_mut() = method.clone();
        *request.headers_mut() = headers.clone();
        let Answer { response, .. } = connection::exchange(&to, &check.transport, targets, &host, request).await?;
        let status = response.status();
        let Some(location) = location(probe, status, response.headers()) else { return judge(probe.status, status) };
        let next = to.redirected(&location)?;
        if next.authority() != to.authority() {
            // What is for one server is not for another.
            host = next.host_value(&Probe::default())?;
            [header::AUTHORIZATION, header::COOKIE].into_iter().for_each(|name| drop(headers.remove(name)));
        }
        method = redirected(status, method);
        to = next;
    }
    Err(Fault::Redirects)
}

/// The status of the last answer.
fn judge(wanted: Option<u16>, status: StatusCode) -> Result<(), Fault> {
    match wanted {
        Some(wanted) if wanted != status.as_u16() => Err(Fault::OtherStatus(status, wanted)),
        None if !(200..400).contains(&status.as_u16()) => Err(Fault::Status(status)),
        _ => Ok(()),
    }
}

/// Where an answer leads to. One that leads nowhere is an answer like any other.
fn location(probe: &Probe, status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let redirects = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && !probe.stays;
    let location = headers.get(header::LOCATION).filter(|_| redirects)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// RFC 9110 section 15.4: 307 and 308 keep the method, the others are asked for with GET.
fn redirected(status: StatusCode, method: Method) -> Method {
    match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => method,
        _ if method == Method::HEAD => method,
        _ => Method::GET,
    }
}

fn method(probe: &Probe) -> Result<Method, Fault> {
    let method = if probe.method.is_empty() { "GET" } else { &probe.method };
    Method::from_bytes(method.as_bytes()).map_err(|error| Fault::Unaskable(error.to_string()))
}

/// Those that are written, and who asks.
pub(super) fn headers(probe: &Probe) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::from_iter([(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))]);
    for (name, value) in &probe.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| Fault::Unaskable(error.to_string()))?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|error| Fault::Unaskable(error.to_string()))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

const USER_AGENT: &str = "Rollgate-HealthCheck";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_status_from_200_to_399_is_good_unless_one_is_asked_for() {
        for (wanted, status, good) in [
            (None, 199, false),
            (None, 200, true),
            (None, 399, true),
            (None, 400, false),
            (None, 503, false),
            (Some(204), 204, true),
            (Some(204), 200, false),
            (Some(503), 503, true),
        ] {
            let judged = judge(wanted, StatusCode::from_u16(status).unwrap());
            assert_eq!(judged.is_ok(), good, "{wanted:?} {status}");
        }
        assert_eq!(judge(None, StatusCode::NOT_FOUND).unwrap_err().to_string(), "its status is 404 Not Found");
        assert_eq!(judge(Some(204), StatusCode::OK).unwrap_err().to_string(), "its status is 200 OK, not 204");
    }

    #[test]
    fn redirects_are_followed_unless_that_is_turned_off() {
        let mut headers = HeaderMap::new();
        let follows = Probe::default();
        assert_eq!(location(&follows, StatusCode::FOUND, &headers), None);
        headers.insert(header::LOCATION, HeaderValue::from_static("/x"));
        assert_eq!(location(&follows, StatusCode::FOUND, &headers).as_deref(), Some("/x"));
        assert_eq!(location(&follows, StatusCode::NOT_MODIFIED, &headers), None);
        assert_eq!(location(&follows, StatusCode::CREATED, &headers), None);
        assert_eq!(location(&Probe { stays: true, ..follows }, StatusCode::FOUND, &headers), None);
    }

    #[test]
    fn a_redirect_keeps_the_method_where_it_has_to() {
        for (status, method, then) in [
            (302, Method::POST, Method::GET),
            (303, Method::HEAD, Method::HEAD),
            (307, Method::POST, Method::POST),
            (308, Method::OPTIONS, Method::OPTIONS),
        ] {
            assert_eq!(redirected(StatusCode::from_u16(status).unwrap(), method), then, "{status}");
        }
    }
}
