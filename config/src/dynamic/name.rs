//! The two parts of a qualified name, `pro@file`.

/// What stands before the last `@`: as it was written where it was declared.
pub fn bare(qualified: &str) -> &str {
    qualified.rsplit_once('@').map_or(qualified, |(bare, _)| bare)
}

/// What stands behind it: whose it is. Empty of a name that is not qualified.
pub fn provider(qualified: &str) -> &str {
    qualified.rsplit_once('@').map_or("", |(_, provider)| provider)
}
