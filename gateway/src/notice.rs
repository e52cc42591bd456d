//! What the data plane tells the control plane of: breakers and servers that change, verdicts on canaries. Nobody waits for it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{
    breaker::BreakerPlace,
    trial::{TrialEvidence, TrialVerdict},
};

/// A change that somebody may want to know of.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// A circuit breaker.
    Breaker {
        /// The middleware's qualified name.
        middleware: Arc<str>,
        /// Where it stands.
        place: BreakerPlace,
        /// `standby`, `tripped` or `recovering`.
        from: &'static str,
        /// Likewise.
        to: &'static str,
        /// What was measured, where that decided.
        cause: Option<String>,
    },
    /// A server of a load balancer.
    Server {
        /// The service's qualified name.
        service: Arc<str>,
        /// The server's URL.
        url: Arc<str>,
        /// It takes requests.
        up: bool,
        /// Why: `probe`, `answers`, ...
        cause: &'static str,
    },
    /// The judge of a trial says something else than before.
    Verdict {
        /// The rollout's id.
        rollout: Arc<str>,
        /// The weighted service's qualified name.
        service: Arc<str>,
        /// The canary's.
        version: Arc<str>,
        /// What it says. A canary that is to be rolled back gets nothing since before this was told.
        verdict: TrialVerdict,
        /// What that rests on.
        evidence: Arc<TrialEvidence>,
    },
}

/// Where they go; nothing is kept until somebody listens.
#[derive(Debug, Clone)]
pub(crate) struct Notices(Arc<Channel>);

#[derive(Debug)]
struct Channel {
    sender: mpsc::Sender<Notice>,
    receiver: Mutex<Option<mpsc::Receiver<Notice>>>,
    heard: AtomicBool,
    lost: AtomicU64,
}

impl Default for Notices {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let receiver = Mutex::new(Some(receiver));
        Self(Arc::new(Channel { sender, receiver, heard: AtomicBool::new(false), lost: AtomicU64::new(0) }))
    }
}

impl Notices {
    /// Tells of one, if there is somebody who listens and has not fallen far behind.
    pub(crate) fn tell(&self, notice: impl FnOnce() -> Notice) {
        if self.0.heard.load(Relaxed) && self.0.sender.try_send(notice()).is_err() {
            self.0.lost.fetch_add(1, Relaxed);
        }
    }

    /// Tells of one that must not get lost: whether somebody has it, or nobody listens.
    pub(crate) fn try_tell(&self, notice: &Notice) -> bool {
        !self.0.heard.load(Relaxed) || self.0.sender.try_send(notice.clone()).is_ok()
    }

    /// All from now on; once.
    pub(crate) fn listen(&self) -> Option<mpsc::Receiver<Notice>> {
        let receiver = self.0.receiver.lock().take();
        self.0.heard.store(receiver.is_some() || self.0.heard.load(Relaxed), Relaxed);
        receiver
    }

    /// How many found no room.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }
}

/// For a listener that is behind.
const WAITING: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn server(number: usize) -> Notice {
        Notice::Server { service: "a".into(), url: number.to_string().into(), up: true, cause: "probe" }
    }

    #[test]
    fn nothing_is_kept_before_somebody_listens_and_a_slow_listener_loses_the_newest() {
        let notices = Notices::default();
        notices.tell(|| panic!("nobody listens"));
        let mut listener = notices.listen().unwrap();
        assert!(notices.listen().is_none());
        (0..WAITING + 2).for_each(|number| notices.tell(|| server(number)));
        assert_eq!(notices.lost(), 2);
        assert_eq!(listener.try_recv().unwrap(), server(0));
    }
}
