//! Middlewares by name, chains flattened. One that is written as before is the one that is there.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use rollgate_config::{
    dynamic::{
        Configuration, Item,
        middleware::{Middleware as Written, MiddlewareKind},
        name,
    },
    problem::Problem,
};

use super::Compiler;
use crate::{
    middleware::{Making, Middleware, Place},
    snapshot::Step,
    tls::pem,
};

/// Every middleware by its qualified name.
#[derive(Default)]
pub(crate) struct Chains {
    known: HashMap<Arc<str>, Known>,
    /// Those that are not what they were in the snapshot before.
    changed: HashSet<Arc<str>>,
}

struct Known {
    item: Item<Written>,
    steps: Arc<[Step]>,
}

impl Chains {
    /// Those of a configuration, after those of the one before.
    pub(crate) fn compile(compiler: &Compiler, configuration: &Configuration) -> Result<Self, Vec<Problem>> {
        let (mut chains, mut problems) = (Self::default(), Vec::new());
        for name in configuration.middlewares.keys() {
            chains.flatten(compiler, configuration, name, &mut problems);
        }
        if problems.is_empty() { Ok(chains) } else { Err(problems) }
    }

    /// The steps of several references, in order, as they are in this place.
    pub(crate) fn placed<'a>(
        &self,
        compiler: &Compiler,
        place: Place<'_>,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Arc<[Step]> {
        let placed = |step: Step| match step.middleware.placed(&place, &compiler.making(&step.name)) {
            Some(middleware) => Step { middleware: Arc::new(middleware), ..step },
            None => step,
        };
        self.steps(names).map(placed).collect()
    }

    fn steps<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> impl Iterator<Item = Step> {
        let known = names.into_iter().filter_map(|name| self.known.get(name));
        known.flat_map(|known| known.steps.iter().cloned())
    }

    /// Whether any is not what it was before.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Whether any of these is not what it was before.
    pub(crate) fn any_changed<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        self.has_changed() && names.any(|name| self.changed.contains(name))
    }

    /// Validation has made sure that chains have no cycle.
    fn flatten(&mut self, compiler: &Compiler, configuration: &Configuration, name: &str, problems: &mut Vec<Problem>) {
        if self.known.contains_key(name) {
            return;
        }
        let Some((name, item)) = configuration.middlewares.get_key_value(name) else { return };
        let last = compiler.chains.known.get(name);
        let steps = match &item.kind {
            MiddlewareKind::Chain(names) => {
                let names = names.iter().map(|name| name.value.as_str());
                names.clone().for_each(|name| self.flatten(compiler, configuration, name, problems));
                self.steps(names).collect()
            }
            kind => match last.filter(|last| last.item.is(item)) {
                Some(last) => last.steps.clone(),
                None => compiled(&compiler.making(name), name, item, kind).unwrap_or_else(|problem| {
                    problems.push(problem);
                    [].into()
                }),
            },
        };
        if !last.is_some_and(|last| same(&last.steps, &steps)) {
            self.changed.insert(name.clone());
        }
        self.known.insert(name.clone(), Known { item: item.clone(), steps });
    }
}

fn compiled(
    making: &Making<'_>,
    name: &Arc<str>,
    item: &Item<Written>,
    kind: &MiddlewareKind,
) -> Result<Arc<[Step]>, Problem> {
    match Middleware::compile(kind, making) {
        Ok(middleware) => Ok([Step { name: name.clone(), middleware: Arc::new(middleware) }].into()),
        Err(error) => {
            let path = format!("http.middlewares.{}", name::bare(name));
            Err(pem::wrong(&item.place(&item.at), &path, error.to_string()))
        }
    }
}

fn same(before: &[Step], now: &[Step]) -> bool {
    let same = |(a, b): (&Step, &Step)| Arc::ptr_eq(&a.middleware, &b.middleware);
    before.len() == now.len() && before.iter().zip(now).all(same)
}
