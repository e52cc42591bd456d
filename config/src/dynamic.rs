//! What may change at any time: routers, services, middlewares, transports, certificates.

pub mod middleware;
pub mod router;
pub mod service;
pub mod tls;
pub mod transport;

use std::collections::BTreeMap;

use self::{middleware::Middleware, router::Router, service::Service, tls::Tls, transport::ServersTransport};

/// Everything of all providers, merged. Every key and every reference is a qualified name, `pro@file`; the references
/// were checked to exist and to have no cycle.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    /// `http.routers`.
    pub routers: BTreeMap<String, Router>,
    /// `http.services`.
    pub services: BTreeMap<String, Service>,
    /// `http.middlewares`.
    pub middlewares: BTreeMap<String, Middleware>,
    /// `http.serversTransports`.
    pub servers_transports: BTreeMap<String, ServersTransport>,
    /// `tls`.
    pub tls: Tls,
}
