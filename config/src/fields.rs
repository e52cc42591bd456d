//! Reading a section key by key: each getter names a key, and at the end whatever was not named is a problem. So a
//! decoder reads top-down like a table of its keys.

mod asked;
mod hint;
mod path;
mod scalars;
mod sink;
mod value;

pub use self::asked::{Asked, Shape, Use};
pub(crate) use self::{
    asked::Notebook,
    hint::{did_you_mean, of_choices},
    path::Path,
    scalars::{
        boolean, choice, duration, header_name, header_value, integer, is_token, located, located_text, network,
        parse_boolean, parse_duration, parse_network, parse_status_range, path, pattern, present_text, quoted,
        regex_error, signed_duration, status_range, text, weight,
    },
    sink::{Basis, Notes, Sink},
    value::Value,
};

use crate::{
    document::is_one_of,
    problem::Place,
    tree::{Entry, Key, Kind, Node, Placed},
};

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
    pub fn read<T>(&mut self, key: &'static str, decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>) -> Option<T> {
        let (name, node) = self.entry(key)?;
        decode(Value { node, at: &name.at, path: self.path.key(key) }, self.out)
    }

    /// As `read`; without the key that is a problem.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
    ) -> Option<T> {
        if self.find(key).is_none() {
            self.out.problem(self.at, self.path, format!("key {key:?} is missing"), "");
        }
        self.read(key, decode)
    }

    /// Puts the key's value where its default stands.
    pub fn set<T>(&mut self, key: &'static str, slot: &mut T, decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>) {
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
    pub fn list<T>(&mut self, key: &'static str, item: impl FnMut(Value<'_>, &mut Sink) -> Option<T>) -> Vec<T> {
        self.read(key, |value, out| value.items(out, item)).unwrap_or_default()
    }

    /// The key's section of names.
    pub fn named<T>(&mut self, key: &'static str, read: impl FnMut(&Key, Value<'_>, &mut Sink) -> Option<T>) -> Vec<T> {
        self.read(key, |value, out| Some(value.named(out, read))).unwrap_or_default()
    }

    /// Hands out the pieces of the key's section of names.
    pub fn pieces(&mut self, key: &'static str, take: impl FnMut(&Placed, Path<'_>, &mut Sink)) {
        self.read(key, |value, out| {
            value.pieces(out, take);
            Some(())
        });
    }

    /// Reads the section below a key; whether it is there.
    pub fn within(&mut self, key: &'static str, body: impl FnOnce(&mut Fields<'_>)) -> bool {
        self.read(key, |value, out| value.section(out, body)).is_some()
    }

    /// Whether the key is there and not null.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Whether the key is there and null.
    pub fn is_null(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, node)| name.name.eq_ignore_ascii_case(key) && node.is_null())
    }

    /// Whether there is a key that was not asked for yet.
    pub fn has_unknown(&self) -> bool {
        self.entries.iter().any(|(key, _)| !is_one_of(&self.known, &key.name) && !is_one_of(&self.refused, &key.name))
    }

    /// Whether the key's list has any item, even one that could not be read.
    pub fn has_items(&self, key: &str) -> bool {
        self.find(key).is_some_and(|(_, node)| !matches!(&node.kind, Kind::Sequence(items) if items.is_empty()))
    }

    /// Keys that Traefik knows and that have no effect here.
    pub fn inert(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
        self.note(keys, Use::Inert);
    }

    /// Keys that Traefik knows and Rollgate does not, yet.
    pub fn unsupported(&mut self, keys: &[&'static str]) {
        self.refused.extend(keys);
        self.note(keys, Use::Refused);
        for &key in keys {
            if let Some((name, _)) = self.find(key) {
                self.out.unsupported(&name.at, self.path.key(key), format!("key {key:?} is not supported yet"));
            }
        }
    }

    /// As `unsupported`, of one key, in other words.
    pub fn unsupported_as(&mut self, key: &'static str, what: &str) {
        self.refused.push(key);
        self.note(&[key], Use::Refused);
        if let Some((name, _)) = self.find(key) {
            self.out.unsupported(&name.at, self.path.key(key), what);
        }
    }

    /// As `unsupported`, but for a single value that leaves the feature off.
    pub fn unsupported_unless(&mut self, key: &'static str, off: &str) {
        self.refused.push(key);
        self.note(&[key], Use::Refused);
        if let Some((name, node)) = self.find(key)
            && !matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.eq_ignore_ascii_case(off))
        {
            self.out.unsupported(&name.at, self.path.key(key), format!("key {key:?} is not supported yet"));
        }
    }

    /// Marks a key, read otherwise, that Traefik does not know.
    pub fn ours(&mut self, key: &'static str) {
        self.note(&[key], Use::Ours);
        if let Some((name, _)) = self.find(key) {
            self.out.extension(&name.at, self.path.key(key), format!("key {key:?} is Rollgate's own"));
        }
    }

    /// A problem with one of the section's keys, or with the section if the key is not there.
    pub fn problem(&mut self, key: &str, what: impl Into<String>, allowed: impl Into<String>) {
        let at = self.find(key).map_or(self.at, |(name, _)| &name.at);
        self.out.problem(at, self.path.key(key), what, allowed);
    }

    fn find(&self, key: &str) -> Option<(&'f Key, &'f Node)> {
        let entries: &'f [Entry] = self.entries;
        let entry = entries.iter().find(|(name, _)| name.name.eq_ignore_ascii_case(key));
        entry.filter(|(_, node)| !node.is_null()).map(|(name, node)| (name, node))
    }

    /// The key's entry, which from now on is known. Null is as good as not written, as in Traefik.
    fn entry(&mut self, key: &'static str) -> Option<(&'f Key, &'f Node)> {
        self.known.push(key);
        self.note(&[key], Use::Read);
        self.find(key)
    }

    fn note(&self, keys: &[&'static str], is: Use) {
        if let Some(notebook) = &self.out.notebook {
            keys.iter().for_each(|key| notebook.key(self.path.key(key).to_string(), is));
        }
    }

    fn finish(self) {
        let Self { entries, path, out, known, refused, .. } = self;
        let is_known = |name: &str| is_one_of(&known, name) || is_one_of(&refused, name);
        for (key, _) in entries.iter().filter(|(key, _)| !is_known(&key.name)) {
            let near = did_you_mean(&key.name, known.iter().chain(&refused).copied());
            let allowed = near.unwrap_or_else(|| known.join(", "));
            out.problem(&key.at, path.key(&key.name), format!("unknown key {:?}", key.name), allowed);
        }
    }
}
