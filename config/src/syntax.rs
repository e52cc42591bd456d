//! What is wrong with a text in one of the small languages (rules, conditions), and where in it.

pub(crate) mod logic;
pub(crate) mod operator;

use std::fmt;

pub use operator::Operator;

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where in the text, in bytes.
    pub offset: usize,
    /// What is wrong.
    pub what: String,
    /// What is allowed instead; may be empty.
    pub allowed: String,
}

impl SyntaxError {
    pub(crate) fn new(offset: usize, what: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { offset, what: what.into(), allowed: allowed.into() }
    }

    /// The line of `text` that is meant and a caret below the place, each indented by two; a long line is cut around it.
    pub fn pointer(&self, text: &str) -> String {
        let offset = text.floor_char_boundary(self.offset);
        let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |newline| offset + newline);
        let before: Vec<char> = text[start..offset].chars().collect();
        let cut = before.len().saturating_sub(SHOWN_BEFORE);
        let ellipsis = if cut > 0 { "..." } else { "" };
        let shown = |c: char| if c.is_control() { ' ' } else { c };
        let before: String = before[cut..].iter().map(|&c| shown(c)).collect();
        let after: String = text[offset..end].chars().take(SHOWN_AFTER).map(shown).collect();
        let column = ellipsis.len() + before.chars().count();
        format!("  {ellipsis}{before}{after}\n  {}^", " ".repeat(column))
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if !self.allowed.is_empty() {
            write!(f, " ({})", self.allowed)?;
        }
        Ok(())
    }
}

impl std::error::Error for SyntaxError {}

/// How much of a line is shown on either side of the caret, in characters.
const SHOWN_BEFORE: usize = 80;
const SHOWN_AFTER: usize = 60;
