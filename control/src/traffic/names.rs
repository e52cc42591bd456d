//! Names as callers write them: qualified, or bare where only one is meant.

use std::{ops::Bound, sync::Arc};

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
        // Those of the name stand beside each other: one request may name a thousand, and there may be many more.
        let first = format!("{name}@");
        let begins = configuration.services.range::<str, _>((Bound::Included(&*first), Bound::Unbounded));
        let keys = begins.map(|(key, _)| key).take_while(|key| key.starts_with(&first));
        keys.filter(|key| bare(key) == name).collect()
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

#[cfg(test)]
mod tests {
    use rollgate_config::{Allow, Document, Format, read_dynamic};

    use super::*;

    fn configuration(provider: &str, names: &[&str]) -> Configuration {
        let services: String = names.iter().map(|name| format!("    {name}: {{loadBalancer: {{}}}}\n")).collect();
        let text = format!("http:\n  services:\n{services}");
        let document = Document::parse("a.yml", &text, Format::Yaml).unwrap();
        read_dynamic(&[document], provider, None, &Allow::default()).value.unwrap()
    }

    #[test]
    fn a_bare_name_means_the_only_one_of_it_and_none_that_begins_like_it() {
        let mut all = configuration("file", &["a", "a-b", "ab", "b", "A"]);
        all.services.append(&mut configuration("rest", &["b", "c", "a.b"]).services);
        for (name, meant) in
            [("a", "a@file"), ("ab", "ab@file"), ("c", "c@rest"), ("b@rest", "b@rest"), ("A", "A@file")]
        {
            assert_eq!(service(&all, name).as_deref(), Ok(meant), "{name}");
        }
        let ambiguous = Refused::Ambiguous { name: "b".into(), candidates: vec!["b@file".into(), "b@rest".into()] };
        assert_eq!(service(&all, "b"), Err(ambiguous));
        for name in ["", "a@", "a@fil", "@file", "d", "a-"] {
            let unknown = Refused::NotFound { what: "service", name: name.into() };
            assert_eq!(service(&all, name), Err(unknown), "{name}");
        }
    }
}
