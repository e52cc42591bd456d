//! `rollouts`: a pipeline, from the configuration, from a document of its own, or from what was kept of it.

mod analysis;
mod audience;
mod command;
mod order;
mod protect;
mod ramp;
mod stage;
mod values;
mod webhook;

use std::sync::Arc;

use self::{
    order::{check_failure, check_order, give_names},
    stage::{Draft, stages},
    values::section,
};
use super::router::reference;
use crate::{
    dynamic::rollout::{OnFailure, Pipeline, analysis::Analysis},
    fields::{Fields, Sink, Value, choice, text},
    tree::{Kind, Node, to_json},
};

/// One of the configuration's.
pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Pipeline> {
    section(value, out, |fields| pipeline(fields, value.node)).flatten()
}

/// One that is a document by itself, whose root is `node`, and its qualified name.
pub(super) fn by_itself(fields: &mut Fields<'_>, node: &Node) -> Option<(Arc<str>, Pipeline)> {
    let name = fields.required(NAME, name);
    let pipeline = pipeline(fields, node)?;
    Some((name?.into(), pipeline))
}

/// Qualified.
fn name(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let name = text(value, out)?;
    if name.is_empty() || name.contains('@') {
        let what = format!("{} is no name", crate::fields::quoted(&name));
        out.problem(&value.node.at, value.path, what, "not empty and without @");
        return None;
    }
    Some(out.qualified(&name))
}

fn pipeline(fields: &mut Fields<'_>, node: &Node) -> Option<Pipeline> {
    let service = fields.required("service", reference);
    let stable = fields.required("stable", reference);
    let canary = fields.required("canary", reference);
    if canary.is_some() && canary == stable {
        fields.problem("canary", "is the stable version too", "two versions of the service");
    }
    let mut analysis = Analysis::default();
    fields.set("analysis", &mut analysis, analysis::read);
    let mut drafts = fields.required("stages", stages).unwrap_or_default();
    let mut failure = fields.read("onFailure", on_failure).unwrap_or_default();
    let (path, out) = (fields.path, &mut *fields.out);
    give_names(path, &mut drafts, failure.stages(), out);
    check_order(path.key("stages"), &drafts, out);
    check_failure(path.key("onFailure"), failure.stages(), out);
    let Some(source) = to_json(node, &[NAME], MAX_BYTES) else {
        fields.out.problem(fields.at, fields.path, "is too long", "at most 256 KiB as JSON");
        return None;
    };
    Some(Pipeline {
        at: fields.at.clone(),
        service: service?,
        stable: stable?,
        canary: canary?,
        analysis,
        stages: drafts.into_iter().map(|draft| draft.stage).collect(),
        on_failure: failure.finish(),
        source: source.into(),
    })
}

/// `onFailure`, its stages without names yet.
#[derive(Default)]
enum Failure {
    #[default]
    Rollback,
    Hold,
    Stages(Vec<Draft>),
}

impl Failure {
    fn stages(&mut self) -> &mut [Draft] {
        match self {
            Self::Stages(drafts) => drafts,
            Self::Rollback | Self::Hold => &mut [],
        }
    }

    fn finish(self) -> OnFailure {
        match self {
            Self::Rollback => OnFailure::Rollback,
            Self::Hold => OnFailure::Hold,
            Self::Stages(drafts) => OnFailure::Stages(drafts.into_iter().map(|draft| draft.stage).collect()),
        }
    }
}

fn on_failure(value: Value<'_>, out: &mut Sink) -> Option<Failure> {
    match value.node.kind {
        Kind::Scalar(_) => {
            let is_rollback = choice([("rollback", true), ("hold", false)])(value, out)?;
            Some(if is_rollback { Failure::Rollback } else { Failure::Hold })
        }
        _ => stages(value, out).map(Failure::Stages),
    }
}

/// Of a pipeline that is a document by itself. It is no part of what is kept: whoever keeps it has the name too.
const NAME: &str = "name";

/// Far more than 64 stages need, and little enough to be kept with each rollout and shown.
const MAX_BYTES: usize = 256 << 10;
