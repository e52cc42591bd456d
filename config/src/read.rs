//! Trees to types: what each key means.

mod access_log;
mod affinity;
mod api;
mod entry_point;
mod item;
mod merge;
mod middleware;
mod observability;
mod resolver;
mod router;
mod schema;
mod service;
mod statics;
mod tls;
mod transport;
mod url;

pub(crate) use self::merge::{Merged, Names};
pub use self::schema::schema;

use std::borrow::Borrow;

use crate::{
    Allow, Document,
    document::{DYNAMIC_ROOTS, STATIC_ROOTS},
    dynamic::Configuration,
    fields::{Fields, Path, Sink, Value},
    problem::Problem,
    static_config::Static,
    validate,
};

/// What came of reading.
#[derive(Debug, Clone)]
pub struct Read<T> {
    /// `None` if there is any problem.
    pub value: Option<T>,
    /// All that is wrong, in the order of its places.
    pub problems: Vec<Problem>,
    /// Unsupported keys that were allowed and are left out.
    pub warnings: Vec<Problem>,
    /// What Traefik itself would refuse.
    pub extensions: Vec<Problem>,
}

/// Reads the static configuration that a document holds; dynamic root keys are left to `read_dynamic`, and a root key that
/// neither knows is a problem.
pub fn read_static(document: &Document, allow: &Allow) -> Read<Static> {
    let mut out = Sink::new(allow, "file");
    let value = roots(document, &mut out, |fields| {
        fields.inert(&DYNAMIC_ROOTS);
        statics::read(fields)
    });
    out.finish(value)
}

/// Reads the dynamic configuration that documents of one provider hold together, see [`read_dynamic_of`].
pub fn read_dynamic(
    documents: &[impl Borrow<Document>],
    provider: &str,
    statics: Option<&Static>,
    allow: &Allow,
) -> Read<Configuration> {
    read_dynamic_of(&[(provider, documents)], statics, allow)
}

/// Reads the dynamic configuration that the documents of several providers hold together. Names and references are qualified
/// by the provider in whose document they stand (`x` is `x@file`) and checked over all of them; entry points only if
/// `statics` is given. Static root keys are left to `read_static`.
pub fn read_dynamic_of<D: Borrow<Document>>(
    providers: &[(&str, &[D])],
    statics: Option<&Static>,
    allow: &Allow,
) -> Read<Configuration> {
    let mut out = Sink::new(allow, "");
    let mut merging = merge::Merging::default();
    for (provider, documents) in providers {
        out.turn_to(provider);
        for document in *documents {
            roots(document.borrow(), &mut out, |fields| {
                fields.inert(&STATIC_ROOTS);
                merging.read(fields);
            });
        }
    }
    let merged = merging.finish();
    out.add(validate::references(&merged, statics));
    out.finish(Some(merged.value))
}

fn roots<T>(document: &Document, out: &mut Sink, body: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
    Value { node: &document.root, at: &document.root.at, path: Path::ROOT }.section(out, body)
}
