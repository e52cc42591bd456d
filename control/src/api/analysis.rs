//! What whoever decides elsewhere asks: may the canary of a rollout have more?

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    extract::{Asked, Named},
    problem::{Code, Problem},
};
use crate::{
    rollout::{
        Decision, Seen,
        engine::{Ratio, Tally},
    },
    traffic::names,
};

/// What is known of a rollout's canary now, and what follows from it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// `pass`: it was shown to be no worse, and may have more. `hold`: not yet, or not now. `fail`: it gets nothing, and must not.
    #[schema(example = "pass", pattern = "^(pass|hold|fail)$")]
    decision: &'static str,
    /// Why, in a sentence.
    reason: String,
    /// The rollout's id.
    rollout: String,
    /// As of the rollout.
    status: String,
    build: Option<String>,
    /// The service's qualified name.
    service: String,
    stable: String,
    canary: String,
    /// The canary gets nothing, whatever its weight.
    braked: bool,
    /// The canary's part of the requests to both versions; null: one of them gets none, or nobody judges.
    share: Option<f64>,
    /// Requests of the canary since its share has changed last.
    requests_with_share: u64,
    counts: Counts,
    /// How many times better "the canary is worse" explains what was seen than "it is not", by the kind of evidence: at 1 divided by
    /// `analysis.alpha`'s part it is stopped. At most 1e9.
    e: BTreeMap<String, f64>,
    ratio: Option<RatioView>,
}

/// What was counted of both versions.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Counts {
    stable: TallyView,
    canary: TallyView,
}

/// What was counted of a version.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Tally)]
pub struct TallyView {
    /// Requests that came to their end.
    requests: u64,
    /// Those of them that failed.
    errors: u64,
    /// Those of the others that were slow.
    slow: u64,
}

/// How many times as often as stable the canary fails; null where nothing has failed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ratio)]
pub struct RatioView {
    estimate: f64,
    /// At least so much.
    lower: f64,
    /// At most.
    upper: f64,
}

/// Of which build.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Build {
    /// What the rollout's `build` has to be; of another one, or of none, the decision is `hold`.
    #[param(max_length = 255)]
    build: Option<String>,
}

/// What is known of a rollout's canary, and whether it may have more.
#[utoipa::path(get, path = "/rollouts/{id}/analysis", tag = "rollouts", params(("id" = String, Path), Build), responses((status = 200, body = Analysis)))]
pub async fn of_rollout(
    State(shared): State<Shared>,
    Named(id): Named<String>,
    Asked(Build { build }): Asked<Build>,
) -> Result<Json<Analysis>, Problem> {
    let missing = || Problem::new(Code::NotFound, format!("there is no rollout {id}"));
    let seen = shared.rollouts.get(&id).await?.ok_or_else(missing)?;
    Ok(Json(analysis(&shared, &seen, build.as_deref())))
}

/// The same of a service's newest rollout, whether or not it has ended.
#[utoipa::path(get, path = "/services/{name}/analysis", tag = "rollouts", params(("name" = String, Path), Build), responses((status = 200, body = Analysis)))]
pub async fn of_service(
    State(shared): State<Shared>,
    Named(name): Named<String>,
    Asked(Build { build }): Asked<Build>,
) -> Result<Json<Analysis>, Problem> {
    let seen = newest(&shared, &name).await?;
    Ok(Json(analysis(&shared, &seen, build.as_deref())))
}

/// The newest rollout of a service, by its qualified name or its bare one.
pub(super) async fn newest(shared: &Shared, name: &str) -> Result<Seen, Problem> {
    let service = names::service(&shared.traffic.configuration(), name)?;
    let missing = || Problem::new(Code::NotFound, format!("no rollout of {service} was begun"));
    shared.rollouts.newest(&service).await?.ok_or_else(missing)
}

fn analysis(shared: &Shared, (rollout, pipeline): &Seen, build: Option<&str>) -> Analysis {
    let known = shared.rollouts.known(rollout, pipeline);
    let is_other = build.is_some() && rollout.build.as_deref() != build;
    let (decision, reason) = match build.filter(|_| is_other) {
        Some(build) => {
            let is = rollout.build.as_ref().map_or_else(|| "no build".to_owned(), |build| format!("build {build}"));
            (Decision::Hold, format!("nobody judges build {build}: rollout {} is about {is}", rollout.id))
        }
        None => (known.decision, known.reason),
    };
    let evidence = known.evidence.unwrap_or_default();
    let tally = |tally: Tally| TallyView { requests: tally.requests, errors: tally.errors, slow: tally.slow };
    let ratio = |Ratio { estimate, lower, upper }| RatioView { estimate, lower, upper };
    Analysis {
        decision: match decision {
            Decision::Pass => "pass",
            Decision::Hold => "hold",
            Decision::Fail => "fail",
        },
        reason,
        rollout: rollout.id.clone(),
        status: rollout.status.name().to_owned(),
        build: rollout.build.clone(),
        service: rollout.service.clone(),
        stable: rollout.stable.clone(),
        canary: rollout.canary.clone(),
        braked: known.braked,
        share: known.share,
        requests_with_share: evidence.step_requests,
        counts: Counts { stable: tally(evidence.stable), canary: tally(evidence.canary) },
        e: evidence.ln_e.into_iter().map(|(family, ln_e)| (family, ln_e.exp().min(LARGEST))).collect(),
        ratio: evidence.ratio.map(ratio),
    }
}

/// Of what is told.
const LARGEST: f64 = 1e9;
