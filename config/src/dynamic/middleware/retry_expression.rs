//! The language of `buffering.retryExpression`: when a buffered request is sent once more.
//!
//! ```text
//! or         = and { "||" and }
//! and        = term { "&&" term }
//! term       = "(" or ")" | "IsNetworkError()" | number compare integer | "RequestMethod()" ("==" | "!=") text
//! number     = "Attempts()" | "ResponseCode()"
//! ```

mod parser;

use crate::syntax::{Operator, SyntaxError};

/// When to send it once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetryExpression {
    /// `IsNetworkError()`: the answer is a 502 or a 504.
    IsNetworkError,
    /// `Attempts()`, the first one counted, beside a number.
    Attempts(Operator, i64),
    /// `ResponseCode()` beside a number.
    ResponseCode(Operator, i64),
    /// `RequestMethod()` is, or is not, a text.
    RequestMethod {
        /// `==`.
        is: bool,
        /// The text.
        method: String,
    },
    /// All hold.
    And(Vec<Self>),
    /// One holds.
    Or(Vec<Self>),
}

/// An attempt that has come to its end.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The request's method.
    pub method: &'a str,
    /// Which attempt it was, from 1.
    pub number: u32,
    /// How it was answered.
    pub status: u16,
}

impl RetryExpression {
    /// Reads one.
    ///
    /// # Errors
    /// It is none; at most [`MAX_LENGTH`] bytes are read.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        parser::parse(text)
    }

    /// Whether the request is to be sent once more.
    pub fn holds(&self, attempt: Attempt<'_>) -> bool {
        match self {
            Self::IsNetworkError => matches!(attempt.status, 502 | 504),
            Self::Attempts(operator, number) => operator.holds(i64::from(attempt.number), *number),
            Self::ResponseCode(operator, number) => operator.holds(i64::from(attempt.status), *number),
            Self::RequestMethod { is, method } => (attempt.method == method) == *is,
            Self::And(parts) => parts.iter().all(|part| part.holds(attempt)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(attempt)),
        }
    }
}

/// The longest text that is read, in bytes.
pub const MAX_LENGTH: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, number: u32, status: u16) -> bool {
        let expression = RetryExpression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        expression.holds(Attempt { method: "GET", number, status })
    }

    #[test]
    fn it_says_when_to_send_again() {
        for (text, number, status, again) in [
            ("IsNetworkError()", 1, 502, true),
            ("IsNetworkError()", 1, 504, true),
            ("IsNetworkError()", 1, 503, false),
            ("IsNetworkError() && Attempts() <= 2", 2, 502, true),
            ("IsNetworkError() && Attempts() <= 2", 3, 502, false),
            ("Attempts() < 2 && (ResponseCode() == 500 || ResponseCode() > 502)", 1, 503, true),
            ("Attempts() < 2 && (ResponseCode() == 500 || ResponseCode() > 502)", 1, 502, false),
            ("ResponseCode() >= 500 && ResponseCode() != 501", 1, 501, false),
            ("RequestMethod() == \"GET\"", 1, 200, true),
            ("RequestMethod() != `GET`", 1, 200, false),
            // `&&` binds tighter.
            ("Attempts() > 1 && IsNetworkError() || ResponseCode() == 500", 1, 500, true),
            ("((IsNetworkError()))", 1, 504, true),
        ] {
            assert_eq!(holds(text, number, status), again, "{text} {number} {status}");
        }
    }

    #[test]
    fn what_is_none_is_told_with_its_place() {
        for (text, at, what) in [
            ("", 0, "the expression is empty"),
            ("Attempts()", 10, "a comparison is missing"),
            ("Attempts() <", 12, "unexpected end of the expression"),
            ("Attempts() < x", 13, "unexpected \"x\""),
            ("Attempts() < 2.5", 13, "\"2.5\" is no whole number"),
            ("NetworkErrorRatio() > 1", 0, "unknown function \"NetworkErrorRatio\""),
            ("IsNetworkError() == 1", 17, "IsNetworkError() is compared with nothing"),
            ("IsNetworkError", 14, "unexpected end of the expression"),
            ("IsNetworkError(1)", 15, "unexpected \"1\""),
            ("IsNetworkError() IsNetworkError()", 17, "unexpected \"IsNetworkError\""),
            ("(IsNetworkError()", 17, "unexpected end of the expression"),
            ("!IsNetworkError()", 0, "unexpected '!'"),
            ("IsNetworkError() & true", 17, "unexpected '&'"),
            ("RequestMethod() < \"A\"", 16, "a method is not less or more than another"),
            ("RequestMethod() == 1", 19, "unexpected \"1\""),
            ("RequestMethod() == \"GET", 19, "a string is not closed"),
            ("2 > Attempts()", 0, "unexpected \"2\""),
        ] {
            let error = RetryExpression::parse(text).expect_err(text);
            assert_eq!((error.offset, error.what.as_str()), (at, what), "{text}");
        }
        assert_eq!(RetryExpression::parse(&"(".repeat(1000)).expect_err("deep").what, "it is nested too deeply");
        assert_eq!(RetryExpression::parse(&" ".repeat(MAX_LENGTH + 1)).expect_err("long").what, "it is too long");
    }
}
