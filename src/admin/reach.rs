//! How the gateway is reached: options, and the environment where they are not given.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use http::{HeaderValue, Uri};

use super::failure::Failure;
use crate::healthcheck;

/// Where it is, and who asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Reach {
    /// The admin API's address, with its base path if it has one
    /// [default: ROLLGATE_ADDRESS, else ROLLGATE_INTERNAL_ADDRESS, else http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    address: Option<String>,
    /// A file with the token, and nothing else [default: the token itself in ROLLGATE_TOKEN]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Authorities of the gateway's certificate, PEM [default: the machine's]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) ca: Option<PathBuf>,
    /// A certificate to show, PEM, with those that signed it behind it
    #[arg(long, value_name = "FILE", requires = "client_key", value_hint = clap::ValueHint::FilePath)]
    pub(super) client_certificate: Option<PathBuf>,
    /// The key of that certificate, PEM
    #[arg(long, value_name = "FILE", requires = "client_certificate", value_hint = clap::ValueHint::FilePath)]
    pub(super) client_key: Option<PathBuf>,
    /// What one request may take: 500ms, 10s, 1m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(super) timeout: Duration,
}

impl Reach {
    /// `http://host:port/base`, without a slash at the end.
    pub(super) fn base(&self) -> Result<String, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        base(self.address.as_deref(), variable).map_err(Failure::Usage)
    }

    /// The header that says who asks. A token is never on the command line, where every process sees it.
    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let (token, place) = match &self.token_file {
            Some(file) => (text_of(file)?, file.display().to_string()),
            None => match std::env::var("ROLLGATE_TOKEN") {
                Ok(token) if !token.is_empty() => (token, "ROLLGATE_TOKEN".to_owned()),
                _ => return Ok(None),
            },
        };
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Usage(format!("{place}: not a token: one word of visible ASCII")));
        }
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).expect("visible ASCII is a header's value");
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// The option, else the first variable that is there.
fn base(option: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, address) = match (option, variable("ROLLGATE_ADDRESS"), variable("ROLLGATE_INTERNAL_ADDRESS")) {
        (Some(address), _, _) => ("--address", address.to_owned()),
        (None, Some(address), _) => ("ROLLGATE_ADDRESS", address),
        (None, None, Some(address)) => ("ROLLGATE_INTERNAL_ADDRESS", address),
        (None, None, None) => return Ok("http://127.0.0.1:8080".to_owned()),
    };
    let wrong = |what: &str| Err(format!("{name}: {address}: {what} (http://HOST:PORT or https://HOST:PORT)"));
    let url = match address.contains("://") {
        true => address.clone(),
        false => format!("http://{}", healthcheck::dialled(&address)),
    };
    let Ok(uri) = url.parse::<Uri>() else { return wrong("not an address") };
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            return wrong("names and passwords are not for addresses");
        }
        Some(_) if matches!(uri.scheme_str(), Some("http" | "https")) => {}
        _ => return wrong("not an address of HTTP"),
    }
    if uri.query().is_some() || url.contains('#') {
        return wrong("a query or a fragment has no place here");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// The text of a small file that the command line names.
pub(super) fn text_of(file: &Path) -> Result<String, Failure> {
    let failed = |what: String| Failure::Usage(format!("{}: {what}", file.display()));
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| failed(error.to_string()))?;
    opened.take(SMALL + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > SMALL {
        return Err(failed(format!("larger than {SMALL} bytes")));
    }
    Ok(text)
}

/// `10s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().map_err(|error| error.to_string())?;
    match Duration::try_from(parsed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("it is more than nothing".to_owned()),
    }
}

/// What a token, a key or a bundle of certificates may have, in bytes.
const SMALL: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn from(option: Option<&str>, variables: &[(&str, &str)]) -> Result<String, String> {
        base(option, |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn the_option_comes_before_the_environment() {
        let both = [("ROLLGATE_ADDRESS", "https://gw.example/x/"), ("ROLLGATE_INTERNAL_ADDRESS", ":81")];
        assert_eq!(from(None, &[]).unwrap(), "http://127.0.0.1:8080");
        assert_eq!(from(None, &both[1..]).unwrap(), "http://127.0.0.1:81");
        assert_eq!(from(None, &both).unwrap(), "https://gw.example/x");
        assert_eq!(from(Some("[::1]:82"), &both).unwrap(), "http://[::1]:82");
        assert_eq!(from(Some("http://h:83/"), &both).unwrap(), "http://h:83");
    }

    #[test]
    fn what_is_no_address_of_http_is_refused() {
        for address in
            ["ftp://a", "http://", "http://a b", "http://user:secret@a", "http://a/?b", "http://a/#b", "a/b c"]
        {
            let told = from(Some(address), &[]).unwrap_err();
            assert!(told.starts_with("--address: "), "{told}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "10", "0s", "-1s", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
