//! The order of a list: by what `sortBy` names, then by name; upwards unless `direction` is anything but `asc`.

use super::query::Query;

/// What things are sorted by.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum By<'t> {
    Text(&'t str),
    /// A text of which there are two forms, in lower case.
    Lower(String),
    Number(i64),
}

/// Sorts. `by` says what a word of `sortBy` means for one of the items; nothing: they go by name.
pub(super) fn sort<T>(
    query: &Query,
    items: &mut [T],
    name: fn(&T) -> &str,
    by: for<'t> fn(&'t T, &str) -> Option<By<'t>>,
) {
    let word = query.first("sortBy");
    items.sort_by(|a, b| by(a, word).cmp(&by(b, word)).then_with(|| name(a).cmp(name(b))));
    if !matches!(query.first("direction"), "" | "asc") {
        items.reverse();
    }
}
