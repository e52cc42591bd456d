//! From words to an expression.

use super::{
    LONGEST, SUPPORTED,
    expr::{Aggregate, Arithmetic, Expr, Grouping, Over, Selector},
    lexer::{Kind, Token, words},
    matcher::Matcher,
};
use crate::history::NAMES;

/// Why a query is not answered: what is wrong with it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The character, from 1 on.
    pub at: usize,
    pub what: String,
}

/// Reads a query.
pub fn parse(text: &str) -> Result<Expr, Refused> {
    if text.len() > LONGEST {
        return Err(Refused { at: 1, what: format!("a query has at most {LONGEST} bytes") });
    }
    let at = |byte: usize| text.get(..byte).map_or(1, |before| before.chars().count() + 1);
    let tokens = words(text).map_err(|(byte, what)| Refused { at: at(byte), what: format!("{what}; {SUPPORTED}") })?;
    let mut parser = Parser { tokens: &tokens, depth: 0, patterns: 0 };
    let expr = parser.expr(0).and_then(|expr| {
        parser.end()?;
        Ok(expr)
    });
    expr.map_err(|(byte, what)| Refused { at: at(byte), what })
}

/// A duration as Prometheus writes it, in milliseconds: `5m`, `1h30m`, `500ms`.
pub fn duration(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest[..digits].parse().ok()?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[digits + letters..];
    }
    (total > 0).then_some(total)
}

struct Parser<'t> {
    /// Those that follow; the last one is the end.
    tokens: &'t [Token],
    depth: usize,
    /// How many were compiled so far.
    patterns: usize,
}

type Parsed<T> = Result<T, (usize, String)>;

impl Parser<'_> {
    /// Operators that bind at least as strong as `least`: `or` 0, `+ -` 1, `* /` 2.
    fn expr(&mut self, least: u8) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.refuse(format!("it is nested more than {DEEPEST} deep"));
        }
        let mut left = self.primary()?;
        loop {
            let (operation, strength) = match self.peek() {
                Kind::Word(word) if word.eq_ignore_ascii_case("or") => (None, 0),
                Kind::Sign("+") => (Some(Arithmetic::Add), 1),
                Kind::Sign("-") => (Some(Arithmetic::Subtract), 1),
                Kind::Sign("*") => (Some(Arithmetic::Multiply), 2),
                Kind::Sign("/") => (Some(Arithmetic::Divide), 2),
                _ => break,
            };
            if strength < least {
                break;
            }
            self.next();
            let right = self.expr(strength + 1)?;
            left = match operation {
                Some(operation) => Expr::Arithmetic(operation, left.into(), right.into()),
                None => Expr::Or(left.into(), right.into()),
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        match self.peek().clone() {
            next if next.unsupported().is_some() => self.unfit(SOMETHING),
            Kind::Sign("(") => {
                self.next();
                let inside = self.expr(0)?;
                self.expect(")")?;
                Ok(inside)
            }
            Kind::Number(_) | Kind::Sign("-" | "+") => self.number().map(Expr::Number),
            Kind::Word(word) => self.named(&word),
            Kind::Text(_) => self.refuse(format!("a text is no query; {SUPPORTED}")),
            Kind::Sign(_) => self.unfit(SOMETHING),
            Kind::End => self.refuse("it ends too early".to_owned()),
        }
    }

    fn named(&mut self, word: &str) -> Parsed<Expr> {
        let lower = word.to_ascii_lowercase();
        let aggregate = match &*lower {
            "sum" => Some(Aggregate::Sum),
            "avg" => Some(Aggregate::Average),
            "min" => Some(Aggregate::Least),
            "max" => Some(Aggregate::Most),
            "count" => Some(Aggregate::Count),
            _ => None,
        };
        if let Some(aggregate) = aggregate {
            self.next();
            return self.aggregate(aggregate);
        }
        match &*lower {
            "inf" | "nan" => return self.number().map(Expr::Number),
            "rate" => return self.over(Over::Rate),
            "increase" => return self.over(Over::Increase),
            "vector" => {
                self.next();
                self.expect("(")?;
                let number = self.number()?;
                self.expect(")")?;
                return Ok(Expr::Vector(number));
            }
            "histogram_quantile" => {
                self.next();
                self.expect("(")?;
                let quantile = self.number()?;
                self.expect(",")?;
                let of = self.expr(0)?;
                self.expect(")")?;
                return Ok(Expr::Quantile(quantile, of.into()));
            }
            _ => {}
        }
        let selector = self.selector(word)?;
        match self.peek() {
            Kind::Sign("[") => self.refuse("a window stands in rate(...) or increase(...) only".to_owned()),
            _ => Ok(Expr::Selector(selector)),
        }
    }

    fn over(&mut self, over: Over) -> Parsed<Expr> {
        self.next();
        self.expect("(")?;
        let Kind::Word(word) = self.peek().clone() else {
            return self.unfit(WINDOWED);
        };
        let is_call = matches!(self.tokens.get(1).map(|token| &token.kind), Some(Kind::Sign("(")));
        if is_call {
            return self
                .refuse(format!("{WINDOWED} has to stand here, {word}(...) is not supported there; {SUPPORTED}"));
        }
        let selector = self.selector(&word)?;
        self.expect("[")?;
        let Kind::Number(written) = self.peek().clone() else {
            return self.refuse("a window has to stand here, like 5m".to_owned());
        };
        let Some(window) = duration(&written) else {
            return self.refuse(format!("{written} is no duration like 30s, 5m or 1h"));
        };
        if window > WINDOW {
            return self.refuse(format!("a window is at most an hour: {written} is more than is kept"));
        }
        self.next();
        self.expect("]")?;
        self.expect(")")?;
        Ok(Expr::Over(over, selector, window))
    }

    fn aggregate(&mut self, aggregate: Aggregate) -> Parsed<Expr> {
        let before = self.grouping()?;
        self.expect("(")?;
        let of = self.expr(0)?;
        self.expect(")")?;
        let grouping = match before {
            Some(grouping) => Some(grouping),
            None => self.grouping()?,
        };
        let none = Grouping { without: false, labels: Vec::new() };
        Ok(Expr::Aggregate(aggregate, grouping.unwrap_or(none), of.into()))
    }

    /// `by (a, b)`.
    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        let without = match self.peek() {
            Kind::Word(word) if word.eq_ignore_ascii_case("by") => false,
            Kind::Word(word) if word.eq_ignore_ascii_case("without") => true,
            _ => return Ok(None),
        };
        self.next();
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.skip(")") {
            let Kind::Word(label) = self.peek().clone() else {
                return self.refuse("a label has to stand here".to_owned());
            };
            labels.push(label);
            self.next();
            if !self.skip(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(Some(Grouping { without, labels }))
    }

    /// `NAME{a="b"}`.
    fn selector(&mut self, word: &str) -> Parsed<Selector> {
        let Some((metric, name)) = NAMES.into_iter().find(|(name, _)| *name == word) else {
            let names = NAMES.map(|(name, _)| name).join(", ");
            let is_call = matches!(self.tokens.get(1).map(|token| &token.kind), Some(Kind::Sign("(")));
            return self.refuse(if is_call {
                format!("{word} is not supported; {SUPPORTED}")
            } else {
                format!("no course is kept of {word}: it is of {names}")
            });
        };
        self.next();
        let mut matchers = Vec::new();
        if self.skip("{") {
            while !self.skip("}") {
                matchers.push(self.matcher()?);
                if !self.skip(",") {
                    self.expect("}")?;
                    break;
                }
            }
        }
        Ok(Selector { metric, name, matchers })
    }

    fn matcher(&mut self) -> Parsed<Matcher> {
        let Kind::Word(label) = self.peek().clone() else {
            return self.refuse("a label has to stand here".to_owned());
        };
        self.next();
        let Kind::Sign(operator) = *self.peek() else {
            return self.refuse("one of = != =~ !~ has to stand here".to_owned());
        };
        self.next();
        let Kind::Text(text) = self.peek().clone() else {
            return self.refuse("a text in quotes has to stand here".to_owned());
        };
        if matches!(operator, "=~" | "!~") {
            self.patterns += 1;
            if self.patterns > PATTERNS {
                return self.refuse(format!("a query has at most {PATTERNS} patterns"));
            }
        }
        match Matcher::new(label, operator, text) {
            Some(Ok(matcher)) => {
                self.next();
                Ok(matcher)
            }
            Some(Err(what)) => self.refuse(what),
            None => self.refuse(format!("{operator} is none of = != =~ !~")),
        }
    }

    fn number(&mut self) -> Parsed<f64> {
        let negative = if self.skip("-") {
            true
        } else {
            self.skip("+");
            false
        };
        let written = match self.peek() {
            Kind::Number(written) | Kind::Word(written) => written.clone(),
            _ => return self.refuse(format!("a number has to stand here; {SUPPORTED}")),
        };
        let Ok(number) = written.parse::<f64>() else {
            return self.refuse(format!("{written:?} is no number; {SUPPORTED}"));
        };
        self.next();
        Ok(if negative { -number } else { number })
    }

    fn peek(&self) -> &Kind {
        self.tokens.first().map_or(&Kind::End, |token| &token.kind)
    }

    fn next(&mut self) {
        if self.tokens.len() > 1 {
            self.tokens = &self.tokens[1..];
        }
    }

    fn skip(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Kind::Sign(next) if *next == sign);
        if is {
            self.next();
        }
        is
    }

    fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.skip(sign) { Ok(()) } else { self.unfit(&format!("{sign:?}")) }
    }

    fn end(&self) -> Parsed<()> {
        match self.peek() {
            Kind::End => Ok(()),
            Kind::Sign("[") => self.refuse("a window stands in rate(...) or increase(...) only".to_owned()),
            next => self.refuse_next(&format!("{} cannot follow here", next.shown())),
        }
    }

    /// Something else has to stand where the next word stands.
    fn unfit<T>(&self, instead: &str) -> Parsed<T> {
        self.refuse_next(&format!("{instead} has to stand here instead of {}", self.peek().shown()))
    }

    /// The next word is refused by its name if it is none that is supported anywhere.
    fn refuse_next<T>(&self, otherwise: &str) -> Parsed<T> {
        self.refuse(match self.peek().unsupported() {
            Some(name) => format!("{name} is not supported; {SUPPORTED}"),
            None => format!("{otherwise}; {SUPPORTED}"),
        })
    }

    fn refuse<T>(&self, what: String) -> Parsed<T> {
        Err((self.tokens.first().map_or(0, |token| token.at), what))
    }
}

/// What a function of a window takes.
const WINDOWED: &str = "a metric with a window like NAME[5m]";

/// What a query is made of.
const SOMETHING: &str = "a metric, a function or a number";

/// Each costs a millisecond to compile, and room.
const PATTERNS: usize = 16;

/// Of expressions in each other.
const DEEPEST: usize = 24;

/// Milliseconds of a window: more is not kept.
const WINDOW: i64 = 3_600_000;
