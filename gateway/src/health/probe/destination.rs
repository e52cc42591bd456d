//! Where a probe goes: the server's URL, with what the health check says otherwise.

use ::http::{HeaderValue, Uri, uri::PathAndQuery};
use rollgate_config::dynamic::service::health::{Probe, Scheme as Written};
use url::Url;

use crate::{health::fault::Fault, pool::target::Scheme};

/// An address, and what is asked for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) scheme: Scheme,
    /// A name or an address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) target: PathAndQuery,
}

impl Destination {
    /// Of the first request. Validation has made sure of the server's scheme and host.
    pub(super) fn of(probe: &Probe, server: &Url) -> Result<Self, Fault> {
        let scheme = match (probe.scheme, server.scheme()) {
            (Some(Written::Http), _) => Scheme::Http,
            (Some(Written::Https), _) | (None, "https") => Scheme::Https,
            (Some(Written::H2c), _) | (None, "h2c") => Scheme::H2c,
            (None, _) => Scheme::Http,
        };
        let port = probe.port.or_else(|| server.port());
        // Other schemes than those of the web have paths of another kind.
        let authority = server.host_str().unwrap_or_default();
        let base = format!("http://{authority}{}", server.path());
        let url = Url::parse(&base).and_then(|base| base.join(&probe.path)).map_err(unaskable)?;
        Self::new(scheme, &url, port)
    }

    /// Of the next one, where an answer says so.
    pub(super) fn redirected(&self, location: &str) -> Result<Self, Fault> {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        let here = Url::parse(&format!("{scheme}://{}{}", self.authority(), self.target)).map_err(unaskable)?;
        let url = here.join(location).map_err(unaskable)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            // Whoever speaks HTTP/2 in clear text goes on with it.
            "http" if url.origin() == here.origin() => self.scheme,
            "http" => Scheme::Http,
            other => return Err(Fault::Unaskable(format!("the scheme {other}"))),
        };
        Self::new(scheme, &url, url.port())
    }

    fn new(scheme: Scheme, url: &Url, port: Option<u16>) -> Result<Self, Fault> {
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let target = PathAndQuery::try_from(target).map_err(unaskable)?;
        Ok(Self { scheme, host, port: port.unwrap_or_else(|| default_port(scheme)), target })
    }

    /// `host[:port]`
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default_port(self.scheme) { host } else { format!("{host}:{}", self.port) }
    }

    /// What `Host` says.
    pub(super) fn host_value(&self, probe: &Probe) -> Result<HeaderValue, Fault> {
        let host = probe.hostname.clone().unwrap_or_else(|| self.authority());
        HeaderValue::from_bytes(host.as_bytes()).map_err(unaskable)
    }

    /// The absolute form, for HTTP/2.
    pub(super) fn uri(&self, host: &HeaderValue) -> Result<Uri, Fault> {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        let builder = Uri::builder().scheme(scheme).authority(host.as_bytes());
        builder.path_and_query(self.target.clone()).build().map_err(unaskable)
    }
}

fn default_port(scheme: Scheme) -> u16 {
    if scheme == Scheme::Https { 443 } else { 80 }
}

fn unaskable(error: impl std::fmt::Display) -> Fault {
    Fault::Unaskable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(to: &Destination) -> String {
        format!("{:?} {} {} {} {}", to.scheme, to.host, to.port, to.authority(), to.target)
    }

    #[test]
    fn a_probe_goes_to_its_server_but_for_what_is_written() {
        let plain = Probe::default();
        let path = |path: &str| Probe { path: path.to_owned(), ..Probe::default() };
        for (server, probe, expected) in [
            ("http://a", &plain, "Http a 80 a /"),
            ("http://a:8080/base", &plain, "Http a 8080 a:8080 /base"),
            ("https://a", &path("/health?deep=1#x"), "Https a 443 a /health?deep=1"),
            ("http://a/base/", &path("health"), "Http a 80 a /base/health"),
            ("http://a/base", &path("/health"), "Http a 80 a /health"),
            ("http://a", &path("?q"), "Http a 80 a /?q"),
            ("h2c://a", &path("/up"), "H2c a 80 a /up"),
            ("http://[::1]:81", &path("/up"), "Http ::1 81 [::1]:81 /up"),
            ("http://a:81", &Probe { port: Some(82), ..Probe::default() }, "Http a 82 a:82 /"),
            ("http://a", &Probe { scheme: Some(Written::Https), ..Probe::default() }, "Https a 443 a /"),
            ("https://a", &Probe { scheme: Some(Written::Http), ..Probe::default() }, "Http a 80 a /"),
            ("http://a:90", &Probe { scheme: Some(Written::H2c), ..Probe::default() }, "H2c a 90 a:90 /"),
        ] {
            assert_eq!(
                shown(&Destination::of(probe, &server.parse().unwrap()).unwrap()),
                expected,
                "{server} {probe:?}"
            );
        }
    }

    #[test]
    fn the_host_may_be_another() {
        let probe = Probe { hostname: Some("b".to_owned()), ..Probe::default() };
        let to = Destination::of(&probe, &"http://a:81".parse().unwrap()).unwrap();
        assert_eq!(to.host_value(&probe).unwrap(), "b");
        assert_eq!(to.host_value(&Probe::default()).unwrap(), "a:81");
    }

    #[test]
    fn a_redirect_is_followed_from_where_it_was_given() {
        let here = Destination::of(&Probe::default(), &"http://a:81/x/y".parse().unwrap()).unwrap();
        for (location, expected) in [
            ("/z", "Http a 81 a:81 /z"),
            ("z?q", "Http a 81 a:81 /x/z?q"),
            ("https://a/z", "Https a 443 a /z"),
            ("//b/z", "Http b 80 b /z"),
            ("http://[::1]:9/", "Http ::1 9 [::1]:9 /"),
        ] {
            assert_eq!(shown(&here.redirected(location).unwrap()), expected, "{location}");
        }
        assert!(here.redirected("ftp://a/").is_err());
        let h2c = Destination::of(&Probe::default(), &"h2c://a".parse().unwrap()).unwrap();
        assert_eq!(h2c.redirected("/z").unwrap().scheme, Scheme::H2c);
        assert_eq!(h2c.redirected("http://b/z").unwrap().scheme, Scheme::Http);
    }
}
