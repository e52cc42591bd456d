//! A rule's text to tokens, each with its offset.

use crate::syntax::SyntaxError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    Open,
    Close,
    Comma,
    And,
    Or,
    Not,
    End,
}

impl Token {
    /// As a message names it.
    pub fn noun(&self) -> String {
        match self {
            Self::Name(name) => format!("{name:?}"),
            Self::Text(_) => "string".to_owned(),
            Self::Open => "\"(\"".to_owned(),
            Self::Close => "\")\"".to_owned(),
            Self::Comma => "\",\"".to_owned(),
            Self::And => "\"&&\"".to_owned(),
            Self::Or => "\"||\"".to_owned(),
            Self::Not => "\"!\"".to_owned(),
            Self::End => "end of the rule".to_owned(),
        }
    }
}

pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token and where it begins.
    pub fn token(&mut self) -> Result<(usize, Token), SyntaxError> {
        let rest = self.text[self.at..].trim_start();
        let start = self.text.len() - rest.len();
        self.at = start;
        let Some(first) = rest.chars().next() else {
            return Ok((start, Token::End));
        };
        let simple = |token: Token, length: usize| Some((token, length));
        let found = match first {
            '(' => simple(Token::Open, 1),
            ')' => simple(Token::Close, 1),
            ',' => simple(Token::Comma, 1),
            '!' => simple(Token::Not, 1),
            '&' if rest.starts_with("&&") => simple(Token::And, 2),
            '|' if rest.starts_with("||") => simple(Token::Or, 2),
            '`' => return self.raw_string(start),
            '"' => return self.quoted_string(start),
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                simple(Token::Name(rest[..length].to_owned()), length)
            }
            _ => None,
        };
        let Some((token, length)) = found else {
            return Err(unexpected(start, first));
        };
        self.at = start + length;
        Ok((start, token))
    }

    /// Go's raw string: everything up to the next backtick, but for carriage returns.
    fn raw_string(&mut self, start: usize) -> Result<(usize, Token), SyntaxError> {
        let body = &self.text[start + 1..];
        let Some(length) = body.find('`') else {
            return Err(SyntaxError::new(start, "a string is not closed", "`...`"));
        };
        self.at = start + 1 + length + 1;
        Ok((start, Token::Text(body[..length].replace('\r', ""))))
    }

    /// Go's interpreted string.
    fn quoted_string(&mut self, start: usize) -> Result<(usize, Token), SyntaxError> {
        let mut bytes = Vec::new();
        let mut at = start + 1;
        while let Some(c) = self.text[at..].chars().next().filter(|&c| c != '\n') {
            at += c.len_utf8();
            match c {
                '"' => {
                    self.at = at;
                    let text =
                        String::from_utf8(bytes).map_err(|_| SyntaxError::new(start, "a string is not UTF-8", ""))?;
                    return Ok((start, Token::Text(text)));
                }
                '\\' => {
                    let length = escape(&self.text[at..], &mut bytes);
                    at += length.ok_or_else(|| SyntaxError::new(at - 1, "unknown escape in a string", ESCAPES))?;
                }
                _ => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Err(SyntaxError::new(start, "a string is not closed", r#""...""#))
    }
}

const ESCAPES: &str = r#"\a \b \f \n \r \t \v \\ \" \x41 \101 \u00e9 \U0001f600; or write the string in backticks"#;

/// Reads what follows a backslash; its length.
fn escape(rest: &str, into: &mut Vec<u8>) -> Option<usize> {
    let first = rest.bytes().next()?;
    let simple = match first {
        b'a' => Some(0x07),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'v' => Some(0x0b),
        b'\\' | b'"' => Some(first),
        _ => None,
    };
    if let Some(byte) = simple {
        into.push(byte);
        return Some(1);
    }
    let (skipped, length, radix) = match first {
        b'x' => (1, 2, 16),
        b'u' => (1, 4, 16),
        b'U' => (1, 8, 16),
        b'0'..=b'7' => (0, 3, 8),
        _ => return None,
    };
    let digits = rest.get(skipped..skipped + length).filter(|digits| digits.chars().all(|c| c.is_digit(radix)))?;
    let number = u32::from_str_radix(digits, radix).ok()?;
    match first {
        b'u' | b'U' => into.extend(char::from_u32(number)?.encode_utf8(&mut [0; 4]).as_bytes()),
        _ => into.push(u8::try_from(number).ok()?),
    }
    Some(skipped + length)
}

fn unexpected(at: usize, c: char) -> SyntaxError {
    let allowed = match c {
        '&' => "&&",
        '|' => "||",
        '\'' | '‘' | '’' | '“' | '”' | '´' => "strings stand in `backticks` or \"double quotes\"",
        '=' | '<' | '>' => "matchers joined by && || !",
        _ => "",
    };
    SyntaxError::new(at, format!("unexpected {c:?}"), allowed)
}
