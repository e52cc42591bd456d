//! A value on its way to a type: read as a section, as a section of names, or as a list.

use std::{borrow::Cow, collections::HashSet};

use super::{Fields, Path, Shape, Sink};
use crate::{
    problem::Place,
    tree::{Entry, Key, Kind, Node, Placed},
};

/// A value on its way to a type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    pub node: &'a Node,
    /// Where its key stands; of an item in a list, where the item stands.
    pub at: &'a Place,
    pub path: Path<'a>,
}

impl Value<'_> {
    /// Reads it as a section and reports the keys that `body` did not name. `true` (a bare flag) is an empty section, `false`
    /// none.
    pub fn section<T>(self, out: &mut Sink, body: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
        self.note(Shape::Section, out);
        let entries = self.entries(out)?;
        report_duplicates(entries, self.path, true, out);
        let mut fields =
            Fields { entries, at: self.at, path: self.path, out, known: Vec::with_capacity(16), refused: Vec::new() };
        let read = body(&mut fields);
        fields.finish();
        Some(read)
    }

    /// Reads it as a section whose keys are names.
    pub fn named<T>(self, out: &mut Sink, mut read: impl FnMut(&Key, Value<'_>, &mut Sink) -> Option<T>) -> Vec<T> {
        self.note(Shape::Names, out);
        let Some(entries) = self.entries(out) else {
            return Vec::new();
        };
        report_duplicates(entries, self.path, false, out);
        let values = entries
            .iter()
            .filter_map(|(key, node)| read(key, Value { node, at: &key.at, path: self.path.key(&key.name) }, out));
        values.collect()
    }

    /// Hands out the pieces of a section whose keys are names, those of a name that was there before among them.
    pub fn pieces(self, out: &mut Sink, mut take: impl FnMut(&Placed, Path<'_>, &mut Sink)) {
        self.note(Shape::Names, out);
        let made;
        let pieces = match &self.node.kind {
            Kind::Pieces(pieces) => pieces,
            _ => {
                made = self.entries(out).unwrap_or_default().iter().cloned().map(Placed::whole).collect();
                &made
            }
        };
        pieces.iter().for_each(|placed| take(placed, self.path.key(&placed.key().name), out));
    }

    fn note(&self, shape: Shape, out: &Sink) {
        if let Some(notebook) = &out.notebook {
            notebook.shape(self.path.to_string(), shape);
        }
    }

    fn entries(&self, out: &mut Sink) -> Option<&[Entry]> {
        match &self.node.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Scalar(scalar) if scalar.text.eq_ignore_ascii_case("true") => Some(&[]),
            Kind::Scalar(scalar) if scalar.text.eq_ignore_ascii_case("false") => None,
            Kind::Null => Some(&[]),
            _ => {
                out.problem(&self.node.at, self.path, format!("is {}", self.node.noun()), "a section");
                None
            }
        }
    }

    /// Reads it as a list; a single value is split at its commas.
    pub fn items<T>(self, out: &mut Sink, mut item: impl FnMut(Value<'_>, &mut Sink) -> Option<T>) -> Option<Vec<T>> {
        self.note(Shape::List, out);
        let split;
        let nodes: &[Node] = match &self.node.kind {
            Kind::Sequence(nodes) => nodes,
            Kind::Scalar(scalar) if !scalar.bare => {
                let pieces = scalar.text.split(',').map(str::trim).filter(|_| !scalar.text.trim().is_empty());
                split = pieces.map(|piece| Node::scalar(piece, self.node.at.clone())).collect::<Vec<_>>();
                &split
            }
            Kind::Null => &[],
            _ => {
                out.problem(&self.node.at, self.path, format!("is {}", self.node.noun()), "a list");
                return None;
            }
        };
        let values = nodes.iter().enumerate();
        Some(
            values
                .filter_map(|(index, node)| item(Value { node, at: &node.at, path: self.path.index(index) }, out))
                .collect(),
        )
    }
}

/// Up to here, comparing all pairs is cheaper than a set.
const FEW: usize = 16;

/// Reports each key that was there before; `folded`, if case does not tell keys apart.
fn report_duplicates(entries: &[Entry], path: Path<'_>, folded: bool, out: &mut Sink) {
    let is_same = |a: &str, b: &str| {
        if folded { a.eq_ignore_ascii_case(b) } else { a == b }
    };
    let mut seen: HashSet<Cow<'_, str>> = HashSet::new();
    for (index, (key, _)) in entries.iter().enumerate() {
        let name = &*key.name;
        let again = if entries.len() <= FEW {
            entries[..index].iter().any(|(before, _)| is_same(&before.name, name))
        } else {
            !seen.insert(if folded { name.to_ascii_lowercase().into() } else { name.into() })
        };
        if again {
            out.problem(&key.at, path.key(name), format!("key {name:?} is given twice"), "");
        }
    }
}
