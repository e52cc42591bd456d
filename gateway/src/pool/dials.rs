//! Connections on their way. A dial belongs to nobody: what comes first, a new connection or one that was given back,
//! goes to whoever has waited longest. So a request that is taken back wastes no connection, and a server that speaks
//! HTTP/2 is dialled once for all who wait.

use std::{collections::VecDeque, rc::Rc, sync::Arc, time::Duration};

use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::AbortHandle,
};

use super::{Checked, Pools, Slot, Target, connect, slot_of, target::Scheme};
use crate::{clock, error::Error, metrics::ServiceId, worker::Worker};

/// A target's dials, and who waits for them.
#[derive(Default)]
pub(super) struct Dials {
    under_way: usize,
    waiting: VecDeque<oneshot::Sender<Arrival>>,
    /// Of those in `waiting`, who has not gone away.
    live: usize,
    /// The last dial found HTTP/2.
    http2: bool,
    /// When the last one began, in coarse milliseconds.
    begun: u32,
}

/// What came for one who waits.
struct Arrival {
    connection: Result<Checked, Error>,
    fresh: bool,
}

/// A connection for a request that has found none at rest, and whether it is new. `service`: for whom dials are counted.
pub(crate) async fn next(
    worker: &Rc<Worker>,
    target: &Arc<Target>,
    service: Option<ServiceId>,
) -> Result<(Checked, bool), Error> {
    let (arrival, dials) = worker.pools.queue(target);
    let dial = dials.then(|| {
        let dial = dial(UnderWay { worker: worker.clone(), target: target.clone() }, service);
        tokio::task::spawn_local(dial).abort_handle()
    });
    let mut wait = Wait { worker, target, arrival: Some(arrival), dial };
    let arrived = match wait.limit() {
        Some(limit) => tokio::time::timeout(limit, wait.arrive()).await.map_err(|_| Error::ConnectTimeout)?,
        None => wait.arrive().await,
    };
    match arrived {
        Some(Arrival { connection, fresh }) => Ok((connection?, fresh)),
        // Nobody dials for it any longer.
        None => Ok((connect_counted(worker, target, service).await?, true)),
    }
}

/// A new connection for nobody else, counted.
pub(crate) async fn connect_counted(
    worker: &Rc<Worker>,
    target: &Target,
    service: Option<ServiceId>,
) -> Result<Checked, Error> {
    let connected = connect::connect(worker, target).await;
    if let Some(service) = service {
        worker.metrics.upstream_connect(service, connected.is_ok());
    }
    connected
}

/// Dials until nobody is left who waits for this dial.
async fn dial(under_way: UnderWay, service: Option<ServiceId>) {
    let UnderWay { worker, target } = &under_way;
    loop {
        let connection = connect_counted(worker, target, service).await;
        if !worker.pools.dialled(target, connection) {
            return;
        }
    }
}

/// Counts a dial until its end, whichever it is.
struct UnderWay {
    worker: Rc<Worker>,
    target: Arc<Target>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.worker.pools.dial_ended(&self.target);
    }
}

/// One who waits, for as long as it does.
struct Wait<'w> {
    worker: &'w Worker,
    target: &'w Arc<Target>,
    /// `None` when it has come.
    arrival: Option<oneshot::Receiver<Arrival>>,
    /// The dial that it has begun.
    dial: Option<AbortHandle>,
}

impl Wait<'_> {
    /// Its own dial has its own limits; this holds for another's.
    fn limit(&self) -> Option<Duration> {
        let limit = self.target.transport.config.dial_timeout;
        (!limit.is_zero()).then(|| limit + connect::TLS_HANDSHAKE)
    }

    async fn arrive(&mut self) -> Option<Arrival> {
        let arrived = self.arrival.as_mut()?.await.ok();
        self.arrival = None;
        arrived
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(mut arrival) = self.arrival.take() else { return };
        match arrival.try_recv() {
            Ok(Arrival { connection: Ok(Checked::Http1(connection)), .. }) => {
                self.worker.pools.keep(self.target, connection);
            }
            Err(TryRecvError::Empty) => {
                arrival.close();
                if self.worker.pools.leave(self.target)
                    && let Some(dial) = &self.dial
                {
                    dial.abort();
                }
            }
            Ok(_) | Err(TryRecvError::Closed) => {}
        }
    }
}

impl Dials {
    /// Gives `arrival` to whoever has waited longest; back if nobody waits.
    fn give(&mut self, mut arrival: Arrival) -> Result<(), Arrival> {
        while let Some(first) = self.waiting.pop_front() {
            match first.send(arrival) {
                Ok(()) => {
                    self.live -= 1;
                    return Ok(());
                }
                Err(back) => arrival = back,
            }
        }
        Err(arrival)
    }

    /// One dial is enough, however many wait.
    fn one_for_all(&self, scheme: Scheme) -> bool {
        scheme == Scheme::H2c || self.http2
    }

    /// Somebody waits for whom nobody dials.
    fn is_short(&self, scheme: Scheme) -> bool {
        if self.one_for_all(scheme) { self.live > 0 && self.under_way == 0 } else { self.live > self.under_way }
    }
}

impl Slot {
    /// Gives a connection that is at rest to one who waits; back if nobody does.
    pub(super) fn hand_over(&mut self, connection: super::Http1) -> Option<super::Http1> {
        if self.dials.live == 0 {
            return Some(connection);
        }
        match self.dials.give(Arrival { connection: Ok(Checked::Http1(connection)), fresh: false }) {
            Err(Arrival { connection: Ok(Checked::Http1(connection)), .. }) => Some(connection),
            _ => None,
        }
    }
}

impl Pools {
    /// Waits in the target's queue; whether a dial has to begin for it.
    fn queue(&self, target: &Target) -> (oneshot::Receiver<Arrival>, bool) {
        let mut slots = self.slots.borrow_mut();
        let dials = &mut slot_of(&mut slots, target).dials;
        let (sender, receiver) = oneshot::channel();
        dials.waiting.push_back(sender);
        dials.live += 1;
        // A dial that takes so long may be stuck at a server that has come back since.
        let joins = dials.one_for_all(target.scheme) && dials.under_way > 0 && clock::since(dials.begun) < STUCK;
        if !joins {
            dials.under_way += 1;
            dials.begun = clock::coarse();
        }
        (receiver, !joins)
    }

    /// One who waited has gone; whether its dial is of no use any longer.
    fn leave(&self, target: &Target) -> bool {
        let mut slots = self.slots.borrow_mut();
        let dials = &mut slot_of(&mut slots, target).dials;
        dials.live = dials.live.saturating_sub(1);
        if dials.waiting.len() > 2 * dials.live + SPARE {
            dials.waiting.retain(|waiting| !waiting.is_closed());
        }
        dials.under_way > dials.live + SPARE.min(target.max_idle)
    }

    /// A dial has come to this; whether somebody waits for whom it has to go on.
    fn dialled(&self, target: &Target, connection: Result<Checked, Error>) -> bool {
        let mut slots = self.slots.borrow_mut();
        let dials = &mut slot_of(&mut slots, target).dials;
        match connection {
            Ok(Checked::Http2(shared)) => {
                dials.http2 = true;
                while dials.give(Arrival { connection: Ok(Checked::Http2(shared.clone())), fresh: true }).is_ok() {}
            }
            Ok(Checked::Http1(connection)) => {
                dials.http2 = false;
                if let Err(Arrival { connection: Ok(Checked::Http1(connection)), .. }) =
                    dials.give(Arrival { connection: Ok(Checked::Http1(connection)), fresh: true })
                {
                    drop(slots);
                    self.keep(target, connection);
                    return false;
                }
            }
            // Whoever it would be for has gone.
            Err(error) => drop(dials.give(Arrival { connection: Err(error), fresh: true })),
        }
        dials.under_way = dials.under_way.saturating_sub(1);
        let again = dials.is_short(target.scheme);
        // Until the dial's end it is counted.
        dials.under_way += 1;
        again
    }

    /// A dial is over. One that was torn off leaves those who rely on it to themselves.
    fn dial_ended(&self, target: &Target) {
        let mut slots = self.slots.borrow_mut();
        let dials = &mut slot_of(&mut slots, target).dials;
        dials.under_way = dials.under_way.saturating_sub(1);
        while dials.is_short(target.scheme) {
            dials.live -= 1;
            while dials.waiting.pop_front().is_some_and(|waiting| waiting.is_closed()) {}
        }
    }
}

/// So many dials go on, for the pool, when those who began them have gone.
const SPARE: usize = 64;
/// Who comes later than this begins a dial of its own, whatever is under way.
const STUCK: Duration = Duration::from_secs(1);
