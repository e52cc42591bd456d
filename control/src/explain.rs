//! Where a request would go: from a URL to a question, and from an explanation to JSON.

mod shown;

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use rollgate_config::{
    dynamic::Configuration,
    static_config::{EntryPoint, INTERNAL, Static},
};
use rollgate_gateway::{Question, authority};

pub use self::shown::json;

/// A request, and how its entry point was chosen.
#[derive(Debug)]
pub struct Asked {
    /// It.
    pub question: Question,
    /// Why it comes in there.
    pub because: &'static str,
    /// As it was written.
    pub url: String,
}

/// A request for a URL, as it would come in.
///
/// # Errors
/// What is wrong with the URL.
pub fn question(
    (method, url, mut headers): (Method, &str, HeaderMap),
    client: IpAddr,
    statics: &Static,
    configuration: &Configuration,
) -> Result<Asked, String> {
    let written_url = url;
    let url: Uri = written_url.parse().map_err(|error| format!("{written_url}: {error}"))?;
    let scheme = url.scheme_str().ok_or_else(|| format!("{written_url}: needs a scheme (http, https)"))?;
    let tls = match scheme {
        "http" => false,
        "https" => true,
        other => return Err(format!("{other}: not a scheme that is served (http, https)")),
    };
    let written = url.authority().ok_or_else(|| format!("{written_url}: needs a host"))?;
    let parsed = authority::parse(written.as_str()).map_err(|error| format!("{written}: {error}"))?;
    if let Ok(host) = HeaderValue::from_str(written.as_str()) {
        headers.entry(header::HOST).or_insert(host);
    }
    let port = parsed.port.unwrap_or(if tls { 443 } else { 80 });
    let (entry_point, because) = entry_point(statics, configuration, tls, port);
    Ok(Asked {
        question: Question {
            entry_point,
            tls,
            path: url.path().to_owned(),
            query: url.query().map(str::to_owned),
            method,
            headers,
            client,
        },
        because,
        url: written_url.to_owned(),
    })
}

/// The entry point that such a request would reach, and why that one.
fn entry_point(statics: &Static, configuration: &Configuration, tls: bool, port: u16) -> (String, &'static str) {
    let suffix = format!(":{port}");
    if let Some((name, _)) = statics.entry_points.iter().find(|(_, entry)| entry.address.value.ends_with(&suffix)) {
        return (name.clone(), "it has the URL's port");
    }
    let defaults = defaults(statics);
    if tls {
        let public = || statics.entry_points.keys().filter(|name| *name != INTERNAL);
        let serves = |name: &&String| serves_tls(statics, configuration, &defaults, name);
        if let Some(name) = usual(public().filter(serves), "websecure") {
            return (name.clone(), "none has the URL's port; this one has routers with TLS");
        }
        if let Some(name) = public().find(|name| name.eq_ignore_ascii_case("websecure")) {
            return (name.clone(), "none has the URL's port; this is the usual one for https");
        }
    }
    match usual(defaults.into_iter(), "web") {
        Some(name) => (name.clone(), "none has the URL's port; this is a default one"),
        None => (INTERNAL.to_owned(), "there is no other"),
    }
}

/// The one of that name, else the first.
fn usual<'n>(mut names: impl Iterator<Item = &'n String>, wanted: &str) -> Option<&'n String> {
    let first = names.next()?;
    let named = |name: &&String| name.eq_ignore_ascii_case(wanted);
    if named(&first) { Some(first) } else { names.find(named).or(Some(first)) }
}

/// Where routers go that name no entry point.
fn defaults(statics: &Static) -> Vec<&String> {
    let those = |wanted: fn(&str, &EntryPoint) -> bool| {
        let entries = statics.entry_points.iter().filter(|(name, entry)| wanted(name, entry));
        entries.map(|(name, _)| name).collect::<Vec<_>>()
    };
    let marked = those(|_, entry| entry.as_default);
    if marked.is_empty() { those(|name, _| name != INTERNAL) } else { marked }
}

fn serves_tls(statics: &Static, configuration: &Configuration, defaults: &[&String], name: &String) -> bool {
    statics.entry_points.get(name).is_some_and(|entry| entry.http.tls.is_some())
        || configuration.routers.values().filter(|router| router.tls.is_some()).any(|router| {
            let named = router.entry_points.iter().any(|wanted| wanted.value.eq_ignore_ascii_case(name));
            named || (router.entry_points.is_empty() && defaults.contains(&name))
        })
}
