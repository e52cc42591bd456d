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
mod rollout;
mod router;
mod schema;
mod service;
mod statics;
mod tls;
mod transport;
mod url;

pub(crate) use self::merge::{Merged, Names};
pub use self::schema::schema;

use std::{borrow::Borrow, sync::Arc};

use crate::{
    Allow, Document,
    document::{DYNAMIC_ROOTS, STATIC_ROOTS},
    dynamic::{Configuration, name, rollout::Pipeline},
    fields::{Fields, Path, Sink, Value},
    problem::Problem,
    static_config::Static,
    tree::parse_json,
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

/// Reads the static configuration that a document holds; dynamic root keys are left to `read_dynamic`, and a root key
/// that neither knows is a problem.
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

/// Reads the dynamic configuration that the documents of several providers hold together. Names and references are
/// qualified by the provider in whose document they stand (`x` is `x@file`) and checked over all of them; entry points
/// only if `statics` is given. Static root keys are left to `read_static`.
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
    merged.declared.let_go();
    out.finish(Some(merged.value))
}

/// Reads a pipeline that is a document by itself: the keys of one below `rollouts`, and its `name`. The name and
/// references are qualified by `provider`; what it refers to has to be in `configuration`. Returns its qualified name
/// and the pipeline.
pub fn read_pipeline(
    document: &Document,
    provider: &str,
    configuration: &Configuration,
    allow: &Allow,
) -> Read<(Arc<str>, Arc<Pipeline>)> {
    pipeline(document, provider, Some(configuration), allow)
}

/// The same where there is no configuration: what it refers to is not looked for.
pub fn read_pipeline_alone(document: &Document, provider: &str, allow: &Allow) -> Read<(Arc<str>, Arc<Pipeline>)> {
    pipeline(document, provider, None, allow)
}

/// Reads [`Pipeline::source`] again: the same pipeline, its places in the source aside. `name` is the qualified name
/// that it had. What it refers to may be gone by now, which [`crate::validate_pipeline`] tells.
///
/// # Errors
/// All that is wrong with it, which is nothing unless somebody else wrote it, or an older version.
pub fn reread_pipeline(name: &str, source: &str) -> Result<Pipeline, Vec<Problem>> {
    let mut out = Sink::new(&Allow::default(), name::provider(name));
    let root = parse_json(&name.into(), source)?;
    let pipeline = rollout::read(Value { node: &root, at: &root.at, path: Path::ROOT }, &mut out);
    let read = out.finish(pipeline);
    read.value.ok_or(read.problems)
}

fn pipeline(
    document: &Document,
    provider: &str,
    configuration: Option<&Configuration>,
    allow: &Allow,
) -> Read<(Arc<str>, Arc<Pipeline>)> {
    let mut out = Sink::new(allow, provider);
    let read = roots(document, &mut out, |fields| rollout::by_itself(fields, &document.root)).flatten();
    if let (Some((_, pipeline)), Some(configuration)) = (&read, configuration) {
        out.add(validate::pipeline_by_itself(provider, pipeline, configuration));
    }
    out.finish(read.map(|(name, pipeline)| (name, Arc::new(pipeline))))
}

fn roots<T>(document: &Document, out: &mut Sink, body: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
    Value { node: &document.root, at: &document.root.at, path: Path::ROOT }.section(out, body)
}
