//! YAML entry by entry: the entries of long sections are told from the rest by their indentation and parsed each by
//! itself, so that after a change only the changed ones are.
//!
//! ```text
//! text --(outline)--> the rest + entries' texts --(yaml)--> root with empty sections + pieces --> the same root
//! ```
//!
//! It is the same as parsing the whole, or it is not done. Block YAML nests by indentation, so an entry's meaning depends
//! on what stands before it only through what that has left open (quotes, brackets) or given a name (anchors, tags).
//! Each text must be complete by itself and name nothing, and the section must be an empty one in what is left. Anything
//! else, and every mistake, is for the parser of the whole text.

use std::sync::{Arc, OnceLock};

use super::{
    Kind, Node,
    piece::{Known, Piece, Placed, is_section, sections_mut},
    yaml::{self, MAX_NODES},
};
use crate::steps::{large_step, step};

/// Reads one YAML document whose long sections can be told apart, with pieces in them; `None`: it is to be read as a
/// whole. Pieces with the text of one in `before`, which has the same source, are taken from there.
pub(crate) fn parse(source: &Arc<str>, text: &str, before: Option<&Node>) -> Option<Node> {
    let outline = Outline::of(text)?;
    let (mut root, mut nodes) = yaml::parse_plain(source, &outline.rest, 0)?;
    renumber(&mut root, &outline.lines);
    let mut written = outline.sections.iter().peekable();
    for (key, node) in sections_mut(&mut root) {
        let Some(section) = written.next_if(|section| section.line == key.at.line) else { continue };
        if !matches!(node.kind, Kind::Null) {
            return None;
        }
        let mut known = Known::of(before, &key.name, |piece| &piece.text);
        let mut placed = Vec::with_capacity(section.entries.len());
        for entry in &section.entries {
            step();
            let text = &text[entry.start..entry.end];
            let piece = match known.take(text, |piece| *piece.text == *text) {
                Some(piece) => piece,
                None => Arc::new(piece(source, text)?),
            };
            nodes += piece.nodes;
            placed.push(Placed { piece, lines_before: entry.lines_before });
        }
        let first = placed.first()?;
        *node = Node { at: first.at(), kind: Kind::Pieces(placed) };
    }
    // A line that looked like a section's key and is something else.
    (written.next().is_none() && nodes <= MAX_NODES).then_some(root)
}

fn piece(source: &Arc<str>, text: &str) -> Option<Piece> {
    // Below the root and `http`.
    let (root, nodes) = yaml::parse_plain(source, text, 2)?;
    let Kind::Mapping(entries) = root.kind else { return None };
    let [entry] = <[_; 1]>::try_from(entries).ok()?;
    // The section that it is put into is counted already.
    (entry.0.at == root.at).then(|| Piece { text: text.into(), entry, nodes: nodes - 1, read: OnceLock::new() })
}

/// What a text's lines say by their indentation.
struct Outline {
    /// The lines that are in no entry.
    rest: String,
    /// Their numbers, and one for the end.
    lines: Vec<u32>,
    /// In order; none is empty.
    sections: Vec<Section>,
}

struct Section {
    line: u32,
    indent: usize,
    entries: Vec<EntryText>,
    /// Of its entries, once there is one.
    inner: usize,
}

struct EntryText {
    start: usize,
    end: usize,
    lines_before: u32,
}

impl Outline {
    /// `None` if there is nothing to tell apart, or if something is in the way.
    fn of(text: &str) -> Option<Self> {
        // A line break that is no `\n`, and the parser's sign of the end.
        if text.contains('\r') || text.contains('\0') {
            return None;
        }
        large_step();
        let mut outline = Self { rest: String::new(), lines: Vec::new(), sections: Vec::new() };
        let mut open: Option<Section> = None;
        let (mut start, mut number) = (0, 0);
        for line in text.split_inclusive('\n') {
            number += 1;
            step();
            let content = line.trim_start_matches(' ');
            let indent = line.len() - content.len();
            let line_start = start;
            start += line.len();
            if let Some(section) = &mut open {
                match section.meet(content, indent)? {
                    Met::Entry => {
                        section.entry_ends(line_start);
                        section.entries.push(EntryText { start: line_start, end: 0, lines_before: number - 1 });
                        continue;
                    }
                    Met::Inside => continue,
                    Met::Outside => outline.close(open.take(), line_start),
                    Met::Nothing => {}
                }
            }
            outline.rest.push_str(line);
            outline.lines.push(number);
            let key = content.trim_end_matches(['\n', ' ']).strip_suffix(':');
            if indent > 0 && key.is_some_and(is_section) {
                outline.close(open.take(), line_start);
                open = Some(Section { line: number, indent, entries: Vec::new(), inner: 0 });
            }
        }
        outline.close(open, start);
        outline.lines.push(number + 1);
        (!outline.sections.is_empty()).then_some(outline)
    }

    fn close(&mut self, section: Option<Section>, end: usize) {
        if let Some(mut section) = section.filter(|section| !section.entries.is_empty()) {
            section.entry_ends(end);
            self.sections.push(section);
        }
    }
}

/// What a line is to the section before it.
enum Met {
    /// An entry's first.
    Entry,
    /// A further one of an entry.
    Inside,
    /// The first behind the section.
    Outside,
    /// Not content, before the first entry.
    Nothing,
}

impl Section {
    /// `None` if the line is none of them.
    fn meet(&mut self, content: &str, indent: usize) -> Option<Met> {
        let first = content.bytes().next().unwrap_or(b'\n');
        if first == b'\t' {
            return None;
        }
        if matches!(first, b'\n' | b'#') {
            return Some(if self.entries.is_empty() { Met::Nothing } else { Met::Inside });
        }
        if indent <= self.indent {
            return Some(Met::Outside);
        }
        if self.entries.is_empty() {
            self.inner = indent;
        }
        match indent.cmp(&self.inner) {
            std::cmp::Ordering::Greater => Some(Met::Inside),
            // Everything else that begins a line has a meaning of its own.
            std::cmp::Ordering::Equal => (!INDICATORS.contains(&first)).then_some(Met::Entry),
            std::cmp::Ordering::Less => None,
        }
    }

    fn entry_ends(&mut self, end: usize) {
        if let Some(last) = self.entries.last_mut() {
            last.end = end;
        }
    }
}

/// From the numbers of the lines that were kept to those of the whole.
fn renumber(node: &mut Node, lines: &[u32]) {
    let real = |line: u32| lines.get(line as usize - 1).copied().unwrap_or(line);
    node.at.line = real(node.at.line);
    match &mut node.kind {
        Kind::Null | Kind::Scalar(_) | Kind::Pieces(_) => {}
        Kind::Sequence(items) => items.iter_mut().for_each(|item| renumber(item, lines)),
        Kind::Mapping(entries) => {
            for (key, value) in entries {
                key.at.line = real(key.at.line);
                renumber(value, lines);
            }
        }
    }
}

/// What a plain or quoted key cannot begin with, and `<<`.
const INDICATORS: &[u8] = b"-?:,[]{}#&*!|>%@`<";

#[cfg(test)]
mod tests;
