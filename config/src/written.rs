//! What was written, for whoever shows it to somebody: the trees of documents, without types and places. What a value means
//! where it stands is the caller's to know.

use std::iter;

use crate::{
    Document,
    fields::{parse_boolean, parse_duration},
    tree::{Entry, Kind, Node},
};

/// A value as it stands in a document.
#[derive(Debug, Clone, Copy)]
pub struct Written<'d>(&'d Node);

impl Document {
    /// What stands below `http` in a section of names (`routers`, `services`, `middlewares`): the names, none of them
    /// qualified, and what each of them stands for.
    pub fn written<'d>(&'d self, section: &str) -> impl Iterator<Item = (&'d str, Written<'d>)> {
        let section = Written(&self.root).key("http").and_then(|http| http.key(section));
        section.into_iter().flat_map(Written::entries)
    }
}

impl<'d> Written<'d> {
    /// A single value's text; `None` of anything else.
    pub fn text(self) -> Option<&'d str> {
        match &self.0.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// A boolean, by Go's words.
    pub fn boolean(self) -> Option<bool> {
        parse_boolean(self.text()?)
    }

    /// A whole number.
    pub fn integer(self) -> Option<i64> {
        self.text()?.trim().parse().ok()
    }

    /// A length of time in nanoseconds: Go's text, or whole seconds.
    pub fn nanoseconds(self) -> Option<i64> {
        let (negative, duration) = parse_duration(self.text()?)?;
        let nanoseconds = i64::try_from(duration.as_nanos()).ok()?;
        Some(if negative { -nanoseconds } else { nanoseconds })
    }

    /// The texts of a list; a single value is split at its commas.
    pub fn texts(self) -> Vec<&'d str> {
        match &self.0.kind {
            Kind::Sequence(nodes) => nodes.iter().filter_map(|node| Self(node).text()).collect(),
            Kind::Scalar(scalar) if !scalar.text.trim().is_empty() => scalar.text.split(',').map(str::trim).collect(),
            _ => Vec::new(),
        }
    }

    /// What a list holds.
    pub fn items(self) -> impl Iterator<Item = Self> {
        let nodes: &'d [Node] = match &self.0.kind {
            Kind::Sequence(nodes) => nodes,
            _ => &[],
        };
        nodes.iter().map(Self)
    }

    /// Whether it takes away the section that it stands for: `false`.
    pub fn is_off(self) -> bool {
        self.text().is_some_and(|text| text.eq_ignore_ascii_case("false"))
    }

    /// What a key of the section stands for, the key's case aside. Null is as good as not written.
    pub fn key(self, name: &str) -> Option<Self> {
        self.entries().find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.0.is_null()).map(|(_, value)| value)
    }

    /// The keys of a section and what each stands for, in the order written; nothing of anything else.
    pub fn entries(self) -> impl Iterator<Item = (&'d str, Self)> {
        let (entries, pieces): (&'d [Entry], &'d [_]) = match &self.0.kind {
            Kind::Mapping(entries) => (entries, &[]),
            Kind::Pieces(pieces) => (&[], pieces),
            _ => (&[], &[]),
        };
        let pieces = pieces.iter().map(|placed| &placed.piece.entry);
        iter::chain(entries, pieces).map(|(key, node)| (&*key.name, Self(node)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    fn parse(text: &str, format: Format) -> Document {
        Document::parse("a", text, format).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    #[test]
    fn a_section_of_names_is_read_in_every_format() {
        for (text, format) in [
            ("HTTP:\n  Routers:\n    a: {rule: x}\n    B: {}\n  services: {c: {}}\n", Format::Yaml),
            ("[http.routers.a]\nrule = \"x\"\n[http.routers.B]\n[http.services.c]\n", Format::Toml),
            (r#"{"http": {"routers": {"a": {"rule": "x"}, "B": {}}, "services": {"c": {}}}}"#, Format::Json),
        ] {
            let document = parse(text, format);
            let names: Vec<&str> = document.written("routers").map(|(name, _)| name).collect();
            assert_eq!(names, ["a", "B"], "{text}");
            let (_, router) = document.written("routers").next().expect("there is one");
            assert_eq!(router.key("Rule").and_then(Written::text), Some("x"), "{text}");
            assert_eq!(document.written("middlewares").count(), 0);
        }
    }

    #[test]
    fn values_are_what_their_text_says() {
        let document = parse(
            "http:\n  services:\n    s: {b: T, n: ' -7 ', d: 90, e: -1ms, l: 'a, b', m: [c, 1], o: False, x: ~, y: [{z: 1}]}\n",
            Format::Yaml,
        );
        let (_, service) = document.written("services").next().expect("there is one");
        let key = |name: &str| service.key(name).expect("it is written");
        assert_eq!(key("b").boolean(), Some(true));
        assert_eq!(key("n").integer(), Some(-7));
        assert_eq!(key("d").nanoseconds(), Some(90_000_000_000));
        assert_eq!(key("e").nanoseconds(), Some(-1_000_000));
        assert_eq!(key("l").texts(), ["a", "b"]);
        assert_eq!(key("m").texts(), ["c", "1"]);
        assert!(key("o").is_off() && !key("b").is_off());
        assert!(service.key("x").is_none() && service.key("none").is_none());
        let items: Vec<_> = key("y").items().filter_map(|item| item.key("z")?.integer()).collect();
        assert_eq!(items, [1]);
        assert_eq!(
            (key("l").integer(), key("l").boolean(), key("l").nanoseconds(), key("m").text()),
            (None, None, None, None)
        );
    }
}
