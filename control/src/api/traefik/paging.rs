//! Pages of a list.

use serde_json::Value;

use super::{answer::TraefikAnswer, query::Query};

/// The page that is asked for; only what is on it is rendered.
pub(super) fn page<T>(query: &Query, items: &[T], render: impl Fn(&T) -> Value) -> TraefikAnswer {
    match Page::of(query, items.len()) {
        Ok(Page { start, end, next }) => TraefikAnswer::page(items[start..end].iter().map(render).collect(), next),
        Err(message) => TraefikAnswer::bad_request(&message),
    }
}

/// The page that is asked for, of what is rendered already.
pub(super) fn list(query: &Query, items: Vec<Value>) -> TraefikAnswer {
    page(query, &items, Value::clone)
}

/// From where to where of a list, and the page that is next.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    start: usize,
    end: usize,
    next: i64,
}

impl Page {
    fn of(query: &Query, total: usize) -> Result<Self, String> {
        let per_page = positive(query, "per_page", PER_PAGE)?;
        let page = positive(query, "page", 1)?;
        // Numbers as large as these are beyond the end in any case.
        let before = usize::try_from((page - 1).saturating_mul(per_page)).unwrap_or(usize::MAX);
        if before != 0 && before >= total {
            return Err(format!("invalid request: page: {page}, per_page: {per_page}"));
        }
        let size = usize::try_from(per_page).unwrap_or(usize::MAX);
        let end = before.saturating_add(size).min(total);
        Ok(Self { start: before, end, next: if end < total { page.saturating_add(1) } else { 1 } })
    }
}

/// A whole number above zero, as Go reads it.
fn positive(query: &Query, name: &str, default: i64) -> Result<i64, String> {
    let text = query.first(name);
    if text.is_empty() {
        return Ok(default);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(number) if number > 0 => Ok(number),
        Ok(number) => Err(format!("invalid request: {name}: {number}")),
        Err(_) if is_number && text.starts_with('-') => Err(format!("invalid request: {name}: {}", i64::MIN)),
        Err(_) if is_number => Err(format!("invalid request: {name}: {}", i64::MAX)),
        Err(_) => Err(format!("invalid request: {name}: 0")),
    }
}

const PER_PAGE: i64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_too_large() {
        let of = |query: &str, total| Page::of(&Query::parse(query), total);
        assert_eq!(of("per_page=9223372036854775807", 3), Ok(Page { start: 0, end: 3, next: 1 }));
        assert!(of("page=9223372036854775807", 3).is_err());
        assert!(of("page=9223372036854775807&per_page=9223372036854775807", 1_000_000).is_err());
        assert_eq!(of("page=-99999999999999999999", 3), Err(format!("invalid request: page: {}", i64::MIN)));
        assert_eq!(of("page=2&per_page=2", 3), Ok(Page { start: 2, end: 3, next: 1 }));
        assert_eq!(of("page=1&per_page=2", 3), Ok(Page { start: 0, end: 2, next: 2 }));
        assert_eq!(of("page=1", 0), Ok(Page { start: 0, end: 0, next: 1 }));
    }
}
