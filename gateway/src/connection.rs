//! A client's connection: from its first bytes to its end.

pub(crate) mod detect;
mod guards;
mod outgoing;
pub(crate) mod parking;
pub(crate) mod phase;
mod taken_back;
mod timeouts;

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use tokio::time::Sleep;

pub(crate) use self::guards::Registered;
use self::{
    detect::{Opened, open},
    guards::Open,
    outgoing::Outgoing,
    parking::Parking,
    phase::{Ambiguity, Phase, State},
    taken_back::TakenBack,
};
use crate::{
    clock,
    entry_point::EntryPoint,
    forwarded::Peer,
    http::{serve_http1, serve_http2},
    limits,
    listener::admission::{ClientPlace, Place, TooMany},
    metrics::TlsLabels,
    stream::{Stream, socket::Socket},
    tls::{client_chain::ClientChain, options::Agreed},
    worker::{Held, Worker},
};

/// What its requests share.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) entry: Arc<EntryPoint>,
    /// The peer's address, or what PROXY protocol says of it.
    pub(crate) client: SocketAddr,
    pub(crate) peer: Peer,
    pub(crate) tls: Option<TlsSession>,
    pub(crate) http2: bool,
    phase: Arc<Phase>,
    opened: u32,
    requests: Cell<u64>,
    in_flight: Cell<u32>,
    outgoing: Cell<Outgoing>,
    taken_back: Cell<TakenBack>,
    /// Bytes of the heads of all requests that are under way.
    heads: Cell<u32>,
    ending: Cell<Ending>,
    parking: Cell<Parking>,
    waker: RefCell<Option<Waker>>,
    /// An HTTP/1 connection has one exchange at a time, so its counter of body bytes can be used again.
    bytes: RefCell<Rc<Cell<u64>>>,
    /// Given back when the last request, or the tunnel, lets go of it.
    _places: Places,
}

/// Among all connections, and among its client's.
type Places = (Option<Place>, Option<Box<ClientPlace>>);

/// What a handshake agreed on.
#[derive(Debug, Clone)]
pub(crate) struct TlsSession {
    pub(crate) labels: TlsLabels,
    pub(crate) agreed: Agreed,
    /// What the client has shown, if it has.
    pub(crate) client: Option<Arc<ClientChain>>,
}

/// Whether a connection is to end, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Open,
    /// After what is under way.
    Graceful,
    Now,
    /// At once, with HTTP/2's word for too much.
    Calm,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("client", &self.client)
            .field("entry", &self.entry.name)
            .finish_non_exhaustive()
    }
}

/// Serves a socket that was just accepted, to its end. The worker is held from the moment of accepting: it does not end
/// between that and the first look at the socket.
pub(crate) async fn serve(held: Held, entry: Arc<EntryPoint>, socket: Socket, peer: SocketAddr, place: Option<Place>) {
    let worker = held.worker();
    let _open = Open::new(worker, &entry);
    // Behind a proxy, who the client is will only be known when the proxy has said it.
    let told = entry.settings.proxy_protocol.as_ref().is_some_and(|trust| trust.covers(peer.ip()));
    let Ok(mut of_client) = admit(worker, &entry, peer, !told) else { return };
    let opened = match open(worker, &entry, socket, peer).await {
        Ok(Some(opened)) => opened,
        // Nothing came.
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(client = %peer, %error, "connection refused");
            return;
        }
    };
    let Opened { kind, client, tls, http2 } = opened;
    if told {
        let Ok(admitted) = admit(worker, &entry, client, true) else { return };
        of_client = admitted;
    }
    let phase = Arc::new(Phase::default());
    phase.enter(State::Idle);
    let stream = Stream::new(kind, phase.clone(), http2);
    let connection = Connection::new(worker, entry, (client, tls, http2), phase, (place, of_client));
    let _registered = Registered::new(&connection);
    if http2 {
        // Whatever ends it, but its own time: GOAWAY is to be read.
        connection.linger();
        // Boxed: it is twice as large as HTTP/1's, and seldom.
        Box::pin(serve_http2(stream, connection)).await;
    } else {
        serve_http1(stream, connection).await;
    }
}

/// A place among the client's connections, if there is a bound and it is `asked` for.
fn admit(
    worker: &Worker,
    entry: &EntryPoint,
    client: SocketAddr,
    asked: bool,
) -> Result<Option<Box<ClientPlace>>, TooMany> {
    if entry.internal || !asked {
        return Ok(None);
    }
    let admitted = worker.shared.bounds.admission.enter_client(client.ip());
    if admitted.is_err() {
        tracing::debug!(%client, entry_point = %entry.name, "connection refused: its address has too many");
        worker.metrics.refused(limits::PER_CLIENT);
    }
    admitted
}

impl Connection {
    pub(crate) fn new(
        worker: &Rc<Worker>,
        entry: Arc<EntryPoint>,
        (client, tls, http2): (SocketAddr, Option<TlsSession>, bool),
        phase: Arc<Phase>,
        places: Places,
    ) -> Rc<Self> {
        let peer = Peer::new(client, tls.is_some(), &entry.settings.forwarded_headers.trust);
        Rc::new(Self {
            worker: worker.clone(),
            entry,
            client,
            peer,
            tls,
            http2,
            phase,
            opened: clock::coarse(),
            requests: Cell::new(0),
            in_flight: Cell::new(0),
            outgoing: Cell::new(Outgoing::new(clock::coarse())),
            taken_back: Cell::default(),
            heads: Cell::new(0),
            ending: Cell::new(Ending::Open),
            parking: Cell::default(),
            waker: RefCell::new(None),
            bytes: RefCell::default(),
            _places: places,
        })
    }

    /// One of nobody's, for a copy of a request: it is in no list, and its end is nobody's business.
    pub(crate) fn detached(&self) -> Rc<Self> {
        let of_client = (self.client, self.tls.clone(), false);
        Self::new(&self.worker, self.entry.clone(), of_client, Arc::default(), (None, None))
    }

    pub(crate) fn request_began(&self) {
        self.requests.set(self.requests.get() + 1);
        self.in_flight.set(self.in_flight.get() + 1);
        self.on_its_way(Outgoing::touch);
        self.phase.enter(State::Busy);
    }

    pub(crate) fn request_ended(&self) {
        let left = self.in_flight.get() - 1;
        self.in_flight.set(left);
        // The end of its answer has yet to go out.
        self.on_its_way(Outgoing::touch);
        if left == 0 && self.phase.state() != State::Expired {
            self.phase.enter(State::Idle);
        }
    }

    /// Counts a refusal that no answer of its own stands for.
    pub(crate) fn refused(&self, reason: &'static str) {
        tracing::info!(client = %self.client, entry_point = %self.entry.name, reason, "refused");
        self.worker.metrics.refused(reason);
    }

    /// A request's client went away before its end. Over HTTP/2, too many of them end the connection.
    pub(crate) fn request_taken_back(&self) {
        if !self.http2 {
            return;
        }
        let mut taken = self.taken_back.get();
        let budget = self.entry.settings.http2.max_resets;
        let is_over = taken.add(clock::coarse(), self.requests.get() as u32, budget);
        self.taken_back.set(taken);
        if is_over && self.ending.get() != Ending::Calm {
            self.refused(limits::TAKEN_BACK);
            self.end(Ending::Calm);
        }
    }

    /// Its client has taken requests back lately, so that its next ones may be taken back already.
    pub(crate) fn is_fickle(&self) -> bool {
        self.taken_back.get().is_of_late(clock::coarse())
    }

    /// Adds a head; the sum.
    pub(crate) fn hold_head(&self, bytes: u32) -> u32 {
        let all = self.heads.get().saturating_add(bytes);
        self.heads.set(all);
        all
    }

    pub(crate) fn release_head(&self, bytes: u32) {
        self.heads.set(self.heads.get().saturating_sub(bytes));
    }

    /// An answer has something for its client.
    pub(crate) fn begins_to_wait(&self) {
        self.on_its_way(Outgoing::begin_to_wait);
    }

    /// HTTP/2: so many answers have begun to go out and not ended, and whether something of one has gone out: what was
    /// given at once may be taken in many small pieces.
    pub(crate) fn answers_stand(&self, unended: u32, moved: bool) {
        self.on_its_way(|outgoing, now| outgoing.stand(unended, moved, now));
    }

    /// The client has taken it, or will not.
    pub(crate) fn ends_to_wait(&self) {
        self.on_its_way(Outgoing::end_to_wait);
    }

    fn on_its_way(&self, note: impl FnOnce(&mut Outgoing, u32)) {
        let mut outgoing = self.outgoing.get();
        note(&mut outgoing, clock::coarse());
        self.outgoing.set(outgoing);
    }

    /// Counts the bytes of a request's body; starts at 0.
    pub(crate) fn byte_counter(&self) -> Rc<Cell<u64>> {
        let mut bytes = self.bytes.borrow_mut();
        if Rc::strong_count(&bytes) > 1 {
            *bytes = Rc::default();
        }
        bytes.set(0);
        bytes.clone()
    }

    /// What its handshake agreed on, as it is counted and logged.
    pub(crate) fn tls_labels(&self) -> Option<TlsLabels> {
        self.tls.as_ref().map(|tls| tls.labels)
    }

    /// What a head had that hyper does not show.
    pub(crate) fn ambiguity(&self) -> Option<Ambiguity> {
        self.phase.ambiguity()
    }

    /// It closes with the answer that is about to be given, while the client may still be sending.
    pub(crate) fn linger(&self) {
        self.phase.linger(true);
    }

    /// It is ending; or it has served as many requests, or as long, as its entry point allows, or another entry point
    /// has taken the place of its own.
    pub(crate) fn is_spent(&self) -> bool {
        let settings = &self.entry.settings;
        let requests = settings.keep_alive_max_requests != 0 && self.requests.get() >= settings.keep_alive_max_requests;
        let time = settings.keep_alive_max_time;
        let ending = self.ending.get() != Ending::Open;
        ending || requests || self.entry.is_replaced() || (!time.is_zero() && clock::since(self.opened) >= time)
    }

    pub(crate) fn wake_by(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending.get()
    }

    /// Whether one that is to end gracefully has come to the point where nothing is lost by it: HTTP/1 is told to close
    /// with an answer, HTTP/2 by GOAWAY once it has begun. Who sends nothing for [`PATIENCE`] is closed without being
    /// told; a request whose head has begun to arrive is waited for.
    pub(crate) fn may_close(&self, patience: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> bool {
        if self.in_flight.get() > 0 || (self.http2 && self.requests.get() > 0) {
            return true;
        }
        let patience = patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        patience.as_mut().poll(cx).is_ready() && self.phase.state() != State::Head
    }

    /// Ends after what is under way.
    pub(crate) fn close_gracefully(&self) {
        if self.ending.get() == Ending::Open {
            self.end(Ending::Graceful);
        }
    }

    /// Ends if nothing is under way, to give its memory back.
    pub(crate) fn close_if_idle(&self) {
        if self.in_flight.get() == 0 && self.phase.state() == State::Idle && !self.entry.internal {
            self.close_gracefully();
        }
    }

    /// Ends at once.
    pub(crate) fn close_now(&self) {
        self.end(Ending::Now);
    }

    fn end(&self, ending: Ending) {
        self.ending.set(ending);
        if ending != Ending::Open {
            self.phase.linger(false);
        }
        self.wake();
    }
}

/// A request that was sent before the end was announced has come by then.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
