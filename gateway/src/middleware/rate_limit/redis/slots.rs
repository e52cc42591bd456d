//! Which of a cluster's 16,384 slots a key is in (Redis Cluster Specification, "Key distribution model").

pub(super) const SLOTS: usize = 16_384;

/// A key's slot: what stands between its first `{` and the next `}` counts alone, if there is any.
pub(super) fn of(key: &[u8]) -> usize {
    usize::from(crc16(tag(key))) % SLOTS
}

fn tag(key: &[u8]) -> &[u8] {
    let inner = key.iter().position(|byte| *byte == b'{').map(|at| &key[at + 1..]);
    let tag = inner.and_then(|inner| inner.iter().position(|byte| *byte == b'}').map(|end| &inner[..end]));
    tag.filter(|tag| !tag.is_empty()).unwrap_or(key)
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // As `CLUSTER KEYSLOT` says.
        for (key, slot) in
            [("", 0), ("foo", 12_182), ("somekey", 11_058), ("foo{hash_tag}", 2_515), ("bar{hash_tag}", 2_515)]
        {
            assert_eq!(of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn an_empty_or_open_tag_is_none() {
        assert_eq!(of(b"foo{}{bar}"), usize::from(crc16(b"foo{}{bar}")) % SLOTS);
        assert_eq!(of(b"foo{{bar}}zap"), usize::from(crc16(b"{bar")) % SLOTS);
        assert_eq!(of(b"foo{bar"), usize::from(crc16(b"foo{bar")) % SLOTS);
    }
}
