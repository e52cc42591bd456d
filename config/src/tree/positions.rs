//! Byte offsets to lines and columns, each in the logarithm of the number of lines; a text that is not all ASCII pays for
//! the characters since the last offset that was asked for, so a walk in source order is linear over all.

use std::sync::Arc;

use crate::problem::Place;

pub(super) struct Positions<'t> {
    source: Arc<str>,
    text: &'t str,
    line_starts: Vec<usize>,
    ascii: bool,
    /// The last answer: its offset, its line's index and its column.
    last: (usize, usize, usize),
}

impl<'t> Positions<'t> {
    pub fn new(source: &Arc<str>, text: &'t str) -> Self {
        let newlines = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Self { source: source.clone(), text, line_starts, ascii: text.is_ascii(), last: (0, 0, 1) }
    }

    pub fn place(&mut self, offset: usize) -> Place {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_starts.partition_point(|&start| start <= offset) - 1;
        let column = self.column(line, offset);
        self.last = (offset, line, column);
        Place { source: self.source.clone(), line: number(line + 1), column: number(column) }
    }

    fn column(&self, line: usize, offset: usize) -> usize {
        if self.ascii {
            return offset - self.line_starts[line] + 1;
        }
        let (from, column) = match self.last {
            (last, last_line, column) if last_line == line && last <= offset => (last, column),
            _ => (self.line_starts[line], 1),
        };
        column + self.text[from..offset].chars().count()
    }
}

/// Sources are bounded far below `u32::MAX`.
pub(super) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns_in_characters() {
        for (text, offset, line, column) in [
            ("abc", 2, 1, 3),
            ("a\nbc", 2, 2, 1),
            ("a\nbc", 3, 2, 2),
            ("äö\nüx", 7, 2, 2),
            ("äöx", 4, 1, 3),
            ("", 0, 1, 1),
            ("a", 9, 1, 2),
        ] {
            let place = Positions::new(&"f".into(), text).place(offset);
            assert_eq!((place.line, place.column), (line, column), "{text:?} at {offset}");
        }
    }

    #[test]
    fn a_walk_back_and_forth_gives_the_same_places() {
        let text = "äbc: d\nüü: ßß\n";
        let mut walked = Positions::new(&"f".into(), text);
        for offset in [5, 9, 3, 12, 0, 12, 7] {
            assert_eq!(walked.place(offset), Positions::new(&"f".into(), text).place(offset), "{offset}");
        }
    }
}
