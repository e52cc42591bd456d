//! One rollout under way: a task that takes in what happens, keeps what follows from it, and has it done.
//!
//! ```text
//! operator, clock, data plane, configuration, ends of effects -> engine::step -> store -> effects (hands) -> ...
//! ```
//!
//! What the engine returns is kept before any of it is done. A store that does not take it is tried again, and nothing
//! happens meanwhile; only the brake of the data plane has happened by then.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rollgate_config::dynamic::rollout::Pipeline;
use serde_json::{Map, json};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{
    engine::{self, Effect, EffectId, Entry, Event, Happened, Outcome, Refusal, Rollout, Step},
    hands::{self, Work},
    observer::Observer,
    registry::Context,
};
use crate::{
    events::{EventKind, News},
    store::{AuditEntry, KeptRollout, Remembered, StoreError},
    traffic::{Key, Refused},
};

/// What somebody wants or knows, and where his answer goes.
pub(super) struct Message {
    pub(super) event: Event,
    /// Where he comes from, and his role, for the audit log.
    pub(super) by: (String, Option<&'static str>),
    /// Where he may ask for the same again.
    pub(super) once: Option<Once>,
    pub(super) answer: oneshot::Sender<Result<Arc<Rollout>, NotDone>>,
}

/// A request that may come again, and is done once.
pub struct Once {
    /// By which it is known.
    pub key: Key,
    /// What is answered to it, now and then; kept together with what has changed.
    pub answer: Box<Answer>,
}

/// Tells of a rollout as it is once it is decided.
type Answer = dyn FnOnce(&Rollout, &Pipeline) -> Remembered + Send;

/// Why an operator's action is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// Not as things are, or not by him.
    #[error("{0}")]
    Refused(Refusal),
    /// It could not be kept.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// It has ended.
    #[error("rollout {0} has ended")]
    Ended(String),
    /// It was done before, and this was answered.
    #[error("it was done before")]
    Before(String),
    /// The key was used for something else.
    #[error("{0}")]
    Key(Refused),
}

/// How an effect has ended.
type End = (EffectId, Outcome);

/// A rollout's task.
pub(super) struct Conductor {
    context: Arc<Context>,
    rollout: Arc<Rollout>,
    pipeline: Arc<Pipeline>,
    seen: watch::Sender<Arc<Rollout>>,
    inbox: mpsc::Receiver<Message>,
    /// Ends of effects.
    ends: (mpsc::UnboundedSender<End>, mpsc::UnboundedReceiver<End>),
    under_way: BTreeMap<EffectId, AbortHandle>,
    observer: Observer,
    /// When it was stored last.
    kept_at: Instant,
}

impl Conductor {
    pub(super) fn new(
        context: Arc<Context>,
        rollout: Arc<Rollout>,
        pipeline: Arc<Pipeline>,
        seen: watch::Sender<Arc<Rollout>>,
        inbox: mpsc::Receiver<Message>,
    ) -> Self {
        let observer = Observer::new(context.traffic.clone(), &rollout);
        let (under_way, ends) = (BTreeMap::new(), mpsc::unbounded_channel());
        let kept_at = Instant::now();
        Self { context, rollout, pipeline, seen, inbox, ends, under_way, observer, kept_at }
    }

    /// Until it has ended, or another process goes on with it.
    pub(super) async fn run(mut self, first: Event) {
        if self.take(first).await.is_err() {
            return;
        }
        while !self.rollout.status.is_end() {
            let due = self.rollout.due(&self.pipeline);
            let tick = tokio::select! {
                Some(message) = self.inbox.recv() => {
                    // What is done by hand is done to what was seen until then, not until the last look.
                    if let Some(seen) = self.observer.judged(&self.rollout, true)
                        && self.take(seen).await.is_err()
                    {
                        return;
                    }
                    if self.answer(message).await.is_err() {
                        return;
                    }
                    continue;
                }
                Some((id, outcome)) = self.ends.1.recv() => {
                    self.under_way.remove(&id);
                    Event::EffectDone { id, outcome }
                }
                event = self.observer.next(&self.rollout) => event,
                () = until(due) => Event::Tick,
            };
            if self.take(tick).await.is_err() {
                return;
            }
        }
        self.context.jobs.forget_all(&self.rollout.id);
        // However it ended, its weights are somebody's who is there.
        hands::let_go(&self.context, &self.rollout).await;
    }

    /// What nobody has to be answered for.
    async fn take(&mut self, event: Event) -> Result<(), Lost> {
        match engine::step(&self.rollout, &self.pipeline, event, engine_now()) {
            Ok(step) => {
                while let Err(error) = self.keep(&step, (String::new(), None), None).await {
                    if error == StoreError::Stale && self.is_anothers() {
                        return Err(Lost);
                    }
                    tracing::error!(rollout = self.rollout.id, %error, "a rollout waits for the store");
                    tokio::time::sleep(AGAIN).await;
                }
                self.follow(step);
            }
            Err(refusal) => tracing::error!(rollout = self.rollout.id, %refusal, "a rollout cannot go on"),
        }
        Ok(())
    }

    /// What somebody waits for.
    async fn answer(&mut self, Message { event, by, once, answer }: Message) -> Result<(), Lost> {
        let done = match self.before(once.as_ref().map(|once| &once.key)).await {
            Err(before) => Err(before),
            Ok(()) => match engine::step(&self.rollout, &self.pipeline, event, engine_now()) {
                Err(refusal) => Err(NotDone::Refused(refusal)),
                Ok(step) => {
                    let remembered = once.map(|once| (once.answer)(&step.rollout, &self.pipeline));
                    match self.keep(&step, by, remembered).await {
                        Err(StoreError::Stale) if self.is_anothers() => {
                            drop(answer.send(Err(NotDone::Store(StoreError::Stale))));
                            return Err(Lost);
                        }
                        Err(error) => Err(NotDone::Store(error)),
                        Ok(()) => {
                            self.follow(step);
                            Ok(self.rollout.clone())
                        }
                    }
                }
            },
        };
        drop(answer.send(done));
        Ok(())
    }

    /// One action after the other: what was done before is known here at the latest.
    async fn before(&self, key: Option<&Key>) -> Result<(), NotDone> {
        let Some(key) = key else { return Ok(()) };
        match self.context.traffic.store().remembered(key.key.clone(), engine_now()).await? {
            None => Ok(()),
            Some(before) if before.digest == key.digest => Err(NotDone::Before(before.body)),
            Some(_) => Err(NotDone::Key(Refused::KeyReused)),
        }
    }

    async fn keep(
        &mut self,
        step: &Step,
        (address, role): (String, Option<&'static str>),
        remembered: Option<Remembered>,
    ) -> Result<(), StoreError> {
        let decides = step.must_be_kept || !step.effects.is_empty() || !step.entries.is_empty();
        // The numbers of a look are only good for a restart: they may be a little old then.
        if !decides && (self.kept_at.elapsed() < NUMBERS || step.rollout == *self.rollout) {
            return Ok(());
        }
        let audit = step.entries.iter().map(|entry| audited(&self.rollout, entry, &address, role)).collect();
        let kept = self.context.traffic.keep_rollout(kept(&step.rollout), audit, remembered).await;
        if kept.is_ok() || !decides {
            self.kept_at = Instant::now();
        }
        if decides { kept } else { Ok(()) }
    }

    /// What was decided is kept: it is so, and is done.
    fn follow(&mut self, step: Step) {
        let Step { rollout, effects, canceled, entries, .. } = step;
        self.rollout = Arc::new(rollout);
        self.seen.send_replace(self.rollout.clone());
        for entry in &entries {
            self.tell(entry);
        }
        for id in canceled {
            self.context.jobs.cancel(&id);
            if let Some(task) = self.under_way.remove(&id) {
                task.abort();
            }
        }
        for effect in effects {
            self.begin(effect);
        }
    }

    fn begin(&mut self, effect: Effect) {
        let work = Work {
            context: self.context.clone(),
            rollout: self.rollout.clone(),
            pipeline: self.pipeline.clone(),
            observed: self.observer.handle(),
        };
        let (id, ends) = (effect.id.clone(), self.ends.0.clone());
        let task = tokio::spawn(async move {
            let (id, outcome) = (effect.id.clone(), hands::done(work, effect).await);
            // Nobody waits where the rollout has ended.
            drop(ends.send((id, outcome)));
        });
        self.under_way.insert(id, task.abort_handle());
    }

    fn tell(&self, entry: &Entry) {
        tracing::info!(rollout = self.rollout.id, "{entry}");
        let details = [
            ("rollout", json!(self.rollout.id)),
            ("pipeline", json!(self.rollout.pipeline)),
            ("stage", json!(entry.stage)),
            ("status", json!(self.rollout.status)),
            ("says", json!(entry.happened.to_string())),
            ("happened", json!(entry.happened)),
        ];
        let details: Map<_, _> = details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let actor = entry.by.clone().unwrap_or_else(|| format!("rollout:{}", self.rollout.id));
        let service = Some(self.rollout.service.as_str().into());
        let news =
            News { kind: EventKind::RolloutStep, actor: actor.into(), cause: entry.reason.clone(), service, details };
        self.context.traffic.events().add(news, SystemTime::now());
    }

    /// Whether another process has gone on with it.
    fn is_anothers(&self) -> bool {
        let kept = self.context.traffic.rollouts().into_iter().find(|kept| kept.id == self.rollout.id);
        kept.is_none_or(|kept| kept.state != self.rollout.write())
    }
}

impl Drop for Conductor {
    /// What it was doing ends with it: whoever goes on begins it again.
    fn drop(&mut self) {
        self.under_way.values().for_each(AbortHandle::abort);
    }
}

/// Another process goes on with it.
struct Lost;

async fn until(due: Option<engine::Millis>) {
    let Some(due) = due else { return std::future::pending().await };
    let left = u64::try_from(due.saturating_sub(engine_now())).unwrap_or(0);
    sleep_until(Instant::now() + Duration::from_millis(left.max(1))).await;
}

/// By the clock that people read.
pub(super) fn engine_now() -> engine::Millis {
    jiff::Timestamp::now().as_millisecond()
}

/// A rollout as it is kept.
pub(super) fn kept(rollout: &Rollout) -> KeptRollout {
    KeptRollout {
        number: 0,
        id: rollout.id.clone(),
        pipeline: rollout.pipeline.clone(),
        service: rollout.service.clone(),
        status: rollout.status.name().to_owned(),
        began: rollout.created,
        ended: rollout.ended,
        state: rollout.write(),
    }
}

/// An entry of the audit log.
pub(super) fn audited(rollout: &Rollout, entry: &Entry, address: &str, role: Option<&'static str>) -> AuditEntry {
    let what = serde_json::to_value(&entry.happened).unwrap_or_default();
    let action = match &entry.happened {
        Happened::Acted { action } => format!("rollout.{}", action.name()),
        _ => format!("rollout.{}", what.get("what").and_then(|what| what.as_str()).unwrap_or_default()),
    };
    AuditEntry {
        at: entry.at,
        actor: entry.by.clone().unwrap_or_else(|| format!("rollout:{}", rollout.id)),
        role: role.unwrap_or_default().to_owned(),
        address: address.to_owned(),
        action,
        service: Some(rollout.service.clone()),
        version: Some(rollout.canary.clone()),
        reason: entry.reason.clone(),
        from: json!(null),
        to: json!({"rollout": rollout.id, "stage": entry.stage, "says": entry.happened.to_string()}),
        ..AuditEntry::default()
    }
}

/// How old numbers may be that a restart goes on from.
const NUMBERS: Duration = Duration::from_secs(2);
/// Between two attempts to keep something.
const AGAIN: Duration = Duration::from_secs(1);
