//! A query's words.

/// A word, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub at: usize,
    pub kind: Kind,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A name; also of functions and operators.
    Word(String),
    /// A number or a duration, as it is written.
    Number(String),
    /// What stands between quotes.
    Text(String),
    /// `( ) { } [ ] , + - * /`, `= != =~ !~`, and those of PromQL that are refused by name.
    Sign(&'static str),
    End,
}

impl Kind {
    /// As it is shown to whoever wrote it.
    pub fn shown(&self) -> String {
        match self {
            Self::Word(word) | Self::Number(word) => format!("{word:?}"),
            Self::Text(_) => "a text".to_owned(),
            Self::Sign(sign) => format!("{sign:?}"),
            Self::End => "the end".to_owned(),
        }
    }

    /// Its name, if it is a part of PromQL that is not supported.
    pub fn unsupported(&self) -> Option<&str> {
        const WORDS: [&str; 9] =
            ["offset", "and", "unless", "on", "ignoring", "group_left", "group_right", "bool", "atan2"];
        match self {
            Self::Word(word) if word.starts_with(':') => Some("a subquery"),
            Self::Word(word) => WORDS.into_iter().find(|known| word.eq_ignore_ascii_case(known)),
            Self::Sign(sign @ ("==" | "!=" | ">=" | "<=" | "<" | ">" | "%" | "^" | "@")) => Some(sign),
            _ => None,
        }
    }
}

/// The words of a text; or what cannot be one, and where.
pub fn words(text: &str) -> Result<Vec<Token>, (usize, String)> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        if words.len() >= MOST {
            return Err((at, format!("a query has at most {MOST} words")));
        }
        let (kind, length) = match first {
            'a'..='z' | 'A'..='Z' | '_' | ':' => {
                let word = run(rest, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
                (Kind::Word(word.to_owned()), word.len())
            }
            '0'..='9' | '.' => {
                let number = number(rest);
                (Kind::Number(number.to_owned()), number.len())
            }
            '"' | '\'' | '`' => quoted(rest, first).map_err(|what| (at, what))?,
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => (Kind::Sign(sign), sign.len()),
                None => return Err((at, format!("unexpected {first:?}"))),
            },
        };
        words.push(Token { at, kind });
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    words.push(Token { at: text.len(), kind: Kind::End });
    Ok(words)
}

fn run(text: &str, is: impl Fn(u8) -> bool) -> &str {
    let length = text.bytes().position(|byte| !is(byte)).unwrap_or(text.len());
    &text[..length]
}

/// `1`, `.5`, `1e-3`, `5m`, `1h30m`.
fn number(text: &str) -> &str {
    let mut before = 0;
    let mut is = |byte: u8| {
        let sign = matches!(byte, b'+' | b'-') && matches!(before, b'e' | b'E');
        before = byte;
        sign || byte.is_ascii_alphanumeric() || byte == b'.'
    };
    let length = text.bytes().position(|byte| !is(byte)).unwrap_or(text.len());
    &text[..length]
}

/// Between quotes; between backticks nothing is escaped.
fn quoted(text: &str, quote: char) -> Result<(Kind, usize), String> {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            _ if char == quote => return Ok((Kind::Text(inside), at + 1)),
            '\\' if quote != '`' => match chars.next() {
                Some((_, escaped @ ('\\' | '"' | '\''))) => inside.push(escaped),
                Some((_, 'n')) => inside.push('\n'),
                Some((_, 't')) => inside.push('\t'),
                Some((_, other)) => return Err(format!("\\{other} is no escape: \\\\, \\\", \\', \\n and \\t are")),
                None => break,
            },
            '\n' if quote != '`' => break,
            _ => inside.push(char),
        }
    }
    Err("a text that does not end".to_owned())
}

/// Longer ones first.
const SIGNS: [&str; 23] = [
    "!=", "=~", "!~", "==", ">=", "<=", "(", ")", "{", "}", "[", "]", ",", "+", "-", "*", "/", "=", "<", ">", "%", "^",
    "@",
];

/// Words of a query.
const MOST: usize = 400;
