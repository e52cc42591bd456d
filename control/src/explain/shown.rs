//! An explanation as JSON.

use rollgate_gateway::{Branch, Breaking, Explanation, Found, Judging, Keeping, Listed};
use serde_json::{Value, json};

use super::Asked;

/// For a script.
pub fn json(explanation: &Explanation, asked: &Asked) -> Value {
    let candidates: Vec<Value> = explanation
        .candidates
        .iter()
        .map(|candidate| {
            json!({
                "name": candidate.name,
                "rule": candidate.rule,
                "priority": candidate.priority,
                "wins": candidate.wins,
                "reason": candidate.reason,
            })
        })
        .collect();
    let winner = explanation.winner.as_ref();
    json!({
        "entryPoint": explanation.entry_point,
        "entryPointBecause": asked.because,
        "host": explanation.target.as_ref().ok().map(|target| &target.host),
        "path": explanation.target.as_ref().ok().map(|target| &target.path),
        "refused": explanation.target.as_ref().err(),
        "answeredByEntryPoint": explanation.own,
        "routers": explanation.routers,
        "router": winner.map(|winner| json!({ "name": winner.name, "passesBy": winner.passes_by })),
        "middlewares": winner.map(|winner| &winner.middlewares),
        "breakers": winner.map(|winner| breakers(&winner.breakers)),
        "service": winner.map(|winner| tree(&winner.service)),
        "candidates": candidates,
    })
}

fn tree(branch: &Branch) -> Value {
    json!({
        "name": branch.name,
        "share": (branch.share * 1e9).round() / 1e9,
        "weight": branch.weight,
        "role": branch.role,
        "unavailable": branch.unavailable,
        "middlewares": branch.middlewares,
        "breakers": breakers(&branch.breakers),
        "keeping": branch.keeping.as_ref().map(kept),
        "trial": branch.judging.as_ref().map(judged),
        "strategy": branch.strategy,
        "servers": branch.servers.iter().map(listed).collect::<Vec<_>>(),
        "children": branch.children.iter().map(tree).collect::<Vec<_>>(),
    })
}

fn listed(server: &Listed) -> Value {
    json!({ "url": server.url, "weight": server.weight })
}

fn breakers(breakers: &[Breaking]) -> Vec<Value> {
    let told = |breaker: &Breaking| {
        json!({
            "middleware": breaker.middleware,
            "expression": breaker.expression,
            "redistributes": breaker.redistributes,
            "responseCode": breaker.response_code,
        })
    };
    breakers.iter().map(told).collect()
}

fn judged(judging: &Judging) -> Value {
    let audience = judging.audience.as_ref();
    json!({
        "rollout": judging.rollout,
        "canary": judging.canary,
        "braked": judging.braked,
        "audience": audience.map(|audience| json!({
            "who": audience.who,
            "belongs": audience.belongs,
            "share": audience.share,
        })),
    })
}

fn kept(keeping: &Keeping) -> Value {
    let (found, leads_to) = match &keeping.found {
        Found::LeadsTo(name) => ("known", Some(name)),
        Found::Unknown => ("unknown", None),
        Found::Issued => ("issued", None),
        Found::Missing => ("missing", None),
    };
    json!({ "by": keeping.by, "found": found, "leadsTo": leads_to })
}
