//! Text to expression: a token at a time, one look ahead.

use super::{MAX_LENGTH, RetryExpression};
use crate::syntax::{
    Operator, SyntaxError,
    logic::{Logic, joined},
};

pub(super) fn parse(text: &str) -> Result<RetryExpression, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError::new(0, "it is too long", ""));
    }
    if text.trim().is_empty() {
        return Err(SyntaxError::new(0, "the expression is empty", FUNCTIONS));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.either()?;
    match parser.token()? {
        (_, Token::End) => Ok(expression),
        (at, other) => Err(unexpected(at, &other, "&& or ||")),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'t> {
    /// A function's name or a number.
    Word(&'t str),
    Text(&'t str),
    Compare(Operator),
    And,
    Or,
    Open,
    Close,
    End,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl Logic for Parser<'_> {
    type Tree = RetryExpression;

    const ANY: fn(Vec<RetryExpression>) -> RetryExpression = |parts| joined(parts, Err, RetryExpression::Or);
    const ALL: fn(Vec<RetryExpression>) -> RetryExpression = |parts| joined(parts, Err, RetryExpression::And);

    fn single(&mut self) -> Result<RetryExpression, SyntaxError> {
        match self.token()? {
            (at, Token::Open) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(SyntaxError::new(at, "it is nested too deeply", ""));
                }
                let inner = self.either()?;
                self.expect(&Token::Close, ")")?;
                self.depth -= 1;
                Ok(inner)
            }
            (at, Token::Word(name)) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => self.function(at, name),
            (at, other) => Err(unexpected(at, &other, FUNCTIONS)),
        }
    }

    fn takes_or(&mut self) -> Result<bool, SyntaxError> {
        self.takes(&Token::Or)
    }

    fn takes_and(&mut self) -> Result<bool, SyntaxError> {
        self.takes(&Token::And)
    }
}

impl<'t> Parser<'t> {
    fn function(&mut self, at: usize, name: &str) -> Result<RetryExpression, SyntaxError> {
        if !["IsNetworkError", "Attempts", "ResponseCode", "RequestMethod"].contains(&name) {
            return Err(SyntaxError::new(at, format!("unknown function {name:?}"), FUNCTIONS));
        }
        self.expect(&Token::Open, "(")?;
        self.expect(&Token::Close, ")")?;
        let (at, next) = self.peek()?;
        if name == "IsNetworkError" {
            return match next {
                Token::Compare(_) => Err(SyntaxError::new(at, "IsNetworkError() is compared with nothing", "")),
                _ => Ok(RetryExpression::IsNetworkError),
            };
        }
        let Token::Compare(operator) = next else {
            return Err(SyntaxError::new(at, "a comparison is missing", COMPARISONS));
        };
        self.token()?;
        match (name, operator) {
            ("Attempts", _) => Ok(RetryExpression::Attempts(operator, self.number()?)),
            ("ResponseCode", _) => Ok(RetryExpression::ResponseCode(operator, self.number()?)),
            (_, Operator::Equal) => Ok(RetryExpression::RequestMethod { is: true, method: self.string()? }),
            (_, Operator::Unequal) => Ok(RetryExpression::RequestMethod { is: false, method: self.string()? }),
            _ => Err(SyntaxError::new(at, "a method is not less or more than another", "== or !=")),
        }
    }

    fn number(&mut self) -> Result<i64, SyntaxError> {
        match self.token()? {
            (at, Token::Word(word)) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                word.parse().map_err(|_| SyntaxError::new(at, format!("{word:?} is no whole number"), "like 2 or 502"))
            }
            (at, other) => Err(unexpected(at, &other, "a number")),
        }
    }

    fn string(&mut self) -> Result<String, SyntaxError> {
        match self.token()? {
            (_, Token::Text(text)) => Ok(text.to_owned()),
            (at, other) => Err(unexpected(at, &other, "a method in quotes")),
        }
    }

    fn takes(&mut self, wanted: &Token<'_>) -> Result<bool, SyntaxError> {
        let is = self.peek()?.1 == *wanted;
        if is {
            self.token()?;
        }
        Ok(is)
    }

    fn expect(&mut self, wanted: &Token<'_>, allowed: &'static str) -> Result<(), SyntaxError> {
        match self.token()? {
            (_, token) if token == *wanted => Ok(()),
            (at, other) => Err(unexpected(at, &other, allowed)),
        }
    }

    fn peek(&mut self) -> Result<(usize, Token<'t>), SyntaxError> {
        let before = self.at;
        let token = self.token();
        self.at = before;
        token
    }

    /// The next token and where it begins.
    fn token(&mut self) -> Result<(usize, Token<'t>), SyntaxError> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok((start, Token::End)) };
        let sign = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (token, length) = if let Some((sign, token)) = sign {
            (token.clone(), sign.len())
        } else if first == '"' || first == '`' {
            let Some(length) = rest[1..].find(first) else {
                return Err(SyntaxError::new(start, "a string is not closed", ""));
            };
            (Token::Text(&rest[1..=length]), length + 2)
        } else if first.is_ascii_alphanumeric() {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(rest.len());
            (Token::Word(&rest[..end]), end)
        } else {
            return Err(SyntaxError::new(start, format!("unexpected {first:?}"), FUNCTIONS));
        };
        self.at = start + length;
        Ok((start, token))
    }
}

/// Longer ones before those they begin with.
const OPERATORS: [(&str, Token<'static>); 10] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("==", Token::Compare(Operator::Equal)),
    ("!=", Token::Compare(Operator::Unequal)),
    ("<=", Token::Compare(Operator::AtMost)),
    (">=", Token::Compare(Operator::AtLeast)),
    ("<", Token::Compare(Operator::Less)),
    (">", Token::Compare(Operator::Greater)),
    ("(", Token::Open),
    (")", Token::Close),
];

fn unexpected(at: usize, token: &Token<'_>, allowed: &'static str) -> SyntaxError {
    let noun = match token {
        Token::Word(word) => format!("{word:?}"),
        Token::Text(_) => "string".to_owned(),
        Token::End => "end of the expression".to_owned(),
        other => {
            OPERATORS.iter().find(|(_, known)| known == other).map_or_else(String::new, |(sign, _)| format!("{sign:?}"))
        }
    };
    SyntaxError::new(at, format!("unexpected {noun}"), allowed)
}

const FUNCTIONS: &str = "Attempts(), ResponseCode(), IsNetworkError(), RequestMethod()";
const COMPARISONS: &str = "==, !=, <, <=, >, >=";
/// Of parentheses.
const MAX_DEPTH: usize = 50;
