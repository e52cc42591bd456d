//! A piece of a section, read as what the section holds: once, whatever the number of documents it is in.

use std::sync::Arc;

use crate::{
    dynamic::Item,
    fields::{Basis, Notes, Path, Sink, Value, quoted},
    tree::Placed,
};

/// What reading a piece came to. It depends on nothing but the piece and the basis.
struct Reading<T> {
    basis: Arc<Basis>,
    /// Qualified; `None` if it is no name.
    name: Option<Arc<str>>,
    value: Option<Arc<T>>,
    notes: Option<Box<Notes>>,
}

/// Reads a piece, or takes what it was read as before. `declare` is told its qualified name and says whether it is new; then
/// it comes back with its value, unless that is broken.
pub(super) fn read<T: Send + Sync + 'static>(
    placed: &Placed,
    path: Path<'_>,
    out: &mut Sink,
    decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
    declare: impl FnOnce(&Arc<str>, &mut Sink) -> bool,
) -> Option<(Arc<str>, Item<T>)> {
    let fresh;
    let known = placed.piece.read.get().and_then(|read| read.downcast_ref::<Reading<T>>());
    let reading = match known.filter(|known| out.has(&known.basis)) {
        Some(known) => known,
        None => {
            fresh = Arc::new(Reading::make(placed, path, out, decode));
            // The first basis stays: it is the gateway's own, and others ask once.
            let _ = placed.piece.read.set(fresh.clone());
            &*fresh
        }
    };
    let name = reading.name.as_ref().filter(|name| declare(name, out));
    if let Some(notes) = &reading.notes {
        out.add_moved(notes, placed.lines_before);
    }
    let value = reading.value.as_ref()?;
    Some((name?.clone(), Item::new(value.clone(), placed.lines_before)))
}

impl<T> Reading<T> {
    fn make(
        placed: &Placed,
        path: Path<'_>,
        out: &Sink,
        decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
    ) -> Self {
        let (key, node) = &placed.piece.entry;
        let mut own = out.same_basis();
        let (mut name, mut value) = (None, None);
        // One with a provider in it could not be told from another's.
        if key.name.is_empty() || key.name.contains('@') {
            own.problem(&key.at, path, format!("{} is no name", quoted(&key.name)), "not empty and without @");
        } else {
            name = Some(own.qualified(&key.name).into());
            value = decode(Value { node, at: &key.at, path }, &mut own).map(Arc::new);
        }
        Self { basis: own.basis(), name, value, notes: own.into_notes() }
    }
}
