//! URLs that the gateway connects to.

use url::Url;

use crate::{
    fields::{Sink, Value, located_text, quoted},
    problem::Located,
};

/// A URL of one of these schemes, with a host and without a user. `refused` says what else it must not have.
pub(super) fn to_connect_to(
    schemes: &'static [&'static str],
    allowed: &'static str,
    refused: fn(&Url) -> Option<&'static str>,
) -> impl FnOnce(Value<'_>, &mut Sink) -> Option<Located<Url>> {
    move |value, out| {
        let Located { value: text, at } = located_text(value, out)?;
        let url = match Url::parse(text.trim()) {
            Ok(url) => url,
            Err(error) => {
                out.problem(&at, value.path, format!("{} is no URL: {error}", quoted(&text)), allowed);
                return None;
            }
        };
        let has = if !schemes.contains(&url.scheme()) {
            format!("has the scheme {}", url.scheme())
        } else if url.host_str().is_none_or(str::is_empty) {
            "has no host".to_owned()
        } else if let Some(refused) = refused(&url) {
            refused.to_owned()
        } else if !url.username().is_empty() || url.password().is_some() {
            // Not quoted: it may hold a password.
            out.problem(&at, value.path, "has a user in it", allowed);
            return None;
        } else {
            return Some(Located { value: url, at });
        };
        out.problem(&at, value.path, format!("{} {has}", quoted(&text)), allowed);
        None
    }
}
