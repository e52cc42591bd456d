//! From a service to one of its children, and whether a service can take a request at all.

pub(crate) mod failover;
mod judged;
pub(crate) mod mirroring;

use std::time::Instant;

use smallvec::SmallVec;

use crate::{
    breaker::Verdict,
    call::Call,
    clock,
    error::Error,
    snapshot::{Child, Service, ServiceIndex, ServiceKind, Services, Weighted},
    split::{self, Asking, By},
};

/// Chooses a version and notes it on the exchange. A request that comes to a weighted service again, since it is retried,
/// gets the version that it had.
pub(crate) fn version(call: &mut Call<'_>, weighted: &Weighted) -> Result<ServiceIndex, Error> {
    let exchange = &mut call.exchange;
    let before = |child: &&Child| exchange.versions.contains(&child.version);
    if !exchange.versions.is_empty()
        && let Some(child) = weighted.children.iter().find(before)
    {
        return Ok(child.service);
    }
    let worker = &exchange.connection.worker;
    let troubles = worker.shared.troubles.any();
    let chosen = match &weighted.affinity {
        _ if let Some(laid) = &weighted.trial => judged::choose_and_book(call, weighted, laid, troubles),
        // While all is well, a draw is a comparison with each border.
        None if !troubles => weighted.draw.at(worker.random()),
        _ => choose(call, weighted, troubles).map(|choice| choice.version),
    };
    let exchange = &mut call.exchange;
    let child = &weighted.children[chosen.ok_or(Error::NoServer)?];
    exchange.connection.worker.metrics.drawn(child.version, clock::seconds());
    exchange.versions.push(child.version);
    Ok(child.service)
}

/// A version, and what has chosen it.
#[derive(Debug, Clone, Copy)]
struct Choice {
    version: usize,
    by: By,
}

/// By what the client has, among those that are available.
#[inline(never)]
fn choose(call: &mut Call<'_>, weighted: &Weighted, troubles: bool) -> Option<Choice> {
    let exchange = &mut call.exchange;
    let worker = &exchange.connection.worker;
    let asking = Asking { headers: &call.parts.headers, client: exchange.connection.client.ip(), troubles };
    let services = &call.snapshot.services;
    let now = if troubles { Instant::now() } else { exchange.started };
    exchange.verdicts.clear();
    let mut denied: SmallVec<[ServiceIndex; 4]> = SmallVec::new();
    let chosen = loop {
        let available = |child: &Child| {
            !denied.contains(&child.service) && leads_on(services, child.service, now, &mut { MAX_LOOKS })
        };
        let chosen = split::choose(weighted, &asking, &mut || worker.random(), available)?;
        let version = weighted.children[chosen.version].service;
        // One that was denied is chosen again only where no other can take it; then its breaker answers.
        if !troubles
            || denied.contains(&version)
            || lets_through(services.at(version), &mut exchange.verdicts, (worker.index, now))
        {
            break chosen;
        }
        denied.push(version);
    };
    exchange.assigned(weighted.id, chosen.assignment, chosen.cookie);
    Some(Choice { version: chosen.version, by: chosen.by })
}

/// Whether a version can take a request, as far as its servers go.
fn is_open(call: &Call<'_>, child: &Child) -> bool {
    child.available && leads_on(&call.snapshot.services, child.service, Instant::now(), &mut { MAX_LOOKS })
}

/// Whether no breaker of a version's own turns anything away.
fn breakers_are_calm(version: &Service) -> bool {
    let mut breakers = version.middlewares.iter().filter_map(|step| step.middleware.redistributing());
    breakers.all(|breaker| breaker.standby().is_some())
}

/// Whether a version takes this request; its breakers are asked, once.
fn takes(call: &mut Call<'_>, child: &Child, troubles: bool) -> bool {
    if !troubles {
        return child.available;
    }
    let version = call.snapshot.services.at(child.service);
    let exchange = &mut call.exchange;
    exchange.verdicts.clear();
    let at = (exchange.connection.worker.index, Instant::now());
    is_open(call, child) && lets_through(version, &mut call.exchange.verdicts, at)
}

/// Asks the breakers that the requests of a version come to, and keeps what they say for when this one does.
#[cold]
fn lets_through(version: &Service, verdicts: &mut Vec<Verdict>, (worker, now): (usize, Instant)) -> bool {
    let mut breakers = version.middlewares.iter().filter_map(|step| step.middleware.redistributing());
    let passes = breakers.all(|breaker| {
        let decision = breaker.ask(now);
        verdicts.push(Verdict::new(breaker, decision));
        decision.is_ok()
    });
    if passes {
        verdicts.iter().for_each(|verdict| verdict.went_elsewhere(worker));
    }
    passes
}

/// Whether a service can take a request now: something below it is up, and no breaker on the way turns requests away whose
/// share the other versions are to have.
///
/// `looks` is how many services may be looked at; past that, the answer is yes. Validation bounds the depth and excludes
/// circles, but services that share what is below them could be asked about without end.
fn is_available(services: &Services, index: ServiceIndex, now: Instant, looks: &mut u32) -> bool {
    if *looks == 0 {
        return true;
    }
    *looks -= 1;
    let gives_up = services.at(index).middlewares.iter().any(|step| step.middleware.gives_up_share(now));
    !gives_up && leads_on(services, index, now, looks)
}

/// Whether a service can take a request now.
pub(crate) fn takes_requests(services: &Services, index: ServiceIndex, now: Instant) -> bool {
    is_available(services, index, now, &mut { MAX_LOOKS })
}

/// The same without the service's own breakers.
fn leads_on(services: &Services, index: ServiceIndex, now: Instant, looks: &mut u32) -> bool {
    match &services.at(index).kind {
        ServiceKind::LoadBalancer(balancer) => {
            balancer.servers.iter().any(|server| server.weight > 0 && server.is_up())
        }
        ServiceKind::Weighted(weighted) => {
            let mut children = weighted.children.iter().filter(|child| child.weight > 0 && child.available);
            children.any(|child| is_available(services, child.service, now, looks))
        }
        ServiceKind::Failover(failover) => {
            let mut legs = [failover.main, failover.fallback].into_iter().filter(|leg| leg.available);
            legs.any(|leg| is_available(services, leg.service, now, looks))
        }
        ServiceKind::Mirroring(mirroring) => is_available(services, mirroring.service, now, looks),
        ServiceKind::Internal(_) => true,
    }
}

/// Far more than there are below any version, and few enough for a request.
const MAX_LOOKS: u32 = 256;
