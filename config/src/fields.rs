//! Reading a section key by key: each getter names a key, and at the end whatever was not named is a problem. So a
//! decoder reads top-down like a table of its keys.

mod hint;
mod scalars;
mod sink;

pub(crate) use self::{
    hint::{did_you_mean, of_choices},
    scalars::{
        boolean, choice, duration, header_name, header_value, integer, is_token, located,
        located_text, network, parse_network, path, pattern, present_text, quoted, regex_error,
        signed_duration, text, weight,
    },
    sink::Sink,
};

use std::{collections::HashSet, fmt};

use crate::{
    document::is_one_of,
    problem::Place,
    tree::{Entry, Key, Kind, Node},
};

/// Where a value hangs in the tree; written out only for a problem.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub const ROOT: Path<'static> = Path {
        parent: None,
        step: Step::Root,
    };

    pub fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    fn index(&'a self, index: usize) -> Self {
        Path {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => {
                let first = matches!(
                    self.parent,
                    Some(Path {
                        step: Step::Root,
                        ..
                    })
                );
                write!(f, "{}{key}", if first { "" } else { "." })
            }
        }
    }
}

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
        let entries = self.entries(out)?;
        report_duplicates(entries, self.path, true, out);
        let mut fields = Fields {
            entries,
            at: self.at,
            path: self.path,
            out,
            known: Vec::with_capacity(16),
            refused: Vec::new(),
        };
        let read = body(&mut fields);
        fields.finish();
        Some(read)
    }

    /// Reads it as a section whose keys are names.
    pub fn named<T>(
        self,
        out: &mut Sink,
        mut read: impl FnMut(&Key, Value<'_>, &mut Sink) -> Option<T>,
    ) -> Vec<T> {
        let Some(entries) = self.entries(out) else {
            return Vec::new();
        };
        report_duplicates(entries, self.path, false, out);
        let values = entries.iter().filter_map(|(key, node)| {
            read(
                key,
                Value {
                    node,
                    at: &key.at,
                    path: self.path.key(&key.name),
                },
                out,
            )
        });
        values.collect()
    }

    fn entries(&self, out: &mut Sink) -> Option<&[Entry]> {
        match &self.node.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Scalar(scalar) if scalar.text.eq_ignore_ascii_case("true") => Some(&[]),
            Kind::Scalar(scalar) if scalar.text.eq_ignore_ascii_case("false") => None,
            Kind::Null => Some(&[]),
            _ => {
                out.problem(
                    &self.node.at,
                    self.path,
                    format!("is {}", self.node.noun()),
                    "a section",
                );
                None
            }
        }
    }

    /// Reads it as a list; a single value is split at its commas.
    pub fn items<T>(
        self,
        out: &mut Sink,
        mut item: impl FnMut(Value<'_>, &mut Sink) -> Option<T>,
    ) -> Option<Vec<T>> {
        let split;
        let nodes: &[Node] = match &self.node.kind {
            Kind::Sequence(nodes) => nodes,
            Kind::Scalar(scalar) if !scalar.bare => {
                let pieces = scalar
                    .text
                    .split(',')
                    .map(str::trim)
                    .filter(|_| !scalar.text.trim().is_empty());
                split = pieces
                    .map(|piece| Node::scalar(piece, self.node.at.clone()))
                    .collect::<Vec<_>>();
                &split
            }
            Kind::Null => &[],
            _ => {
                out.problem(
                    &self.node.at,
                    self.path,
                    format!("is {}", self.node.noun()),
                    "a list",
                );
                return None;
            }
        };
        let values = nodes.iter().enumerate();
        Some(
            values
                .filter_map(|(index, node)| {
                    item(
                        Value {
                            node,
                            at: &node.at,
                            path: self.path.index(index),
                        },
                        out,
                    )
                })
                .collect(),
        )
    }
}

/// Up to here, comparing all pairs is cheaper than a set.
const FEW: usize = 16;

/// Reports each key that was there before; `folded`, if case does not tell keys apart.
fn report_duplicates(entries: &[Entry], path: Path<'_>, folded: bool, out: &mut Sink) {
    let name_of = |entry: &Entry| {
        if folded {
            entry.0.name.to_ascii_lowercase()
        } else {
            entry.0.name.clone()
        }
    };
    let is_same = |a: &str, b: &str| {
        if folded {
            a.eq_ignore_ascii_case(b)
        } else {
            a == b
        }
    };
    let mut seen = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let name = &entry.0.name;
        let again = if entries.len() <= FEW {
            entries[..index]
                .iter()
                .any(|(before, _)| is_same(&before.name, name))
        } else {
            !seen.insert(name_of(entry))
        };
        if again {
            out.problem(
                &entry.0.at,
                path.key(name),
                format!("key {name:?} is given twice"),
                "",
            );
        }
    }
}

/// A section being read.
pub(crate) struct Fields<'f> {
    entries: &'f [Entry],
    /// Where the section stands.
    pub at: &'f Place,
    pub path: Path<'f>,
    pub out: &'f mut Sink,
    known: Vec<&'static str>,
    /// Known to Traefik alone.
    refused: Vec<&'static str>,
}

impl<'f> Fields<'f> {
    /// The key's value as `decode` takes it; `None` without the key, and where `decode` reported a problem.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
    ) -> Option<T> {
        let (name, node) = self.entry(key)?;
        decode(
            Value {
                node,
                at: &name.at,
                path: self.path.key(key),
            },
            self.out,
        )
    }

    /// As `read`; without the key that is a problem.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
    ) -> Option<T> {
        if self.find(key).is_none() {
            self.out
                .problem(self.at, self.path, format!("key {key:?} is missing"), "");
        }
        self.read(key, decode)
    }

    /// Puts the key's value where its default stands.
    pub fn set<T>(
        &mut self,
        key: &'static str,
        slot: &mut T,
        decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
    ) {
        if let Some(value) = self.read(key, decode) {
            *slot = value;
        }
    }

    /// Puts the key's value where nothing stands.
    pub fn set_some<T>(
        &mut self,
        key: &'static str,
        slot: &mut Option<T>,
        decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
    ) {
        *slot = self.read(key, decode).or_else(|| slot.take());
    }

    /// The key's list; empty without the key.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        item: impl FnMut(Value<'_>, &mut Sink) -> Option<T>,
    ) -> Vec<T> {
        self.read(key, |value, out| value.items(out, item))
            .unwrap_or_default()
    }

    /// The key's section of names.
    pub fn named<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(&Key, Value<'_>, &mut Sink) -> Option<T>,
    ) -> Vec<T> {
        self.read(key, |value, out| Some(value.named(out, read)))
            .unwrap_or_default()
    }

    /// Reads the section below a key; whether it is there.
    pub fn within(&mut self, key: &'static str, body: impl FnOnce(&mut Fields<'_>)) -> bool {
        self.read(key, |value, out| value.section(out, body))
            .is_some()
    }

    /// Whether the key is there and not null.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Where the key stands.
    pub fn place_of(&self, key: &str) -> Option<&'f Place> {
        self.find(key).map(|(name, _)| &name.at)
    }

    /// Whether the key's list has any item, even one that could not be read.
    pub fn has_items(&self, key: &str) -> bool {
        self.find(key).is_some_and(
            |(_, node)| !matches!(&node.kind, Kind::Sequence(items) if items.is_empty()),
        )
    }

    /// Keys that Traefik knows and that have no effect here.
    pub fn inert(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// Keys that Traefik knows and Rollgate does not, yet.
    pub fn unsupported(&mut self, keys: &[&'static str]) {
        self.refused.extend(keys);
        for &key in keys {
            if let Some((name, _)) = self.find(key) {
                self.out.unsupported(
                    &name.at,
                    self.path.key(key),
                    format!("key {key:?} is not supported yet"),
                );
            }
        }
    }

    /// As `unsupported`, but for a single value that leaves the feature off.
    pub fn unsupported_unless(&mut self, key: &'static str, off: &str) {
        self.refused.push(key);
        if let Some((name, node)) = self.find(key)
            && !matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.eq_ignore_ascii_case(off))
        {
            self.out.unsupported(
                &name.at,
                self.path.key(key),
                format!("key {key:?} is not supported yet"),
            );
        }
    }

    /// Marks a key, read otherwise, that Traefik does not know.
    pub fn ours(&mut self, key: &'static str) {
        if let Some((name, _)) = self.find(key) {
            self.out.extension(
                &name.at,
                self.path.key(key),
                format!("key {key:?} is Rollgate's own"),
            );
        }
    }

    /// A problem with one of the section's keys, or with the section if the key is not there.
    pub fn problem(&mut self, key: &str, what: impl Into<String>, allowed: impl Into<String>) {
        let at = self.find(key).map_or(self.at, |(name, _)| &name.at);
        self.out.problem(at, self.path.key(key), what, allowed);
    }

    fn find(&self, key: &str) -> Option<(&'f Key, &'f Node)> {
        let entries: &'f [Entry] = self.entries;
        let entry = entries
            .iter()
            .find(|(name, _)| name.name.eq_ignore_ascii_case(key));
        entry
            .filter(|(_, node)| !node.is_null())
            .map(|(name, node)| (name, node))
    }

    /// The key's entry, which from now on is known. Null is as good as not written, as in Traefik.
    fn entry(&mut self, key: &'static str) -> Option<(&'f Key, &'f Node)> {
        self.known.push(key);
        self.find(key)
    }

    fn finish(self) {
        let Self {
            entries,
            path,
            out,
            known,
            refused,
            ..
        } = self;
        let is_known = |name: &str| is_one_of(&known, name) || is_one_of(&refused, name);
        for (key, _) in entries.iter().filter(|(key, _)| !is_known(&key.name)) {
            let near = did_you_mean(&key.name, known.iter().chain(&refused).copied());
            let allowed = near.unwrap_or_else(|| known.join(", "));
            out.problem(
                &key.at,
                path.key(&key.name),
                format!("unknown key {:?}", key.name),
                allowed,
            );
        }
    }
}
