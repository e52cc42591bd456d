//! Text to expression: a token at a time, one look ahead.

use super::{Compare, ExpressionError, MAX_LENGTH, RetryExpression};

pub(super) fn parse(text: &str) -> Result<RetryExpression, ExpressionError> {
    if text.len() > MAX_LENGTH {
        return Err(error(0, "it is too long", ""));
    }
    if text.trim().is_empty() {
        return Err(error(0, "the expression is empty", FUNCTIONS));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let expression = parser.any_of()?;
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
    Compare(Compare),
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

impl<'t> Parser<'t> {
    fn any_of(&mut self) -> Result<RetryExpression, ExpressionError> {
        let mut parts = vec![self.all_of()?];
        while self.take(&Token::Or)? {
            parts.push(self.all_of()?);
        }
        Ok(joined(parts, RetryExpression::Or))
    }

    fn all_of(&mut self) -> Result<RetryExpression, ExpressionError> {
        let mut parts = vec![self.term()?];
        while self.take(&Token::And)? {
            parts.push(self.term()?);
        }
        Ok(joined(parts, RetryExpression::And))
    }

    fn term(&mut self) -> Result<RetryExpression, ExpressionError> {
        match self.token()? {
            (at, Token::Open) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(error(at, "it is nested too deeply", ""));
                }
                let inner = self.any_of()?;
                self.expect(&Token::Close, ")")?;
                self.depth -= 1;
                Ok(inner)
            }
            (at, Token::Word(name)) if name.starts_with(|c: char| c.is_ascii_alphabetic()) => self.function(at, name),
            (at, other) => Err(unexpected(at, &other, FUNCTIONS)),
        }
    }

    fn function(&mut self, at: usize, name: &str) -> Result<RetryExpression, ExpressionError> {
        if !["IsNetworkError", "Attempts", "ResponseCode", "RequestMethod"].contains(&name) {
            return Err(error(at, format!("unknown function {name:?}"), FUNCTIONS));
        }
        self.expect(&Token::Open, "(")?;
        self.expect(&Token::Close, ")")?;
        let (at, next) = self.peek()?;
        if name == "IsNetworkError" {
            return match next {
                Token::Compare(_) => Err(error(at, "IsNetworkError() is compared with nothing", "")),
                _ => Ok(RetryExpression::IsNetworkError),
            };
        }
        let Token::Compare(compare) = next else {
            return Err(error(at, "a comparison is missing", COMPARISONS));
        };
        self.token()?;
        match (name, compare) {
            ("Attempts", _) => Ok(RetryExpression::Attempts(compare, self.number()?)),
            ("ResponseCode", _) => Ok(RetryExpression::ResponseCode(compare, self.number()?)),
            (_, Compare::Equal) => Ok(RetryExpression::RequestMethod { is: true, method: self.string()? }),
            (_, Compare::NotEqual) => Ok(RetryExpression::RequestMethod { is: false, method: self.string()? }),
            _ => Err(error(at, "a method is not less or more than another", "== or !=")),
        }
    }

    fn number(&mut self) -> Result<i64, ExpressionError> {
        match self.token()? {
            (at, Token::Word(word)) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                word.parse().map_err(|_| error(at, format!("{word:?} is no whole number"), "like 2 or 502"))
            }
            (at, other) => Err(unexpected(at, &other, "a number")),
        }
    }

    fn string(&mut self) -> Result<String, ExpressionError> {
        match self.token()? {
            (_, Token::Text(text)) => Ok(text.to_owned()),
            (at, other) => Err(unexpected(at, &other, "a method in quotes")),
        }
    }

    fn take(&mut self, wanted: &Token<'_>) -> Result<bool, ExpressionError> {
        let is = self.peek()?.1 == *wanted;
        if is {
            self.token()?;
        }
        Ok(is)
    }

    fn expect(&mut self, wanted: &Token<'_>, allowed: &'static str) -> Result<(), ExpressionError> {
        match self.token()? {
            (_, token) if token == *wanted => Ok(()),
            (at, other) => Err(unexpected(at, &other, allowed)),
        }
    }

    fn peek(&mut self) -> Result<(usize, Token<'t>), ExpressionError> {
        let before = self.at;
        let token = self.token();
        self.at = before;
        token
    }

    /// The next token and where it begins.
    fn token(&mut self) -> Result<(usize, Token<'t>), ExpressionError> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok((start, Token::End)) };
        let operator = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (token, length) = if let Some((sign, token)) = operator {
            (token.clone(), sign.len())
        } else if first == '"' || first == '`' {
            let Some(length) = rest[1..].find(first) else {
                return Err(error(start, "a string is not closed", ""));
            };
            (Token::Text(&rest[1..=length]), length + 2)
        } else if first.is_ascii_alphanumeric() {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').unwrap_or(rest.len());
            (Token::Word(&rest[..end]), end)
        } else {
            return Err(error(start, format!("unexpected {first:?}"), FUNCTIONS));
        };
        self.at = start + length;
        Ok((start, token))
    }
}

/// Longer ones before those they begin with.
const OPERATORS: [(&str, Token<'static>); 10] = [
    ("&&", Token::And),
    ("||", Token::Or),
    ("==", Token::Compare(Compare::Equal)),
    ("!=", Token::Compare(Compare::NotEqual)),
    ("<=", Token::Compare(Compare::LessOrEqual)),
    (">=", Token::Compare(Compare::GreaterOrEqual)),
    ("<", Token::Compare(Compare::Less)),
    (">", Token::Compare(Compare::Greater)),
    ("(", Token::Open),
    (")", Token::Close),
];

fn joined(mut parts: Vec<RetryExpression>, join: fn(Vec<RetryExpression>) -> RetryExpression) -> RetryExpression {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => join(parts),
    }
}

fn unexpected(at: usize, token: &Token<'_>, allowed: &'static str) -> ExpressionError {
    let noun = match token {
        Token::Word(word) => format!("{word:?}"),
        Token::Text(_) => "string".to_owned(),
        Token::End => "end of the expression".to_owned(),
        other => {
            OPERATORS.iter().find(|(_, known)| known == other).map_or_else(String::new, |(sign, _)| format!("{sign:?}"))
        }
    };
    error(at, format!("unexpected {noun}"), allowed)
}

fn error(at: usize, what: impl Into<String>, allowed: &'static str) -> ExpressionError {
    ExpressionError { at, what: what.into(), allowed }
}

const FUNCTIONS: &str = "Attempts(), ResponseCode(), IsNetworkError(), RequestMethod()";
const COMPARISONS: &str = "==, !=, <, <=, >, >=";
/// Of parentheses.
const MAX_DEPTH: usize = 50;
