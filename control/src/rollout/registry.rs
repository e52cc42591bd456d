//! The rollouts of a gateway: each that is under way has its task.

mod commands;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use rollgate_config::dynamic::{rollout::Pipeline, service::ServiceKind};
use rollgate_gateway::TrialVerdict;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};

use self::commands::RolloutJobs;
use super::{
    conductor::{Conductor, Message, NotDone, Once, engine_now, kept},
    decision::{Judged, Known, Now},
    engine::{Asked, EffectId, Event, LinkKey, Observed, Order, Rollout, Unreadable},
    jobs::Jobs,
    judge,
};
use crate::{
    store::{KeptRollout, Owner, Remembered, RolloutPage, RolloutQuery, StoreError},
    traffic::{Actor, Refused, Traffic},
};

/// What rollouts are done with.
pub(super) struct Context {
    pub(super) traffic: Arc<Traffic>,
    pub(super) jobs: RolloutJobs,
    /// Where relative names of files begin.
    pub(super) folder: PathBuf,
}

/// All of them.
pub struct Rollouts {
    context: Arc<Context>,
    open: Mutex<BTreeMap<String, Handle>>,
    /// Held while one begins: a service has one at a time.
    beginning: tokio::sync::Mutex<()>,
    /// See [`Rollouts::alone`].
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Handle {
    inbox: mpsc::Sender<Message>,
    seen: watch::Receiver<Arc<Rollout>>,
    pipeline: Arc<Pipeline>,
    task: AbortHandle,
}

/// What somebody wants to begin.
#[derive(Debug)]
pub struct Start<'s> {
    /// The pipeline's qualified name.
    pub name: &'s str,
    /// It.
    pub pipeline: Arc<Pipeline>,
    /// Who.
    pub by: &'s Actor,
    /// What tells the canary's build apart.
    pub build: Option<String>,
    /// An id of his choice.
    pub id: Option<String>,
    /// What an earlier rollout has seen of the canary, which this one goes on from.
    pub observed: Option<Observed>,
}

/// Why a rollout does not begin; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotBegun {
    /// It cannot be.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// There is, or was, one of this id.
    #[error("there is a rollout {0} already")]
    Exists(String),
}

/// A rollout and its pipeline.
pub type Seen = (Arc<Rollout>, Arc<Pipeline>);

impl Rollouts {
    /// None under way. Relative names of files begin at `folder`.
    pub fn new(traffic: Arc<Traffic>, jobs: Jobs, folder: PathBuf) -> Self {
        let context = Arc::new(Context { traffic, jobs: RolloutJobs(jobs), folder });
        Self {
            context,
            open: Mutex::default(),
            beginning: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Goes on with those that are kept and have no task here; those of another process's too, once it has given them up.
    pub fn resume(&self) {
        for kept in self.context.traffic.rollouts() {
            if self.open.lock().contains_key(&kept.id) {
                continue;
            }
            match read(&kept) {
                Ok((rollout, pipeline)) => {
                    tracing::info!(rollout = kept.id, "a rollout goes on");
                    self.conduct(rollout, pipeline, Event::Resumed);
                }
                Err(why) => tracing::error!(rollout = kept.id, %why, "a rollout cannot go on"),
            }
        }
    }

    /// The process ends: whoever comes next goes on with them. Commands run on.
    pub fn stop(&self) {
        for handle in std::mem::take(&mut *self.open.lock()).into_values() {
            handle.task.abort();
        }
    }

    /// Begins one: returns when it is kept. `remember` is what is answered to the same request again.
    ///
    /// # Errors
    /// If its service is somebody else's, or it cannot be kept.
    pub async fn start(
        &self,
        start: Start<'_>,
        remember: impl FnOnce(&Rollout, &Pipeline) -> Option<Remembered>,
    ) -> Result<Seen, NotBegun> {
        let Start { name, pipeline, by, build, id, observed } = start;
        let _beginning = self.beginning.lock().await;
        let traffic = &self.context.traffic;
        let found = traffic.found(&pipeline.service.value)?;
        let owned = |owner| NotBegun::Refused(Refused::Owned { service: found.service.to_string(), owner });
        let others = self.of_service(&pipeline.service.value).map(|other| other.seen.borrow().clone());
        if let Some(other) = others.filter(|other| !other.makes_room()) {
            return Err(owned(Owner::Rollout(other.id.clone())));
        }
        match &found.owner {
            Owner::None | Owner::Api => {}
            // Whoever only watches leaves the weights to him.
            Owner::Kubernetes(_) if !pipeline.moves_users() => {}
            owner @ (Owner::Rollout(_) | Owner::Kubernetes(_)) => return Err(owned(owner.clone())),
        }
        let id = match id {
            None => format!("{}-{}", base(name), random(4)),
            Some(id) => {
                let store = |error: StoreError| NotBegun::Refused(error.into());
                if traffic.store().rollout(id.clone()).await.map_err(store)?.is_some() {
                    return Err(NotBegun::Exists(id));
                }
                id
            }
        };
        self.make_room(&pipeline.service.value, name, by).await?;
        if let Some(other) = self.of_service(&pipeline.service.value) {
            let id = other.seen.borrow().id.clone();
            return Err(owned(Owner::Rollout(id)));
        }
        let (salt, link_key) = (random(16), LinkKey(random(32)));
        let order = Order { id: &id, pipeline: name, actor: &by.name, salt: &salt, link_key, build };
        let mut rollout = Rollout::new(order, &pipeline, engine_now());
        rollout.observed = observed.unwrap_or_default();
        let audit = crate::store::AuditEntry {
            at: rollout.created,
            actor: by.name.to_string(),
            role: by.role.to_owned(),
            address: by.address.map(|address| address.ip().to_string()).unwrap_or_default(),
            action: "rollout.started".to_owned(),
            service: Some(rollout.service.clone()),
            version: Some(rollout.canary.clone()),
            to: serde_json::json!({"rollout": rollout.id, "pipeline": rollout.pipeline}),
            ..crate::store::AuditEntry::default()
        };
        let remembered = remember(&rollout, &pipeline);
        let keeping = traffic.keep_rollout(kept(&rollout), vec![audit], remembered).await;
        keeping.map_err(|error| NotBegun::Refused(error.into()))?;
        Ok(self.conduct(rollout, pipeline, Event::Begin))
    }

    fn conduct(&self, rollout: Rollout, pipeline: Arc<Pipeline>, first: Event) -> Seen {
        let rollout = Arc::new(rollout);
        let (inbox, messages) = mpsc::channel(WAITING);
        let (seen, sees) = watch::channel(rollout.clone());
        let conductor = Conductor::new(self.context.clone(), rollout.clone(), pipeline.clone(), seen, messages);
        let task = tokio::spawn(conductor.run(first)).abort_handle();
        let handle = Handle { inbox, seen: sees, pipeline: pipeline.clone(), task };
        let mut open = self.open.lock();
        open.retain(|_, handle| !handle.inbox.is_closed());
        open.insert(rollout.id.clone(), handle);
        (rollout, pipeline)
    }

    /// Has an operator's action done: returns when it is kept.
    ///
    /// # Errors
    /// If there is no such rollout (`None`), it is not possible, or it was done before.
    pub async fn act(&self, id: &str, asked: Asked, by: &Actor, once: Option<Once>) -> Option<Result<Seen, NotDone>> {
        self.send(id, Event::Operator(asked), by, once).await
    }

    /// What its canary is, for one that is under way: of another build, nothing that is known counts. Returns when it is kept.
    ///
    /// # Errors
    /// If there is no such rollout under way (`None`), or it cannot be kept.
    pub async fn rebuilt(&self, id: &str, build: String, by: &Actor) -> Option<Result<Seen, NotDone>> {
        self.send(id, Event::NewBuild { build }, by, None).await
    }

    async fn send(&self, id: &str, event: Event, by: &Actor, once: Option<Once>) -> Option<Result<Seen, NotDone>> {
        let handle = self.open.lock().get(id).cloned()?;
        let address = by.address.map(|address| address.ip().to_string()).unwrap_or_default();
        let (answer, answered) = oneshot::channel();
        let ended = || NotDone::Ended(id.to_owned());
        let message = Message { event, by: (address, Some(by.role)), once, answer };
        if handle.inbox.send(message).await.is_err() {
            return Some(Err(ended()));
        }
        let done = answered.await.unwrap_or_else(|_| Err(ended()));
        Some(done.map(|rollout| (rollout, handle.pipeline)))
    }

    /// One that only watches the service ends, since another one is to begin.
    async fn make_room(&self, service: &str, name: &str, by: &Actor) -> Result<(), NotBegun> {
        let Some(mut handle) = self.of_service(service) else { return Ok(()) };
        let watching = handle.seen.borrow().clone();
        if !watching.makes_room() {
            return Ok(());
        }
        let why = format!("{} has begun a rollout of {name}", by.name);
        match self.send(&watching.id, Event::Replaced { why }, by, None).await {
            None | Some(Ok(_) | Err(NotDone::Ended(_))) => {}
            Some(Err(NotDone::Store(error))) => return Err(NotBegun::Refused(error.into())),
            // Not what an operator has asked for.
            Some(Err(NotDone::Refused(_) | NotDone::Before(_) | NotDone::Key(_))) => {}
        }
        // It is over when its trial is off.
        let is_over = |rollout: &Arc<Rollout>| rollout.status.is_end() || rollout.makes_room();
        drop(tokio::time::timeout(ROOM, handle.seen.wait_for(is_over)).await);
        Ok(())
    }

    /// The one under way that is about a service.
    fn of_service(&self, service: &str) -> Option<Handle> {
        let open = self.open.lock();
        let is_its = |handle: &&Handle| {
            let rollout = handle.seen.borrow();
            rollout.service == service && !rollout.status.is_end()
        };
        open.values().find(is_its).cloned()
    }

    /// One, whether or not it has ended.
    ///
    /// # Errors
    /// The store cannot be read, or what it has of it.
    pub async fn get(&self, id: &str) -> Result<Option<Seen>, StoreError> {
        if let Some(seen) = self.open_one(id) {
            return Ok(Some(seen));
        }
        match self.context.traffic.store().rollout(id.to_owned()).await? {
            None => Ok(None),
            Some(kept) => {
                read(&kept).map(|(rollout, pipeline)| Some((Arc::new(rollout), pipeline))).map_err(unreadable)
            }
        }
    }

    /// What is known of its canary now, and what whoever decides elsewhere is to do. A verdict that the rollout has not taken in yet
    /// counts.
    pub fn known(&self, rollout: &Rollout, pipeline: &Pipeline) -> Known {
        let traffic = &self.context.traffic;
        let trial = traffic.trial(&rollout.service).filter(|trial| *trial.order().rollout == *rollout.id);
        let trial = trial.map(|trial| {
            let found = trial.evidence();
            Judged {
                evidence: judge::evidence(|margin| trial.advance(margin), &found, rollout).tidy(),
                share: trial.share(),
                braked: trial.is_braked(),
                holds: found.verdict == TrialVerdict::Hold,
            }
        });
        let brake = traffic.found(&rollout.service).ok().and_then(|found| {
            let brake = found.brakes.get(&rollout.canary)?;
            let why = brake.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            // One of an earlier rollout is about to be taken off.
            (!brake.actor.starts_with("rollout:")).then(|| format!("{}{why}", brake.actor))
        });
        Known::of(rollout, pipeline, Now { trial, brake })
    }

    /// The newest one of a service, whether or not it has ended.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn newest(&self, service: &str) -> Result<Option<Seen>, StoreError> {
        let query = RolloutQuery {
            service: Some(service.to_owned()),
            pipeline: None,
            status: Vec::new(),
            limit: 1,
            before: None,
        };
        Ok(self.list(query).await?.0.into_iter().next())
    }

    /// For whoever begins one only if there is none: held while he looks and begins, so that nobody else does so at the same time.
    pub async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.asking.lock().await
    }

    /// Changes of one that is under way.
    pub fn follow(&self, id: &str) -> Option<watch::Receiver<Arc<Rollout>>> {
        self.open.lock().get(id).map(|handle| handle.seen.clone())
    }

    fn open_one(&self, id: &str) -> Option<Seen> {
        let open = self.open.lock();
        let handle = open.get(id)?;
        let rollout = handle.seen.borrow().clone();
        Some((rollout, handle.pipeline.clone()))
    }

    /// A part of all, newest first; those under way as they are now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self, asked: RolloutQuery) -> Result<(Vec<Seen>, Option<u64>), StoreError> {
        let RolloutPage { items, next } = self.context.traffic.store().rollouts(asked).await?;
        let seen = items.iter().map(|kept| match self.open_one(&kept.id) {
            Some(seen) => Ok(seen),
            None => read(kept).map(|(rollout, pipeline)| (Arc::new(rollout), pipeline)),
        });
        // One that cannot be read hides no other.
        Ok((seen.filter_map(Result::ok).collect(), next))
    }

    /// What a command has printed so far.
    pub fn output(&self, effect: &EffectId) -> String {
        self.context.jobs.output(effect)
    }
}

impl Context {
    /// A file whose name begins at the configuration's folder.
    pub(super) fn beside(&self, file: &Path) -> PathBuf {
        self.folder.join(file)
    }

    /// Whether a service keeps users with their version.
    pub(super) fn has_cohort(&self, service: &str) -> bool {
        let configuration = self.traffic.configuration();
        let kind = configuration.services.get(service).map(|service| &service.kind);
        matches!(kind, Some(ServiceKind::Weighted(weighted)) if weighted.cohort.is_some())
    }
}

fn read(kept: &KeptRollout) -> Result<(Rollout, Arc<Pipeline>), String> {
    let rollout = Rollout::read(&kept.state).map_err(|why: Unreadable| why.to_string())?;
    let pipeline = rollgate_config::reread_pipeline(&rollout.pipeline, &rollout.source);
    let pipeline = pipeline.map_err(|problems| {
        problems.first().map_or_else(|| "its pipeline cannot be read".to_owned(), ToString::to_string)
    })?;
    Ok((rollout, Arc::new(pipeline)))
}

fn unreadable(why: String) -> StoreError {
    StoreError::Other(why)
}

/// What of a pipeline's name an id may have.
fn base(name: &str) -> String {
    let bare = name.split('@').next().unwrap_or_default();
    let sound = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let base: String = bare.chars().filter(|letter| sound(*letter)).take(40).collect();
    if base.is_empty() { "rollout".to_owned() } else { base }
}

/// So many bytes, as text.
fn random(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    aws_lc_rs::rand::fill(&mut random).expect("the system has randomness");
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How long one that makes room may take for it.
const ROOM: Duration = Duration::from_secs(5);
/// Actions that may wait for one rollout.
const WAITING: usize = 64;
