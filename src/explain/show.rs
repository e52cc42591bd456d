//! An explanation as text and as JSON.

use std::fmt::Write;

use rollgate_gateway::{Branch, Explanation};
use serde_json::{Value, json};

use super::ask::Asked;

/// For a person.
pub(crate) fn text(explanation: &Explanation, asked: &Asked) -> String {
    let mut out = String::new();
    let question = &asked.question;
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{} {}{}", question.method, question.host, question.path);
    let _ = writeln!(out, "entry point  {} ({})", explanation.entry_point, asked.because);
    match &explanation.path {
        Ok(path) if *path == question.path => {}
        Ok(path) => drop(writeln!(out, "path         {path} (its normal form)")),
        Err(refusal) => drop(writeln!(out, "refused      400: {refusal}")),
    }
    match &explanation.winner {
        None if explanation.path.is_ok() => out.push_str("router       none: 404 page not found\n"),
        None => {}
        Some(winner) => {
            let _ = writeln!(out, "router       {}", winner.name);
            for weighted in &winner.passes_by {
                let _ = writeln!(
                    out,
                    "             warning: leads to a version of {weighted} directly; its weights do not hold here"
                );
            }
            let middlewares =
                if winner.middlewares.is_empty() { "none".to_owned() } else { winner.middlewares.join(", ") };
            let _ = writeln!(out, "middlewares  {middlewares}");
            out.push_str("service\n");
            branch(&mut out, &winner.service, 1);
        }
    }
    if !explanation.candidates.is_empty() {
        out.push_str("routers asked, in order\n");
    }
    for candidate in &explanation.candidates {
        let _ = writeln!(out, "  {} (priority {}): {}", candidate.name, candidate.priority, candidate.reason);
        let _ = writeln!(out, "      {}", candidate.rule);
    }
    out
}

fn branch(out: &mut String, branch: &Branch, depth: usize) {
    let indent = "  ".repeat(depth);
    let unavailable = if branch.unavailable { ", no server" } else { "" };
    let _ = writeln!(out, "{indent}{} {}{unavailable}", percent(branch.share), branch.name);
    if !branch.middlewares.is_empty() {
        let _ = writeln!(out, "{indent}  middlewares {}", branch.middlewares.join(", "));
    }
    for server in &branch.servers {
        let _ = writeln!(out, "{indent}  {server}");
    }
    for child in &branch.children {
        self::branch(out, child, depth + 1);
    }
}

/// With as many places as are needed, four at most.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// For a script.
pub(crate) fn json(explanation: &Explanation, asked: &Asked) -> Value {
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
        "path": explanation.path.as_ref().ok(),
        "refused": explanation.path.as_ref().err(),
        "router": winner.map(|winner| json!({ "name": winner.name, "passesBy": winner.passes_by })),
        "middlewares": winner.map(|winner| &winner.middlewares),
        "service": winner.map(|winner| tree(&winner.service)),
        "candidates": candidates,
    })
}

fn tree(branch: &Branch) -> Value {
    json!({
        "name": branch.name,
        "share": (branch.share * 1e9).round() / 1e9,
        "unavailable": branch.unavailable,
        "middlewares": branch.middlewares,
        "servers": branch.servers,
        "children": branch.children.iter().map(tree).collect::<Vec<_>>(),
    })
}
