//! The PROXY protocol, versions 1 and 2, read from the start of a connection
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! The caller reads bytes until the answer is final. A version 1 header has at most 107 bytes. A version 2 header could have
//! 64 KiB; one of more than [`MAX_BYTES`] is refused, which leaves room for any set of TLVs that is sent in practice.

use std::net::{IpAddr, SocketAddr};

use ppp::{v1, v2};

/// How many bytes a header may have: what the caller has to buffer at most.
pub const MAX_BYTES: usize = 4096;

/// What the first bytes of a connection say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// No header: all bytes belong to the connection itself.
    NotProxy,
    /// It may be a header; more bytes are needed to tell.
    Incomplete,
    /// A header of `len` bytes; the connection itself begins after it.
    Complete {
        /// The header's length.
        len: usize,
        /// Who connected to the peer. `None`: the peer speaks for itself (LOCAL, UNKNOWN, a UNIX socket), its own address counts.
        source: Option<SocketAddr>,
    },
    /// It begins like a header and is none; the connection cannot be used. The text is a constant, fit for a metric's label.
    Invalid(&'static str),
}

/// Reads a header from the first bytes of a connection, given from the first one on and longer at each call.
pub fn parse(bytes: &[u8]) -> Progress {
    if bytes.starts_with(V1_START) {
        parse_v1(bytes)
    } else if bytes.starts_with(V2_START) {
        parse_v2(bytes)
    } else if V1_START.starts_with(bytes) || V2_START.starts_with(bytes) {
        Progress::Incomplete
    } else {
        Progress::NotProxy
    }
}

/// The line is parsed only when it is there as a whole, so that the parser's answer is always final.
fn parse_v1(bytes: &[u8]) -> Progress {
    let start = &bytes[..bytes.len().min(V1_MAX_BYTES)];
    let Some(line) = start.windows(2).position(|pair| pair == b"\r\n") else {
        return if start.len() < V1_MAX_BYTES {
            Progress::Incomplete
        } else {
            Progress::Invalid("version 1 header without end")
        };
    };
    let len = line + 2;
    match v1::Header::try_from(&bytes[..len]) {
        Ok(header) if header.header.len() == len => Progress::Complete { len, source: v1_source(&header.addresses) },
        _ => Progress::Invalid("bad version 1 header"),
    }
}

fn v1_source(addresses: &v1::Addresses) -> Option<SocketAddr> {
    match addresses {
        v1::Addresses::Tcp4(ip) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
        v1::Addresses::Tcp6(ip) => Some(canonical(ip.source_address.into(), ip.source_port)),
        v1::Addresses::Unknown => None,
    }
}

fn parse_v2(bytes: &[u8]) -> Progress {
    let Some(&[high, low]) = bytes.get(V2_LENGTH_AT..V2_FIXED_BYTES) else {
        return Progress::Incomplete;
    };
    let len = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_BYTES {
        return Progress::Invalid("version 2 header too long");
    }
    let Some(header) = bytes.get(..len) else {
        return Progress::Incomplete;
    };
    match v2::Header::try_from(header) {
        Ok(header) => Progress::Complete { len, source: v2_source(&header) },
        Err(_) => Progress::Invalid("bad version 2 header"),
    }
}

fn v2_source(header: &v2::Header<'_>) -> Option<SocketAddr> {
    match (header.command, header.addresses) {
        (v2::Command::Local, _) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => Some(SocketAddr::from((ip.source_address, ip.source_port))),
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => Some(canonical(ip.source_address.into(), ip.source_port)),
        (v2::Command::Proxy, _) => None,
    }
}

/// An IPv4 address that is written as an IPv6 one is an IPv4 address to all that look at it later.
fn canonical(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}

const V1_START: &[u8] = b"PROXY ";
const V1_MAX_BYTES: usize = 107;
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_LENGTH_AT: usize = 14;
const V2_FIXED_BYTES: usize = 16;

#[cfg(test)]
mod tests;
