//! What a change has changed, on one line.

use serde_json::{Map, Value};

use super::contract::plain;

/// What differs between two objects, a level deep: `a 90 -> 95, b 10 -> 5`.
pub(super) fn difference(from: &Value, to: &Value) -> String {
    let flat = |value: &Value| {
        let mut all = Map::new();
        flatten("", value, &mut all);
        all
    };
    let (from, to) = (flat(from), flat(to));
    let shown = |value: Option<&Value>| value.filter(|value| !value.is_null()).map_or_else(|| "-".to_owned(), plain);
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    let changed = names.into_iter().filter(|name| from.get(*name) != to.get(*name));
    let told: Vec<String> = changed
        .map(|name| {
            let space = if name.is_empty() { "" } else { " " };
            format!("{name}{space}{} -> {}", shown(from.get(name)), shown(to.get(name)))
        })
        .collect();
    if told.is_empty() { "-".to_owned() } else { told.join(", ") }
}

/// Objects in objects under the names of what holds the value itself; `weights` and the like say nothing that the names
/// of versions do not.
fn flatten(name: &str, value: &Value, all: &mut Map<String, Value>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| flatten(name, value, all)),
        Value::Null => {}
        other => drop(all.insert(name.to_owned(), other.clone())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        for (from, to, expected) in [
            (json!({"a": "90", "b": "10"}), json!({"a": "95", "b": "5"}), "a 90 -> 95, b 10 -> 5"),
            (json!({"a": "90", "b": "10"}), json!({"a": "90", "b": "5"}), "b 10 -> 5"),
            (
                json!({"owner": "none", "weights": null}),
                json!({"owner": "api", "weights": {"a": "1"}}),
                "a - -> 1, owner none -> api",
            ),
            (json!({"braked": false}), json!({"braked": true}), "braked false -> true"),
            (json!(null), json!({}), "-"),
        ] {
            assert_eq!(difference(&from, &to), expected);
        }
    }
}
