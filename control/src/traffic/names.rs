//! Names as callers write them: qualified, or bare where only one is meant.

use std::{cell::OnceCell, collections::HashMap, sync::Arc};

use rollgate_config::dynamic::{Configuration, service::WeightedChild};

use super::Refused;

/// The qualified name of a service.
pub fn service(configuration: &Configuration, name: &str) -> Result<Arc<str>, Refused> {
    if let Some((name, _)) = configuration.services.get_key_value(name) {
        return Ok(name.clone());
    }
    let found: Vec<&Arc<str>> = if name.contains('@') {
        Vec::new()
    } else {
        configuration.services.keys().filter(|key| bare(key) == name).collect()
    };
    only(name, &found)
}

/// The same for many names: bare ones are looked for among all services once.
pub struct Services<'c> {
    configuration: &'c Configuration,
    by_bare: OnceCell<HashMap<&'c str, Vec<&'c Arc<str>>>>,
}

impl<'c> Services<'c> {
    /// Those of a configuration.
    pub fn of(configuration: &'c Configuration) -> Self {
        Self { configuration, by_bare: OnceCell::new() }
    }

    /// See [`service`].
    pub fn named(&self, name: &str) -> Result<Arc<str>, Refused> {
        if let Some((name, _)) = self.configuration.services.get_key_value(name) {
            return Ok(name.clone());
        }
        let found = self.by_bare().get(name).filter(|_| !name.contains('@')).map_or(&[][..], Vec::as_slice);
        only(name, found)
    }

    fn by_bare(&self) -> &HashMap<&'c str, Vec<&'c Arc<str>>> {
        self.by_bare.get_or_init(|| {
            let mut by_bare: HashMap<&str, Vec<&Arc<str>>> = HashMap::new();
            for qualified in self.configuration.services.keys() {
                by_bare.entry(bare(qualified)).or_default().push(qualified);
            }
            by_bare
        })
    }
}

fn only(name: &str, found: &[&Arc<str>]) -> Result<Arc<str>, Refused> {
    match found {
        [only] => Ok((*only).clone()),
        [] => Err(Refused::NotFound { what: "service", name: name.to_owned() }),
        several => {
            let candidates = several.iter().map(ToString::to_string).collect();
            Err(Refused::Ambiguous { name: name.to_owned(), candidates })
        }
    }
}

/// The qualified name of a service's child.
pub fn child(children: &[WeightedChild], name: &str) -> Result<Arc<str>, Refused> {
    let mut found = children.iter().map(|child| child.name.value.as_str()).filter(|child| *child == name);
    if let Some(exact) = found.next() {
        return Ok(exact.into());
    }
    let mut found: Vec<&str> =
        children.iter().map(|child| child.name.value.as_str()).filter(|child| bare(child) == name).collect();
    found.dedup();
    match *found {
        [only] => Ok(only.into()),
        [] => Err(Refused::NotFound { what: "version", name: name.to_owned() }),
        _ => {
            let candidates = found.iter().map(ToString::to_string).collect();
            Err(Refused::Ambiguous { name: name.to_owned(), candidates })
        }
    }
}

/// Without its provider.
pub fn bare(qualified: &str) -> &str {
    qualified.rsplit_once('@').map_or(qualified, |(bare, _)| bare)
}
