//! `stages`: a list of sections, each of one kind.

use std::time::Duration;

use super::{
    command::{deploy, job},
    protect,
    ramp::{ab_test, promote, ramp, wait, watch},
    values::{MONTH, SECOND, length, section, too_many},
    webhook,
};
use crate::{
    dynamic::rollout::stage::{Approve, OnTimeout, Stage, StageKind},
    fields::{Fields, Sink, Value, choice, quoted, text},
    problem::Located,
    read::api::role,
    tree::Kind,
};

/// A stage that may have no name yet.
pub(super) struct Draft {
    /// `name`, if it is written and may be one.
    pub name: Option<Located<String>>,
    pub stage: Stage,
}

pub(super) fn stages(value: Value<'_>, out: &mut Sink) -> Option<Vec<Draft>> {
    if matches!(&value.node.kind, Kind::Scalar(_)) {
        out.problem(&value.node.at, value.path, "is a single value", "a list of stages");
        return None;
    }
    let drafts = value.items(out, |value, out| Some(draft(value, out)))?;
    if drafts.is_empty() {
        out.problem(&value.node.at, value.path, "has no stage", KINDS.join(", "));
    }
    (!too_many(drafts.len(), MAX_STAGES, "stages", value, out)).then_some(drafts)
}

/// What is wrong is a problem already; its place in the list stays.
fn draft(value: Value<'_>, out: &mut Sink) -> Draft {
    let read = section(value, out, |fields| (fields.read("name", name), kind(fields)));
    let (name, kind) = read.unwrap_or_default();
    let kind = kind.unwrap_or(StageKind::Wait(Duration::ZERO));
    Draft { name, stage: Stage { at: value.at.clone(), name: String::new(), kind } }
}

fn name(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    let name = text(value, out)?;
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || name.len() > 63 || !name.bytes().all(is_fit) {
        let what = format!("{} is no name for a stage", quoted(&name));
        out.problem(&value.node.at, value.path, what, "1 to 63 letters, digits, - and _");
        return None;
    }
    Some(Located { value: name, at: value.node.at.clone() })
}

fn kind(fields: &mut Fields<'_>) -> Option<StageKind> {
    // All of them are read, for their problems.
    let mut kinds = [
        fields.read("job", job).map(StageKind::Job),
        fields.read("deploy", deploy).map(StageKind::Deploy),
        fields.read("approve", approve).map(StageKind::Approve),
        fields.read("abTest", ab_test).map(StageKind::AbTest),
        fields.read("ramp", ramp).map(StageKind::Ramp),
        fields.read("watch", watch).map(StageKind::Watch),
        fields.read("wait", wait).map(StageKind::Wait),
        fields.read("webhook", webhook::read).map(StageKind::Webhook),
        fields.read("protect", protect::read).map(StageKind::Protect),
        fields.read("promote", promote).map(StageKind::Promote),
    ];
    let present: Vec<usize> = (0..KINDS.len()).filter(|index| fields.has(KINDS[*index])).collect();
    let names = || present.iter().map(|index| KINDS[*index]).collect::<Vec<_>>().join(", ");
    match present[..] {
        [only] => return kinds[only].take(),
        // An unknown key is told with the kind that it may be meant for.
        [] if fields.has_unknown() => {}
        [] => {
            let bare = KINDS.into_iter().find(|kind| fields.is_null(kind));
            let allowed =
                bare.map_or_else(|| KINDS.join(", "), |kind| format!("{kind}: {{}} where nothing of it is written"));
            fields.out.problem(fields.at, fields.path, "is of no kind", allowed);
        }
        [..] => {
            let what = format!("is of several kinds: {}", names());
            fields.out.problem(fields.at, fields.path, what, "exactly one");
        }
    }
    None
}

fn approve(value: Value<'_>, out: &mut Sink) -> Option<Approve> {
    section(value, out, |fields| {
        let mut approve = Approve::default();
        fields.set_some("message", &mut approve.message, text);
        fields.set("role", &mut approve.role, role);
        fields.set("tokens", &mut approve.tokens, |value, out| value.items(out, caller));
        fields.set_some("timeout", &mut approve.timeout, length(SECOND..=MONTH));
        let words = choice([("fail", OnTimeout::Fail), ("approve", OnTimeout::Approve)]);
        fields.set("onTimeout", &mut approve.on_timeout, words);
        if fields.has("onTimeout") && !fields.has("timeout") {
            fields.problem("onTimeout", "there is no timeout", "timeout beside it");
        }
        approve
    })
}

/// The name of a token or in a certificate.
fn caller(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let name = text(value, out)?;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        let what = format!("{} is nobody's name", quoted(&name));
        out.problem(&value.node.at, value.path, what, "a name of api.tokens or api.clientCertificates");
        return None;
    }
    Some(name)
}

const KINDS: [&str; 10] =
    ["job", "deploy", "approve", "abTest", "ramp", "watch", "wait", "webhook", "protect", "promote"];

const MAX_STAGES: usize = 64;
