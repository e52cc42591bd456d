//! Tokens to a tree: `||` of `&&` of `!` of matchers and parentheses, as Go's expressions bind them.

use regex::bytes::Regex;

use super::{
    Expression, Matcher,
    lexer::{Lexer, Token},
};
use crate::{
    fields::{did_you_mean, is_token, parse_network, regex_error},
    syntax::{SyntaxError, logic::Logic},
};

/// How long a rule may be, in bytes.
const MAX_LENGTH: usize = 64 << 10;

/// How deep parentheses and `!` may nest.
const MAX_DEPTH: usize = 64;

/// The matchers of the v3 language.
const NAMES: [&str; 11] = [
    "Host",
    "HostRegexp",
    "Path",
    "PathPrefix",
    "PathRegexp",
    "Method",
    "Header",
    "HeaderRegexp",
    "Query",
    "QueryRegexp",
    "ClientIP",
];

/// The matchers that only the v2 language had, and what to write instead.
const OLD_NAMES: [(&str, &str); 3] = [("HostHeader", "Host"), ("Headers", "Header"), ("HeadersRegexp", "HeaderRegexp")];

pub(super) fn parse(text: &str) -> Result<Expression, SyntaxError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError::new(0, "the rule is too long", "at most 64 KiB"));
    }
    let mut lexer = Lexer::new(text);
    let next = lexer.token()?;
    let mut parser = Parser { lexer, next, depth: 0 };
    if parser.next.1 == Token::End {
        return Err(SyntaxError::new(0, "the rule is empty", "like Host(`example.com`)"));
    }
    let expression = parser.either()?;
    match parser.next {
        (_, Token::End) => Ok(expression),
        (at, Token::Close) => Err(SyntaxError::new(at, "\")\" closes nothing", "")),
        (at, token) => Err(SyntaxError::new(at, format!("unexpected {}", token.noun()), "&& or ||")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    next: (usize, Token),
    depth: usize,
}

/// An argument and where it stands.
type Argument = (usize, String);

impl Logic for Parser<'_> {
    type Tree = Expression;

    const ANY: fn(Vec<Expression>) -> Expression = Expression::any;
    const ALL: fn(Vec<Expression>) -> Expression = Expression::all;

    fn single(&mut self) -> Result<Expression, SyntaxError> {
        match self.advance()? {
            (at, Token::Not) => self.nested(at, |parser| Ok(Expression::Not(Box::new(parser.single()?)))),
            (at, Token::Open) => self.nested(at, |parser| {
                let inner = parser.either()?;
                match parser.advance()? {
                    (_, Token::Close) => Ok(inner),
                    (_, Token::End) => Err(SyntaxError::new(at, "\"(\" is not closed", "")),
                    (at, token) => Err(SyntaxError::new(at, format!("unexpected {}", token.noun()), "\")\", && or ||")),
                }
            }),
            (at, Token::Name(name)) => self.matcher(at, &name).map(Expression::Matcher),
            (at, token) => Err(SyntaxError::new(at, format!("unexpected {}", token.noun()), "a matcher, ! or (")),
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
    fn nested<T>(
        &mut self,
        at: usize,
        read: impl FnOnce(&mut Self) -> Result<T, SyntaxError>,
    ) -> Result<T, SyntaxError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError::new(at, "the rule is nested too deeply", format!("at most {MAX_DEPTH} levels")));
        }
        let inner = read(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    fn matcher(&mut self, at: usize, name: &str) -> Result<Matcher, SyntaxError> {
        let known = known_name(at, name)?;
        let arguments = self.arguments(at, name)?;
        build(at, known, arguments)
    }

    /// ``(`a`, `b`)``
    fn arguments(&mut self, at: usize, name: &str) -> Result<Vec<Argument>, SyntaxError> {
        let open = match self.advance()? {
            (open, Token::Open) => open,
            (at, token) => {
                return Err(SyntaxError::new(at, format!("unexpected {} after {name}", token.noun()), "("));
            }
        };
        let mut arguments = Vec::new();
        if self.next.1 == Token::Close {
            self.advance()?;
            return Ok(arguments);
        }
        loop {
            match self.advance()? {
                (at, Token::Text(text)) => arguments.push((at, text)),
                (_, Token::End) => return Err(SyntaxError::new(open, "\"(\" is not closed", "")),
                (at, token) => {
                    return Err(SyntaxError::new(
                        at,
                        format!("unexpected {}", token.noun()),
                        "a string in `backticks` or \"double quotes\"",
                    ));
                }
            }
            match self.advance()? {
                (_, Token::Comma) => {}
                (_, Token::Close) => return Ok(arguments),
                (_, Token::End) => {
                    return Err(SyntaxError::new(
                        if arguments.is_empty() { at } else { open },
                        "\"(\" is not closed",
                        "",
                    ));
                }
                (at, token) => {
                    return Err(SyntaxError::new(at, format!("unexpected {}", token.noun()), "\",\" or \")\""));
                }
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

/// The matcher's own name, for a name written so, in lower case, in upper case or capitalised.
fn known_name(at: usize, name: &str) -> Result<&'static str, SyntaxError> {
    let lower = name.to_ascii_lowercase();
    let title = || lower[..1].to_ascii_uppercase() + &lower[1..];
    let is_written = |known: &&str| {
        let same = known.eq_ignore_ascii_case(name);
        name == *known || (same && (name == lower || name == name.to_ascii_uppercase() || name == title()))
    };
    if let Some(known) = NAMES.iter().copied().find(is_written) {
        return Ok(known);
    }
    if let Some((_, instead)) = OLD_NAMES.iter().find(|(old, _)| old.eq_ignore_ascii_case(name)) {
        return Err(SyntaxError::new(at, format!("{name} is of the v2 rule language"), format!("{instead} in v3")));
    }
    let same = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name));
    let hint = same.map(|known| format!("did you mean {known}?"));
    let hint = hint.or_else(|| did_you_mean(name, NAMES).map(|hint| hint.replace('"', "")));
    Err(SyntaxError::new(at, format!("unknown matcher {name:?}"), hint.unwrap_or_else(|| NAMES.join(", "))))
}

fn build(at: usize, name: &'static str, arguments: Vec<Argument>) -> Result<Matcher, SyntaxError> {
    let most = match name {
        "Header" | "HeaderRegexp" | "Query" | "QueryRegexp" => 2,
        _ => 1,
    };
    let least = if name.starts_with("Header") { 2 } else { 1 };
    let count = arguments.len();
    if !(least..=most).contains(&count) {
        return Err(wrong_count(at, name, least, most, count));
    }
    let mut arguments = arguments.into_iter();
    let (first, second) = (arguments.next().unwrap_or_default(), arguments.next());
    let two = |first: Argument, second: Option<Argument>| (first, second.unwrap_or_default());
    Ok(match name {
        "Host" => Matcher::Host(host(&first)?),
        "HostRegexp" => Matcher::HostRegexp(regexp(&first)?),
        "Path" => Matcher::Path(path(name, first)?),
        "PathPrefix" => Matcher::PathPrefix(path(name, first)?),
        "PathRegexp" => Matcher::PathRegexp(regexp(&first)?),
        "Method" => Matcher::Method(method(&first)?),
        "Header" => {
            let (name, value) = two(first, second);
            Matcher::Header { name: header(&name)?, value: value.1 }
        }
        "HeaderRegexp" => {
            let (name, value) = two(first, second);
            Matcher::HeaderRegexp { name: header(&name)?, value: regexp(&value)? }
        }
        "Query" => {
            let (key, value) = two(first, second);
            Matcher::Query { key: key.1, value: value.1 }
        }
        "QueryRegexp" => {
            let value = second.unwrap_or_else(|| (first.0, "^$".to_owned()));
            Matcher::QueryRegexp { key: first.1, value: regexp(&value)? }
        }
        _ => Matcher::ClientIp(parse_network(&first.1).ok_or_else(|| {
            SyntaxError::new(first.0, format!("{:?} is no network", first.1), "an IP address or a CIDR like 10.0.0.0/8")
        })?),
    })
}

fn wrong_count(at: usize, name: &str, least: usize, most: usize, count: usize) -> SyntaxError {
    let takes = match (least, most) {
        (1, 1) => "1 argument".to_owned(),
        (2, 2) => "2 arguments".to_owned(),
        _ => format!("{least} or {most} arguments"),
    };
    let hint = if most == 1 && count > 1 { format!("{name}(`a`) || {name}(`b`)") } else { String::new() };
    SyntaxError::new(at, format!("{name} takes {takes}, not {count}"), hint)
}

fn host((at, text): &Argument) -> Result<String, SyntaxError> {
    if !text.is_ascii() {
        return Err(SyntaxError::new(*at, format!("the host {text:?} is not ASCII"), "its punycode form, xn--..."));
    }
    let host = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if host.is_empty() {
        return Err(SyntaxError::new(*at, "the host is empty", ""));
    }
    if host.starts_with('.') || host.ends_with('.') || host.contains("..") {
        return Err(SyntaxError::new(*at, format!("the host {text:?} has an empty label"), "no dot after a dot"));
    }
    Ok(host)
}

fn path(matcher: &str, (at, text): Argument) -> Result<String, SyntaxError> {
    if !text.starts_with('/') {
        return Err(SyntaxError::new(at, format!("{matcher} takes a path, not {text:?}"), "it begins with /"));
    }
    Ok(text)
}

fn method((at, text): &Argument) -> Result<String, SyntaxError> {
    if !is_token(text) {
        return Err(SyntaxError::new(*at, format!("{text:?} is no method"), "like GET"));
    }
    Ok(text.to_ascii_uppercase())
}

fn header((at, text): &Argument) -> Result<String, SyntaxError> {
    if !is_token(text) {
        return Err(SyntaxError::new(*at, format!("{text:?} is no header name"), ""));
    }
    Ok(text.to_ascii_lowercase())
}

fn regexp((at, text): &Argument) -> Result<Regex, SyntaxError> {
    Regex::new(text).map_err(|error| {
        let old = text.match_indices('{').any(|(at, _)| text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic()));
        let hint = if old { "v3 takes plain regular expressions, not v2's {name:regexp}" } else { "" };
        SyntaxError::new(*at, format!("no regular expression: {}", regex_error(&error)), hint)
    })
}
