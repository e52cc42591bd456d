//! An authority that is accepted has one reading: the router's, hyper's and a server's.

use http::uri;
use rollgate_gateway::authority::{canonical_host, parse};

/// The bytes are a `Host` line's value.
pub fn authority(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(read) = parse(text) else { return };
    let host = canonical_host(read.host);
    assert!(!host.is_empty(), "{text:?} names a host that is none");
    assert_eq!(canonical_host(&host), host, "the canonical form of {text:?} has another one");
    assert!(host.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()), "{host:?}");
    assert!(!host.contains(['@', ',', '/', '\\', '%', '?', '#', '[', ']']), "{host:?}");
    let is_address = text.starts_with('[');
    assert_eq!(host.contains(':'), is_address, "{text:?}");
    // As the rest of the process, and whoever is behind it, writes it again.
    let written = match (is_address, read.port) {
        (true, None) => format!("[{host}]"),
        (true, Some(port)) => format!("[{host}]:{port}"),
        (false, None) => host.to_string(),
        (false, Some(port)) => format!("{host}:{port}"),
    };
    let again = parse(&written).unwrap_or_else(|refusal| panic!("{text:?} is written as {written:?}: {refusal}"));
    assert_eq!((canonical_host(again.host), again.port), (host.clone(), read.port), "{text:?}");
    let other: uri::Authority = text.parse().unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let bare = other.host().trim_start_matches('[').trim_end_matches(']');
    assert_eq!((bare, other.port_u16()), (read.host, read.port), "{text:?}");
    // A canonical host is a host itself: what `explain` is asked, what a rule names.
    assert!(is_address || parse(&host).is_ok_and(|alone| alone.host == host && alone.port.is_none()), "{host:?}");
}
