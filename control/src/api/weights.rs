//! `/weights` and `/services/{name}/weights`.

mod sent;

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rollgate_config::scalar::Weight;
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        Ref,
        schema::{ObjectBuilder, Schema, Type},
    },
};

pub use self::sent::SentWeight;
use super::{
    Shared,
    extract::{Asked, By, Changing, Named, key_of},
    problem::Problem,
};
use crate::{
    store::Owner,
    traffic::{Actor, Answer, Done, Key, Weighing, WeightsView, Wish},
};

/// Weights for a service.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"weights": {"k8s-flask": "90", "k8s-flask-canary": 10}, "reason": "release 1.4"}))]
pub struct SentWeights {
    /// By the versions' names, qualified or bare: decimals from 0 to 1,000,000 with at most six places. They are relative.
    weights: BTreeMap<String, SentWeight>,
    /// Why, for the audit log; at most 1,024 bytes.
    #[schema(max_length = 1024)]
    reason: Option<String>,
    /// As the header `Idempotency-Key`, for those that cannot set headers.
    #[schema(max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    idempotency_key: Option<String>,
}

/// Weights for several services, all or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SentForSeveral {
    /// By the services' names, qualified or bare; 1 to 1,000.
    #[schema(schema_with = services_by_name)]
    services: BTreeMap<String, SentOfService>,
    /// As for one service.
    #[schema(max_length = 1024)]
    reason: Option<String>,
    /// As for one service.
    #[schema(max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    idempotency_key: Option<String>,
}

/// utoipa has no words of its own for how many properties there may be.
fn services_by_name() -> Schema {
    let services = ObjectBuilder::new().schema_type(Type::Object);
    let services = services.min_properties(Some(1)).max_properties(Some(MAX_SERVICES));
    services.additional_properties(Some(Ref::from_schema_name("SentOfService"))).into()
}

/// One of several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentOfService {
    /// For every version.
    weights: BTreeMap<String, SentWeight>,
}

/// How a change is to be made.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct How {
    /// Only say what would be.
    #[serde(default)]
    dry_run: bool,
}

/// The same, where there is no body.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HowReset {
    /// Only say what would be.
    #[serde(default)]
    dry_run: bool,
    /// Why, for the audit log; at most 1,024 bytes.
    #[param(max_length = 1024)]
    reason: Option<String>,
}

/// What makes it safe to send a change, and to send it again; read by [`Changing`].
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the description alone")]
pub struct Safely {
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    #[param(rename = "Idempotency-Key", max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    idempotency_key: Option<String>,
}

/// What came of a change of one service.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Weighed {
    #[serde(flatten)]
    weights: WeightsView,
    /// The generation that every worker has.
    generation: u64,
    /// It was not so before.
    changed: bool,
    /// It is not so; it would be.
    dry_run: bool,
}

/// What came of a change of several.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeighedSeveral {
    services: Vec<WeightsView>,
    /// The generation that every worker has.
    generation: u64,
    /// Something was not so before.
    changed: bool,
    /// It is not so; it would be.
    dry_run: bool,
}

/// All weights.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllWeights {
    items: Vec<WeightsView>,
    /// Always null: all are in one page.
    next: Option<String>,
}

/// The weights of all weighted services.
#[utoipa::path(get, path = "/weights", tag = "weights", responses((status = 200, body = AllWeights, headers(("ETag" = String)))))]
pub async fn list(State(shared): State<Shared>) -> Result<Response, Problem> {
    let traffic = shared.traffic.clone();
    shared
        .bounds
        .heavy(move || {
            let (items, tag) = traffic.all_weights();
            tagged(&tag, AllWeights { items, next: None })
        })
        .await
}

/// The weights of a service.
#[utoipa::path(get, path = "/services/{name}/weights", tag = "weights", params(("name" = String, Path)), responses((status = 200, body = WeightsView, headers(("ETag" = String)))))]
pub async fn get(State(shared): State<Shared>, Named(name): Named<String>) -> Result<Response, Problem> {
    let view = shared.traffic.weights(&name)?;
    Ok(tagged(&view.etag.clone(), view))
}

/// Sets the weights of every version of a service. Answers when every worker has them.
#[utoipa::path(put, path = "/services/{name}/weights", tag = "weights",
    params(("name" = String, Path), How, Safely),
    request_body = SentWeights, responses((status = 200, body = Weighed, headers(("ETag" = String)))))]
pub async fn put(
    State(shared): State<Shared>,
    Named(name): Named<String>,
    Asked(how): Asked<How>,
    By(by): By,
    changing: Changing<SentWeights>,
) -> Result<Response, Problem> {
    set(&shared, name, how, by, changing, Weighing::All).await
}

/// Sets the weights of some versions of a service; the others keep theirs. Answers when every worker has them.
#[utoipa::path(patch, path = "/services/{name}/weights", tag = "weights",
    params(("name" = String, Path), How, Safely),
    request_body = SentWeights, responses((status = 200, body = Weighed, headers(("ETag" = String)))))]
pub async fn patch(
    State(shared): State<Shared>,
    Named(name): Named<String>,
    Asked(how): Asked<How>,
    By(by): By,
    changing: Changing<SentWeights>,
) -> Result<Response, Problem> {
    set(&shared, name, how, by, changing, Weighing::Some).await
}

/// Returns a service to the weights of the configuration. Answers when every worker has them.
#[utoipa::path(delete, path = "/services/{name}/weights", tag = "weights",
    params(("name" = String, Path), HowReset, Safely),
    responses((status = 200, body = Weighed, headers(("ETag" = String)))))]
pub async fn delete(
    State(shared): State<Shared>,
    Named(name): Named<String>,
    Asked(how): Asked<HowReset>,
    By(by): By,
    changing: Changing<Option<serde_json::Map<String, serde_json::Value>>>,
) -> Result<Response, Problem> {
    if changing.value.is_some_and(|body| !body.is_empty()) {
        return Err(Problem::invalid("body", "is not read", "no body; `reason` and `dryRun` stand in the query"));
    }
    let wish = Wish {
        asking: Owner::Api,
        owner: Owner::Api,
        services: vec![(name, Weighing::Reset)],
        if_match: changing.if_match,
        dry_run: how.dry_run,
        key: changing.key,
        reason: reason(how.reason)?,
        several: false,
    };
    one(&shared, wish, &by).await
}

/// Sets the weights of several services at once, as one generation: all of them, or none. Answers when every worker has them.
#[utoipa::path(put, path = "/weights", tag = "weights",
    params(How, Safely),
    request_body = SentForSeveral, responses((status = 200, body = WeighedSeveral)))]
pub async fn put_several(
    State(shared): State<Shared>,
    Asked(how): Asked<How>,
    By(by): By,
    changing: Changing<SentForSeveral>,
) -> Result<Response, Problem> {
    let Changing { value, key, if_match, digest } = changing;
    if value.services.is_empty() || value.services.len() > MAX_SERVICES {
        let what = format!("names {} services", value.services.len());
        return Err(Problem::invalid("services", what, format!("1 to {MAX_SERVICES}")));
    }
    let mut services = Vec::with_capacity(value.services.len());
    for (name, SentOfService { weights }) in value.services {
        let weights = weights_of(&format!("services.{name}.weights"), weights)?;
        services.push((name, Weighing::All(weights)));
    }
    let key = either(key, value.idempotency_key, digest)?;
    let reason = reason(value.reason)?;
    let (asking, owner) = (Owner::Api, Owner::Api);
    let wish = Wish { services, if_match, asking, owner, dry_run: how.dry_run, key, reason, several: true };
    let several = |done: &Done| WeighedSeveral {
        services: done.services.clone(),
        generation: done.generation,
        changed: done.changed,
        dry_run: done.dry_run,
    };
    Ok(match shared.traffic.weigh(wish, &by, |done| text(&several(done))).await? {
        Answer::Done(done) => axum::Json(several(&done)).into_response(),
        Answer::Again(body) => json(body),
    })
}

async fn set(
    shared: &Shared,
    name: String,
    how: How,
    by: Actor,
    changing: Changing<SentWeights>,
    weighing: fn(BTreeMap<String, Weight>) -> Weighing,
) -> Result<Response, Problem> {
    let Changing { value, key, if_match, digest } = changing;
    let weights = weights_of("weights", value.weights)?;
    let wish = Wish {
        asking: Owner::Api,
        owner: Owner::Api,
        services: vec![(name, weighing(weights))],
        if_match,
        dry_run: how.dry_run,
        key: either(key, value.idempotency_key, digest)?,
        reason: reason(value.reason)?,
        several: false,
    };
    one(shared, wish, &by).await
}

async fn one(shared: &Shared, wish: Wish, by: &Actor) -> Result<Response, Problem> {
    match shared
        .traffic
        .weigh(wish, by, |done| weighed(done).map_or_else(String::new, |weighed| text(&weighed)))
        .await?
    {
        Answer::Done(done) => {
            let weighed =
                weighed(&done).ok_or_else(|| Problem::new(super::problem::Code::NotFound, "nothing was named"))?;
            Ok(tagged(&weighed.weights.etag.clone(), weighed))
        }
        Answer::Again(body) => {
            let tag = serde_json::from_str::<Weighed>(&body).map(|weighed| weighed.weights.etag);
            let mut response = json(body);
            if let Some(tag) = tag.ok().and_then(|tag| HeaderValue::from_str(&tag).ok()) {
                response.headers_mut().insert(header::ETAG, tag);
            }
            Ok(response)
        }
    }
}

fn weighed(done: &Done) -> Option<Weighed> {
    let weights = done.services.first()?.clone();
    Some(Weighed { weights, generation: done.generation, changed: done.changed, dry_run: done.dry_run })
}

fn weights_of(field: &str, sent: BTreeMap<String, SentWeight>) -> Result<BTreeMap<String, Weight>, Problem> {
    let read = sent.into_iter().map(|(name, sent)| {
        let weight = match sent {
            SentWeight::Text(text) => text.parse().ok(),
            SentWeight::Number(number) => rounded(number),
        };
        let allowed = "a decimal from 0 to 1000000 with at most six places";
        let weight = weight.ok_or_else(|| Problem::invalid(format!("{field}.{name}"), "is no weight", allowed))?;
        Ok((name, weight))
    });
    read.collect()
}

fn rounded(number: f64) -> Option<Weight> {
    let millionths = number * Weight::ONE.0 as f64;
    (0.0..=Weight::MAX.0 as f64).contains(&millionths).then(|| Weight(millionths.round() as u64))
}

/// The header's key, or the body's.
pub(super) fn either(header: Option<Key>, body: Option<String>, digest: [u8; 32]) -> Result<Option<Key>, Problem> {
    match (header, body) {
        (Some(header), Some(body)) if header.key != body => Err(Problem::invalid(
            "idempotencyKey",
            "differs from the header Idempotency-Key",
            "the same, or only one of them",
        )),
        (Some(header), _) => Ok(Some(header)),
        (None, Some(body)) => key_of("idempotencyKey", &body, digest).map(Some),
        (None, None) => Ok(None),
    }
}

/// A reason as it may be.
pub(super) fn reason(reason: Option<String>) -> Result<Option<String>, Problem> {
    match reason {
        Some(text) if text.len() > MAX_REASON => Err(Problem::invalid(
            "reason",
            format!("is {} bytes long", text.len()),
            format!("at most {MAX_REASON} bytes"),
        )),
        reason => Ok(reason.filter(|text| !text.is_empty())),
    }
}

fn tagged(tag: &str, body: impl Serialize) -> Response {
    let mut response = axum::Json(body).into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn json(body: String) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// In one request.
const MAX_SERVICES: usize = 1000;
/// In bytes.
const MAX_REASON: usize = 1024;
