//! `onTrip: redistribute` asked for where there are no versions: by a router or an entry point.

use std::collections::{HashMap, HashSet};

use crate::{
    dynamic::{
        Item,
        middleware::{Middleware, MiddlewareKind, OnTrip},
    },
    problem::Located,
};

/// The middlewares that are or hold a breaker that asks for it.
pub(super) struct Redistributing<'c>(HashSet<&'c str>);

impl<'c> Redistributing<'c> {
    /// In time linear in the middlewares and the references of chains.
    pub fn of<'n: 'c>(middlewares: impl Iterator<Item = (&'n str, &'n Item<Middleware>)> + Clone) -> Self {
        let asks = |middleware: &Middleware| {
            matches!(&middleware.kind, MiddlewareKind::CircuitBreaker(breaker)
                if breaker.on_trip == Some(OnTrip::Redistribute))
        };
        let mut open: Vec<&str> = middlewares.clone().filter(|(_, item)| asks(item)).map(|(name, _)| name).collect();
        let mut found: HashSet<&str> = open.iter().copied().collect();
        if open.is_empty() {
            return Self(found);
        }
        let mut chains_of: HashMap<&str, Vec<&str>> = HashMap::new();
        for (name, item) in middlewares {
            let MiddlewareKind::Chain(held) = &item.kind else { continue };
            held.iter().for_each(|one| chains_of.entry(&one.value).or_default().push(name));
        }
        while let Some(name) = open.pop() {
            let holding = chains_of.get(name).map_or(&[][..], Vec::as_slice);
            open.extend(holding.iter().filter(|chain| found.insert(chain)));
        }
        Self(found)
    }

    /// Those of some references that are among them.
    pub fn among<'r>(&self, references: &'r [Located<String>]) -> impl Iterator<Item = &'r Located<String>> {
        references.iter().filter(|name| self.0.contains(name.value.as_str()))
    }
}
