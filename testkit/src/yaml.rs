//! YAML that others read, as JSON: for files that are shipped for other programs. Core schema, without anchors and tags.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// A document; panics where it is none, or uses what is not read here.
pub fn yaml(text: &str) -> Value {
    let documents = yaml_documents(text);
    assert_eq!(documents.len(), 1, "one document");
    documents.into_iter().next().expect("there is one")
}

/// All documents of a text.
pub fn yaml_documents(text: &str) -> Vec<Value> {
    let (mut documents, mut open): (Vec<Value>, Vec<Open>) = (Vec::new(), Vec::new());
    for event in Parser::new_from_str(text) {
        let (event, span) = event.unwrap_or_else(|error| panic!("this is no YAML: {error}"));
        let whole = match event {
            Event::Scalar(text, style, 0, None) => scalar(&text, style),
            Event::SequenceStart(0, None) => {
                open.push(Open::Sequence(Vec::new()));
                continue;
            }
            Event::MappingStart(0, None) => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop().expect("it was opened") {
                Open::Sequence(items) => items.into(),
                Open::Mapping(entries, _) => entries.into(),
            },
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                panic!("line {}: anchors, aliases and tags are not read here", span.start.line())
            }
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(whole),
            Some(Open::Sequence(items)) => items.push(whole),
            Some(Open::Mapping(entries, key)) => match key.take() {
                None => *key = Some(whole.as_str().map_or_else(|| whole.to_string(), str::to_owned)),
                Some(key) => assert!(entries.insert(key.clone(), whole).is_none(), "{key} stands there twice"),
            },
        }
    }
    documents
}

enum Open {
    Sequence(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return text.into();
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => true.into(),
        "false" => false.into(),
        _ => match text.parse::<serde_json::Number>() {
            Ok(number) => number.into(),
            Err(_) => text.into(),
        },
    }
}
