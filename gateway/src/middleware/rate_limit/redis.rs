//! A limit that all replicas share: its buckets are in Redis, and decided on there, by its clock, in one round trip.
//!
//! ```text
//! request -> connection (helper thread) -> script on the server -> decision
//!         `-> no decision: onFailure, at once while no connection is up
//! ```
//!
//! What a source is never leaves the gateway: a bucket's key holds a digest of it.

mod client;
mod link;
mod script;
mod slots;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use aws_lc_rs::digest::{self, SHA256};
use http::{HeaderValue, StatusCode, header};
use redis::RedisConnectionInfo;
use rollgate_config::dynamic::middleware::{self as config, OnFailure, SourceCriterion};

use self::{client::Client, link::Reach};
use super::bucket::{Decision, Rate, Verdict};
use crate::{
    cookie::hexadecimal,
    middleware::{Answer, CompileError, Making, Place},
    tls::client::Transport,
};

/// A limit's part in it.
#[derive(Debug)]
pub(crate) struct Remote {
    client: Arc<Client>,
    pub(super) rate: Rate,
    pub(super) on_failure: OnFailure,
    /// What its keys begin with.
    prefix: String,
    /// What goes into every digest besides the source.
    meaning: String,
}

/// How many requests met each decision; those that Redis did not take last.
#[derive(Debug, Default)]
pub(crate) struct RemoteTally([AtomicU64; 5]);

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Met {
    Allowed,
    Delayed,
    Refused,
    AllowedWithout,
    RefusedWithout,
}

impl Remote {
    pub(super) fn new(
        redis: &config::Redis,
        rate: Rate,
        criterion: &SourceCriterion,
        place: Option<&Place<'_>>,
        making: &Making<'_>,
    ) -> Result<Self, CompileError> {
        let place = match place {
            Some(Place::Router(name)) => format!("{name}:"),
            Some(Place::Service(name)) => format!("service {name}:"),
            None => String::new(),
        };
        Ok(Self {
            client: client(redis, making)?,
            rate,
            on_failure: redis.on_failure,
            prefix: format!("rollgate:rate:{}:{place}", making.name),
            meaning: format!("{criterion:?} "),
        })
    }

    /// Whether asking is known to be in vain.
    pub(super) fn is_down(&self) -> bool {
        self.client.is_down()
    }

    /// The key of a source's bucket.
    pub(super) fn key(&self, source: &[u8]) -> Vec<u8> {
        let mut digest = digest::Context::new(&SHA256);
        digest.update(self.meaning.as_bytes());
        digest.update(source);
        let mut key = Vec::with_capacity(self.prefix.len() + 2 * DIGEST);
        key.extend_from_slice(self.prefix.as_bytes());
        for byte in &digest.finish().as_ref()[..DIGEST] {
            key.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        key
    }

    /// Redis' decision; `None`: it takes none.
    pub(super) async fn take(&self, key: &[u8]) -> Option<Decision> {
        self.client.take(key, &self.rate).await.ok()
    }
}

impl Met {
    pub(super) fn of(decision: &Decision) -> Self {
        match decision.verdict {
            Verdict::Allowed => Self::Allowed,
            Verdict::Delayed(_) => Self::Delayed,
            Verdict::Refused(_) => Self::Refused,
        }
    }
}

impl RemoteTally {
    pub(super) fn count(&self, met: Met) {
        self.0[met as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn counts(&self) -> [u64; 5] {
        self.0.each_ref().map(|count| count.load(Relaxed))
    }
}

/// 503: the limit cannot be kept, and without it nobody is to pass.
pub(super) fn unavailable() -> Answer {
    let mut answer = Answer::status(StatusCode::SERVICE_UNAVAILABLE);
    answer.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

/// One for all limits that reach the same servers in the same way.
fn client(redis: &config::Redis, making: &Making<'_>) -> Result<Arc<Client>, CompileError> {
    let runtime = making.helper.runtime().ok_or(CompileError::Helper)?;
    let reach = reach(redis)?;
    let new = || Client::new(reach, &redis.endpoints, redis.connections, runtime);
    Ok(making.observed("redis", &meaning(redis), new))
}

/// Everything that makes a client what it is, as a digest: there are secrets among it.
fn meaning(redis: &config::Redis) -> String {
    let password = redis.password.as_ref().map(|password| &password.0);
    let tls = redis.tls.as_ref().map(config::ClientTls::meaning);
    let config::Redis { endpoints, username, db, connections, read_timeout, write_timeout, dial_timeout, .. } = redis;
    let times = [read_timeout, write_timeout, dial_timeout];
    let all = format!("{endpoints:?} {username:?} {password:?} {db} {connections} {times:?} {tls:?}");
    hexadecimal(digest::digest(&SHA256, all.as_bytes()).as_ref())
}

fn reach(redis: &config::Redis) -> Result<Reach, CompileError> {
    let mut login = RedisConnectionInfo::default().set_db(i64::from(redis.db)).set_skip_set_lib_name();
    if let Some(username) = &redis.username {
        login = login.set_username(username);
    }
    if let Some(password) = &redis.password {
        login = login.set_password(&password.0);
    }
    Ok(Reach {
        tls: redis.tls.as_ref().map(|tls| handshakes(tls, &redis.at)).transpose()?,
        login,
        dial_timeout: redis.dial_timeout,
        read_timeout: redis.read_timeout,
        write_timeout: redis.write_timeout,
    })
}

fn handshakes(
    tls: &config::ClientTls,
    at: &rollgate_config::problem::Place,
) -> Result<Arc<rustls::ClientConfig>, CompileError> {
    let loaded =
        Transport::load(&tls.transport(at.clone()), "tls", true).map_err(|problem| CompileError::Tls(problem.what))?;
    let handshakes = loaded.tls.as_ref().ok_or_else(|| CompileError::Tls("it has no TLS".to_owned()))?;
    let mut config = rustls::ClientConfig::clone(&handshakes.http1);
    // Redis knows of no protocols.
    config.alpn_protocols.clear();
    Ok(Arc::new(config))
}

/// Bytes of a digest that are in a key: two sources that share one are not to be found.
const DIGEST: usize = 16;
const HEX: &[u8; 16] = b"0123456789abcdef";
