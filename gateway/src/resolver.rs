//! Names of servers, looked up on a thread of their own: once for all workers, again when the answer's time is over, and
//! never on a request's way but for the first.
//!
//! ```text
//! Target -> Name <- worker: the addresses now, or waits for the first
//!             ^
//!             '---- helper thread: lookup -> Record (what an outcome means) -> publish -> sleep
//! ```
//!
//! Every name of the configuration is followed, whether or not requests come for it. A lookup that fails costs nothing as
//! long as there are addresses from before; see [`record`].

mod record;
mod system;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    rc::Rc,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rollgate_config::static_config::Resolver;
use tokio::sync::{Semaphore, mpsc, watch};

use self::{
    record::{Outcome, Record},
    system::System,
};
use crate::metrics::Metrics;

/// Where the servers of a host are.
#[derive(Debug, Clone)]
pub(crate) enum Host {
    /// An address, or `localhost`: needs no DNS.
    Fixed(Arc<[IpAddr]>),
    Named(Arc<Name>),
}

/// A name whose addresses are followed for as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Name {
    host: String,
    known: watch::Sender<Known>,
}

/// What is known of a name.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Looked up at least once.
    settled: bool,
    addresses: Arc<[IpAddr]>,
    /// Why there are none.
    why: String,
}

/// Hands out names: the same one for the same host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<Registry>);

#[derive(Default)]
struct Registry {
    known: Mutex<HashMap<String, Weak<Name>>>,
    /// None in a gateway that only explains itself: nothing is looked up.
    lookups: Option<Lookups>,
}

/// How names are looked up; the thread starts with the first one.
struct Lookups {
    config: Resolver,
    metrics: Arc<Metrics>,
    thread: OnceLock<mpsc::UnboundedSender<Weak<Name>>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Names {
    /// Names that are looked up as this says.
    pub(crate) fn followed(config: &Resolver, metrics: Arc<Metrics>) -> Self {
        let lookups = Lookups { config: config.clone(), metrics, thread: OnceLock::new() };
        Self(Arc::new(Registry { known: Mutex::default(), lookups: Some(lookups) }))
    }

    /// A host of a URL, without brackets.
    pub(crate) fn host(&self, host: &str) -> Host {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Host::Fixed([address].into());
        }
        let bare = host.trim_end_matches('.');
        // RFC 6761 section 6.3: never asked for.
        if bare.eq_ignore_ascii_case("localhost") || bare.to_ascii_lowercase().ends_with(".localhost") {
            return Host::Fixed([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into());
        }
        Host::Named(self.name(host))
    }

    fn name(&self, host: &str) -> Arc<Name> {
        let mut known = self.0.known.lock();
        if let Some(name) = known.get(host).and_then(Weak::upgrade) {
            return name;
        }
        let name = Arc::new(Name { host: host.to_owned(), known: watch::Sender::new(Known::default()) });
        known.retain(|_, name| name.strong_count() > 0);
        known.insert(host.to_owned(), Arc::downgrade(&name));
        if let Some(lookups) = &self.0.lookups {
            // Where the thread could not start, that was logged, and requests end at their `dialTimeout`.
            drop(lookups.thread.get_or_init(|| lookups.start()).send(Arc::downgrade(&name)));
        }
        name
    }
}

impl Host {
    /// The addresses now; waits for the first lookup.
    pub(crate) async fn addresses(&self) -> io::Result<Arc<[IpAddr]>> {
        match self {
            Self::Fixed(addresses) => Ok(addresses.clone()),
            Self::Named(name) => name.addresses().await,
        }
    }

    /// Whether connections to this address may be kept: it is still one of the host's.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Named(name) => name.known.borrow().addresses.contains(&address),
        }
    }
}

impl Name {
    async fn addresses(&self) -> io::Result<Arc<[IpAddr]>> {
        let mut known = self.known.subscribe();
        let known = known.wait_for(|known| known.settled).await.map_err(io::Error::other)?;
        if known.addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{}: {}", self.host, known.why)));
        }
        Ok(known.addresses.clone())
    }

    /// Workers that wait get it; those that connect from now on use it.
    fn publish(&self, addresses: Arc<[IpAddr]>, why: String) {
        self.known.send_replace(Known { settled: true, addresses, why });
    }
}

impl Lookups {
    fn start(&self) -> mpsc::UnboundedSender<Weak<Name>> {
        let (names, inbox) = mpsc::unbounded_channel();
        let (config, metrics) = (self.config.clone(), self.metrics.clone());
        let started =
            std::thread::Builder::new().name("resolver".into()).spawn(
                move || match tokio::runtime::LocalRuntime::new() {
                    Ok(runtime) => runtime.block_on(follow_all(inbox, config, metrics)),
                    Err(error) => tracing::error!(%error, "names cannot be looked up"),
                },
            );
        if let Err(error) = started {
            tracing::error!(%error, "names cannot be looked up");
        }
        names
    }
}

async fn follow_all(mut names: mpsc::UnboundedReceiver<Weak<Name>>, config: Resolver, metrics: Arc<Metrics>) {
    let system = Rc::new(System::new(config.clone()));
    let turns = Rc::new(Semaphore::new(AT_ONCE));
    let config = Rc::new(config);
    while let Some(name) = names.recv().await {
        let (system, turns, config, metrics) = (system.clone(), turns.clone(), config.clone(), metrics.clone());
        tokio::task::spawn_local(async move { follow(&name, &system, &turns, &config, &metrics).await });
    }
}

/// Looks a name up until nobody holds it any more.
async fn follow(name: &Weak<Name>, system: &System, turns: &Semaphore, config: &Resolver, metrics: &Metrics) {
    let mut record = Record::default();
    let Some(host) = name.upgrade().map(|name| name.host.clone()) else { return };
    while name.strong_count() > 0 {
        let outcome = {
            let _turn = turns.acquire().await;
            system.look_up(&host).await
        };
        let Some(name) = name.upgrade() else { break };
        metrics.looked_up(&outcome);
        let before = record.is_failing();
        let (changed, wait) = record.take(&outcome, Instant::now(), config);
        match (before, record.is_failing()) {
            (false, true) => tracing::warn!(%host, why = %outcome, kept = ?record.addresses(), "a lookup failed"),
            (true, false) => tracing::info!(%host, addresses = ?record.addresses(), "lookups work again"),
            _ => {}
        }
        if changed {
            tracing::debug!(%host, addresses = ?record.addresses(), "addresses");
            name.publish(record.addresses(), outcome.to_string());
        }
        metrics.set_lookup_failing(&host, record.is_failing());
        drop(name);
        tokio::time::sleep(wait).await;
    }
    metrics.set_lookup_failing(&host, false);
}

impl Metrics {
    fn looked_up(&self, outcome: &Outcome) {
        let label = match outcome {
            Outcome::Found { .. } => "ok",
            Outcome::Absent(_) => "absent",
            Outcome::Failed(_) => "error",
        };
        self.count_lookup(label);
    }
}

/// Lookups under way at once: a start with ten thousand names does not drown the name server.
const AT_ONCE: usize = 64;
/// For how long a name may be answered with "no such name" until its last addresses are given up: an answer that comes
/// from a name server that is itself just starting is taken back within seconds.
const ABSENT_HOLD: Duration = Duration::from_secs(30);
