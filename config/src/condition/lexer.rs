//! A condition's text to tokens, each with its offset.

use super::Operator;
use crate::syntax::SyntaxError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// A number with a point or an exponent.
    Decimal(f64),
    Whole(u64),
    Open,
    Close,
    Comma,
    And,
    Or,
    Not,
    Compare(Operator),
    End,
}

impl Token {
    /// As a message names it.
    pub fn noun(&self) -> String {
        match self {
            Self::Name(name) => format!("{name:?}"),
            Self::Decimal(_) | Self::Whole(_) => "number".to_owned(),
            Self::Open => "\"(\"".to_owned(),
            Self::Close => "\")\"".to_owned(),
            Self::Comma => "\",\"".to_owned(),
            Self::And => "\"&&\"".to_owned(),
            Self::Or => "\"||\"".to_owned(),
            Self::Not => "\"!\"".to_owned(),
            Self::Compare(operator) => format!("{:?}", operator.text()),
            Self::End => "end of the expression".to_owned(),
        }
    }
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

/// The longer ones first, since the shorter ones are what they begin with.
const SYMBOLS: [(&str, Token); 12] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("==", Token::Compare(Operator::Equal)),
    ("!=", Token::Compare(Operator::Unequal)),
    ("<=", Token::Compare(Operator::AtMost)),
    (">=", Token::Compare(Operator::AtLeast)),
    ("<", Token::Compare(Operator::Less)),
    (">", Token::Compare(Operator::Greater)),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    (",", Token::Comma),
];

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and where it begins.
    pub fn token(&mut self) -> Result<(usize, Token), SyntaxError> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            self.at = start;
            return Ok((start, Token::End));
        };
        let (token, length) = match SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
            Some((symbol, token)) => (token.clone(), symbol.len()),
            None if first.is_alphabetic() || first == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Name(rest[..length].to_owned()), length)
            }
            None if first.is_ascii_digit() || first == '.' => number(start, rest)?,
            None => return Err(unexpected(start, first)),
        };
        self.at = start + length;
        Ok((start, token))
    }
}

/// A number as Go writes them, in decimal; and its length.
fn number(start: usize, rest: &str) -> Result<(Token, usize), SyntaxError> {
    let mut before = ' ';
    let ends = rest.find(|c: char| {
        let signs_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        before = c;
        !(c.is_alphanumeric() || c == '.' || c == '_' || signs_exponent)
    });
    let text = &rest[..ends.unwrap_or(rest.len())];
    let whole = text.bytes().all(|byte| byte.is_ascii_digit());
    let token = match whole {
        true => text.parse().ok().filter(|number| *number <= MAX_WHOLE).map(Token::Whole),
        false => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Token::Decimal),
    };
    match token {
        Some(token) => Ok((token, text.len())),
        None if whole => Err(SyntaxError::new(start, format!("{text} is too large"), format!("at most {MAX_WHOLE}"))),
        None => Err(SyntaxError::new(start, format!("{text:?} is no number"), "like 50 or 0.5")),
    }
}

fn unexpected(at: usize, c: char) -> SyntaxError {
    let allowed = match c {
        '&' => "&&",
        '|' => "||",
        '=' => "==",
        '-' | '+' => "numbers have no sign",
        '`' | '"' | '\'' => "functions and numbers only",
        _ => "",
    };
    SyntaxError::new(at, format!("unexpected {c:?}"), allowed)
}

/// The largest number up to which every whole one is exact in an `f64`.
const MAX_WHOLE: u64 = 1 << f64::MANTISSA_DIGITS;
