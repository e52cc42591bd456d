//! An explanation as text.

use std::fmt::Write;

use rollgate_control::explain::Asked;
use rollgate_gateway::{Branch, Breaking, Explanation, Found, Keeping, Listed, Winner};

/// For a person.
pub(crate) fn text(explanation: &Explanation, asked: &Asked) -> String {
    let mut out = String::new();
    let question = &asked.question;
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{} {}", question.method, asked.url);
    let _ = writeln!(out, "entry point  {} ({})", explanation.entry_point, asked.because);
    match &explanation.target {
        Ok(target) => {
            let host = if target.host.is_empty() { "none" } else { &target.host };
            let _ = writeln!(out, "host         {host}");
            let normal = if target.path == question.path { "" } else { " (its normal form)" };
            let _ = writeln!(out, "path         {}{normal}", target.path);
        }
        Err(refusal) => drop(writeln!(out, "refused      400: {refusal}")),
    }
    match &explanation.winner {
        Some(winner) => way(&mut out, winner),
        None if explanation.own => out.push_str("answered by  the entry point itself, before any router\n"),
        None if explanation.target.is_ok() => nobody(&mut out, explanation, question.tls),
        None => {}
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

/// The way behind the router that wins.
fn way(out: &mut String, winner: &Winner) {
    let _ = writeln!(out, "router       {}", winner.name);
    for weighted in &winner.passes_by {
        let _ = writeln!(
            out,
            "             warning: leads to a version of {weighted} directly; its weights do not hold here"
        );
    }
    let middlewares = if winner.middlewares.is_empty() { "none".to_owned() } else { winner.middlewares.join(", ") };
    let _ = writeln!(out, "middlewares  {middlewares}");
    for breaker in &winner.breakers {
        let _ = writeln!(out, "             {}", broken(breaker));
    }
    out.push_str("service\n");
    branch(out, &winner.service, 1);
}

fn nobody(out: &mut String, explanation: &Explanation, tls: bool) {
    out.push_str("router       none: 404 page not found\n");
    if explanation.candidates.is_empty() {
        let kind = if tls { "with TLS" } else { "without TLS" };
        let routers = explanation.routers;
        let _ = writeln!(out, "             routers {kind} here: {routers}; none of them takes this host");
    }
}

fn branch(out: &mut String, branch: &Branch, depth: usize) {
    let indent = "  ".repeat(depth);
    let idle = if branch.weight == Some(0.0) { ", weight 0" } else { "" };
    let unavailable = if branch.unavailable { ", unavailable" } else { "" };
    let role = branch.role.as_ref().map_or_else(String::new, |role| format!(", {role}"));
    let _ = writeln!(out, "{indent}{} {}{role}{idle}{unavailable}", percent(branch.share), branch.name);
    if !branch.middlewares.is_empty() {
        let _ = writeln!(out, "{indent}  middlewares {}", branch.middlewares.join(", "));
    }
    for breaker in &branch.breakers {
        let _ = writeln!(out, "{indent}  {}", broken(breaker));
    }
    if let Some(keeping) = &branch.keeping {
        let _ = writeln!(out, "{indent}  {}: {}", keeping.by, found(keeping));
    }
    // The others are what everybody expects, or told of already.
    if let Some(strategy @ ("p2c" | "leasttime")) = branch.strategy {
        let _ = writeln!(out, "{indent}  by {strategy}");
    }
    for Listed { url, weight } in &branch.servers {
        let weight = if *weight == 1.0 { String::new() } else { format!(", weight {weight}") };
        let _ = writeln!(out, "{indent}  {url}{weight}");
    }
    for child in &branch.children {
        self::branch(out, child, depth + 1);
    }
}

fn found(keeping: &Keeping) -> String {
    match &keeping.found {
        Found::LeadsTo(name) => format!("this request goes to {name}"),
        Found::Unknown => "what this request has leads nowhere, so it is balanced anew".to_owned(),
        Found::Issued => "this request has none and is given one".to_owned(),
        Found::Missing => "this request has none and is drawn".to_owned(),
    }
}

fn broken(breaker: &Breaking) -> String {
    let Breaking { middleware, expression, redistributes, response_code } = breaker;
    let then = if *redistributes {
        "the other versions have its share".to_owned()
    } else {
        format!("it answers with {response_code}")
    };
    format!("{middleware} trips at {expression}; then {then}")
}

/// With as many places as are needed, four at most.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
