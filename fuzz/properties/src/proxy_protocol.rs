//! A PROXY protocol header is read as it arrives, byte by byte, and once.

use rollgate_gateway::memory::{MAX_BYTES, Progress, parse_proxy_protocol as parse};

/// The bytes are the first of a connection.
pub fn proxy_protocol(data: &[u8]) {
    let mut last = Progress::Incomplete;
    for len in 0..=data.len() {
        let progress = parse(&data[..len]);
        assert!(last == Progress::Incomplete || progress == last, "{last:?} became {progress:?} at byte {len}");
        if let Progress::Complete { len: taken, .. } = progress {
            assert!(taken > 0 && taken <= len && taken <= MAX_BYTES, "{taken} of {len} bytes are taken");
        }
        assert!(progress != Progress::Incomplete || len < MAX_BYTES, "nothing is decided after {len} bytes");
        // What follows a header is not looked at: a few bytes of it are enough.
        if last != Progress::Incomplete && len > FIRST {
            break;
        }
        last = progress;
    }
}

const FIRST: usize = 256;
