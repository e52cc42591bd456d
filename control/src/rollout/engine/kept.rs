//! All that is kept of a rollout: one JSON text, with the version of its shape.

use std::{collections::VecDeque, fmt, sync::Arc};

use rollgate_config::{
    dynamic::rollout::{Pipeline, stage::Stage},
    scalar::Share,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Millis,
    effect::{Effect, EffectId, Mode, Nonce},
    entry::Entry,
    evidence::Evidence,
    protection::Observed,
    record::{At, List, StageRecord},
    refusal::Refusal,
    status::Status,
    text,
    weights::{Before, BrakeSeen},
};

/// One run of a pipeline. Only [`super::step`] changes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Of this shape.
    pub version: u32,
    /// Its id; no `/` in it.
    pub id: String,
    /// The pipeline's qualified name.
    pub pipeline: String,
    /// The pipeline as it was when it began, in JSON.
    pub source: Arc<str>,
    /// The weighted service.
    pub service: String,
    /// The version that has the users.
    pub stable: String,
    /// The one that is to get them.
    pub canary: String,
    /// Which users are the first ones.
    pub salt: String,
    /// Makes the secrets of its questions.
    pub link_key: LinkKey,
    /// Who has begun it.
    pub actor: String,
    /// When.
    pub created: Millis,
    /// When it ended.
    pub ended: Option<Millis>,
    /// How it stands.
    pub status: Status,
    /// Why it is paused, is taken back or has ended so.
    pub reason: Option<String>,
    /// The stage that it is at, was paused at, or ended at.
    pub at: At,
    /// The pipeline's stages.
    pub stages: Vec<StageRecord>,
    /// Those that are run after a rollback.
    pub on_failure: Vec<StageRecord>,
    /// Nothing begins and nothing grows.
    pub pause: Option<Pause>,
    /// It is coming to its end.
    pub ending: Option<Ending>,
    /// What was in force before it touched anything.
    pub before: Option<Before>,
    /// The canary's share of the pair that it has wanted last; `None`: what is in force is not its.
    #[serde(with = "text::option")]
    pub share: Option<Share>,
    /// Its share that is in force, as far as that is known.
    #[serde(with = "text::option")]
    pub weighed: Option<Share>,
    /// The canary has all users, and they are not taken back.
    pub is_promoted: bool,
    /// A protection lies before the canary, or may.
    pub is_protected: bool,
    /// What lies over the service, or may.
    pub trial: Option<TrialState>,
    /// The canary gets nothing.
    pub brake: Option<BrakeState>,
    /// A brake of an earlier rollout that it has taken off.
    pub released: Option<BrakeSeen>,
    /// Both versions fail.
    pub outage: Option<Outage>,
    /// No server of the canary is up: why.
    pub unavailable: Option<String>,
    /// The last look.
    pub evidence: Option<Evidence>,
    /// What was seen of the canary so far.
    pub observed: Observed,
    /// What the judge needs to go on after a restart.
    pub judge: Option<Value>,
    /// The canary's build.
    pub build: Option<String>,
    /// It is another one than that which was judged, and has to begin anew.
    pub is_rebuilt: bool,
    /// What the stage, or the end, still has to do, in this order.
    pub program: VecDeque<Effect>,
    /// What is under way, in the order in which it was begun.
    pub outstanding: Vec<Outstanding>,
    /// What has happened, at most 1,000 entries.
    pub history: Vec<Arc<Entry>>,
    /// Older ones that were left out.
    pub forgotten: u64,
}

/// What a new rollout is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Order<'o> {
    /// Its id; no `/` in it.
    pub id: &'o str,
    /// The pipeline's qualified name.
    pub pipeline: &'o str,
    /// Who begins it.
    pub actor: &'o str,
    /// Random: which users are the first ones.
    pub salt: &'o str,
    /// Random.
    pub link_key: LinkKey,
    /// The canary's build, if it is known.
    pub build: Option<String>,
}

/// A secret of a rollout, 128 random bits at least. Shown by no `Debug`; no view has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkKey(pub String);

/// It does not go on by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Since when.
    pub at: Millis,
    /// Why it is so.
    pub kind: PauseKind,
}

/// Why it does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PauseKind {
    /// An operator wants it.
    Asked,
    /// A stage has failed, and `onFailure` is `hold`.
    Failed,
    /// The canary was found worse, likewise. It is braked.
    Worse,
}

/// It is coming to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ending {
    /// As which.
    pub status: Status,
    /// Why.
    pub why: Option<String>,
    /// The stages of `onFailure` are run before.
    pub then_stages: bool,
    /// The canary is still to get all users.
    pub promotes: bool,
}

/// A trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialState {
    /// What has laid it; verdicts are told under it.
    pub id: EffectId,
    /// What has begun its step; looks are told under it.
    pub look: EffectId,
    /// The stage that it is of, one of the pipeline's.
    pub stage: usize,
    /// Whom it is for.
    pub mode: Mode,
    /// It lies over the service, or did before the process started again.
    pub is_laid: bool,
}

/// A brake on the canary, put on by the rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrakeState {
    /// When.
    pub at: Millis,
    /// Why.
    pub reason: String,
    /// Its release was begun.
    pub is_releasing: bool,
}

/// Both versions fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outage {
    /// Since when.
    pub at: Millis,
    /// In a sentence.
    pub says: String,
    /// The judge that is laid now has said so, not only the one before a restart.
    pub is_confirmed: bool,
}

/// An effect whose end is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outstanding {
    /// Which.
    pub effect: Effect,
    /// It is only waited for: what it does is not wanted any more, and it is not begun again.
    pub is_abandoned: bool,
    /// The canary's share before it was begun, which is what there is if it fails.
    #[serde(with = "text::option")]
    pub share: Option<Share>,
}

/// A text that is no rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(String);

impl Rollout {
    /// One that has not begun.
    pub fn new(order: Order<'_>, pipeline: &Pipeline, now: Millis) -> Self {
        let records = |list: List| list.stages(pipeline).iter().map(StageRecord::new).collect();
        Self {
            version: VERSION,
            id: order.id.to_owned(),
            pipeline: order.pipeline.to_owned(),
            source: pipeline.source.clone(),
            service: pipeline.service.value.clone(),
            stable: pipeline.stable.value.clone(),
            canary: pipeline.canary.value.clone(),
            salt: order.salt.to_owned(),
            link_key: order.link_key,
            actor: order.actor.to_owned(),
            created: now,
            ended: None,
            status: Status::Pending,
            reason: None,
            at: At::START,
            stages: records(List::Main),
            on_failure: records(List::OnFailure),
            pause: None,
            ending: None,
            before: None,
            share: None,
            weighed: None,
            is_promoted: false,
            is_protected: false,
            trial: None,
            brake: None,
            released: None,
            outage: None,
            unavailable: None,
            evidence: None,
            observed: Observed::default(),
            judge: None,
            build: order.build,
            is_rebuilt: false,
            program: VecDeque::new(),
            outstanding: Vec::new(),
            history: Vec::new(),
            forgotten: 0,
        }
    }

    /// As it is kept.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("its maps have texts for keys, and nothing in it refuses to be written")
    }

    /// As it was written.
    ///
    /// # Errors
    /// It is of a version that is not known here, or no rollout.
    pub fn read(text: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_str(text).map_err(|why| Unreadable(why.to_string()))?;
        if version != VERSION {
            let why = format!("it is of version {version}, and this program knows version {VERSION}");
            return Err(Unreadable(why));
        }
        let rollout: Self = serde_json::from_str(text).map_err(|why| Unreadable(why.to_string()))?;
        match rollout.records(rollout.at.of).get(rollout.at.index) {
            Some(_) => Ok(rollout),
            None => Err(Unreadable("it is at a stage that it does not have".to_owned())),
        }
    }

    /// The stages of a list.
    pub fn records(&self, of: List) -> &[StageRecord] {
        match of {
            List::Main => &self.stages,
            List::OnFailure => &self.on_failure,
        }
    }

    /// The stage that it is at.
    pub fn record(&self) -> &StageRecord {
        &self.records(self.at.of)[self.at.index]
    }

    /// The secret of the question that is open: for a link that answers it.
    pub fn nonce(&self) -> Option<Nonce> {
        let record = self.record();
        let question = record.work.question.as_ref().filter(|_| record.is_active());
        question.map(|question| Nonce::of(&self.link_key, question))
    }

    /// Whether a pipeline is the one that it is a run of.
    ///
    /// # Errors
    /// What differs.
    pub(super) fn fits(&self, pipeline: &Pipeline) -> Result<(), Refusal> {
        let fits = |(record, stage): (&StageRecord, &Stage)| {
            (record.name.as_str(), record.kind.as_str()) == (stage.name.as_str(), stage.kind.name())
        };
        for of in [List::Main, List::OnFailure] {
            let (records, stages) = (self.records(of), of.stages(pipeline));
            if records.len() != stages.len() || !records.iter().zip(stages).all(fits) {
                return Err(Refusal::OtherPipeline { pipeline: self.pipeline.clone() });
            }
        }
        match self.records(self.at.of).get(self.at.index) {
            Some(_) => Ok(()),
            None => Err(Refusal::OtherPipeline { pipeline: self.pipeline.clone() }),
        }
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey")
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no rollout: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// Of the shape of what is written here.
const VERSION: u32 = 1;
