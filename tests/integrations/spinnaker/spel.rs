//! Expressions of Spinnaker as far as the files that are shipped use them, by Spring's rules: a text with expressions in it
//! becomes a text, of which what has no value is left out; one that cannot be evaluated leaves its whole text as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What expressions know.
pub struct Known<'k> {
    pub execution: &'k str,
    /// The pipeline's.
    pub parameters: &'k Map<String, Value>,
    /// The stage's context.
    pub context: &'k Map<String, Value>,
    /// What people said, by the stage's name.
    pub judgments: &'k BTreeMap<String, String>,
}

impl Known<'_> {
    /// Every text in it.
    pub fn all(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).unwrap_or_else(|| text.clone()).into(),
            Value::Array(items) => items.iter().map(|item| self.all(item)).collect(),
            Value::Object(entries) => {
                entries.iter().map(|(name, value)| (name.clone(), self.all(value))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    fn text(&self, template: &str) -> Option<String> {
        let (mut text, mut rest) = (String::new(), template);
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let mut quoted = false;
            let end = after.find(|letter| {
                quoted ^= letter == '\'';
                letter == '}' && !quoted
            })?;
            text.push_str(&self.expression(after[..end].trim())?);
            rest = &after[end + 1..];
        }
        text.push_str(rest);
        Some(text)
    }

    fn expression(&self, expression: &str) -> Option<String> {
        let of = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let inside = |open: &str, close: &str| expression.strip_prefix(open)?.strip_suffix(close);
        if expression == "execution.id" {
            return Some(self.execution.to_owned());
        }
        if let Some((left, right)) = expression.split_once(" == ") {
            let right = right.strip_prefix('\'')?.strip_suffix('\'')?;
            return Some((self.expression(left)? == right).to_string());
        }
        if let Some(name) = inside("parameters['", "']") {
            return Some(of(self.parameters, name));
        }
        if let Some(name) = inside("parameterValues['", "']") {
            return Some(of(self.context.get("parameterValues")?.as_object()?, name));
        }
        // Of a stage without a judgment it throws.
        self.judgments.get(inside("#judgment('", "')")?).cloned()
    }
}
