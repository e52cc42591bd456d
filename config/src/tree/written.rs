//! A tree as JSON, compact, in the order written: what is kept of a value to be read again, or shown to somebody.
//!
//! A text stays a text and a number a number; what JSON has no number for (`0x10`) is a text. Reading it again gives the same
//! tree, places aside.

use std::sync::Arc;

use serde_json::Number;

use super::{Kind, Node, json};

/// The JSON of a section but for some of its own keys; `None` if it is longer than `limit` bytes.
pub(crate) fn to_json(node: &Node, without: &[&str], limit: usize) -> Option<String> {
    let mut writer = Writer { text: String::new(), limit };
    writer.value(node, Show::All, without)?;
    Some(writer.text)
}

/// The same JSON with [`MASK`] for each value below the keys `env` and `headers`, what is below `match` aside: nothing
/// there is secret. `None` if the text is not JSON.
pub(crate) fn masked_json(text: &str) -> Option<String> {
    let node = json::parse(&Arc::from(""), text).ok()?;
    let mut writer = Writer { text: String::new(), limit: usize::MAX };
    writer.value(&node, Show::Masked, &[])?;
    Some(writer.text)
}

/// What stands where a secret was.
const MASK: &str = "***";

#[derive(Debug, Clone, Copy)]
enum Show {
    All,
    /// All but secrets.
    Masked,
    Nothing,
}

impl Show {
    /// What of a key's value.
    fn below(self, key: &str) -> Self {
        let is = |other: &str| key.eq_ignore_ascii_case(other);
        match self {
            Self::Masked if is("env") || is("headers") => Self::Nothing,
            Self::Masked if is("match") => Self::All,
            other => other,
        }
    }
}

struct Writer {
    text: String,
    limit: usize,
}

impl Writer {
    fn value(&mut self, node: &Node, show: Show, without: &[&str]) -> Option<()> {
        match &node.kind {
            Kind::Null => self.push("null"),
            Kind::Scalar(_) if matches!(show, Show::Nothing) => self.string(MASK),
            Kind::Scalar(scalar) if scalar.literal && is_json(&scalar.text) => self.push(&scalar.text),
            Kind::Scalar(scalar) => self.string(&scalar.text),
            Kind::Sequence(items) => {
                self.push("[")?;
                for (place, item) in items.iter().enumerate() {
                    self.comma(place)?;
                    self.value(item, show, &[])?;
                }
                self.push("]")
            }
            Kind::Mapping(entries) => self.section(entries.iter(), show, without),
            Kind::Pieces(pieces) => self.section(pieces.iter().map(|placed| &placed.piece.entry), show, without),
        }
    }

    fn section<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e super::Entry>,
        show: Show,
        without: &[&str],
    ) -> Option<()> {
        let is_out = |name: &str| without.iter().any(|key| key.eq_ignore_ascii_case(name));
        self.push("{")?;
        for (place, (key, node)) in entries.filter(|(key, _)| !is_out(&key.name)).enumerate() {
            self.comma(place)?;
            self.string(&key.name)?;
            self.push(":")?;
            self.value(node, show.below(&key.name), &[])?;
        }
        self.push("}")
    }

    fn comma(&mut self, place: usize) -> Option<()> {
        if place == 0 { Some(()) } else { self.push(",") }
    }

    /// Its length is looked at before it is escaped, which makes it six times as long at most.
    fn string(&mut self, text: &str) -> Option<()> {
        if text.len() > self.limit {
            return None;
        }
        self.push(&serde_json::Value::from(text).to_string())
    }

    fn push(&mut self, text: &str) -> Option<()> {
        if text.len() > self.limit - self.text.len() {
            return None;
        }
        self.text.push_str(text);
        Some(())
    }
}

/// Whether JSON has it as something other than a text: not `0x10`, `+1`, `.5`, `inf`.
fn is_json(text: &str) -> bool {
    matches!(text, "true" | "false") || serde_json::from_str::<Number>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, Format};

    fn written(text: &str, format: Format) -> String {
        let document = Document::parse("a", text, format).unwrap_or_else(|problems| panic!("{problems:?}"));
        document.to_json(usize::MAX).expect("there is no limit")
    }

    #[test]
    fn texts_stay_texts_and_numbers_numbers() {
        let expected = r#"{"a":[1,"1",-0.50,"0x10",true,"true","b \"c\"\n"],"D":{"e":null,"f":"5%"}}"#;
        let yaml = "a: [1, '1', -0.50, 0x10, true, \"true\", \"b \\\"c\\\"\\n\"]\nD: {e: ~, f: 5%}\n";
        assert_eq!(written(yaml, Format::Yaml), expected);
        assert_eq!(written(expected, Format::Json), expected);
        let toml = "a = [1, \"1\", true, 1_000, inf, 1979-05-27]\n[D]\nf = '5%'\n";
        assert_eq!(written(toml, Format::Toml), r#"{"a":[1,"1",true,1000,"inf","1979-05-27"],"D":{"f":"5%"}}"#);
        // What the long sections of a configuration are taken apart to.
        assert_eq!(
            written("http:\n  routers:\n    a: {b: c}\n", Format::Yaml),
            r#"{"http":{"routers":{"a":{"b":"c"}}}}"#
        );
    }

    #[test]
    fn a_section_is_written_without_some_of_its_keys_and_no_longer_than_it_may() {
        let document = Document::parse("a", r#"{"Name": 1, "b": {"name": 2}}"#, Format::Json).expect("it is JSON");
        let json = |limit| to_json(&document.root, &["name"], limit);
        assert_eq!(json(16).as_deref(), Some(r#"{"b":{"name":2}}"#));
        assert_eq!(json(15), None);
        let long = Node::scalar("x".repeat(20), document.root.at.clone());
        assert_eq!(to_json(&long, &[], 21), None);
        assert_eq!(to_json(&long, &[], 22).map(|text| text.len()), Some(22));
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let text = r#"{"stages":[{"job":{"Env":{"match":"s1","b":5}}},{"webhook":{"headers":{"a":["s2",null]},"body":"b"}},
            {"abTest":{"match":[{"headers":{"x":"seen"}}]}}],"headers":true}"#;
        let masked = masked_json(text).expect("it is JSON");
        assert_eq!(
            masked,
            r#"{"stages":[{"job":{"Env":{"match":"***","b":"***"}}},{"webhook":{"headers":{"a":["***",null]},"body":"b"}},{"abTest":{"match":[{"headers":{"x":"seen"}}]}}],"headers":"***"}"#
        );
        assert_eq!(masked_json("{"), None);
    }
}
