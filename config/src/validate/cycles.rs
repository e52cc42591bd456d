//! Circles of names, and names that lead further than they may: found in time linear in names and references, without
//! recursion, since what is written may be as long as a configuration. Whoever follows names afterwards may recurse.

use std::collections::{HashMap, HashSet};

use super::shown;
use crate::{
    dynamic::{Configuration, middleware::MiddlewareKind, name},
    problem::{Place, Problem},
};

/// Services that lead back to themselves, by what they are made of or by the error pages that their middlewares ask for.
pub(super) fn of_services(configuration: &Configuration) -> Vec<Problem> {
    let edges = configuration.services.iter().filter_map(|(name, service)| {
        let mut children: Vec<_> = service.kind.references().into_iter().map(|name| (&*name.value, &name.at)).collect();
        for middleware in &service.middlewares {
            let pages = pages_of(configuration, &middleware.value);
            children.extend(pages.into_iter().map(|page| (page, &middleware.at)));
        }
        (!children.is_empty()).then(|| Edges { name, children, lines_before: service.lines_before() })
    });
    report(edges.collect(), "http.services")
}

/// The services that a middleware, or what a chain holds, asks for error pages.
fn pages_of<'c>(configuration: &'c Configuration, middleware: &'c str) -> Vec<&'c str> {
    let (mut pages, mut seen, mut left) = (Vec::new(), HashSet::new(), vec![middleware]);
    while let Some(name) = left.pop() {
        match configuration.middlewares.get(name).filter(|_| seen.insert(name)).map(|middleware| &middleware.kind) {
            Some(MiddlewareKind::Chain(names)) => left.extend(names.iter().map(|name| &*name.value)),
            Some(MiddlewareKind::Errors(errors)) => pages.push(&*errors.service.value),
            _ => {}
        }
    }
    pages
}

/// Chains that hold themselves.
pub(super) fn of_chains(configuration: &Configuration) -> Vec<Problem> {
    let edges = configuration.middlewares.iter().filter_map(|(name, middleware)| {
        let MiddlewareKind::Chain(names) = &middleware.kind else { return None };
        let children = names.iter().map(|name| (&*name.value, &name.at)).collect();
        Some(Edges { name, children, lines_before: middleware.lines_before() })
    });
    report(edges.collect(), "http.middlewares")
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
fn report(edges: Vec<Edges<'_>>, kind: &str) -> Vec<Problem> {
    let index_of: HashMap<&str, usize> = edges.iter().enumerate().map(|(index, edges)| (edges.name, index)).collect();
    let mut marks = vec![Mark::Unseen; edges.len()];
    // How many names follow one another below each, for those that are done.
    let mut depths = vec![0; edges.len()];
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
                let below = edges[*node].children.iter().filter_map(|(child, _)| index_of.get(child));
                depths[*node] = 1 + below.map(|child| depths[*child]).max().unwrap_or_default();
                // Not one above another.
                if depths[*node] == MAX_DEPTH + 1 {
                    problems.push(too_deep(&edges[*node], kind));
                }
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
                    let names: Vec<&str> = circle.map(|node| edges[node].name).collect();
                    problems.push(circular(&names, kind, &at.moved(lines_before)));
                }
                Mark::Done => {}
            }
        }
    }
    problems
}

fn too_deep(edges: &Edges<'_>, kind: &str) -> Problem {
    let path = format!("{kind}.{}", name::bare(edges.name));
    let at = edges.children[0].1.moved(edges.lines_before);
    Problem::new(&at, path, "leads too deep", format!("at most {MAX_DEPTH} of them one below another"))
}

/// The last of `names` is the first again.
fn circular(names: &[&str], kind: &str, at: &Place) -> Problem {
    const SHOWN: usize = 10;
    let last = names.len() - 1;
    // The reference that closes the circle stands in the last but one.
    let closing = names[last.saturating_sub(1)];
    let names: Vec<&str> = names.iter().map(|name| shown(name, name::provider(closing))).collect();
    let circle = if names.len() <= SHOWN {
        names.join(" -> ")
    } else {
        format!("{} -> ... -> {}", names[..SHOWN - 2].join(" -> "), names[last])
    };
    Problem::new(at, format!("{kind}.{}", name::bare(closing)), format!("leads in a circle: {circle}"), "")
}

/// How many names may follow one another: far more than anybody nests, and few enough for a recursion on any stack.
const MAX_DEPTH: usize = 64;
