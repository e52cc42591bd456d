use proptest::prelude::*;

use super::*;

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

fn complete(header: &[u8], source: Option<SocketAddr>) -> Progress {
    Progress::Complete { len: header.len(), source }
}

/// A version 2 header with the given command, family and protocol, and body.
fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [V2_START, &[0x20 | command, family], &len, body].concat()
}

const IPV4: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0x10, 0x00, 0x00, 0x50];

fn ipv6(source: &str) -> Vec<u8> {
    let source: std::net::Ipv6Addr = source.parse().unwrap();
    [&source.octets()[..], &[0; 16], &[0x10, 0x00], &[0x00, 0x50]].concat()
}

type Header = (Vec<u8>, Option<SocketAddr>);

/// Headers with what they say.
fn headers() -> Vec<Header> {
    let with_tlv = [IPV4, &[0x01, 0x00, 0x02, b'h', b'2']].concat();
    vec![
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4096 80\r\n".to_vec(), address("192.0.2.1:4096")),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 4096 443\r\n".to_vec(), address("[2001:db8::1]:4096")),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 4096 443\r\n".to_vec(), address("192.0.2.1:4096")),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), None),
        (v2(1, 0x11, IPV4), address("192.0.2.1:4096")),
        (v2(1, 0x12, IPV4), address("192.0.2.1:4096")),
        (v2(1, 0x11, &with_tlv), address("192.0.2.1:4096")),
        (v2(1, 0x21, &ipv6("2001:db8::1")), address("[2001:db8::1]:4096")),
        (v2(1, 0x21, &ipv6("::ffff:192.0.2.1")), address("192.0.2.1:4096")),
        (v2(1, 0x31, &[0; 216]), None),
        (v2(1, 0x00, &[]), None),
        (v2(0, 0x00, &[]), None),
        (v2(0, 0x11, IPV4), None),
        (v2(0, 0x00, &[0; MAX_BYTES - 16]), None),
    ]
}

#[test]
fn a_header_is_known_at_its_last_byte_and_not_before() {
    for (header, source) in headers() {
        let name = String::from_utf8_lossy(&header).into_owned();
        for len in 0..header.len() {
            assert_eq!(parse(&header[..len]), Progress::Incomplete, "{name} cut at {len}");
        }
        assert_eq!(parse(&header), complete(&header, source), "{name}");
        let followed = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(parse(&followed), complete(&header, source), "{name} with a request after it");
    }
}

#[test]
fn what_begins_otherwise_is_no_header() {
    let others: [&[u8]; 9] = [
        b"GET / HTTP/1.1\r\n",
        b"PR\0",
        b"PROPFIND / HTTP/1.1\r\n",
        b"PROXYS / HTTP/1.1\r\n",
        b"proxy TCP4 192.0.2.1 192.0.2.2 4096 80\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\n\0\r\nQUIZ\n",
        b"\x16\x03\x01\x02\x00\x01",
    ];
    for bytes in others {
        assert_eq!(parse(bytes), Progress::NotProxy, "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_broken_header_is_invalid() {
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200], b"\r\n"].concat();
    let table: [(&[u8], &str); 14] = [
        (b"PROXY \r\n", "bad version 1 header"),
        (b"PROXY TCP4\r\n", "bad version 1 header"),
        (b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n", "bad version 1 header"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "bad version 1 header"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n", "bad version 1 header"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "bad version 1 header"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "bad version 1 header"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rGET\r\n", "bad version 1 header"),
        (b"PROXY UNKNOWN \xff\r\n", "bad version 1 header"),
        (&long, "version 1 header without end"),
        (&v2(2, 0x11, IPV4), "bad version 2 header"),
        (&v2(1, 0x41, IPV4), "bad version 2 header"),
        (&v2(1, 0x11, &IPV4[..11]), "bad version 2 header"),
        (&v2(0, 0x00, &[0; MAX_BYTES - 15]), "version 2 header too long"),
    ];
    for (bytes, reason) in table {
        assert_eq!(parse(bytes), Progress::Invalid(reason), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn a_line_without_end_is_refused_at_its_107th_byte() {
    let line = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    assert_eq!(parse(&line[..106]), Progress::Incomplete);
    assert_eq!(parse(&line[..107]), Progress::Invalid("version 1 header without end"));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_a_header_never_is_longer_than_they_are(
        start in prop_oneof![Just(V1_START.to_vec()), Just(V2_START.to_vec()), Just(Vec::new())],
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let bytes = [start, rest].concat();
        if let Progress::Complete { len, .. } = parse(&bytes) {
            prop_assert!(len > 0 && len <= bytes.len() && len <= MAX_BYTES);
        }
    }

    #[test]
    fn an_answer_other_than_incomplete_does_not_change_with_more_bytes(
        which in 0..15_usize,
        at in 0..60_usize,
        byte in any::<u8>(),
    ) {
        let (mut header, _) = headers().swap_remove(which);
        let at = at % header.len();
        header[at] = byte;
        let answers: Vec<Progress> = (0..=header.len()).map(|len| parse(&header[..len])).collect();
        for pair in answers.windows(2) {
            prop_assert!(pair[0] == Progress::Incomplete || pair[0] == pair[1], "{pair:?}");
        }
    }
}
