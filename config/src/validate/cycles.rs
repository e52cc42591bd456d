//! Circles of names, found in time linear in services and references, without recursion: a chain of names may be as long as
//! a configuration.

use std::collections::HashMap;

use super::shown;
use crate::{
    dynamic::{Configuration, middleware::MiddlewareKind, service::ServiceKind},
    problem::{Place, Problem},
};

/// Weighted services that lead back to themselves.
pub(super) fn of_services(configuration: &Configuration, provider: &str) -> Vec<Problem> {
    let edges = configuration.services.iter().filter_map(|(name, service)| {
        let ServiceKind::Weighted(weighted) = &service.kind else { return None };
        let children = weighted.services.iter().map(|child| (&*child.name.value, &child.name.at)).collect();
        Some(Edges { name, children, lines_before: service.lines_before() })
    });
    report(edges.collect(), "http.services", provider)
}

/// Chains that hold themselves.
pub(super) fn of_chains(configuration: &Configuration, provider: &str) -> Vec<Problem> {
    let edges = configuration.middlewares.iter().filter_map(|(name, middleware)| {
        let MiddlewareKind::Chain(names) = &middleware.kind else { return None };
        let children = names.iter().map(|name| (&*name.value, &name.at)).collect();
        Some(Edges { name, children, lines_before: middleware.lines_before() })
    });
    report(edges.collect(), "http.middlewares", provider)
}

/// What a name leads to, and where that is written. What leads nowhere is in no circle and has none.
struct Edges<'c> {
    name: &'c str,
    children: Vec<(&'c str, &'c Place)>,
    lines_before: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Unseen,
    OnPath,
    Done,
}

/// `edges` in the order of names, so that messages do not depend on chance.
fn report(edges: Vec<Edges<'_>>, kind: &str, provider: &str) -> Vec<Problem> {
    let index_of: HashMap<&str, usize> = edges.iter().enumerate().map(|(index, edges)| (edges.name, index)).collect();
    let mut marks = vec![Mark::Unseen; edges.len()];
    let mut problems = Vec::new();
    for start in 0..edges.len() {
        if marks[start] != Mark::Unseen {
            continue;
        }
        marks[start] = Mark::OnPath;
        // Each step: a name and how many of its references have been followed.
        let mut path = vec![(start, 0)];
        while let Some((node, followed)) = path.last_mut() {
            let Some((child, at)) = edges[*node].children.get(*followed) else {
                marks[*node] = Mark::Done;
                path.pop();
                continue;
            };
            let lines_before = edges[*node].lines_before;
            *followed += 1;
            let Some(&child) = index_of.get(child) else {
                continue;
            };
            match marks[child] {
                Mark::Unseen => {
                    marks[child] = Mark::OnPath;
                    path.push((child, 0));
                }
                Mark::OnPath => {
                    let from = path.iter().position(|(node, _)| *node == child).unwrap_or(0);
                    let circle = path[from..].iter().map(|(node, _)| *node).chain([child]);
                    let names: Vec<&str> = circle.map(|node| shown(edges[node].name, provider)).collect();
                    problems.push(circular(&names, kind, &at.moved(lines_before)));
                }
                Mark::Done => {}
            }
        }
    }
    problems
}

fn circular(names: &[&str], kind: &str, at: &Place) -> Problem {
    const SHOWN: usize = 10;
    let last = names.len() - 1;
    let circle = if names.len() <= SHOWN {
        names.join(" -> ")
    } else {
        format!("{} -> ... -> {}", names[..SHOWN - 2].join(" -> "), names[last])
    };
    // The reference that closes the circle stands in the last but one.
    Problem::new(at, format!("{kind}.{}", names[last.saturating_sub(1)]), format!("leads in a circle: {circle}"), "")
}
