//! The command line as a request.

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use rollgate_config::static_config::{INTERNAL, Static};
use rollgate_gateway::{Question, authority};

use super::ExplainArgs;

/// A request, and how its entry point was chosen.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) question: Question,
    pub(crate) because: &'static str,
}

/// Reads it; the error says what is wrong with which word.
pub(crate) fn question(arguments: &ExplainArgs, statics: &Static) -> Result<Asked, String> {
    let url: Uri = arguments.url.parse().map_err(|error| format!("{}: {error}", arguments.url))?;
    let scheme = url.scheme_str().ok_or_else(|| format!("{}: needs a scheme (http, https)", arguments.url))?;
    let tls = match scheme {
        "http" => false,
        "https" => true,
        other => return Err(format!("{other}: not a scheme that is served (http, https)")),
    };
    let written = url.authority().ok_or_else(|| format!("{}: needs a host", arguments.url))?;
    let parsed = authority::parse(written.as_str()).map_err(|error| format!("{written}: {error}"))?;
    let mut headers = headers(&arguments.headers)?;
    if let Ok(host) = HeaderValue::from_str(written.as_str()) {
        headers.entry(header::HOST).or_insert(host);
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = authority::parse(host).map_err(|error| format!("Host: {host}: {error}"))?.host;
    let host = authority::canonical_host(host).into_owned();
    let port = parsed.port.unwrap_or(if tls { 443 } else { 80 });
    let (entry_point, because) = entry_point(statics, tls, port);
    let method = arguments.method.parse().map_err(|_| format!("{}: not a method", arguments.method))?;
    Ok(Asked {
        question: Question {
            entry_point,
            tls,
            host,
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
            method,
            headers,
            client: arguments.client,
        },
        because,
    })
}

fn headers(lines: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("{line}: a header is `Name: value`"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| format!("{name}: not a header name"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("{line}: not a header value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The entry point that such a request would reach.
fn entry_point(statics: &Static, tls: bool, port: u16) -> (String, &'static str) {
    let suffix = format!(":{port}");
    let public = || statics.entry_points.iter().filter(|(name, _)| *name != INTERNAL);
    if let Some((name, _)) = statics.entry_points.iter().find(|(_, entry)| entry.address.value.ends_with(&suffix)) {
        return (name.clone(), "it has the URL's port");
    }
    let usual = if tls { "websecure" } else { "web" };
    if statics.entry_points.contains_key(usual) {
        return (usual.to_owned(), "none has the URL's port; this is the usual one for its scheme");
    }
    if let Some((name, _)) = public().find(|(_, entry)| entry.http.tls.is_some() == tls) {
        return (name.clone(), "none has the URL's port; this is the first one for its scheme");
    }
    let first = public().next().map_or(INTERNAL, |(name, _)| name);
    (first.to_owned(), "none has the URL's port; this is the first one")
}
