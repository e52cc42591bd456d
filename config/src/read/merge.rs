//! Several documents to one configuration: the same name twice is a problem with both places.

use std::collections::HashMap;

use super::{middleware, router, service, tls, transport};
use crate::{
    dynamic::Configuration,
    fields::{Fields, Sink, Value, quoted},
    problem::Place,
    tree::Key,
};

/// Where each name was first declared, whether or not what it names could be read: a reference to something that is broken is
/// not broken itself.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    routers: HashMap<String, Place>,
    pub services: HashMap<String, Place>,
    pub middlewares: HashMap<String, Place>,
    pub transports: HashMap<String, Place>,
    pub options: HashMap<String, Place>,
    default_certificate: Option<Place>,
}

/// The configuration so far.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub value: Configuration,
    pub declared: Declared,
}

impl Merged {
    /// Adds one document's.
    pub fn read(&mut self, fields: &mut Fields<'_>) {
        let Self { value, declared } = self;
        fields.within("http", |http| {
            collect(http, "routers", &mut declared.routers, router::read, |name, router| {
                value.routers.insert(name, router).is_none()
            });
            collect(http, "services", &mut declared.services, service::read, |name, service| {
                value.services.insert(name, service).is_none()
            });
            collect(http, "middlewares", &mut declared.middlewares, middleware::read, |name, middleware| {
                value.middlewares.insert(name, middleware).is_none()
            });
            collect(http, "serversTransports", &mut declared.transports, transport::read, |name, transport| {
                value.servers_transports.insert(name, transport).is_none()
            });
        });
        fields.within("tls", |section| {
            value.tls.certificates.extend(section.list("certificates", tls::certificate));
            section.named("options", |key, options, out| {
                let name = if key.name == "default" { key.name.clone() } else { declare_name(key, options, out)? };
                declare(&mut declared.options, &name, key, options, out);
                value.tls.options.insert(name, tls::options(options, out)?);
                Some(())
            });
            section.read("stores", |stores, out| {
                let found = tls::default_certificate(stores, out)?;
                match &declared.default_certificate {
                    Some(first) => out.problem(
                        &found.at,
                        stores.path,
                        format!("the default certificate is given twice, first at {first}"),
                        "",
                    ),
                    None => declared.default_certificate = Some(found.at.clone()),
                }
                value.tls.default_certificate = Some(found);
                Some(())
            });
        });
        fields.unsupported(&["tcp", "udp"]);
    }
}

fn collect<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    declared: &mut HashMap<String, Place>,
    read: impl Fn(Value<'_>, &mut Sink) -> Option<T>,
    mut insert: impl FnMut(String, T) -> bool,
) {
    fields.named(key, |key, value, out| {
        let name = declare_name(key, value, out)?;
        let fresh = declare(declared, &name, key, value, out);
        let item = read(value, out)?;
        (fresh && insert(name, item)).then_some(())
    });
}

/// The qualified name; one with a provider in it is a problem, since it could not be told from another's.
fn declare_name(key: &Key, value: Value<'_>, out: &mut Sink) -> Option<String> {
    if key.name.is_empty() || key.name.contains('@') {
        out.problem(&key.at, value.path, format!("{} is no name", quoted(&key.name)), "not empty and without @");
        return None;
    }
    Some(out.qualified(&key.name))
}

fn declare(declared: &mut HashMap<String, Place>, name: &str, key: &Key, value: Value<'_>, out: &mut Sink) -> bool {
    match declared.get(name) {
        None => {
            declared.insert(name.to_owned(), key.at.clone());
            true
        }
        // Within one document the section has reported it.
        Some(first) if first.source == key.at.source => false,
        Some(first) => {
            out.problem(&key.at, value.path, format!("{:?} is given twice, first at {first}", key.name), "");
            false
        }
    }
}
