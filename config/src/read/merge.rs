//! Several documents to one configuration: the same name twice is a problem with both places.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::{item, middleware, rollout, router, service, tls, transport};
use crate::{
    dynamic::{Configuration, Item, middleware::Middleware, router::Router, service::Service},
    fields::{Fields, Path, Sink, Value, quoted},
    problem::Place,
    steps::{large_step, step},
    tree::Key,
};

/// Names and where they stand.
pub(crate) type Names = HashMap<Arc<str>, Place, RandomState>;

/// Where each name was first declared, whether or not what it names could be read: a reference to something that is broken is
/// not broken itself.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    pub routers: Names,
    pub services: Names,
    pub middlewares: Names,
    pub transports: Names,
    pub options: Names,
    rollouts: Names,
    default_certificate: Option<Place>,
}

/// The configuration so far.
#[derive(Debug, Default)]
pub(crate) struct Merging {
    value: Configuration,
    declared: Declared,
    routers: Items<Router>,
    services: Items<Service>,
    middlewares: Items<Middleware>,
}

/// Each name once; put in order when all are there.
type Items<T> = Vec<(Arc<str>, Item<T>)>;

/// The configuration, its references not yet checked.
#[derive(Debug)]
pub(crate) struct Merged {
    pub value: Configuration,
    pub declared: Declared,
}

impl Declared {
    /// Drops it in steps.
    pub fn let_go(self) {
        for names in [self.routers, self.services, self.middlewares] {
            names.into_iter().for_each(|_| step());
        }
    }
}

impl Merging {
    /// All of it.
    pub fn finish(self) -> Merged {
        let Self { mut value, declared, routers, services, middlewares } = self;
        large_step();
        value.routers = routers.into_iter().collect();
        large_step();
        value.services = services.into_iter().collect();
        value.middlewares = middlewares.into_iter().collect();
        large_step();
        Merged { value, declared }
    }

    /// Adds one document's.
    pub fn read(&mut self, fields: &mut Fields<'_>) {
        let Self { value, declared, routers, services, middlewares } = self;
        fields.within("http", |http| {
            collect(http, "routers", &mut declared.routers, routers, router::read);
            collect(http, "services", &mut declared.services, services, service::read);
            collect(http, "middlewares", &mut declared.middlewares, middlewares, middleware::read);
            http.named("serversTransports", |key, transport, out| {
                let name = declare_name(key, transport, out)?;
                let fresh = declare_named(&mut declared.transports, &name, key, transport.path, out);
                let read = transport::read(transport, out)?;
                (fresh && value.servers_transports.insert(name, read).is_none()).then_some(())
            });
        });
        fields.within("tls", |section| {
            value.tls.certificates.extend(section.list("certificates", tls::certificate));
            section.named("options", |key, options, out| {
                let name = if key.name == "default" { key.name.clone() } else { declare_name(key, options, out)? };
                declare_named(&mut declared.options, &name, key, options.path, out);
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
        fields.named("rollouts", |key, pipeline, out| {
            let name = declare_name(key, pipeline, out)?;
            let fresh = declare_named(&mut declared.rollouts, &name, key, pipeline.path, out);
            let read = rollout::read(pipeline, out)?;
            (fresh && value.rollouts.insert(name.into(), Arc::new(read)).is_none()).then_some(())
        });
        fields.ours("rollouts");
        fields.unsupported(&["tcp", "udp"]);
    }
}

fn collect<T: Send + Sync + 'static>(
    fields: &mut Fields<'_>,
    key: &'static str,
    declared: &mut Names,
    items: &mut Items<T>,
    decode: impl Fn(Value<'_>, &mut Sink) -> Option<T>,
) {
    fields.pieces(key, |placed, path, out| {
        step();
        let read = item::read(placed, path, out, &decode, |name, out| {
            let Err((first, at)) = declare(declared, name.clone(), placed.at()) else { return true };
            let name = &placed.key().name;
            let what =
                if first.source == at.source { format!("key {name:?} is given twice") } else { twice(name, first) };
            out.problem(&at, path, what, "");
            false
        });
        items.extend(read);
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

/// Whether the name is new. Within one document the section has reported it.
fn declare_named(declared: &mut Names, name: &str, key: &Key, path: Path<'_>, out: &mut Sink) -> bool {
    match declare(declared, name.into(), key.at.clone()) {
        Ok(()) => true,
        Err((first, at)) => {
            if first.source != at.source {
                out.problem(&at, path, twice(&key.name, first), "");
            }
            false
        }
    }
}

/// Where it was declared first, if it was.
fn declare(declared: &mut Names, name: Arc<str>, at: Place) -> Result<(), (&Place, Place)> {
    match declared.entry(name) {
        Entry::Vacant(vacant) => {
            vacant.insert(at);
            Ok(())
        }
        Entry::Occupied(first) => Err((first.into_mut(), at)),
    }
}

fn twice(name: &str, first: &Place) -> String {
    format!("{name:?} is given twice, first at {first}")
}
