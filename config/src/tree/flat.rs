//! Flags and environment variables: a flat list of paths and values, grown into a tree.

use super::{Entry, Key, Kind, Node, Scalar};
use crate::problem::{Place, Problem};

/// How many paths a command line or an environment may hold.
const MAX_PATHS: usize = 10_000;

/// A tree in the making.
#[derive(Default)]
pub(crate) struct Flat {
    root: Branch,
    paths: usize,
    pub problems: Vec<Problem>,
}

#[derive(Default)]
struct Branch {
    values: Vec<(Scalar, Place)>,
    children: Vec<(Key, Self)>,
}

impl Flat {
    /// Sets the value at a path; a second value makes a list of both.
    pub fn set(&mut self, steps: &[String], value: Option<&str>, at: &Place) {
        self.paths += 1;
        if self.paths > MAX_PATHS || steps.len() > super::MAX_DEPTH {
            return self.problems.push(Problem::new(at, "", "is one too many, or too deep", ""));
        }
        let mut branch = &mut self.root;
        for step in steps {
            let found = branch.children.iter().position(|(key, _)| key.name.eq_ignore_ascii_case(step));
            let index = found.unwrap_or_else(|| {
                branch.children.push((Key { name: step.clone(), at: at.clone() }, Branch::default()));
                branch.children.len() - 1
            });
            branch = &mut branch.children[index].1;
        }
        let text = value.unwrap_or("true").to_owned();
        branch.values.push((Scalar { text, bare: value.is_none(), literal: false }, at.clone()));
    }

    /// The tree, or all that is contradictory in it.
    pub fn finish(mut self, source: &str) -> Result<Node, Vec<Problem>> {
        let at = Place::whole(source);
        let node = grow(self.root, &at, &mut self.problems);
        if self.problems.is_empty() { Ok(node) } else { Err(self.problems) }
    }
}

fn grow(branch: Branch, at: &Place, problems: &mut Vec<Problem>) -> Node {
    if branch.children.is_empty() {
        let mut leaves = branch.values.into_iter().map(|(scalar, at)| Node { kind: Kind::Scalar(scalar), at });
        return match (leaves.next(), leaves.len()) {
            (None, _) => Node { kind: Kind::Mapping(Vec::new()), at: at.clone() },
            (Some(only), 0) => only,
            (Some(first), _) => {
                Node { at: first.at.clone(), kind: Kind::Sequence(std::iter::once(first).chain(leaves).collect()) }
            }
        };
    }
    // `--ping=true --ping.entryPoint=web`: the first only says that the section is there.
    for (scalar, at) in branch.values.iter().filter(|(scalar, _)| !scalar.text.eq_ignore_ascii_case("true")) {
        problems.push(Problem::new(
            at,
            "",
            format!("gives {:?} to a section that has keys of its own", scalar.text),
            "true",
        ));
    }
    let mut children: Vec<Entry> = branch
        .children
        .into_iter()
        .map(|(key, child)| {
            let node = grow(child, &key.at, problems);
            (key, node)
        })
        .collect();
    let kind = if are_indexes(&mut children) {
        Kind::Sequence(children.into_iter().map(|(_, node)| node).collect())
    } else {
        Kind::Mapping(children)
    };
    Node { kind, at: at.clone() }
}

/// Whether the keys are 0, 1, 2...; they are put in order.
fn are_indexes(children: &mut [Entry]) -> bool {
    let index = |key: &Key| key.name.parse::<usize>().ok();
    if children.iter().any(|(key, _)| index(key).is_none()) {
        return false;
    }
    children.sort_by_key(|(key, _)| index(key));
    children.iter().enumerate().all(|(position, (key, _))| index(key) == Some(position))
}
