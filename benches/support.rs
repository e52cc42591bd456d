//! What the benches share.

use rollgate_config::{Allow, Document, Format, dynamic::Configuration, static_config::Static};

/// A configuration from its text.
pub fn read(text: &str) -> (Static, Configuration) {
    let document = Document::parse("bench.yml", text, Format::Yaml).expect("YAML");
    let statics = rollgate_config::read_static(&document, &Allow::default()).value.expect("static configuration");
    let read = rollgate_config::read_dynamic(&[document], "file", Some(&statics), &Allow::default());
    (statics, read.value.expect("dynamic configuration"))
}
