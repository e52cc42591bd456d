//! `buffering`.

use crate::{
    dynamic::middleware::{Buffering, MiddlewareKind, RetryExpression},
    fields::{Sink, Value, integer, text},
};

pub(super) fn buffering(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let mut buffering = Buffering {
            max_request_body_bytes: 0,
            mem_request_body_bytes: DEFAULT_IN_MEMORY,
            max_response_body_bytes: 0,
            mem_response_body_bytes: DEFAULT_IN_MEMORY,
            retry_expression: fields.read("retryExpression", expression).flatten(),
        };
        fields.set("maxRequestBodyBytes", &mut buffering.max_request_body_bytes, integer(0..=i64::MAX));
        fields.set("memRequestBodyBytes", &mut buffering.mem_request_body_bytes, in_memory);
        fields.set("maxResponseBodyBytes", &mut buffering.max_response_body_bytes, integer(0..=i64::MAX));
        fields.set("memResponseBodyBytes", &mut buffering.mem_response_body_bytes, in_memory);
        MiddlewareKind::Buffering(buffering)
    })
}

/// 0 is the default.
fn in_memory(value: Value<'_>, out: &mut Sink) -> Option<u64> {
    integer(0..=i64::MAX)(value, out).map(|bytes| if bytes == 0 { DEFAULT_IN_MEMORY } else { bytes })
}

/// An empty one is none.
fn expression(value: Value<'_>, out: &mut Sink) -> Option<Option<RetryExpression>> {
    let text = text(value, out)?;
    if text.is_empty() {
        return Some(None);
    }
    match RetryExpression::parse(&text) {
        Ok(expression) => Some(Some(expression)),
        Err(error) => {
            out.syntax(&value.node.at, value.path, &text, &error);
            None
        }
    }
}

const DEFAULT_IN_MEMORY: u64 = 1024 * 1024;
