//! Whatever a text holds, it is read or told what is wrong with it.

use proptest::prelude::*;
use rollgate_config::{Allow, Document, Format, read_dynamic, read_static};

fn reads_or_tells(text: &str, format: Format) {
    if let Ok(document) = Document::parse("f", text, format) {
        let allow = Allow::default();
        let statics = read_static(&document, &allow);
        assert_eq!(statics.value.is_none(), !statics.problems.is_empty());
        let dynamic = read_dynamic(&[document], "file", statics.value.as_ref(), &allow);
        assert_eq!(dynamic.value.is_none(), !dynamic.problems.is_empty());
    }
}

const FORMATS: [Format; 3] = [Format::Yaml, Format::Toml, Format::Json];

/// A fixture with a piece of it replaced.
fn damaged() -> impl Strategy<Value = (Format, String)> {
    let texts = [
        (Format::Yaml, include_str!("fixtures/dynamic.yml")),
        (Format::Yaml, include_str!("fixtures/static.yml")),
        (Format::Toml, include_str!("fixtures/dynamic.toml")),
        (Format::Toml, include_str!("fixtures/static.toml")),
        (Format::Json, include_str!("fixtures/dynamic.json")),
        (Format::Json, include_str!("fixtures/static.json")),
    ];
    let piece = prop_oneof!["\\PC{0,6}", "[\\[\\]{}:,&*<!|>#'\"\n\t -]{0,6}", "[0-9.-]{1,25}"];
    (prop::sample::select(texts.to_vec()), any::<prop::sample::Index>(), 0_usize..40, piece).prop_map(
        |((format, text), at, length, piece)| {
            let start = text.floor_char_boundary(at.index(text.len()));
            let end = text.ceil_char_boundary((start + length).min(text.len()));
            (format, format!("{}{piece}{}", &text[..start], &text[end..]))
        },
    )
}

proptest! {
    #[test]
    fn a_damaged_file_is_read_or_told((format, text) in damaged()) {
        reads_or_tells(&text, format);
    }

    #[test]
    fn any_text_is_read_or_told(text in "\\PC{0,80}|[a-z:{}\\[\\]\"'&*,\n #!|>-]{0,80}", format in prop::sample::select(FORMATS.to_vec())) {
        reads_or_tells(&text, format);
    }

    #[test]
    fn any_flags_are_read_or_told(args in prop::collection::vec("-{0,2}[a-z.\\[\\]0-9=]{0,20}", 0..6)) {
        if let Ok(document) = Document::from_flags(&args) {
            let _ = read_static(&document, &Allow::default());
        }
    }
}
