//! HTTP/2 frames by hand: no library would send these.

pub use rollgate_testkit::frames::frame;

/// What begins a connection (RFC 9113 section 3.4), with settings that are all the defaults.
pub fn preface(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    bytes.extend(frame(SETTINGS, 0, 0, &payload));
    bytes.extend(frame(SETTINGS, ACK, 0, &[]));
    bytes
}

/// HEADERS of a whole GET request to a host, whose body is still to come unless `flags` has [`END_STREAM`].
pub fn request(stream: u32, flags: u8, host: &str, more: &[u8]) -> Vec<u8> {
    let mut block = pseudo(host);
    block.extend(more);
    frame(HEADERS, flags, stream, &block)
}

/// The pseudo headers of GET / over http (RFC 7541: three of the static table, then a literal that is not indexed).
pub fn pseudo(host: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x84, 0x01];
    text(&mut block, host.as_bytes());
    block
}

/// A literal header with a new name; `indexed` puts it into the dynamic table.
pub fn literal(name: &str, value: &[u8], indexed: bool) -> Vec<u8> {
    let mut block = vec![if indexed { 0x40 } else { 0x00 }];
    text(&mut block, name.as_bytes());
    text(&mut block, value);
    block
}

/// A string without Huffman coding; its length with a prefix of 7 bits (RFC 7541 sections 5.1 and 5.2).
fn text(block: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            block.push((rest % 128) as u8 | 0x80);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend(text);
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// The setting for how much a stream may receive.
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// The error code of a stream that is no longer wanted.
pub const CANCEL: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_nine_bytes_and_its_payload() {
        assert_eq!(frame(PING, ACK, 0, &[7; 8]), [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[7; 8]].concat());
        let request = request(3, END_STREAM | END_HEADERS, "h", &[]);
        assert_eq!(request, [0, 0, 6, 1, 5, 0, 0, 0, 3, 0x82, 0x86, 0x84, 1, 1, b'h']);
    }

    #[test]
    fn long_strings_have_long_lengths() {
        // RFC 7541 appendix C.1.2, with a prefix of 7 bits: 1337 - 127 = 1210 = 9 * 128 + 58.
        let block = literal("n", &[b'v'; 1337], true);
        assert_eq!(block[..6], [0x40, 1, b'n', 127, 58 | 0x80, 9]);
        assert_eq!(block.len(), 6 + 1337);
    }
}
