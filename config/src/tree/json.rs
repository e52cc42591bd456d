//! JSON, strictly: no comments, no trailing commas.

use std::sync::Arc;

use jsonc_parser::{
    CollectOptions, ParseOptions,
    ast::{Object, Value},
    common::Ranged,
    parse_to_ast,
};

use super::{Key, Kind, MAX_DEPTH, Node, positions::Positions};
use crate::problem::Problem;

/// Reads one JSON document.
pub(crate) fn parse(source: &Arc<str>, text: &str) -> Result<Node, Vec<Problem>> {
    let mut positions = Positions::new(source, text);
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let at = positions.place(error.range().start);
        vec![Problem::new(&at, "", format!("is not valid JSON: {}", uncapitalised(&error.kind().to_string())), "")]
    })?;
    match parsed.value {
        Some(value) => node(value, &mut positions, 0).map_err(|problem| vec![problem]),
        None => Ok(Node { kind: Kind::Null, at: positions.place(0) }),
    }
}

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

fn node(value: Value<'_>, positions: &mut Positions<'_>, depth: usize) -> Result<Node, Problem> {
    let at = positions.place(value.range().start);
    if depth > MAX_DEPTH {
        return Err(Problem::new(&at, "", "is nested too deeply", format!("at most {MAX_DEPTH} levels")));
    }
    Ok(match value {
        Value::NullKeyword(_) => Node { kind: Kind::Null, at },
        Value::StringLit(literal) => Node::scalar(literal.value, at),
        Value::NumberLit(literal) => Node::literal(literal.value, at),
        Value::BooleanLit(literal) => Node::literal(literal.value.to_string(), at),
        Value::Array(array) => {
            let items = array.elements.into_iter().map(|item| node(item, positions, depth + 1));
            Node { kind: Kind::Sequence(items.collect::<Result<_, _>>()?), at }
        }
        Value::Object(object) => Node { kind: mapping(object, positions, depth)?, at },
    })
}

fn mapping(object: Object<'_>, positions: &mut Positions<'_>, depth: usize) -> Result<Kind, Problem> {
    let entries = object.properties.into_iter().map(|property| {
        let at = positions.place(property.name.range().start);
        let value = node(property.value, positions, depth + 1)?;
        Ok((Key { name: property.name.into_string(), at }, value))
    });
    entries.collect::<Result<_, _>>().map(Kind::Mapping)
}

fn uncapitalised(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
