//! The draw of a version where a trial lies over the service: who belongs to an audience gets the canary, what is drawn is
//! booked, and nothing goes to a canary that the judge has stopped.

use std::sync::Arc;

use http::Method;

use super::{Choice, breakers_are_calm, choose, is_open};
use crate::{
    call::Call,
    clock, proxy,
    snapshot::Weighted,
    split::By,
    trial::{Booking, For, Laid, Part, Sight, Stratum},
};

/// Chooses a version; see [`super::version`].
#[inline(never)]
pub(super) fn choose_and_book(call: &mut Call<'_>, weighted: &Weighted, laid: &Laid, troubles: bool) -> Option<usize> {
    let worker = call.exchange.connection.worker.index;
    laid.watched.arrived(worker);
    if laid.watched.is_braked() {
        return among(call, &laid.without, troubles).map(|choice| choice.version);
    }
    if let Some(audience) = &laid.audience
        && belongs(call, audience)
    {
        return for_audience(call, weighted, (laid, audience), troubles);
    }
    let choice = among(call, weighted, troubles)?;
    if let Some(stratum) = &laid.stratum
        && (choice.version == laid.canary || choice.version == laid.stable)
        && (stratum.w.is_none() || (choice.by != By::Cookie && can_choose(call, weighted, laid, troubles)))
    {
        book(call, laid, stratum, &choice);
    }
    Some(choice.version)
}

/// By weight.
fn among(call: &mut Call<'_>, weighted: &Weighted, troubles: bool) -> Option<Choice> {
    match &weighted.affinity {
        None if !troubles => {
            let version = weighted.draw.at(call.exchange.connection.worker.random())?;
            Some(Choice { version, by: By::Chance })
        }
        _ => choose(call, weighted, troubles),
    }
}

/// Whether both versions could have been drawn: nothing else has decided.
fn can_choose(call: &Call<'_>, weighted: &Weighted, laid: &Laid, troubles: bool) -> bool {
    !troubles
        || [laid.canary, laid.stable].into_iter().all(|place| {
            let child = &weighted.children[place];
            is_open(call, child) && breakers_are_calm(call.snapshot.services.at(child.service))
        })
}

fn belongs(call: &Call<'_>, to: &For) -> bool {
    let query = call.parts.uri.query().unwrap_or_default();
    let client = call.exchange.connection.client.ip();
    to.audience.holds(&Sight { headers: &call.parts.headers, query, client })
}

/// The canary, or for a part of the audience what others get; what others get too where the canary can take nothing.
fn for_audience(
    call: &mut Call<'_>,
    weighted: &Weighted,
    (laid, audience): (&Laid, &For),
    troubles: bool,
) -> Option<usize> {
    let canary = Choice { version: laid.canary, by: By::Chance };
    match &audience.part {
        Part::All(stratum) => {
            let choice = if super::takes(call, &weighted.children[laid.canary], troubles) {
                canary
            } else {
                among(call, &laid.without, troubles)?
            };
            if choice.version == laid.canary || choice.version == laid.stable {
                book(call, laid, stratum, &choice);
            }
            Some(choice.version)
        }
        Part::Some { border, stratum, .. } => {
            let can_choose = can_choose(call, weighted, laid, troubles);
            let is_drawn = call.exchange.connection.worker.random() < *border;
            let choice = if is_drawn && super::takes(call, &weighted.children[laid.canary], troubles) {
                canary
            } else {
                among(call, &laid.without, troubles)?
            };
            if let Some(stratum) = stratum
                && can_choose
                && (choice.version == laid.canary || choice.version == laid.stable)
            {
                book(call, laid, stratum, &choice);
            }
            Some(choice.version)
        }
    }
}

/// Keeps with the request what its end is booked as.
fn book(call: &mut Call<'_>, laid: &Laid, stratum: &Arc<Stratum>, choice: &Choice) {
    let is_canary = choice.version == laid.canary;
    let exchange = &mut call.exchange;
    let now = || clock::elapsed(exchange.started);
    if exchange.is_copy() || !laid.watched.counts(call.parts.uri.path(), is_canary, now) {
        return;
    }
    let worker = &exchange.connection.worker;
    let user = match choice.by {
        By::Key(key) => Some(key),
        By::Chance | By::Cookie => None,
    };
    let booking = Booking::new(stratum.seat(worker.index), is_canary, user);
    if !worker.shared.counts_traffic && call.parts.method == Method::POST {
        // Otherwise it is known by now: gRPC's errors stand where only gRPC has them, and gRPC only ever sends POST.
        exchange.protocol = proxy::protocol(&call.parts.headers);
    }
    exchange.bookings.push(booking);
}
