//! One question to a server, on a connection of its own: nothing that is pooled says whether the server still accepts.

mod connection;
mod destination;
mod grpc;
mod http;

use std::sync::Arc;

use rollgate_config::dynamic::service::health::{HealthCheck, Mode};
use tokio::{sync::Semaphore, time::Instant};
use url::Url;

use super::fault::Fault;
use crate::{deadline, pool::Targets, tls::client::Transport};

/// What is asked of a load balancer's servers, how often, and by which way.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) config: HealthCheck,
    pub(super) transport: Arc<Transport>,
}

/// What all probes share.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) targets: Targets,
    turns: Arc<Semaphore>,
}

impl Asking {
    pub(super) fn new(targets: Targets) -> Self {
        Self { targets, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks a server, as soon as there is a turn for it.
    pub(super) async fn ask(&self, check: &Check, server: &Url) -> Result<(), Fault> {
        // It is never closed.
        let _turn = self.turns.acquire().await;
        let timeout = check.config.timeout;
        let asking = Box::pin(async {
            match check.config.probe.mode {
                Mode::Http => http::ask(check, server, &self.targets).await,
                Mode::Grpc => grpc::ask(check, server, &self.targets).await,
            }
        });
        deadline::met(Instant::now() + timeout, asking).await.unwrap_or(Err(Fault::Timeout(timeout)))
    }
}

/// Probes under way at once, in the process: servers that hang hold up to `timeout` each, and others are not to wait for them.
const AT_ONCE: usize = 256;
