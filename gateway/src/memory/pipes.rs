//! A worker without sockets whose clients and servers are whoever holds the other ends of the pipes: for feeding it
//! bytes that no client would send, and looking at every byte that it sends to a server.

use std::{cell::RefCell, net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use rollgate_config::{dynamic::Configuration, problem::Problem, static_config::Static};
use tokio::{io::DuplexStream, runtime::LocalRuntime};

use super::PIPE;
use crate::{
    compile::Compiler,
    connection,
    entry_point::{self, EntryPoint},
    metrics::Metrics,
    stream::socket::Socket,
    worker::Worker,
};

/// What stands at the far end of a connection that the gateway opens.
pub type Server = Rc<dyn Fn(DuplexStream)>;

thread_local! {
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

/// A gateway of one worker, for any number of connections, one after the other.
pub struct Pipes {
    runtime: LocalRuntime,
    worker: Rc<Worker>,
    entry: Arc<EntryPoint>,
}

impl Pipes {
    /// Serves `entry_point`; every server whose host is [`super::HOST`] is the one that [`Pipes::converse`] is given.
    pub fn new(statics: &Static, configuration: &Configuration, entry_point: &str) -> Result<Self, Vec<Problem>> {
        let (mut compiler, entry) = super::compiler(statics, entry_point);
        let compiled = compiler.compile(configuration)?;
        let shared = super::shared(statics, &compiler, compiled);
        let runtime = LocalRuntime::new().expect("a runtime");
        let worker = runtime.block_on(async { Worker::new(0, Arc::new(shared)) });
        Ok(Self { runtime, worker, entry })
    }

    /// Runs one client's connection to its end, and with it every connection to the server. Whether both came.
    pub fn converse<C: Future>(&self, server: Server, client: impl FnOnce(DuplexStream) -> C) -> bool {
        SERVER.set(Some(server));
        let ended = self.runtime.block_on(async {
            let (near, far) = tokio::io::duplex(PIPE);
            let peer = (IpAddr::from([192, 0, 2, 7]), 40_000).into();
            let serving = connection::serve(self.worker.hold(), self.entry.clone(), Socket::Memory(far), peer, None);
            let serving = tokio::task::spawn_local(serving);
            client(near).await;
            let ended = tokio::time::timeout(END, serving).await.is_ok_and(|joined| joined.is_ok());
            self.worker.pools.clear();
            ended
        });
        SERVER.set(None);
        ended
    }

    /// Runs on the worker's thread.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The requests that a panic ended.
    pub fn panics(&self) -> u64 {
        self.worker.metrics.panics()
    }
}

/// The server of the conversation that is under way, if there is one.
pub(super) fn server() -> Option<Server> {
    SERVER.with_borrow(Clone::clone)
}

/// Compiles a configuration as a start would, without listening anywhere.
pub fn compile(statics: &Static, configuration: &Configuration) -> Result<(), Vec<Problem>> {
    let metrics = Arc::new(Metrics::new(statics.prometheus.as_ref()).expect("labels were validated"));
    let entry_points = entry_point::unbound(statics, &metrics);
    let mut compiler = Compiler::new(statics.clone(), entry_points, metrics, 1).expect("the system has randomness");
    compiler.compile(configuration).map(drop)
}

/// A connection whose client is gone ends at once; this is for one that does not.
const END: Duration = Duration::from_secs(10);
