//! A path has one normal form; what rules are matched against is what is forwarded; no traversal is left.

use percent_encoding::percent_decode_str;
use rollgate_config::static_config::EncodedCharacters;
use rollgate_gateway::path::{PathRules, normalise, routing_path};

/// The first byte's bits are the entry point's rules, the rest is a path.
pub fn path(data: &[u8]) {
    let Some((bits, rest)) = data.split_first() else { return };
    let Ok(raw) = std::str::from_utf8(rest) else { return };
    let rules = rules(*bits);
    let Ok(normal) = normalise(&rules, raw) else {
        // Anything can be asked of the router's form.
        routing_path(raw);
        return;
    };
    assert_eq!(normalise(&rules, &normal).as_deref(), Ok(&*normal), "the normal form of {raw:?} has another one");
    if normal == "*" {
        return;
    }
    assert!(normal.starts_with('/'), "{raw:?} becomes {normal:?}");
    well_formed(&rules, &normal);
    if !rules.sanitize {
        // Nothing is repaired then: not an octet more or less, encodings aside.
        assert!(decoded(raw) == decoded(&normal) || raw.is_empty(), "{raw:?} becomes {normal:?}");
    } else {
        no_traversal(&normal);
    }
    matched_as_forwarded(&rules, &normal);
}

fn rules(bits: u8) -> PathRules {
    let bit = |at: u8| bits & 1 << at != 0;
    let encoded = EncodedCharacters {
        slash: bit(1),
        back_slash: bit(2),
        null_character: bit(3),
        semicolon: bit(4),
        percent: bit(5),
        question_mark: bit(6),
        hash: bit(7),
    };
    PathRules { sanitize: bit(0), encoded }
}

/// Only octets of RFC 3986, and of those in encoded form none that may not be.
fn well_formed(rules: &PathRules, path: &str) {
    let bytes = path.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        at += 1;
        if byte != b'%' {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/[]".contains(&byte);
            assert!(allowed, "{path:?} has {:?}", char::from(byte));
            continue;
        }
        let digits = path.get(at..at + 2).unwrap_or_else(|| panic!("{path:?} ends in an encoding"));
        at += 2;
        assert!(digits.bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit)), "{path:?}");
        let octet = u8::from_str_radix(digits, 16).expect("two digits");
        assert!(!octet.is_ascii_alphanumeric() && !b"-._~".contains(&octet), "{path:?} need not encode %{digits}");
        let encoded = &rules.encoded;
        let refused = match octet {
            b'/' => !encoded.slash,
            b'\\' => !encoded.back_slash,
            0 => !encoded.null_character,
            b';' => !encoded.semicolon,
            b'%' => !encoded.percent,
            b'?' => !encoded.question_mark,
            b'#' => !encoded.hash,
            _ => false,
        };
        assert!(!refused, "{path:?} has an encoding that is not allowed");
    }
    assert!(http::Uri::try_from(path).is_ok(), "{path:?} is no target");
}

fn no_traversal(path: &str) {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (at, segment) in segments.iter().enumerate() {
        assert!(![&b"."[..], b".."].contains(&&*decoded(segment)), "{path:?} has a dot segment");
        assert!(!segment.is_empty() || at + 1 == segments.len(), "{path:?} has an empty segment");
    }
}

fn matched_as_forwarded(rules: &PathRules, normal: &str) {
    let routed = routing_path(normal);
    assert_eq!(routing_path(&routed), routed, "{normal:?} is routed as {routed:?}, which is routed otherwise");
    assert_eq!(decoded(&routed), decoded(normal), "{normal:?} is routed as {routed:?}");
    let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
    assert_eq!(slashes(&routed), slashes(normal), "{normal:?} is routed as {routed:?}, with other segments");
    if rules.sanitize {
        no_traversal(&routed);
    }
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}
