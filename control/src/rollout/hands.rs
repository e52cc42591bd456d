//! What the engine wants done, done: commands, calls, weights, trials. Everything may be begun again after a restart, and leaves
//! the same then.

mod run;
mod traffic;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rollgate_config::dynamic::rollout::Pipeline;

use super::{
    engine::{Effect, Outcome, Rollout, What},
    observer::Observed,
    registry::Context,
};
use crate::{
    store::{Owner, StoreError},
    traffic::{Actor, Refused, Weighing, Wish},
};

/// What an effect is done with.
pub(super) struct Work {
    pub(super) context: Arc<Context>,
    /// As it was when the effect was decided.
    pub(super) rollout: Arc<Rollout>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) observed: Observed,
}

/// Does it, and tells how it ended.
pub(super) async fn done(work: Work, effect: Effect) -> Outcome {
    let done = match &effect.what {
        What::RunJob => run::job(&work, &effect).await,
        What::CallWebhook => run::webhook(&work, &effect).await,
        What::WaitHealthy { healthy } => run::healthy(&work, *healthy).await,
        // Whoever may answer sees it in the rollout; events have told it.
        What::AskApproval { .. } | What::Notify { .. } => Ok(None),
        What::ReadWeights => return traffic::read(&work),
        What::SetWeights { weights, takes, .. } => traffic::set(&work, weights, *takes).await,
        What::BeginTrial { mode } => traffic::begin_trial(&work, &effect, mode).await,
        What::NextStratum { .. } => traffic::next_stratum(&work, &effect),
        What::EndTrial => traffic::end_trial(&work).await,
        What::Brake { reason } => traffic::brake(&work, reason).await,
        What::ReleaseBrake => traffic::release(&work).await,
        What::RestoreWeights { before } => traffic::restore(&work, before).await,
        What::Protect { protection } => traffic::protect(&work, Some(protection)).await,
        What::Unprotect => traffic::protect(&work, None).await,
        What::Promote { weights, takes } => traffic::promote(&work, weights, *takes).await,
        What::Leave => traffic::leave(&work).await,
        What::WriteBack { weights } => run::write_back(&work, &effect, weights).await,
    };
    match done {
        Ok(output) => Outcome::Done { output },
        Err(why) => Outcome::Failed { why },
    }
}

/// What is left of a rollout that has ended is the API's: nobody else could change it.
pub(super) async fn let_go(context: &Context, rollout: &Rollout) {
    let owner = Owner::Rollout(rollout.id.clone());
    while context.traffic.found(&rollout.service).is_ok_and(|found| found.owner == owner) {
        let wish = Wish {
            services: vec![(rollout.service.clone(), Weighing::Some(BTreeMap::new()))],
            if_match: None,
            asking: owner.clone(),
            owner: Owner::Api,
            dry_run: false,
            key: None,
            reason: Some(format!("{} has ended", rollout.id)),
            several: false,
        };
        let by = Actor { name: owner.to_string().into(), role: "rollout", address: None };
        if let Err(refused) = context.traffic.weigh(wish, &by, |_| String::new()).await
            && let Err(refused) = again(refused).await
        {
            tracing::error!(rollout = rollout.id, %refused, "weights of a rollout that has ended stay its own");
            return;
        }
    }
}

/// Returns when it may be tried again: where it was the store that did not take it. What is refused for another reason is.
async fn again(refused: Refused) -> Result<(), Refused> {
    match refused {
        Refused::Store(StoreError::Stale) => Ok(()),
        Refused::Store(error) => {
            tracing::warn!(%error, "a rollout waits for the store");
            tokio::time::sleep(AGAIN).await;
            Ok(())
        }
        refused => Err(refused),
    }
}

/// Between two attempts to have something kept.
const AGAIN: Duration = Duration::from_secs(1);
