//! Checks of passwords, off the worker: one at a time for each half of the processors, the same one once however many ask
//! for it, a bounded queue, and a share of it for each client, so that whoever guesses passwords slows down neither the
//! other requests nor (from one address) the others' logins.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use aws_lc_rs::hmac;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::{
    password::Hash,
    random,
    verified::{Fingerprint, Verified},
};
use crate::{helper::Helper, metrics::Metrics, middleware::CompileError};

/// The checks of a process.
pub(crate) struct Passwords {
    key: hmac::Key,
    verified: Verified,
    helper: Helper,
    metrics: Arc<Metrics>,
    /// For each check that computes.
    slots: Arc<Semaphore>,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    checks: HashMap<Fingerprint, Check>,
    clients: HashMap<IpAddr, usize>,
}

/// One that waits or computes.
struct Check {
    /// Whoever asked for it first.
    client: IpAddr,
    result: watch::Sender<Option<bool>>,
}

/// One password of one user to be checked.
pub(crate) struct Question {
    fingerprint: Fingerprint,
    password: Vec<u8>,
    hash: Hash,
    /// The user is known; otherwise it only takes as long as if.
    known: bool,
}

/// There are too many checks already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Passwords {
    /// `workers`: as many as there are processors to be used.
    pub(crate) fn new(helper: &Helper, metrics: &Arc<Metrics>, workers: usize) -> Result<Self, CompileError> {
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>()?),
            verified: Verified::default(),
            helper: helper.clone(),
            metrics: metrics.clone(),
            slots: Arc::new(Semaphore::new((workers / 2).clamp(1, MOST_AT_ONCE))),
            under_way: Mutex::default(),
        })
    }

    /// A number for a user's name that nobody outside can foretell.
    pub(crate) fn number(&self, user: &[u8]) -> u64 {
        let tag = hmac::sign(&self.key, user);
        tag.as_ref().first_chunk().copied().map_or(0, u64::from_le_bytes)
    }

    /// What is to be checked. `known`: the hash is this user's and not just anybody's.
    pub(crate) fn question(&self, user: &[u8], password: &[u8], hash: &Hash, known: bool) -> Question {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [user, password, hash.text().as_bytes()] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut fingerprint = Fingerprint::default();
        fingerprint.copy_from_slice(context.sign().as_ref());
        Question { fingerprint, password: password.to_vec(), hash: hash.clone(), known }
    }

    /// Whether it was found right before.
    pub(crate) fn remembers(&self, question: &Question) -> bool {
        question.known && self.verified.has(&question.fingerprint)
    }

    /// Whether the password is right. Its share of the queue is the client's.
    pub(crate) async fn check(self: &Arc<Self>, question: Question, client: IpAddr) -> Result<bool, Busy> {
        let asked = self.ask(question, block_of(client)).inspect_err(|_| self.metrics.count_password_check("busy"));
        let mut result = asked?;
        let result = result.wait_for(Option::is_some).await.map_err(|_| Busy)?;
        Ok(*result == Some(true))
    }

    fn ask(self: &Arc<Self>, question: Question, client: IpAddr) -> Result<watch::Receiver<Option<bool>>, Busy> {
        let runtime = self.helper.runtime().ok_or(Busy)?;
        let mut under_way = self.under_way.lock();
        if let Some(check) = under_way.checks.get(&question.fingerprint) {
            return Ok(check.result.subscribe());
        }
        let of_client = under_way.clients.get(&client).copied().unwrap_or(0);
        if under_way.checks.len() >= QUEUE || of_client >= QUEUE / CLIENT_SHARE {
            return Err(Busy);
        }
        let (result, receiver) = watch::channel(None);
        under_way.checks.insert(question.fingerprint, Check { client, result });
        under_way.clients.insert(client, of_client + 1);
        drop(under_way);
        let entered = Entered { passwords: self.clone(), fingerprint: question.fingerprint, left: false };
        runtime.spawn(entered.run(question));
        Ok(receiver)
    }
}

/// A check's place in the queue, which it leaves once, however it ends.
struct Entered {
    passwords: Arc<Passwords>,
    fingerprint: Fingerprint,
    left: bool,
}

impl Entered {
    async fn run(mut self, question: Question) {
        let Ok(_slot) = self.passwords.slots.clone().acquire_owned().await else { return };
        if self.is_forgotten() {
            return;
        }
        let Question { fingerprint, password, hash, known } = question;
        let compared = tokio::task::spawn_blocking(move || hash.is_of(&password) && known).await;
        // A comparison that panicked says nothing.
        let Ok(right) = compared else { return };
        self.passwords.metrics.count_password_check(if right { "right" } else { "wrong" });
        if right {
            self.passwords.verified.keep(fingerprint);
        }
        if let Some(check) = self.leave() {
            check.result.send_replace(Some(right));
        }
    }

    /// Whether nobody waits for it any more; then it leaves, in the same moment, so that nobody can join.
    fn is_forgotten(&mut self) -> bool {
        let mut under_way = self.passwords.under_way.lock();
        self.left = under_way.checks.get(&self.fingerprint).is_some_and(|check| check.result.is_closed());
        if self.left {
            drop(under_way.leave(&self.fingerprint));
        }
        self.left
    }

    fn leave(&mut self) -> Option<Check> {
        // Another one with the same question may have entered since.
        if std::mem::replace(&mut self.left, true) {
            return None;
        }
        self.passwords.under_way.lock().leave(&self.fingerprint)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

impl UnderWay {
    fn leave(&mut self, fingerprint: &Fingerprint) -> Option<Check> {
        let check = self.checks.remove(fingerprint)?;
        if let Some(count) = self.clients.get_mut(&check.client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&check.client);
            }
        }
        Some(check)
    }
}

/// One client may have a whole /64.
fn block_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// Checks that compute at once, at most; the helper has so many threads.
pub(crate) const MOST_AT_ONCE: usize = 4;
/// Checks that wait or compute: at bcrypt's cost 10 and one at a time, those wait for some three seconds.
const QUEUE: usize = 64;
/// One client has a quarter of them.
const CLIENT_SHARE: usize = 4;

#[cfg(test)]
mod tests;
