//! TOML, in the order written.

use std::sync::Arc;

use ::toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Key, Kind, MAX_DEPTH, Node, positions::Positions};
use crate::problem::Problem;

/// How many errors of syntax are told at once: after the first ones the rest are mostly echoes.
const MAX_ERRORS: usize = 20;

/// Reads one TOML document.
pub(crate) fn parse(source: &Arc<str>, text: &str) -> Result<Node, Vec<Problem>> {
    let mut positions = Positions::new(source, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().take(MAX_ERRORS).map(|error| refusal(error, &mut positions)).collect());
    }
    let at = positions.place(table.span().start);
    let kind = mapping(table.into_inner(), &mut positions, 0).map_err(|problem| vec![problem])?;
    Ok(Node { kind, at })
}

fn refusal(error: &::toml::de::Error, positions: &mut Positions<'_>) -> Problem {
    let at = positions.place(error.span().map_or(0, |span| span.start));
    let message = error.message().replace('\n', ", ");
    Problem::new(&at, "", format!("is not valid TOML: {message}"), "")
}

fn mapping(table: DeTable<'_>, positions: &mut Positions<'_>, depth: usize) -> Result<Kind, Problem> {
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let read = entries.into_iter().map(|(key, value)| {
        let at = positions.place(key.span().start);
        let value = node(value, positions, depth + 1)?;
        Ok((Key { name: key.into_inner().into_owned(), at }, value))
    });
    read.collect::<Result<_, _>>().map(Kind::Mapping)
}

fn node(value: Spanned<DeValue<'_>>, positions: &mut Positions<'_>, depth: usize) -> Result<Node, Problem> {
    let at = positions.place(value.span().start);
    if depth > MAX_DEPTH {
        return Err(Problem::new(&at, "", "is nested too deeply", format!("at most {MAX_DEPTH} levels")));
    }
    let text = match value.into_inner() {
        DeValue::Table(table) => {
            return Ok(Node { kind: mapping(table, positions, depth)?, at });
        }
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| node(item, positions, depth + 1));
            return Ok(Node { kind: Kind::Sequence(items.collect::<Result<_, _>>()?), at });
        }
        DeValue::String(text) => return Ok(Node::scalar(text.into_owned(), at)),
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| integer.as_str().to_owned(), |value| value.to_string()),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
    };
    Ok(Node::literal(text, at))
}
