//! Counts the fields of a header block without decoding it: their outline alone says where each ends (RFC 7541 section
//! 6).

/// The fields of one block, so far.
#[derive(Debug, Default)]
pub(super) struct Fields {
    count: u32,
    state: State,
    /// An integer that goes on, or the bytes of a string that are to come.
    value: u32,
    shift: u8,
    /// Strings of this field that follow what is being read.
    strings: u8,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A field begins, or a change of the table's size.
    #[default]
    Start,
    /// An index that goes on.
    Index,
    /// A string's length begins.
    Length,
    /// It goes on.
    LongLength,
    /// The string.
    Text,
}

impl Fields {
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// What was read ends within a field.
    pub(super) fn is_within(&self) -> bool {
        self.state != State::Start
    }

    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.state == State::Text {
                let skipped = bytes.len().min(self.value as usize);
                bytes = &bytes[skipped..];
                self.value -= skipped as u32;
                if self.value == 0 {
                    self.after();
                }
                continue;
            }
            bytes = rest;
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.state {
            State::Start => self.start(byte),
            State::Index => {
                if byte & 0x80 == 0 {
                    self.after();
                }
            }
            State::Length => {
                (self.value, self.shift) = (u32::from(byte & 0x7f), 0);
                if self.value == 0x7f { self.state = State::LongLength } else { self.text() }
            }
            State::LongLength => {
                // Past what any block can hold it is an error, which is not ours.
                let more = u32::from(byte & 0x7f).checked_shl(self.shift.into()).unwrap_or(u32::MAX);
                self.value = self.value.saturating_add(more);
                self.shift = self.shift.saturating_add(7);
                if byte & 0x80 == 0 {
                    self.text();
                }
            }
            State::Text => {}
        }
    }

    /// RFC 7541 section 6: the first bits say what it is, the others are an index.
    fn start(&mut self, byte: u8) {
        let (bits, strings, is_field) = match byte {
            0x80.. => (7, 0, true),
            0x40.. => (6, 1, true),
            0x20.. => (5, 0, false),
            _ => (4, 1, true),
        };
        let mask = (1 << bits) - 1;
        let index = byte & mask;
        self.count += u32::from(is_field);
        // A field whose index is 0 has its name as a string too; an indexed one without an index is an error.
        self.strings = strings + u8::from(index == 0 && strings == 1);
        if index == mask { self.state = State::Index } else { self.after() }
    }

    fn text(&mut self) {
        self.state = State::Text;
        if self.value == 0 {
            self.after();
        }
    }

    /// What was read is whole: the field's next string, or the next field.
    fn after(&mut self) {
        if self.strings > 0 {
            self.strings -= 1;
            self.state = State::Length;
        } else {
            self.state = State::Start;
        }
    }
}
