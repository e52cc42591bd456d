//! From a router's service to a load balancer: through weighted services by draws, past each one's middlewares.

use std::ops::ControlFlow;

use crate::{
    clock,
    error::Error,
    exchange::Exchange,
    metrics::VersionId,
    middleware::{Answer, Head},
    passage::Passage,
    snapshot::{Child, Internal, LoadBalancer, ServiceIndex, ServiceKind, Services},
    split,
};

/// Where a request ends up.
pub(crate) enum Destination<'s> {
    /// One of a load balancer's servers.
    Servers(&'s LoadBalancer),
    /// The gateway itself.
    Internal(Internal),
    /// A middleware answered.
    Answered(Answer),
}

/// Walks the tree, drawing at each weighted service. The versions drawn are noted on the exchange.
pub(crate) fn resolve<'s>(
    services: &'s Services,
    from: ServiceIndex,
    head: &mut Head<'_>,
    passage: &mut Passage<'s>,
    exchange: &mut Exchange,
) -> Result<Destination<'s>, Error> {
    let mut index = from;
    loop {
        let service = services.at(index);
        if let ControlFlow::Break(answer) = passage.enter(&service.middlewares, head) {
            return Ok(Destination::Answered(answer));
        }
        match &service.kind {
            ServiceKind::LoadBalancer(balancer) => return Ok(Destination::Servers(balancer)),
            ServiceKind::Internal(internal) => return Ok(Destination::Internal(*internal)),
            ServiceKind::Weighted(weighted) => {
                let random = exchange.connection.worker.random();
                let drawn = split::draw(&weighted.children, random, |child| child.available).ok_or(Error::NoServer)?;
                let Child { service, version, .. } = &weighted.children[drawn];
                note(exchange, *version);
                index = *service;
            }
        }
    }
}

fn note(exchange: &mut Exchange, version: VersionId) {
    exchange.connection.worker.metrics.drawn(version, clock::seconds());
    exchange.versions.push(version);
}
