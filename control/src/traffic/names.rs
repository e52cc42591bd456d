//! Names as callers write them: qualified, or bare where only one is meant.

use std::sync::Arc;

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
    match &*found {
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
