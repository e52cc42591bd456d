//! `failover`: who of the two is asked, and which answers of the main one are thrown away.

use std::time::Instant;

use http::StatusCode;
use rollgate_config::dynamic::service::failover::FailoverErrors;

use super::{MAX_LOOKS, is_available};
use crate::{
    body::RequestBody,
    call::{Answered, Call, Way, status_of},
    error::Error,
    snapshot::{Failover, Leg, ServiceIndex},
};

/// The main one if it can take a request, else the fallback.
pub(crate) fn leg(call: &Call<'_>, failover: &Failover) -> Result<ServiceIndex, Error> {
    let leg = [failover.main, failover.fallback].into_iter().find(|leg| can_take(call, *leg));
    leg.map(|leg| leg.service).ok_or(Error::NoServer)
}

/// Runs the call with one of the two, or with both: if the main one's answer is one that is thrown away, and the body can
/// be sent again.
pub(crate) async fn run<'s>(
    call: &mut Call<'s>,
    failover: &'s Failover,
    errors: &FailoverErrors,
) -> Result<Answered, Error> {
    let (main, fallback) = (failover.main, failover.fallback);
    if !(can_take(call, main) && can_take(call, fallback)) {
        let only = leg(call, failover)?;
        return call.run(Way::to(only)).await;
    }
    let began = Instant::now();
    let limit = errors.max_request_body_bytes.unwrap_or(u64::MAX);
    let replay = call.body.replayable(limit, &call.exchange.connection.worker.replays);
    let (head, mark, chosen) = (call.parts.clone(), call.mark(), call.exchange.chosen());
    let answered = call.run(Way::to(main.service)).await;
    let Some(status) = refused(errors, &answered) else { return answered };
    let Ok(body) = RequestBody::again(replay.as_ref()) else { return answered };
    // Nobody will want it once more.
    drop(replay);
    tracing::debug!(%status, "the fallback is asked");
    call.exchange.learns(&answered);
    call.exchange.leave(chosen, status);
    call.throw_away(answered, mark, status, began.elapsed());
    call.exchange.leave_service();
    (call.parts, call.body) = (head, body);
    call.run(Way::to(fallback.service)).await
}

/// Whether one of the two can take a request.
fn can_take(call: &Call<'_>, leg: Leg) -> bool {
    let troubles = call.exchange.connection.worker.shared.troubles.any();
    let now = || if troubles { Instant::now() } else { call.exchange.started };
    leg.available && (!troubles || is_available(&call.snapshot.services, leg.service, now(), &mut { MAX_LOOKS }))
}

/// The status of an answer that is not given.
fn refused(errors: &FailoverErrors, answered: &Result<Answered, Error>) -> Option<StatusCode> {
    status_of(answered).filter(|status| errors.status.contains(status.as_u16()))
}
