//! An answer, and the ones that are not what was asked for.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// An HTTP answer with everything in its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraefikAnswer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl TraefikAnswer {
    pub(super) fn json(value: &Value) -> Self {
        Self::new(200, value)
    }

    /// A page of a list; `next` is the page after it, 1 after the last one.
    pub(super) fn page(items: Vec<Value>, next: i64) -> Self {
        let mut answer = Self::json(&items.into());
        answer.headers.push(("x-next-page", next.to_string()));
        answer
    }

    /// What a name, percent-encoded, stands for. `kind` is what it is called if there is none.
    pub(super) fn one(kind: &str, name: &str, find: impl FnOnce(&str) -> Option<Value>) -> Self {
        if let Some(escape) = bad_escape(name) {
            let id = format!("{}ID", kind.replace("entry point", "entryPoint"));
            return Self::bad_request(&format!("unable to decode {id} {name:?}: invalid URL escape {escape:?}"));
        }
        let name = percent_decode_str(name).decode_utf8_lossy();
        match find(&name) {
            Some(found) => Self::json(&found),
            None => Self::new(404, &json!({"message": format!("{kind} not found: {name}")})),
        }
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(400, &json!({"message": message}))
    }

    fn new(status: u16, value: &Value) -> Self {
        let mut body = value.to_string().into_bytes();
        body.push(b'\n');
        let headers =
            vec![("content-type", "application/json".to_owned()), ("x-content-type-options", "nosniff".to_owned())];
        Self { status, headers, body }
    }
}

/// The first `%` without two hexadecimal digits, with what is there of them.
fn bad_escape(text: &str) -> Option<&str> {
    let is_good = |at: usize| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let at = text.match_indices('%').map(|(at, _)| at).find(|at| !is_good(*at))?;
    let rest = &text[at..];
    let end = rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end);
    Some(&rest[..end])
}
