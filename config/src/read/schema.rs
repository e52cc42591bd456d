//! Every key that there is, found out from the readers themselves: a document is read, and each key that was asked for is
//! in the next one, until nothing new is asked for.

use crate::{
    Allow, Document, Format,
    document::{DYNAMIC_ROOTS, STATIC_ROOTS},
    fields::{Asked, Notebook, Shape, Sink, Use},
};

/// What a name is called; and what one is called that only has a meaning by this name.
const NAMES: [&str; 2] = ["N", "default"];

/// Every key that has no keys below it, and what becomes of it: `http.routers.N.rule`, where `N` is any name and
/// `[]` any item of a list.
pub fn schema() -> Vec<(String, Use)> {
    let mut asked = Asked::default();
    loop {
        let text = written(&asked, "");
        let document = Document::parse("schema", &text, Format::Json).expect("it is made as JSON");
        let next = asked_for(&document);
        if next == asked {
            return leaves(&asked);
        }
        asked = next;
    }
}

/// What the readers ask for in a document.
fn asked_for(document: &Document) -> Asked {
    let notebook = Notebook::default();
    let mut out = Sink::new(&Allow::default(), "file").noting(notebook.clone());
    super::roots(document, &mut out, |fields| {
        fields.inert(&DYNAMIC_ROOTS);
        super::statics::read(fields)
    });
    super::roots(document, &mut out, |fields| {
        fields.inert(&STATIC_ROOTS);
        super::merge::Merging::default().read(fields);
    });
    notebook.asked()
}

/// The value at a path as JSON, with every key below it that is known by now.
fn written(asked: &Asked, path: &str) -> String {
    let section = |keys: &mut dyn Iterator<Item = &str>| {
        let entries: Vec<String> =
            keys.map(|key| format!("{key:?}: {}", written(asked, &format!("{path}{}{key}", dot(path))))).collect();
        format!("{{{}}}", entries.join(", "))
    };
    match asked.shapes.get(path) {
        Some(Shape::Section) => section(&mut children(asked, path)),
        Some(Shape::Names) => section(&mut NAMES.into_iter()),
        Some(Shape::List) => format!("[{}]", written(asked, &format!("{path}[0]"))),
        // It is a single value, or what it is will be known when it has been asked for.
        None => "{}".to_owned(),
    }
}

fn children<'a>(asked: &'a Asked, path: &'a str) -> impl Iterator<Item = &'a str> {
    let below = asked.keys.keys().filter_map(move |key| key.strip_prefix(path)?.strip_prefix(dot(path)));
    below.filter(|rest| !rest.contains(['.', '[']))
}

/// What stands between a path and a key; nothing at the root.
fn dot(path: &str) -> &'static str {
    if path.is_empty() { "" } else { "." }
}

fn leaves(asked: &Asked) -> Vec<(String, Use)> {
    let named = |key: &str| key.replace(".default.", ".N.");
    let is_leaf = |key: &String| {
        let mut after =
            asked.keys.range(key.clone()..).skip(1).take_while(|(other, _)| other.starts_with(key.as_str()));
        !after.any(|(other, _)| other[key.len()..].starts_with(['.', '[']))
    };
    let leaves = asked.keys.iter().filter(|(key, _)| is_leaf(key));
    // `default` is a name like others where others are read too.
    let leaves = leaves.filter(|(key, _)| !key.contains(".default.") || !asked.keys.contains_key(&named(key)));
    leaves.map(|(key, is)| (key.replace("[0]", "[]"), *is)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_lists_names_and_refused_sections_are_found() {
        let schema = schema();
        let find = |key: &str| schema.iter().find(|(known, _)| known == key).map(|(_, is)| *is);
        for (key, is) in [
            ("entryPoints.N.address", Some(Use::Read)),
            ("entryPoints.N.http.maxBodyBytes", Some(Use::Ours)),
            ("entryPoints.N.reusePort", Some(Use::Inert)),
            ("entryPoints.N.http3", Some(Use::Refused)),
            ("entryPoints.N.http", None),
            ("http.routers.N.tls.domains[].main", Some(Use::Read)),
            ("http.services.N.weighted.services[].name", Some(Use::Read)),
            ("http.middlewares.N.headers.customRequestHeaders", Some(Use::Read)),
            ("http.middlewares.N.plugin", Some(Use::Refused)),
            ("tls.options.N.sniStrict", Some(Use::Read)),
            ("tls.options.default.sniStrict", None),
            ("tls.stores.default.defaultCertificate.certFile", Some(Use::Read)),
            ("tcp", Some(Use::Refused)),
        ] {
            assert_eq!(find(key), is, "{key}");
        }
    }
}
