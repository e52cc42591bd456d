//! Tokens to a tree: `||` of `&&` of comparisons, parentheses and `!`, as Go's expressions bind them.

use std::ops::Range;

use super::{
    Comparison, Expression, Operator, Term,
    lexer::{Lexer, Token},
};
use crate::{
    fields::did_you_mean,
    syntax::{SyntaxError, logic::Logic},
};

/// How long an expression may be, in bytes.
const MAX_LENGTH: usize = 4 << 10;

/// How deep parentheses and `!` may nest.
const MAX_DEPTH: usize = 16;

/// How many comparisons there may be: each is evaluated at every check, and each ratio counts answers of its own.
const MAX_COMPARISONS: usize = 32;

/// Above every status.
const MAX_STATUS: u64 = 1000;

const NAMES: [&str; 4] = ["NetworkErrorRatio", "ResponseCodeRatio", "LatencyAtQuantileMS", "RequestThreshold"];

pub(super) fn parse(text: &str) -> Result<Expression, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError::new(0, "the expression is too long", "at most 4 KiB"));
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.token()?;
    let mut parser = Parser { lexer, next, depth: 0, comparisons: 0 };
    if parser.next.1 == Token::End {
        return Err(SyntaxError::new(0, "the expression is empty", "like NetworkErrorRatio() > 0.3"));
    }
    let expression = parser.either()?;
    match parser.next {
        (_, Token::End) => Ok(expression),
        (at, Token::Close) => Err(SyntaxError::new(at, "\")\" closes nothing", "")),
        (at, token) => Err(unexpected(at, &token, "&& or ||")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    next: (usize, Token),
    depth: usize,
    comparisons: usize,
}

impl Logic for Parser<'_> {
    type Tree = Expression;

    const ANY: fn(Vec<Expression>) -> Expression = Expression::any;
    const ALL: fn(Vec<Expression>) -> Expression = Expression::all;

    fn single(&mut self) -> Result<Expression, SyntaxError> {
        match self.advance()? {
            (at, Token::Not) => self.nested(at, |parser| {
                // In Go `!a > b` is `(!a) > b`: what is meant has to be said.
                if !matches!(parser.next.1, Token::Open | Token::Not) {
                    return Err(unexpected(parser.next.0, &parser.next.1, "a comparison in parentheses after !"));
                }
                Ok(Expression::Not(Box::new(parser.single()?)))
            }),
            (at, Token::Open) => self.nested(at, |parser| {
                let inner = parser.either()?;
                match parser.advance()? {
                    (_, Token::Close) => Ok(inner),
                    (_, Token::End) => Err(SyntaxError::new(at, "\"(\" is not closed", "")),
                    (at, token) => Err(unexpected(at, &token, "\")\", && or ||")),
                }
            }),
            (at, Token::Name(name)) => self.comparison(at, &name),
            (at, token @ (Token::Decimal(_) | Token::Whole(_))) => {
                Err(unexpected(at, &token, "the function stands on the left, like NetworkErrorRatio() > 0.3"))
            }
            (at, token) => Err(unexpected(at, &token, "a function, ! or (")),
        }
    }

    fn takes_or(&mut self) -> Result<bool, SyntaxError> {
        self.takes(&Token::Or)
    }

    fn takes_and(&mut self) -> Result<bool, SyntaxError> {
        self.takes(&Token::And)
    }
}

impl Parser<'_> {
    fn nested(
        &mut self,
        at: usize,
        read: impl FnOnce(&mut Self) -> Result<Expression, SyntaxError>,
    ) -> Result<Expression, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let allowed = format!("at most {MAX_DEPTH} levels");
            return Err(SyntaxError::new(at, "the expression is nested too deeply", allowed));
        }
        let inner = read(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    /// `NetworkErrorRatio() > 0.3`
    fn comparison(&mut self, at: usize, name: &str) -> Result<Expression, SyntaxError> {
        self.comparisons += 1;
        if self.comparisons > MAX_COMPARISONS {
            return Err(SyntaxError::new(at, "too many comparisons", format!("at most {MAX_COMPARISONS}")));
        }
        let Some(known) = NAMES.iter().copied().find(|known| *known == name) else {
            let hint = did_you_mean(name, NAMES).map(|hint| hint.replace('"', ""));
            return Err(SyntaxError::new(
                at,
                format!("unknown function {name:?}"),
                hint.unwrap_or_else(|| NAMES.join(", ")),
            ));
        };
        let arguments = self.arguments(known)?;
        let term = term(at, known, &arguments)?;
        let operator = match self.advance()? {
            (_, Token::Compare(operator)) => operator,
            (at, token) => return Err(unexpected(at, &token, "one of > >= < <= == !=")),
        };
        let value = self.value(&term, operator)?;
        Ok(Expression::Comparison(Comparison { term, operator, value }))
    }

    /// `(500, 600, 0, 600)`
    fn arguments(&mut self, name: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
        let open = match self.advance()? {
            (open, Token::Open) => open,
            (at, token) => return Err(unexpected(at, &token, &format!("\"(\" after {name}"))),
        };
        let mut arguments = Vec::new();
        if self.next.1 == Token::Close {
            self.advance()?;
            return Ok(arguments);
        }
        loop {
            match self.advance()? {
                number @ (_, Token::Decimal(_) | Token::Whole(_)) => arguments.push(number),
                (_, Token::End) => return Err(SyntaxError::new(open, "\"(\" is not closed", "")),
                (at, token) => return Err(unexpected(at, &token, "a number")),
            }
            match self.advance()? {
                (_, Token::Comma) => {}
                (_, Token::Close) => return Ok(arguments),
                (_, Token::End) => return Err(SyntaxError::new(open, "\"(\" is not closed", "")),
                (at, token) => return Err(unexpected(at, &token, "\",\" or \")\"")),
            }
        }
    }

    /// What a term is compared with: a number of its own kind.
    fn value(&mut self, term: &Term, operator: Operator) -> Result<f64, SyntaxError> {
        match self.advance()? {
            (_, Token::Whole(number)) if term.is_whole() => Ok(number as f64),
            (_, Token::Decimal(number)) if !term.is_whole() => Ok(number),
            (at, Token::Whole(number)) => {
                let what = format!("{term} is compared with a decimal, not with {number}");
                Err(SyntaxError::new(at, what, format!("{} {number}.0", operator.text())))
            }
            (at, Token::Decimal(number)) => {
                let what = format!("{term} is compared with a whole number, not with {number:?}");
                Err(SyntaxError::new(at, what, format!("like {} {}", operator.text(), number.round())))
            }
            (at, token) => {
                let kind = if term.is_whole() { "a whole number" } else { "a decimal, like 0.3" };
                Err(unexpected(at, &token, kind))
            }
        }
    }

    fn takes(&mut self, wanted: &Token) -> Result<bool, SyntaxError> {
        let is = self.next.1 == *wanted;
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn advance(&mut self) -> Result<(usize, Token), SyntaxError> {
        let following = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.next, following))
    }
}

fn term(at: usize, name: &str, arguments: &[(usize, Token)]) -> Result<Term, SyntaxError> {
    match (name, arguments) {
        ("NetworkErrorRatio", []) => Ok(Term::NetworkErrorRatio),
        ("RequestThreshold", []) => Ok(Term::RequestThreshold),
        ("LatencyAtQuantileMS", [quantile]) => self::quantile(quantile).map(Term::LatencyAtQuantile),
        ("ResponseCodeRatio", [from, to, div_from, div_to]) => {
            Ok(Term::ResponseCodeRatio { counted: statuses(from, to)?, among: statuses(div_from, div_to)? })
        }
        (name, arguments) => Err(wrong_count(at, name, arguments.len())),
    }
}

fn wrong_count(at: usize, name: &str, count: usize) -> SyntaxError {
    let (takes, like) = match name {
        "ResponseCodeRatio" => ("4 arguments", "like ResponseCodeRatio(500, 600, 0, 600)"),
        "LatencyAtQuantileMS" => ("1 argument", "like LatencyAtQuantileMS(50.0)"),
        _ => ("no arguments", ""),
    };
    SyntaxError::new(at, format!("{name} takes {takes}, not {count}"), like)
}

fn quantile((at, token): &(usize, Token)) -> Result<f64, SyntaxError> {
    match token {
        Token::Decimal(quantile) if *quantile > 0.0 && *quantile <= 100.0 => Ok(*quantile),
        Token::Whole(quantile) => {
            let what = format!("a quantile is a decimal, not {quantile}");
            Err(SyntaxError::new(*at, what, format!("{quantile}.0")))
        }
        _ => Err(SyntaxError::new(*at, "the quantile is out of bounds", "above 0.0, at most 100.0")),
    }
}

/// A range of statuses, its end excluded.
fn statuses(from: &(usize, Token), to: &(usize, Token)) -> Result<Range<u16>, SyntaxError> {
    let (start, end) = (status(from)?, status(to)?);
    if start >= end {
        let what = format!("no status is from {start} up to below {end}");
        return Err(SyntaxError::new(from.0, what, "the second bound is excluded, like 500, 600"));
    }
    Ok(start..end)
}

fn status((at, token): &(usize, Token)) -> Result<u16, SyntaxError> {
    let allowed = || format!("a whole number from 0 to {MAX_STATUS}");
    match token {
        Token::Whole(status) if *status <= MAX_STATUS => Ok(*status as u16),
        Token::Whole(status) => Err(SyntaxError::new(*at, format!("{status} bounds no status"), allowed())),
        _ => Err(SyntaxError::new(*at, "a status is no decimal", allowed())),
    }
}

fn unexpected(at: usize, token: &Token, allowed: &str) -> SyntaxError {
    SyntaxError::new(at, format!("unexpected {}", token.noun()), allowed)
}
