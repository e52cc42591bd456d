//! Times, and strings from outside made safe for a line.

use std::io::Write;

use jiff::{Timestamp, tz::TimeZone};

/// Appends `bytes` with everything but visible ASCII and space escaped, and `"` and `\` too: nothing a client sends ends a line or a quoted string.
pub(super) fn escape(line: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => line.push(*byte),
            byte => line.extend_from_slice(&[b'\\', b'x', hex(byte >> 4), hex(byte & 15)]),
        }
    }
}

/// Appends `bytes` as a JSON string. What is not UTF-8 is replaced; control characters, also those above ASCII, and the line separators of Unicode are escaped.
pub(super) fn json_string(line: &mut Vec<u8>, bytes: &[u8]) {
    line.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => line.extend_from_slice(&[b'\\', character as u8]),
                ' '..='~' => line.push(character as u8),
                '\0'..='\u{9f}' | '\u{2028}' | '\u{2029}' => write(line, format_args!("\\u{:04x}", character as u32)),
                character => line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    line.push(b'"');
}

/// Appends what is formatted.
pub(super) fn write(line: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    line.write_fmt(arguments).expect("writing to memory does not fail");
}

/// The time as RFC 3339, in a zone.
pub(super) fn rfc3339(line: &mut Vec<u8>, time: Timestamp, zone: &TimeZone) {
    let offset = zone.to_offset(time);
    if offset.seconds() == 0 {
        write(line, format_args!("{time}"));
    } else {
        write(line, format_args!("{}", time.display_with_offset(offset)));
    }
}

/// The time of the common log format. Lines of one second share its text.
pub(super) struct ClfClock {
    zone: TimeZone,
    second: i64,
    text: String,
}

impl ClfClock {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone, second: i64::MIN, text: String::new() }
    }

    /// `02/Jan/2006:15:04:05 -0700`.
    pub(super) fn text(&mut self, time: Timestamp) -> &str {
        if self.second != time.as_second() {
            self.second = time.as_second();
            self.text = time.to_zoned(self.zone.clone()).strftime("%d/%b/%Y:%H:%M:%S %z").to_string();
        }
        &self.text
    }
}

fn hex(digit: u8) -> u8 {
    b"0123456789abcdef"[usize::from(digit)]
}
