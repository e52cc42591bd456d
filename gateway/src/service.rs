//! Which of a weighted service's versions gets a request.

use crate::{
    clock,
    error::Error,
    exchange::Exchange,
    metrics::VersionId,
    snapshot::{Child, ServiceIndex, Weighted},
    split,
};

/// Draws a version and notes it on the exchange.
pub(crate) fn draw(exchange: &mut Exchange, weighted: &Weighted) -> Result<ServiceIndex, Error> {
    let random = exchange.connection.worker.random();
    let drawn = split::draw(&weighted.children, random, |child| child.available).ok_or(Error::NoServer)?;
    let Child { service, version, .. } = &weighted.children[drawn];
    note(exchange, *version);
    Ok(*service)
}

fn note(exchange: &mut Exchange, version: VersionId) {
    exchange.connection.worker.metrics.drawn(version, clock::seconds());
    exchange.versions.push(version);
}
