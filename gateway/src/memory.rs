//! The whole path of a request in memory, for benches and for counting instructions and allocations: a worker without
//! listeners, a client and a server at the ends of pipes. Not part of the binary (feature `in-memory`).

mod breaker;
mod limiter;
mod over_http2;
mod pipes;

use std::{net::IpAddr, sync::Arc};

use http::HeaderMap;
use rollgate_config::{
    dynamic::Configuration,
    problem::Problem,
    static_config::{ForwardedHeaders, Static, UnderscoreHeaders},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    runtime::LocalRuntime,
};

use crate::{
    compile::{Compiled, Compiler},
    connection,
    entry_point::{self, EntryPoint},
    helper::Helper,
    listener::admission::Admission,
    metrics::{Metrics, VersionId},
    overlay::Over,
    shared::{Bounds, Shared},
    snapshot::{Child, ServiceIndex, retired::Retired},
    split::Draw,
    stream::socket::Socket,
    trial::{Trial, TrialOrder},
    troubles::Troubles,
    worker::Worker,
};

pub use self::{
    breaker::LoneBreaker,
    limiter::{Bare, Limiter},
    over_http2::OverHttp2,
    pipes::{Pipes, Server, compile},
};
pub use crate::{
    clock::Moment,
    forwarded::{ForwardedPolicy, Peer, prepare_response, prepare_upstream, sanitise_incoming},
    proxy_protocol::{MAX_BYTES, Progress, parse as parse_proxy_protocol},
};

/// A gateway with one client.
pub struct InMemory {
    runtime: LocalRuntime,
    client: DuplexStream,
    answer: Vec<u8>,
    /// Its judge lives as long as these.
    _judged: Option<(Arc<Trial>, Helper)>,
}

impl InMemory {
    /// Serves `entry_point`; every server whose host is [`HOST`] is the one in memory.
    pub fn new(statics: &Static, configuration: &Configuration, entry_point: &str) -> Result<Self, Vec<Problem>> {
        Self::under(statics, configuration, entry_point, None)
    }

    /// The same with a trial over its service.
    pub fn judged(
        statics: &Static,
        configuration: &Configuration,
        entry_point: &str,
        order: TrialOrder,
    ) -> Result<Self, Vec<Problem>> {
        Self::under(statics, configuration, entry_point, Some(order))
    }

    fn under(
        statics: &Static,
        configuration: &Configuration,
        entry_point: &str,
        order: Option<TrialOrder>,
    ) -> Result<Self, Vec<Problem>> {
        let (mut compiler, entry) = compiler(statics, entry_point);
        let trial = order.map(|order| {
            let around = (&compiler.helper, &compiler.metrics);
            Trial::begin(order, None, 1, around).expect("it is a good one")
        });
        let over = trial
            .iter()
            .map(|trial| (trial.order().service.clone(), Over { trial: Some(trial.clone()), ..Over::default() }));
        let compiled = compiler.compile_under(configuration, over.collect())?;
        let (shared, judged) =
            (shared(statics, &compiler, compiled), trial.map(|trial| (trial, compiler.helper.clone())));
        let runtime = LocalRuntime::new().expect("a runtime");
        let (client, server) = tokio::io::duplex(PIPE);
        runtime.block_on(async {
            let worker = Worker::new(0, Arc::new(shared));
            let peer = (IpAddr::from([192, 0, 2, 7]), 40_000).into();
            tokio::task::spawn_local(connection::serve(worker.hold(), entry, Socket::Memory(server), peer, None));
        });
        Ok(Self { runtime, client, answer: vec![0; PIPE], _judged: judged })
    }

    /// Sends a request without a body and reads its answer, whose body is [`BODY`] bytes long; returns the answer's
    /// length, which [`InMemory::exchange`] wants to know.
    pub fn first(&mut self, request: &[u8]) -> usize {
        let Self { runtime, client, answer, .. } = self;
        runtime.block_on(async {
            client.write_all(request).await.expect("the gateway reads");
            let mut length = 0;
            loop {
                length += client.read(&mut answer[length..]).await.expect("the gateway answers");
                if let Some(end) = head_end(&answer[..length])
                    && length >= end + BODY
                {
                    return length;
                }
            }
        })
    }

    /// Sends a request without a body and reads its answer of `length` bytes. Looks at none of them: what is measured
    /// is the gateway.
    pub fn exchange(&mut self, request: &[u8], length: usize) {
        let Self { runtime, client, answer, .. } = self;
        runtime.block_on(async {
            client.write_all(request).await.expect("the gateway reads");
            client.read_exact(&mut answer[..length]).await.expect("the gateway answers");
        });
    }

    /// The head of the last answer, as text.
    pub fn last_head(&self) -> String {
        let end = head_end(&self.answer).unwrap_or_default();
        String::from_utf8_lossy(&self.answer[..end]).into_owned()
    }
}

/// The control plane's side of a gateway without workers.
pub struct Publications {
    compiler: Compiler,
    shared: Option<Shared>,
}

impl Publications {
    /// Nothing is published yet.
    pub fn new(statics: &Static) -> Self {
        let metrics = Arc::new(Metrics::new(statics.prometheus.as_ref()).expect("labels were validated"));
        let entry_points = entry_point::unbound(statics, &metrics);
        let compiler = Compiler::new(statics.clone(), entry_points, metrics, 1).expect("the system has randomness");
        Self { compiler, shared: None }
    }

    /// Compiles a configuration and makes it the current one; returns its generation.
    pub fn publish(&mut self, configuration: &Configuration) -> Result<u64, Vec<Problem>> {
        let compiled = self.compiler.compile(configuration)?;
        compiled.record(&self.compiler.metrics);
        let generation = compiled.snapshot.generation;
        match &self.shared {
            Some(shared) => shared.store(compiled.snapshot),
            None => {
                let (retired, sweeper) = Retired::new();
                drop(std::thread::spawn(|| sweeper.run()));
                let limits = &self.compiler.statics.limits;
                let admission = Admission::new(limits, u64::MAX);
                let bounds = Bounds {
                    admission,
                    pressure: Default::default(),
                    replays: 0,
                    mirrors: 0,
                    encoders: 1 << 20,
                    files: 0,
                };
                let first = (compiled.snapshot, retired);
                self.shared = Some(Shared::new(first, &self.compiler, true, None, bounds, 503));
            }
        }
        Ok(generation)
    }
}

/// Versions to draw from.
pub struct Versions {
    draw: Draw,
    troubles: Troubles,
}

impl Versions {
    /// With these weights, in millionths.
    pub fn new(weights: &[u64]) -> Self {
        let metrics = Metrics::new(None).expect("without labels there is nothing to refuse");
        let version = |place: usize| -> VersionId { metrics.version_id("split", &place.to_string()) };
        let child = |(place, weight): (usize, &u64)| Child {
            service: ServiceIndex(place as u32),
            weight: *weight,
            available: true,
            version: version(place),
        };
        let children: Vec<Child> = weights.iter().enumerate().map(child).collect();
        Self { draw: Draw::new(&children), troubles: Troubles::default() }
    }

    /// Draws one, as for a request while all is well; `None` otherwise.
    #[inline]
    pub fn draw(&self, random: u64) -> Option<usize> {
        if self.troubles.any() { None } else { self.draw.at(random) }
    }
}

/// What happens to every request's header fields.
pub struct HeaderWork {
    peer: Peer,
    policy: ForwardedPolicy,
}

impl Default for HeaderWork {
    fn default() -> Self {
        let peer = Peer::new((IpAddr::from([192, 0, 2, 7]), 40_000).into(), false, &Default::default());
        let policy = ForwardedPolicy::new(&ForwardedHeaders::default(), UnderscoreHeaders::Keep, "gateway", 80);
        Self { peer, policy }
    }
}

impl HeaderWork {
    /// A request's fields, from the client's to the server's.
    pub fn request(&self, mut headers: HeaderMap) -> HeaderMap {
        let host = headers.get(http::header::HOST).cloned();
        let sanitised = sanitise_incoming(&mut headers, &self.peer, &self.policy, host.as_ref(), false);
        sanitised.expect("nothing is refused");
        prepare_upstream(&mut headers, &self.peer, &self.policy, false);
        headers
    }

    /// An answer's fields, from the server's to the client's.
    pub fn response(&self, mut headers: HeaderMap) -> HeaderMap {
        prepare_response(&mut headers, false);
        headers
    }
}

/// What compiles, and one of the entry points.
fn compiler(statics: &Static, entry_point: &str) -> (Compiler, Arc<EntryPoint>) {
    let metrics = Arc::new(Metrics::new(statics.prometheus.as_ref()).expect("labels were validated"));
    let entry_points = entry_point::unbound(statics, &metrics);
    let entry = entry_points.iter().find(|entry| *entry.name == *entry_point).expect("an entry point of it").clone();
    (Compiler::new(statics.clone(), entry_points, metrics, 1).expect("the system has randomness"), entry)
}

/// What the workers of a gateway share.
fn shared(statics: &Static, compiler: &Compiler, compiled: Compiled) -> Shared {
    let counts = statics.prometheus.is_some();
    let bounds = Bounds {
        admission: Admission::new(&statics.limits, u64::MAX),
        pressure: Default::default(),
        replays: 0,
        mirrors: 0,
        encoders: 1 << 20,
        files: 0,
    };
    Shared::new((compiled.snapshot, Retired::new().0), compiler, counts, None, bounds, 503)
}

/// Dials the server in memory: the one of [`Pipes::converse`], or one that answers each request with a prebuilt answer.
pub(crate) fn dial() -> DuplexStream {
    let (near, mut far) = tokio::io::duplex(PIPE);
    if let Some(server) = pipes::server() {
        server(far);
        return near;
    }
    tokio::task::spawn_local(async move {
        let mut request = vec![0; PIPE];
        let mut length = 0;
        while let Ok(read) = far.read(&mut request[length..]).await {
            length += read;
            if read == 0 {
                return;
            }
            // No request here has a body, and none is sent before the last one's answer.
            if request[..length].ends_with(b"\r\n\r\n") {
                length = 0;
                if far.write_all(&ANSWER).await.is_err() {
                    return;
                }
            }
        }
    });
    near
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The host of the server in memory, for a load balancer's URL.
pub const HOST: &str = "in-memory.invalid";
/// The length of its answer's body.
pub const BODY: usize = 1024;
const PIPE: usize = 16 * 1024;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nserver: memory\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\ncontent-type: text/plain\r\ncontent-length: 1024\r\nconnection: keep-alive\r\n\r\n";

static ANSWER: [u8; HEAD.len() + BODY] = {
    let mut answer = [b's'; HEAD.len() + BODY];
    let mut at = 0;
    while at < HEAD.len() {
        answer[at] = HEAD[at];
        at += 1;
    }
    answer
};
