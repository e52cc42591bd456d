//! A file with other weights in it: nothing but their digits changes.

use std::collections::BTreeMap;

use crate::{
    document::Format,
    problem::Place,
    scalar::Weight,
    tree::{Kind, Node, parse_json, parse_toml, parse_yaml},
};

/// The text of a file in which a weighted service has other weights. Names are qualified (`pro@file`), in the file they are bare or
/// qualified.
///
/// # Errors
/// In a sentence: the text cannot be read, the service or one of the weights is not written in it, or what would come of it would
/// not say these weights.
pub fn rewrite_weights(
    text: &str,
    format: Format,
    service: &str,
    weights: &BTreeMap<String, Weight>,
) -> Result<String, String> {
    let mut places = Vec::new();
    for (name, weight, at) in written(text, format, service)? {
        let Some(wanted) = of(weights, &name) else { continue };
        places.push((offset(text, &at, &weight).ok_or_else(|| cannot(&name))?, weight, wanted));
    }
    places.sort_by_key(|(at, ..)| *at);
    let (mut rewritten, mut end) = (String::with_capacity(text.len()), 0);
    for (at, before, wanted) in places {
        rewritten.push_str(&text[end..at]);
        rewritten.push_str(&wanted.to_string());
        end = at + before.len();
    }
    rewritten.push_str(&text[end..]);
    let said: BTreeMap<String, Weight> = written(&rewritten, format, service)?
        .into_iter()
        .filter_map(|(name, weight, _)| Some((name, weight.parse().ok()?)))
        .collect();
    for (name, wanted) in weights {
        let says = said.iter().find(|(written, _)| is(name, written)).map(|(_, weight)| weight);
        if says != Some(wanted) {
            return Err(format!("the weight of {name} is not written in {service} there"));
        }
    }
    Ok(rewritten)
}

/// The children of a service whose weights are written, with those.
fn written(text: &str, format: Format, service: &str) -> Result<Vec<(String, String, Place)>, String> {
    let source = "file".into();
    let root = match format {
        Format::Yaml => parse_yaml(&source, text),
        Format::Toml => parse_toml(&source, text),
        Format::Json => parse_json(&source, text),
    };
    let root = root.map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))?;
    let services = below(&root, "http").and_then(|http| below(http, "services"));
    let found = services.and_then(|services| match &services.kind {
        Kind::Mapping(entries) => entries.iter().find(|(key, _)| is(service, &key.name)).map(|(_, node)| node),
        _ => None,
    });
    let children = found.and_then(|found| below(found, "weighted")).and_then(|weighted| below(weighted, "services"));
    let Some(Kind::Sequence(children)) = children.map(|children| &children.kind) else {
        return Err(format!("there is no weighted service {service} in it"));
    };
    let text_of = |node: &Node| match &node.kind {
        Kind::Scalar(scalar) => Some((scalar.text.clone(), node.at.clone())),
        _ => None,
    };
    let children = children.iter().filter_map(|child| {
        let (name, _) = below(child, "name").and_then(text_of)?;
        let (weight, at) = below(child, "weight").and_then(text_of)?;
        Some((name, weight, at))
    });
    Ok(children.collect())
}

fn below<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Kind::Mapping(entries) = &node.kind else { return None };
    entries.iter().find(|(found, _)| found.name.eq_ignore_ascii_case(key)).map(|(_, node)| node)
}

/// Whether a qualified name is what is written.
fn is(qualified: &str, written: &str) -> bool {
    qualified == written || qualified.split_once('@').is_some_and(|(bare, _)| bare == written)
}

fn of(weights: &BTreeMap<String, Weight>, written: &str) -> Option<Weight> {
    weights.iter().find(|(name, _)| is(name, written)).map(|(_, weight)| *weight)
}

/// Where a scalar's own text stands, behind its quote if it has one.
fn offset(text: &str, at: &Place, scalar: &str) -> Option<usize> {
    let line = text.split_inclusive('\n').take(at.line.checked_sub(1)? as usize).map(str::len).sum::<usize>();
    let rest = text.get(line..)?;
    let column = rest.char_indices().nth(at.column.checked_sub(1)? as usize)?.0;
    let begins = &rest[column..];
    let quote = usize::from(begins.starts_with(['"', '\'']));
    begins.get(quote..)?.starts_with(scalar).then_some(line + column + quote)
}

fn cannot(name: &str) -> String {
    format!("the weight of {name} is written in a way that cannot be rewritten")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(of: &[(&str, u64)]) -> BTreeMap<String, Weight> {
        of.iter().map(|(name, weight)| ((*name).to_owned(), Weight(weight * 1_000_000))).collect()
    }

    const YAML: &str = "# Split\nhttp:\n  services:\n    other: {weighted: {services: [{name: a, weight: 1}]}}\n    pro:\n      weighted:\n        services:\n          - name: a # the old one\n            weight: 95\n          - {name: \"b@file\", weight: '5', }\n";

    #[test]
    fn only_the_digits_change() {
        let wanted = weights(&[("a@file", 0), ("b@file", 100)]);
        let rewritten = rewrite_weights(YAML, Format::Yaml, "pro@file", &wanted).unwrap();
        assert_eq!(rewritten, YAML.replace("weight: 95", "weight: 0").replace("'5'", "'100'"));
        let toml =
            "[http.services.pro.weighted]\nservices = [{name = \"ä\", weight = 9}, {name = \"b\", weight = 1}]\n";
        let wanted = weights(&[("ä@file", 1), ("b@file", 12)]);
        let rewritten = rewrite_weights(toml, Format::Toml, "pro@file", &wanted).unwrap();
        assert_eq!(
            rewritten,
            toml.replace("= 9", "= 1").replacen("weight = 1}", "weight = 12}", 2).replacen(
                "weight = 12}",
                "weight = 1}",
                1
            )
        );
        let json =
            "{\"http\": {\"services\": {\"pro\": {\"weighted\": {\"services\": [{\"name\": \"a\", \"weight\": 3}]}}}}}";
        let rewritten = rewrite_weights(json, Format::Json, "pro@file", &weights(&[("a@file", 7)])).unwrap();
        assert_eq!(rewritten, json.replace('3', "7"));
    }

    #[test]
    fn what_is_not_written_is_said() {
        let told = |text: &str, wanted: &[(&str, u64)]| {
            rewrite_weights(text, Format::Yaml, "pro@file", &weights(wanted)).unwrap_err()
        };
        assert!(told(YAML, &[("a@file", 1), ("c@file", 1)]).contains("the weight of c@file is not written"));
        assert!(told("http: {services: {}}", &[("a@file", 1)]).contains("no weighted service pro@file"));
        assert!(told("{", &[("a@file", 1)]).contains("file:"));
        let default = "http: {services: {pro: {weighted: {services: [{name: a}]}}}}";
        assert!(told(default, &[("a@file", 2)]).contains("the weight of a@file is not written"));
    }
}
