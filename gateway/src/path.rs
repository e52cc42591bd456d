//! One normal form of the request path, so that the router, the middlewares and the backend read the same path.
//!
//! ```text
//! raw --normalise--> forwarded path --routing_path--> what rules are matched against
//! ```
//!
//! The forwarded path has only octets that RFC 3986 allows in a path, no percent-encoding of an unreserved character
//! and upper-case digits in those that stay (section 6.2.2). With `sanitizePath` it has no `.` or `..` segment and no
//! doubled slash either. Cost: one scan by a table; a path already in normal form is borrowed.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use rollgate_config::static_config::EncodedCharacters;
use thiserror::Error;

/// What an entry point wants of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRules {
    /// `sanitizePath`: dot segments are resolved and doubled slashes merged.
    pub sanitize: bool,
    /// `encodedCharacters`: which ones a path may have in percent-encoded form.
    pub encoded: EncodedCharacters,
}

/// Why a path is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathRefusal {
    /// Neither `/...` nor `*`.
    #[error("the path does not begin with a slash")]
    NotAbsolute,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("the path has a bad percent-encoding")]
    BadEncoding,
    /// An octet that no request target has: a control character, a space, `?` or `#`.
    #[error("the path has the character {0:?}")]
    BadCharacter(char),
    /// A character that `encodedCharacters` does not allow in encoded form.
    #[error("the path has an encoded {name} (%{byte:02X})")]
    Encoded {
        /// What it is called: `slash`, `back slash`, ...
        name: &'static str,
        /// The octet.
        byte: u8,
    },
}

/// The path in normal form, as it is matched and forwarded.
///
/// `*` stays as it is and an empty path becomes `/`. A trailing slash is kept; a `..` above the root is dropped.
/// Normal form is a fixed point: normalising again changes nothing.
pub fn normalise<'p>(rules: &PathRules, raw: &'p str) -> Result<Cow<'p, str>, PathRefusal> {
    match raw.as_bytes() {
        [b'/', ..] => {}
        [] => return Ok(Cow::Borrowed("/")),
        b"*" => return Ok(Cow::Borrowed(raw)),
        _ => return Err(PathRefusal::NotAbsolute),
    }
    if is_normal(rules, raw.as_bytes()) {
        return Ok(Cow::Borrowed(raw));
    }
    let encoded = normal_encoding(rules, raw)?;
    Ok(Cow::Owned(if rules.sanitize { without_dots(&encoded) } else { encoded }))
}

/// The path that rules are matched against: percent-encodings of characters that are not reserved are decoded, so that
/// ``Path(`/foo bar`)`` matches `/foo%20bar`; reserved ones and `%25` stay, so that `%2F` is no separator.
///
/// A path in normal form without a `%` is its own routing path. Octets that are no UTF-8 stay encoded.
pub fn routing_path(path: &str) -> Cow<'_, str> {
    let Some(first) = first_decodable(path.as_bytes()) else {
        return Cow::Borrowed(path);
    };
    let mut decoded = String::with_capacity(path.len());
    decoded.push_str(&path[..first]);
    let bytes = path.as_bytes();
    let (mut at, mut copied) = (first, first);
    while at < bytes.len() {
        if decodable(&bytes[at..]).is_none() {
            at += 1;
            continue;
        }
        decoded.push_str(&path[copied..at]);
        let mut run = Vec::new();
        while let Some(byte) = decodable(&bytes[at..]) {
            run.push(byte);
            at += 3;
        }
        push_text(&mut decoded, &run);
        copied = at;
    }
    decoded.push_str(&path[copied..]);
    Cow::Owned(decoded)
}

/// Whether a path that a middleware put together is in the normal form that the entry point's paths have: what a router
/// agreed to is then what is forwarded.
pub(crate) fn is_normal_form(path: &str) -> bool {
    is_clean(path) && is_normal(&EVERYTHING, path.as_bytes())
}

/// Whether a path has no `.` or `..` segment, plain or encoded, and no empty segment but the last.
pub(crate) fn is_clean(path: &str) -> bool {
    let segments = path.strip_prefix('/').unwrap_or(path);
    let mut rest = segments.split('/').peekable();
    while let Some(segment) = rest.next() {
        let empty = segment.is_empty() && rest.peek().is_some();
        let dots = segment.starts_with(['.', '%'])
            && [&b"."[..], b".."].iter().any(|dots| percent_decode_str(segment).eq(dots.iter().copied()));
        if empty || dots {
            return false;
        }
    }
    true
}

/// Whether every `%` is followed by two hexadecimal digits.
pub(crate) fn is_soundly_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    text.match_indices('%').all(|(at, _)| bytes.get(at + 1..at + 3).and_then(hex).is_some())
}

/// The octet that `digits`, two hexadecimal digits, stand for.
pub(crate) fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn is_normal(rules: &PathRules, path: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        match CLASSES[usize::from(byte)] {
            Class::Plain => {}
            Class::Slash => {
                if rules.sanitize && begins_unclean(&path[at + 1..]) {
                    return false;
                }
            }
            Class::Percent => {
                let digits = path.get(at + 1..at + 3).unwrap_or_default();
                let kept = hex(digits).filter(|byte| !is_unreserved(*byte) && allowed(&rules.encoded, *byte).is_ok());
                if kept.is_none() || digits.iter().any(u8::is_ascii_lowercase) {
                    return false;
                }
                at += 2;
            }
            Class::Encode | Class::Refuse => return false,
        }
        at += 1;
    }
    true
}

/// Whether what follows a slash begins with a slash or a dot segment.
fn begins_unclean(rest: &[u8]) -> bool {
    matches!(rest, [b'/', ..] | [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}

fn normal_encoding(rules: &PathRules, raw: &str) -> Result<String, PathRefusal> {
    let bytes = raw.as_bytes();
    let mut path = String::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match CLASSES[usize::from(byte)] {
            Class::Plain | Class::Slash => path.push(char::from(byte)),
            Class::Percent => {
                let byte = bytes.get(at..at + 2).and_then(hex).ok_or(PathRefusal::BadEncoding)?;
                at += 2;
                if is_unreserved(byte) {
                    path.push(char::from(byte));
                } else {
                    allowed(&rules.encoded, byte)?;
                    push_encoded(&mut path, byte);
                }
            }
            Class::Encode => {
                allowed(&rules.encoded, byte)?;
                push_encoded(&mut path, byte);
            }
            Class::Refuse => return Err(PathRefusal::BadCharacter(char::from(byte))),
        }
    }
    Ok(path)
}

/// Dot segments resolved, doubled slashes merged.
fn without_dots(path: &str) -> String {
    let mut clean = String::with_capacity(path.len());
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => clean.truncate(clean.rfind('/').unwrap_or(0)),
            _ => {
                clean.push('/');
                clean.push_str(segment);
            }
        }
    }
    if clean.is_empty() || path.ends_with('/') {
        clean.push('/');
    }
    clean
}

/// Whether a path in normal form has none in encoded form but those that are allowed.
///
/// # Errors
/// The first that is not.
pub(crate) fn check_encoded(encoded: &EncodedCharacters, path: &str) -> Result<(), PathRefusal> {
    for (at, _) in path.match_indices('%') {
        let byte = path.as_bytes().get(at + 1..at + 3).and_then(hex).ok_or(PathRefusal::BadEncoding)?;
        allowed(encoded, byte)?;
    }
    Ok(())
}

fn allowed(encoded: &EncodedCharacters, byte: u8) -> Result<(), PathRefusal> {
    let (name, allowed) = match byte {
        b'/' => ("slash", encoded.slash),
        b'\\' => ("back slash", encoded.back_slash),
        0 => ("null character", encoded.null_character),
        b';' => ("semicolon", encoded.semicolon),
        b'%' => ("percent", encoded.percent),
        b'?' => ("question mark", encoded.question_mark),
        b'#' => ("hash", encoded.hash),
        _ => return Ok(()),
    };
    if allowed { Ok(()) } else { Err(PathRefusal::Encoded { name, byte }) }
}

fn first_decodable(path: &[u8]) -> Option<usize> {
    (0..path.len()).find(|at| path[*at] == b'%' && decodable(&path[*at..]).is_some())
}

/// The octet whose percent-encoding `rest` begins with, if it is decoded for routing.
fn decodable(rest: &[u8]) -> Option<u8> {
    let [b'%', digits @ ..] = rest else {
        return None;
    };
    let byte = hex(digits.get(..2)?)?;
    let stays = is_reserved(byte) || byte == b'%';
    (!stays).then_some(byte)
}

fn push_text(text: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            push_encoded(text, *byte);
        }
    }
}

fn push_encoded(path: &mut String, byte: u8) {
    path.push_str(percent_encoding::percent_encode_byte(byte));
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 section 2.2.
const fn is_reserved(byte: u8) -> bool {
    matches!(byte, b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@') || is_sub_delimiter(byte)
}

const fn is_sub_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

/// The strictest form with every character allowed: which ones are not was settled when the request came.
const EVERYTHING: PathRules = PathRules { sanitize: true, encoded: EncodedCharacters::ALL };

#[derive(Clone, Copy)]
enum Class {
    /// Stands as it is.
    Plain,
    Slash,
    Percent,
    /// Sent by some clients though RFC 3986 does not allow it: percent-encoded.
    Encode,
    Refuse,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Encode; 256];
    let mut byte = 0;
    while byte < 256 {
        let octet = byte as u8;
        if is_unreserved(octet) || is_sub_delimiter(octet) || matches!(octet, b':' | b'@' | b'[' | b']') {
            classes[byte] = Class::Plain;
        } else if octet <= b' ' || matches!(octet, 0x7F | b'?' | b'#') {
            classes[byte] = Class::Refuse;
        }
        byte += 1;
    }
    classes[b'/' as usize] = Class::Slash;
    classes[b'%' as usize] = Class::Percent;
    classes
};

#[cfg(test)]
mod tests;
