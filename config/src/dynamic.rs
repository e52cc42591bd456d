//! What may change at any time: routers, services, middlewares, transports, certificates, pipelines.

pub mod affinity;
pub mod middleware;
pub mod name;
pub mod rollout;
pub mod router;
pub mod service;
pub mod tls;
pub mod transport;

use std::{collections::BTreeMap, fmt, ops::Deref, sync::Arc};

use self::{
    middleware::Middleware, rollout::Pipeline, router::Router, service::Service, tls::Tls, transport::ServersTransport,
};
use crate::{problem::Place, steps::step};

/// Everything of all providers, merged. Every key and every reference is a qualified name, `pro@file`; the references
/// were checked to exist and to have no cycle.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// `http.routers`.
    pub routers: BTreeMap<Arc<str>, Item<Router>>,
    /// `http.services`.
    pub services: BTreeMap<Arc<str>, Item<Service>>,
    /// `http.middlewares`.
    pub middlewares: BTreeMap<Arc<str>, Item<Middleware>>,
    /// `http.serversTransports`.
    pub servers_transports: BTreeMap<String, ServersTransport>,
    /// `tls`.
    pub tls: Tls,
    /// `rollouts`.
    pub rollouts: BTreeMap<Arc<str>, Arc<Pipeline>>,
}

/// In steps.
impl Drop for Configuration {
    fn drop(&mut self) {
        std::mem::take(&mut self.routers).into_iter().for_each(|_| step());
        std::mem::take(&mut self.services).into_iter().for_each(|_| step());
        std::mem::take(&mut self.middlewares).into_iter().for_each(|_| step());
    }
}

/// A router, a service or a middleware. All configurations in which it is written the same share it, wherever it stands in
/// its file: so what was made of it before is found again by comparing two pointers.
pub struct Item<T> {
    value: Arc<T>,
    lines_before: u32,
}

impl<T> Item<T> {
    /// `lines_before`: how many lines of its file its places do not count.
    pub(crate) fn new(value: Arc<T>, lines_before: u32) -> Self {
        Self { value, lines_before }
    }

    /// Whether both are one, and so equal in everything but the line they stand in.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.value, &other.value)
    }

    /// Where something in it stands in its file: the places that it holds count from its own first line.
    pub fn place(&self, at: &Place) -> Place {
        at.moved(self.lines_before)
    }

    /// One that stands in no file.
    pub fn of_no_file(value: T) -> Self {
        Self::new(Arc::new(value), 0)
    }

    /// Another value in the same place.
    pub fn with(&self, value: Arc<T>) -> Self {
        Self { value, lines_before: self.lines_before }
    }

    pub(crate) fn lines_before(&self) -> u32 {
        self.lines_before
    }
}

impl<T: fmt::Debug> fmt::Debug for Item<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T> Clone for Item<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), lines_before: self.lines_before }
    }
}

impl<T> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
