//! What joins tests in the small languages: `||` of `&&`, as Go's expressions bind them.

use std::fmt;

use super::SyntaxError;

/// A parser of such a language: what it reads between the operators, and how it passes over one.
pub(crate) trait Logic: Sized {
    type Tree;

    /// One of some.
    const ANY: fn(Vec<Self::Tree>) -> Self::Tree;

    /// All of some.
    const ALL: fn(Vec<Self::Tree>) -> Self::Tree;

    /// A test, or an expression in parentheses.
    fn single(&mut self) -> Result<Self::Tree, SyntaxError>;

    /// Passes over `||`, if it comes next.
    fn takes_or(&mut self) -> Result<bool, SyntaxError>;

    /// Passes over `&&`, if it comes next.
    fn takes_and(&mut self) -> Result<bool, SyntaxError>;

    /// A whole expression.
    fn either(&mut self) -> Result<Self::Tree, SyntaxError> {
        operands(self, Self::both, Self::takes_or).map(Self::ANY)
    }

    /// What binds tighter than `||`.
    fn both(&mut self) -> Result<Self::Tree, SyntaxError> {
        operands(self, Self::single, Self::takes_and).map(Self::ALL)
    }
}

fn operands<P, T>(
    parser: &mut P,
    read: fn(&mut P) -> Result<T, SyntaxError>,
    takes: fn(&mut P) -> Result<bool, SyntaxError>,
) -> Result<Vec<T>, SyntaxError> {
    let mut operands = vec![read(parser)?];
    while takes(parser)? {
        operands.push(read(parser)?);
    }
    Ok(operands)
}

/// What joins the parts; one alone stands for itself. `apart` gives the parts of one that is joined likewise.
pub(crate) fn joined<T>(parts: Vec<T>, apart: fn(T) -> Result<Vec<T>, T>, join: fn(Vec<T>) -> T) -> T {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match apart(part) {
            Ok(inner) => flat.extend(inner),
            Err(other) => flat.push(other),
        }
    }
    if flat.len() == 1 { flat.swap_remove(0) } else { join(flat) }
}

/// Writes the parts with an operator between them, in parentheses where they need some.
pub(crate) fn write_joined<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    parts: &[T],
    operator: &str,
    needs_parentheses: impl Fn(&T) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        if needs_parentheses(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}
