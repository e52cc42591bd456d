//! `/brakes` and `/services/{name}/brake/{version}`.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    extract::{Asked, By, Changing, Named, Unconditional},
    problem::Problem,
    weights::reason,
};
use crate::traffic::BrakeView;

/// What may be said of a brake.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentBrake {
    /// Why, for the audit log; at most 1,024 bytes.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// The same, where there is no body.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct How {
    /// Why, for the audit log; at most 1,024 bytes.
    #[param(max_length = 1024)]
    reason: Option<String>,
}

/// All brakes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Brakes {
    items: Vec<BrakeView>,
    /// Always null: all are in one page.
    next: Option<String>,
}

/// All brakes that are set, also those on versions that are not there now.
#[utoipa::path(get, path = "/brakes", tag = "brakes", responses((status = 200, body = Brakes)))]
pub async fn list(State(shared): State<Shared>) -> Json<Brakes> {
    Json(Brakes { items: shared.traffic.brakes(), next: None })
}

/// Takes all requests away from a version, whatever its weight, until the brake is released. Answers when every worker does so;
/// it holds before it is in the store, which `stored` tells. The same again changes nothing, so an `Idempotency-Key` adds nothing;
/// `If-Match` is refused.
#[utoipa::path(put, path = "/services/{name}/brake/{version}", tag = "brakes",
    params(("name" = String, Path), ("version" = String, Path)), request_body = Option<SentBrake>, responses((status = 200, body = BrakeView)))]
pub async fn put(
    State(shared): State<Shared>,
    Named((service, version)): Named<(String, String)>,
    By(by): By,
    _: Unconditional,
    sent: Changing<Option<SentBrake>>,
) -> Result<Json<BrakeView>, Problem> {
    let reason = reason(sent.value.unwrap_or_default().reason)?;
    Ok(Json(shared.traffic.brake((&service, &version), reason, &by).await?))
}

/// Gives a version its weight back. Answers when every worker does so.
#[utoipa::path(delete, path = "/services/{name}/brake/{version}", tag = "brakes",
    params(("name" = String, Path), ("version" = String, Path), How), responses((status = 200, body = BrakeView)))]
pub async fn delete(
    State(shared): State<Shared>,
    Named((service, version)): Named<(String, String)>,
    Asked(how): Asked<How>,
    By(by): By,
    _: Unconditional,
) -> Result<Json<BrakeView>, Problem> {
    Ok(Json(shared.traffic.release((&service, &version), reason(how.reason)?, &by).await?))
}
