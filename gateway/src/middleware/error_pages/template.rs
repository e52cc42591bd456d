//! The target of a page's request, with places for what it is about.

use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::middleware::rewrite::NOT_IN_PATH;

/// `/{status}.html`, split at its places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `{status}`
    Shown,
    /// `{originalStatus}`
    Original,
    /// `{url}`
    Url,
}

impl Template {
    /// A slash goes before it; what no target may hold is encoded.
    pub(super) fn new(text: &str) -> Self {
        let text = format!("/{}", text.strip_prefix('/').unwrap_or(text));
        let mut pieces = Vec::new();
        let mut rest = &*text;
        while !rest.is_empty() {
            let next = PLACES
                .iter()
                .filter_map(|(place, piece)| Some((rest.find(place)?, place.len(), piece)))
                .min_by_key(|(at, ..)| *at);
            let Some((at, length, piece)) = next else { break };
            pieces.extend([Piece::Text(encoded(&rest[..at])), piece.clone()]);
            rest = &rest[at + length..];
        }
        pieces.push(Piece::Text(encoded(rest)));
        Self(pieces)
    }

    /// `url` is encoded as in a query.
    pub(super) fn fill(&self, shown: StatusCode, original: StatusCode, url: &str) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Shown => shown.as_str().to_owned(),
            Piece::Original => original.as_str().to_owned(),
            Piece::Url => utf8_percent_encode(url, IN_QUERY).to_string(),
        });
        pieces.collect()
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, IN_TARGET).to_string()
}

const PLACES: [(&str, Piece); 3] =
    [("{status}", Piece::Shown), ("{originalStatus}", Piece::Original), ("{url}", Piece::Url)];

/// What cannot stand in a target at all (RFC 3986 section 2).
const IN_TARGET: &AsciiSet = &NOT_IN_PATH.remove(b'?');

/// As Go's `url.QueryEscape`.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_the_rest_is_a_target() {
        let url = "http://a.test/x/%20?q=1&r=ü";
        for (text, filled) in [
            ("", "/"),
            ("/{status}.html", "/500.html"),
            ("{status}", "/500"),
            (
                "/a/{originalStatus}?s={status}&u={url}",
                "/a/418?s=500&u=http%3A%2F%2Fa.test%2Fx%2F%2520%3Fq%3D1%26r%3D%C3%BC",
            ),
            ("//x", "//x"),
            ("/a b/{other}", "/a%20b/%7Bother%7D"),
            ("/%20", "/%20"),
        ] {
            let status = |code| StatusCode::from_u16(code).unwrap();
            assert_eq!(Template::new(text).fill(status(500), status(418), url), filled, "{text}");
        }
    }
}
