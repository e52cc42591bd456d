//! Weights, trials and brakes of the rollout's service, through the one writer of them.

use std::{collections::BTreeMap, sync::Arc};

use rollgate_config::{dynamic::rollout::stage::StageKind, scalar::Weight};
use rollgate_gateway::{NoTrial, TrialMode, TrialOrder};

use super::{Work, again};
use crate::{
    rollout::{
        engine::{Before, BrakeSeen, Effect, Mode, Outcome, Protection, Weights},
        judge,
    },
    store::Owner,
    traffic::{Actor, Found, IfMatch, Refused, Weighing, Wish},
};

type Done = Result<Option<String>, String>;

impl Work {
    fn owner(&self) -> Owner {
        Owner::Rollout(self.rollout.id.clone())
    }

    /// Who acts where the rollout does.
    fn actor(&self) -> Actor {
        Actor { name: self.owner().to_string().into(), role: "rollout", address: None }
    }

    async fn weigh(&self, weighing: Weighing, owner: Owner, seen: Option<String>) -> Result<(), Refused> {
        loop {
            let wish = Wish {
                services: vec![(self.rollout.service.clone(), weighing.clone())],
                if_match: seen.clone().map(|tag| IfMatch::Tags(vec![tag])),
                asking: self.owner(),
                owner: owner.clone(),
                dry_run: false,
                key: None,
                reason: Some(format!("{}: {}", self.rollout.id, self.rollout.record().name)),
                several: false,
            };
            match self.context.traffic.weigh(wish, &self.actor(), |_| String::new()).await {
                Ok(_) => return Ok(()),
                Err(refused) => again(refused).await?,
            }
        }
    }

    /// The weights of the service are the rollout's to change.
    fn taken(&self, takes: bool) -> Result<Found, String> {
        let found = self.context.traffic.found(&self.rollout.service).map_err(|refused| refused.to_string())?;
        let is_as_before = || {
            let before = self.rollout.before.as_ref();
            before.is_some_and(|before| before.owner == found.owner && before.weights.0 == found.weights)
        };
        if found.owner == self.owner() || (takes && is_as_before()) {
            return Ok(found);
        }
        Err(format!("the weights of {} were changed by somebody else: they belong to {}", found.service, found.owner))
    }
}

/// What is in force before it is touched.
pub(super) fn read(work: &Work) -> Outcome {
    match work.context.traffic.found(&work.rollout.service) {
        Err(refused) => Outcome::Failed { why: refused.to_string() },
        Ok(found) => {
            let brake = found.brakes.get(&work.rollout.canary).map(|brake| BrakeSeen {
                by: brake.actor.clone(),
                of_rollout: brake.actor.starts_with("rollout:"),
                reason: brake.reason.clone(),
            });
            Outcome::Weights(Before { weights: Weights(found.weights), owner: found.owner, brake })
        }
    }
}

/// Live weights in the rollout's name.
pub(super) async fn set(work: &Work, weights: &Weights, takes: bool) -> Done {
    let found = work.taken(takes)?;
    let weighing = Weighing::All(weights.0.clone());
    work.weigh(weighing, work.owner(), Some(found.etag)).await.map_err(|refused| refused.to_string())?;
    Ok(None)
}

/// Lays a trial over the service.
pub(super) async fn begin_trial(work: &Work, effect: &Effect, mode: &Mode) -> Done {
    let rollout = &work.rollout;
    let stage = effect.stage(&work.pipeline).map(|stage| &stage.kind);
    let mut salt = rollout.salt.clone();
    let (cohort, mode) = match (mode, stage) {
        (Mode::Randomised { .. }, Some(StageKind::Ramp(ramp))) => {
            (ramp.cohort.unwrap_or_else(|| work.context.has_cohort(&rollout.service)), TrialMode::Randomised)
        }
        (Mode::Randomised { .. }, Some(StageKind::Watch(_))) => {
            // Nobody's version changes because it is watched.
            salt.clear();
            (work.context.has_cohort(&rollout.service), TrialMode::Followed)
        }
        (Mode::Audience, Some(StageKind::AbTest(test))) => {
            (false, TrialMode::Audience { audience: test.audience.clone(), draw: test.draw })
        }
        _ => return Err("the stage gives the canary no traffic".to_owned()),
    };
    let order = TrialOrder {
        rollout: rollout.id.as_str().into(),
        service: rollout.service.as_str().into(),
        stable: rollout.stable.as_str().into(),
        canary: rollout.canary.as_str().into(),
        salt,
        analysis: Arc::new(work.pipeline.analysis.clone()),
        cohort,
        mode,
    };
    let gateway = work.context.traffic.gateway().ok_or("the gateway has not started")?;
    let state = rollout.judge.as_ref().and_then(judge::state);
    let begun = match gateway.begin_trial(order.clone(), state) {
        // What an audience was watched by is no evidence for a comparison, nor the other way round: it begins anew.
        Err(NoTrial::Unfit(_)) => gateway.begin_trial(order, None),
        begun => begun,
    };
    let trial = begun.map_err(|error| error.to_string())?;
    if let Some(before) = work.observed.put(trial.clone(), effect.id.clone()) {
        before.end();
    }
    work.context.traffic.lay_trial(&rollout.service, Some(trial)).await;
    Ok(None)
}

/// The trial's next step has begun.
pub(super) fn next_stratum(work: &Work, effect: &Effect) -> Done {
    match work.observed.next_step(effect.id.clone()) {
        true => Ok(None),
        false => Err("there is no trial".to_owned()),
    }
}

/// Takes the trial off.
pub(super) async fn end_trial(work: &Work) -> Done {
    if let Some(trial) = work.observed.take() {
        trial.end();
    }
    work.context.traffic.lay_trial(&work.rollout.service, None).await;
    Ok(None)
}

/// The canary gets nothing.
pub(super) async fn brake(work: &Work, reason: &str) -> Done {
    let at = (work.rollout.service.as_str(), work.rollout.canary.as_str());
    let braked = work.context.traffic.brake(at, Some(reason.to_owned()), &work.actor()).await;
    braked.map(|_| None).map_err(|refused| refused.to_string())
}

/// Takes the brake off.
pub(super) async fn release(work: &Work) -> Done {
    let at = (work.rollout.service.as_str(), work.rollout.canary.as_str());
    loop {
        match work.context.traffic.release(at, None, &work.actor()).await {
            Ok(_) | Err(Refused::NotFound { .. }) => return Ok(None),
            Err(refused) => again(refused).await.map_err(|refused| refused.to_string())?,
        }
    }
}

/// What was before is in force again.
pub(super) async fn restore(work: &Work, before: &Before) -> Done {
    let Ok(found) = work.context.traffic.found(&work.rollout.service) else {
        // Nothing of it is to come back with the service.
        loop {
            match work.context.traffic.forget_weights(&work.rollout.service, &work.owner()).await {
                Ok(()) => return Ok(None),
                Err(error) => again(error.into()).await.map_err(|refused| refused.to_string())?,
            }
        }
    };
    let its_own = found.owner == work.owner()
        || (found.owner == Owner::Api && found.actor.as_deref() == Some(&*work.actor().name));
    if !its_own {
        return Ok(Some("somebody else has changed the weights: they stay".to_owned()));
    }
    let (weighing, owner) = match before.owner {
        Owner::None => (Weighing::Reset, Owner::None),
        _ => (Weighing::All(before.weights.0.clone()), Owner::Api),
    };
    match work.weigh(weighing, owner, None).await {
        Ok(()) => Ok(None),
        // Versions have come or gone: the configuration decides about them.
        Err(Refused::Invalid { .. }) => {
            work.weigh(Weighing::Reset, Owner::None, None).await.map(|()| None).map_err(|refused| refused.to_string())
        }
        Err(refused) => Err(refused.to_string()),
    }
}

/// The canary has all of the pair, nobody judges it, and the weights are the API's, in one change.
pub(super) async fn promote(work: &Work, weights: &Weights, takes: bool) -> Done {
    let found = work.taken_or_promoted(takes, &weights.0)?;
    hand_over(work, Weighing::All(weights.0.clone()), Some(found.etag)).await
}

/// The weights, as they are, are the API's, in one change.
pub(super) async fn leave(work: &Work) -> Done {
    match work.context.traffic.found(&work.rollout.service) {
        Ok(found) if found.owner == work.owner() => {
            hand_over(work, Weighing::Some(BTreeMap::new()), Some(found.etag)).await
        }
        _ => end_trial(work).await,
    }
}

async fn hand_over(work: &Work, weighing: Weighing, seen: Option<String>) -> Done {
    let traffic = &work.context.traffic;
    let trial = traffic.let_go_of_trial(&work.rollout.service);
    if let Err(refused) = work.weigh(weighing, Owner::Api, seen).await {
        traffic.lay_trial(&work.rollout.service, trial).await;
        return Err(refused.to_string());
    }
    // Where nothing has changed, it lies there still.
    end_trial(work).await
}

impl Work {
    /// As [`Work::taken`]; or it was promoted already, before a restart.
    fn taken_or_promoted(&self, takes: bool, weights: &BTreeMap<String, Weight>) -> Result<Found, String> {
        let found = self.context.traffic.found(&self.rollout.service).map_err(|refused| refused.to_string())?;
        let is_promoted = found.owner == Owner::Api
            && found.actor.as_deref() == Some(&*self.actor().name)
            && found.weights == *weights;
        if is_promoted { Ok(found) } else { self.taken(takes) }
    }
}

/// Lays a protection before the canary, or takes it off.
pub(super) async fn protect(work: &Work, protection: Option<&Protection>) -> Done {
    let laid = protection.map(|protection| crate::traffic::Protected {
        by: work.owner().to_string(),
        average: protection.rate.map(|rate| rate.average),
        burst: protection.rate.map(|rate| rate.burst),
        breaker: protection.breaker.clone(),
    });
    loop {
        match work.context.traffic.protect(&work.rollout.canary, laid.clone(), &work.actor()).await {
            Ok(()) => return Ok(None),
            Err(refused) => again(refused).await.map_err(|refused| refused.to_string())?,
        }
    }
}
