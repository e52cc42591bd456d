//! `service="a"`, `!=`, `=~`, `!~`.

use regex::{Regex, RegexBuilder};

/// What a label's value has to be. A label that is not there is empty.
#[derive(Debug, Clone)]
pub struct Matcher {
    pub label: String,
    is: Is,
    negated: bool,
}

#[derive(Debug, Clone)]
enum Is {
    Text(String),
    Like(Regex),
}

impl Matcher {
    /// `None`: it is no such operator.
    pub fn new(label: String, operator: &str, text: String) -> Option<Result<Self, String>> {
        let (is, negated) = match operator {
            "=" => (Ok(Is::Text(text)), false),
            "!=" => (Ok(Is::Text(text)), true),
            "=~" => (like(&text), false),
            "!~" => (like(&text), true),
            _ => return None,
        };
        Some(is.map(|is| Self { label, is, negated }))
    }

    /// Whether a value is one of those.
    pub fn is(&self, value: &str) -> bool {
        let is = match &self.is {
            Is::Text(text) => text == value,
            Is::Like(pattern) => pattern.is_match(value),
        };
        is != self.negated
    }
}

/// The whole value has to match.
fn like(text: &str) -> Result<Is, String> {
    if text.len() > PATTERN {
        return Err(format!("a pattern has at most {PATTERN} bytes"));
    }
    // By itself too: a parenthesis that closes what is put around it would match parts of values.
    let compiled = |text: &str| RegexBuilder::new(text).size_limit(COMPILED).dfa_size_limit(COMPILED).build();
    let pattern = compiled(text).and_then(|_| compiled(&format!("^(?s:{text})$")));
    pattern.map(Is::Like).map_err(|error| format!("{text:?} is no pattern: {}", last_line(&error.to_string())))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// Bytes of a pattern.
const PATTERN: usize = 1_024;
/// Bytes of it when it is compiled.
const COMPILED: usize = 256 << 10;
