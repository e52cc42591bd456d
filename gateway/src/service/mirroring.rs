//! `mirroring`: copies of requests, whose answers nobody gets.
//!
//! A copy is a call of its own on the same worker, beside the request: it begins when the request does, has the body as it
//! passes, and whatever becomes of it is seen in the metrics alone. What all copies hold is bounded, and how long one
//! lasts; the request waits for none of it.

mod counts;

use std::{rc::Rc, sync::Arc, time::Duration, time::Instant};

use http::{HeaderMap, header, request};
use http_body_util::BodyExt as _;
use smallvec::SmallVec;

pub(crate) use self::counts::Counts;
use self::counts::Outcome;
use crate::{
    body::{
        RequestBody,
        replay::Held,
        tee::{self, Copy, Fate, Lost},
    },
    call::{Call, Way},
    deadline,
    error::{BodyError, Error},
    exchange::Exchange,
    proxy, relay,
    snapshot::{Mirror, Mirroring, ServiceIndex},
    worker::Local,
};

/// Sends copies of a request to the mirrors that are to have this one. A request that comes here again, since it is retried,
/// has been mirrored; one that wants another protocol is not.
#[inline(never)]
pub(crate) fn copy(call: &mut Call<'_>, service: ServiceIndex, mirroring: &Mirroring) {
    if call.upgrade.is_some() || !call.exchange.is_first_at(service) {
        return;
    }
    let worker = call.exchange.connection.worker.clone();
    let bytes = BASE + head_bytes(&call.parts.headers);
    let mut admitted: SmallVec<[(&Mirror, Held); 2]> = SmallVec::new();
    for mirror in mirroring.mirrors.iter().filter(|mirror| is_chosen(mirror.percent, worker.random())) {
        match worker.mirrors.hold(bytes) {
            Some(held) => admitted.push((mirror, held)),
            None => mirror.counts.add(Outcome::NoRoom),
        }
    }
    if admitted.is_empty() {
        return;
    }
    let parts = head(call, mirroring);
    let bodies = match bodies(call, mirroring, admitted.len()) {
        Ok(bodies) => bodies,
        Err(outcome) => return admitted.iter().for_each(|(mirror, _)| mirror.counts.add(outcome)),
    };
    for ((mirror, held), copy) in admitted.into_iter().zip(bodies) {
        let (exchange, held) = (call.exchange.copied(&call.exchange.connection.detached()), Rc::new(held));
        let (mut body, mut fate) = (RequestBody::Empty, None);
        if let Some(mut copy) = copy {
            copy.belongs_to(held.clone(), exchange.request_bytes.clone());
            fate = Some(copy.fate());
            body = RequestBody::made(copy);
        }
        let copied = Copied {
            snapshot: call.snapshot.clone(),
            exchange,
            parts: parts.clone(),
            body,
            fate,
            service: mirror.service,
            counts: mirror.counts.clone(),
            timeout: mirroring.timeout,
            _held: held,
        };
        tokio::task::spawn_local(copied.send());
    }
}

/// Whether this one of all requests is mirrored; `random` is uniform over all 64 bits.
fn is_chosen(percent: u8, random: u64) -> bool {
    (u128::from(random) * 100) >> 64 < u128::from(percent)
}

/// The head as it is here, of a request of its own.
fn head(call: &Call<'_>, mirroring: &Mirroring) -> request::Parts {
    let mut parts = call.parts.clone();
    if call.exchange.connection.http2 {
        relay::join_cookies(&mut parts.headers);
    }
    if mirroring.max_body_size.is_none() {
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER, header::EXPECT] {
            parts.headers.remove(name);
        }
    }
    parts
}

fn head_bytes(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + FIELD) as u64).sum()
}

type Bodies = SmallVec<[Option<Copy>; 2]>;

/// So many copies of the body, if there is one that they are to have. An error where it is known to be longer than what is copied.
fn bodies(call: &mut Call<'_>, mirroring: &Mirroring, copies: usize) -> Result<Bodies, Outcome> {
    let Some(limit) = mirroring.max_body_size.filter(|_| !matches!(call.body, RequestBody::Empty)) else {
        return Ok((0..copies).map(|_| None).collect());
    };
    if http_body::Body::size_hint(&call.body).lower() > limit {
        return Err(Outcome::TooLong);
    }
    let body = std::mem::replace(&mut call.body, RequestBody::Empty);
    let (body, copies) = tee::tee(body, copies, limit, &call.exchange.connection.worker.mirrors);
    call.body = RequestBody::made(body);
    Ok(copies.into_iter().map(Some).collect())
}

/// A copy on its way.
struct Copied {
    snapshot: Rc<Local>,
    exchange: Box<Exchange>,
    parts: request::Parts,
    body: RequestBody,
    fate: Option<Fate>,
    service: ServiceIndex,
    counts: Arc<Counts>,
    timeout: Duration,
    _held: Rc<Held>,
}

impl Copied {
    /// Sends it, unless its body is lost on the way: a mirror that takes nothing would not be told.
    async fn send(self) {
        let (counts, fate) = (self.counts.clone(), self.fate);
        let sending = exchange(self.snapshot, self.exchange, (self.parts, self.body), self.service, self.timeout);
        let lost = async {
            match &fate {
                Some(fate) => fate.lost().await,
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            biased;
            lost = lost => Outcome::from(lost),
            outcome = sending => outcome,
        };
        // A mirror that has answered and not taken its copy will not.
        fate.iter().for_each(Fate::end);
        if outcome != Outcome::Ok {
            tracing::debug!(?outcome, "a copy for a mirror");
        }
        counts.add(outcome);
    }
}

/// Sends a copy, and reads its answer to the end.
async fn exchange(
    snapshot: Rc<Local>,
    exchange: Box<Exchange>,
    (parts, body): (request::Parts, RequestBody),
    service: ServiceIndex,
    timeout: Duration,
) -> Outcome {
    let by = Instant::now() + timeout;
    let mut call = Call::copied(&snapshot, exchange, parts, body);
    let answered = deadline::met(by.into(), call.run(Way::to(service))).await;
    let mut is_late = answered.is_none();
    call.exchange.answer_by = Some(by);
    let response = proxy::finish(answered.unwrap_or(Err(Error::RequestTimeout)), call);
    let (status, mut body, mut broken) = (response.status(), response.into_body(), false);
    while let Some(frame) = body.frame().await {
        if let Err(error) = frame {
            // It would say so again and again.
            (is_late, broken) = (is_late || matches!(error, BodyError::WriteTimeout), true);
            break;
        }
    }
    match (is_late, broken || status.is_server_error()) {
        (true, _) => Outcome::Late,
        (false, true) => Outcome::Error,
        (false, false) => Outcome::Ok,
    }
}

impl From<Lost> for Outcome {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::TooLong => Self::TooLong,
            Lost::NoRoom => Self::NoRoom,
            Lost::Broken => Self::Broken,
            Lost::Unwanted => Self::Error,
        }
    }
}

/// What a copy counts for besides its head and what is kept of its body.
const BASE: u64 = 64 * 1024;
/// What a field of its head costs beside its name and value.
const FIELD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_hundred_are_chosen() {
        for percent in [0, 1, 33, 99, 100] {
            let step = u64::MAX / 10_000;
            let chosen = (0..10_000).filter(|place| is_chosen(percent, place * step + step / 2)).count();
            assert_eq!(chosen, 100 * usize::from(percent));
        }
        assert!(is_chosen(100, u64::MAX) && !is_chosen(0, 0));
    }
}
