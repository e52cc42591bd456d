//! The provider `rest`: one document, sent to the admin API as a whole. It is made live with the files that are live, or
//! refused with all that is wrong, and the one before stays. From then on it is a text among others: a change of a file that
//! would break it is what is held back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rollgate_config::problem::Problem;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::{Plane, Reconciler, SHOWN, prepare::prepare, settle::Settled};
use crate::{
    events::EventKind,
    file::{REST, Text},
    statics,
    store::StoreError,
    traffic::{Actor, KeptDocument, NotKept},
};

/// Where documents can be sent to.
#[derive(Debug, Clone)]
pub struct RestProvider(mpsc::Sender<Sent>);

/// What the reconciler gets of it.
#[derive(Debug)]
pub struct Inbox(mpsc::Receiver<Sent>);

/// A document on its way.
#[derive(Debug)]
pub(super) struct Sent {
    text: String,
    by: Actor,
    answer: oneshot::Sender<Result<Applied, NotApplied>>,
}

/// It is live on every worker, and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The generation that has it.
    pub generation: u64,
    /// It was not so before.
    pub changed: bool,
}

/// Why it is not; all is as it was.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotApplied {
    /// It is wrong, or not good together with the files that are live.
    #[error("the configuration has {} problem(s)", .0.len())]
    Problems(Vec<Problem>),
    /// It could not be kept.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The gateway is ending.
    #[error("the gateway is ending")]
    Ending,
}

impl RestProvider {
    /// And where what is sent comes out.
    pub fn new() -> (Self, Inbox) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), Inbox(receiver))
    }

    /// Puts a JSON document in place of the one before; returns when it is kept and every worker has it.
    ///
    /// # Errors
    /// All is as it was.
    pub async fn put(&self, text: String, by: Actor) -> Result<Applied, NotApplied> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Sent { text, by, answer }).await.map_err(|_| NotApplied::Ending)?;
        answered.await.unwrap_or(Err(NotApplied::Ending))
    }
}

/// What the reconciler knows of it.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// `None`: there is no such provider.
    inbox: Option<Inbox>,
    /// The newest document that was accepted, whether or not it is live.
    pub(super) newest: Option<Arc<Text>>,
}

impl Rest {
    /// With the document from before.
    pub(super) fn new(inbox: Inbox, document: Option<&str>) -> Self {
        Self { inbox: Some(inbox), newest: document.map(|text| Arc::new(Text::of_rest(None, text))) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.inbox.is_some()
    }

    pub(super) async fn received(&mut self) -> Sent {
        let sent = match &mut self.inbox {
            Some(Inbox(receiver)) => receiver.recv().await,
            None => None,
        };
        match sent {
            Some(sent) => sent,
            // Nobody can send any more.
            None => std::future::pending().await,
        }
    }
}

impl Reconciler {
    /// Takes a document, if whoever has sent it still waits: whether something is live that was not before.
    pub(super) async fn receive(&mut self, Sent { text, by, answer }: Sent) -> bool {
        if answer.is_closed() {
            return false;
        }
        let done = self.put(&text, &by).await;
        match &done {
            Ok(Applied { changed: true, generation }) => {
                tracing::info!(
                    generation,
                    by = &*by.name,
                    "what was sent for the provider rest is live on every worker"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(by = &*by.name, %error, "what was sent for the provider rest is refused");
                self.tell_refused(error, &by);
            }
        }
        let changed = done.as_ref().is_ok_and(|applied| applied.changed);
        drop(answer.send(done));
        changed
    }

    async fn put(&mut self, text: &str, by: &Actor) -> Result<Applied, NotApplied> {
        let Plane::Running(gateway) = &self.plane else { return Err(NotApplied::Ending) };
        let gateway = gateway.clone();
        let new = Arc::new(Text::of_rest(self.rest.newest.as_deref(), text));
        if self.rest.newest.as_ref() == Some(&new) && self.live.texts.get(REST) == Some(&new) {
            return Ok(Applied { generation: self.traffic.generation(), changed: false });
        }
        let mut texts = self.live.texts.clone();
        texts.insert(REST.into(), new.clone());
        // What is refused has seen nothing: a change of a file that it came across is still to be made live.
        let (live, filled, mut seen) = (&self.live, &mut self.filled, BTreeMap::new());
        let prepared = prepare(&texts, &self.started, &mut self.reader, &live.certificates, filled, &mut seen)
            .map_err(NotApplied::Problems)?;
        let same = live.statics.as_ref().is_some_and(|before| statics::is_same(before, &prepared.statics));
        let statics = (!same).then_some(&prepared.statics);
        let document = KeptDocument { name: REST, text, by };
        let put = self.traffic.publish_document(document, statics, prepared.configuration.clone()).await;
        let generation = put.map_err(|error| match error {
            NotKept::Problems(problems) => NotApplied::Problems(problems),
            NotKept::Store(error) => NotApplied::Store(error),
        })?;
        self.is_live(&gateway, &texts, prepared);
        self.certificates = seen;
        self.rest.newest = Some(new.clone());
        self.seen.insert(REST.into(), new);
        self.cause = Some(format!("{} has sent a document for the provider rest", by.name));
        let changed = BTreeSet::from([REST.into()]);
        if self.found.held_back.is_empty() {
            self.tell(Settled::default(), &changed);
            self.keep();
        } else {
            // What waited for it may be good now.
            self.settle_and_tell(&changed).await;
        }
        Ok(Applied { generation, changed: true })
    }

    fn tell_refused(&self, error: &NotApplied, by: &Actor) {
        let NotApplied::Problems(problems) = error else { return };
        let first: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
        let details = [("problems", json!(problems.len())), ("first", json!(first)), ("by", json!(by.name))];
        self.traffic.event(EventKind::ConfigRefused, first.first().cloned(), details);
    }

    /// Another process has changed what is kept: that is what is wanted now.
    pub(super) fn adopt(&mut self) {
        if self.rest.is_on() {
            let kept = self.traffic.document(REST);
            let before = self.rest.newest.take();
            self.rest.newest = kept.map(|text| Arc::new(Text::of_rest(before.as_deref(), &text)));
        }
    }
}

/// How many may wait to be looked at.
const WAITING: usize = 16;
