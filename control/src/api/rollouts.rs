//! `/rollouts`: begin one, watch it, act on it.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use rollgate_config::{dynamic::rollout::Pipeline, static_config::Role};
use rollgate_gateway::Caller;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    extract::{Asked, By, Changing, Named},
    paging,
    problem::{Code, Problem},
    weights::reason,
};
use crate::{
    events::milliseconds_as_text,
    rollout::{
        NotBegun, NotDone, Start,
        engine::{self, Action, Rollout},
    },
    store::{Remembered, RolloutQuery},
};

/// A rollout to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"pipeline": "release-coding", "build": "1.4.2"}))]
pub struct SentStart {
    /// The pipeline's name, qualified or bare.
    #[schema(max_length = 255)]
    pipeline: String,
    /// What tells the canary's build apart; shown, and part of what is kept.
    #[schema(max_length = 255)]
    build: Option<String>,
    /// As the header `Idempotency-Key`, for those that cannot set headers.
    #[schema(max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    idempotency_key: Option<String>,
}

/// What makes it safe to send it again; read by [`Changing`].
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the description alone")]
pub struct Again {
    #[param(rename = "Idempotency-Key", max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    idempotency_key: Option<String>,
}

/// What is said with an action.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SentAction {
    /// Why; `skip` and `promote` take one. At most 1,024 bytes.
    #[schema(max_length = 1024)]
    reason: Option<String>,
}

/// By what right a question is answered.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Link {
    /// Of the question that is open, as `approvalUrl` has it: in place of a token, for `approve` and `deny` alone.
    #[param(pattern = "^[0-9a-f]{32}$")]
    nonce: Option<String>,
}

/// Which rollouts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Of this service, by its qualified name.
    service: Option<String>,
    /// Of this pipeline, by its qualified name.
    pipeline: Option<String>,
    /// `PENDING`, `RUNNING`, `WAITING`, `PAUSED`, `SUCCEEDED`, `ROLLED_BACK`, `FAILED` or `CANCELED`.
    status: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    after: Option<String>,
}

/// A rollout as it is told.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rollout)]
pub struct RolloutView {
    id: String,
    /// The pipeline's qualified name.
    pipeline: String,
    /// The service's.
    service: String,
    /// The version that has the users.
    stable: String,
    /// The one that is to get them.
    canary: String,
    build: Option<String>,
    /// `PENDING`, `RUNNING`, `WAITING`, `PAUSED`, `SUCCEEDED`, `ROLLED_BACK`, `FAILED` or `CANCELED`.
    status: String,
    /// How far it is, in a few words.
    progress: String,
    /// What it waits for, in a sentence; empty at the end.
    waits_for: String,
    /// Why it is paused, was taken back or has ended so.
    reason: Option<String>,
    /// Where to ask again, absolute.
    status_url: String,
    /// Who has begun it.
    actor: String,
    started_at: String,
    ended_at: Option<String>,
    /// The canary's share of what both versions have; null: not its to say.
    weight: Option<String>,
    /// The stage that it is at, by its name.
    stage: String,
    /// Answers the question that is open, once, without a token: for whoever is asked. Shown to those who may change weights.
    approval_url: Option<String>,
    /// What can be done with it: paths below it, to POST to.
    possible: Vec<String>,
    /// Every stage with how far it has come, and the numbers that decided.
    #[schema(value_type = Vec<Object>)]
    stages: Vec<Value>,
    /// The last look at both versions.
    #[schema(value_type = Option<Object>)]
    evidence: Option<Value>,
    /// What has happened, the newest last; with one rollout alone.
    #[schema(value_type = Vec<Object>)]
    history: Vec<Value>,
}

/// Some of them, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed {
    items: Vec<RolloutView>,
    /// What `after` has to be for older ones.
    next: Option<String>,
}

/// Begins a rollout of a pipeline. Answers when it is kept; it goes on by itself.
#[utoipa::path(post, path = "/rollouts", tag = "rollouts", params(Again), request_body = SentStart, responses((status = 201, body = RolloutView, headers(("Location" = String)))))]
pub async fn start(
    State(shared): State<Shared>,
    By(by): By,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    sent: Changing<SentStart>,
) -> Result<Response, Problem> {
    let Changing { value, key, if_match, digest } = sent;
    if if_match.is_some() {
        return Err(Problem::invalid("If-Match", "is not looked at when a rollout begins", "none"));
    }
    let key = super::weights::either(key, value.idempotency_key, digest)?;
    let base = base(&shared, &caller, &headers);
    if let Some(key) = &key {
        let now = jiff::Timestamp::now().as_millisecond();
        match shared.traffic.store().remembered(key.key.clone(), now).await? {
            Some(before) if before.digest == key.digest => return Ok(created(before.body)),
            Some(_) => return Err(crate::traffic::Refused::KeyReused.into()),
            None => {}
        }
    }
    let (name, pipeline) = super::pipelines::named(&shared, &value.pipeline)?;
    let start = Start { name: &name, pipeline, by: &by, build: value.build, id: None };
    let remember = |rollout: &Rollout, pipeline: &Pipeline| {
        let key = key.clone()?;
        let body = serde_json::to_string(&view(rollout, pipeline, (&base, caller.role), false)).unwrap_or_default();
        Some(Remembered { key: key.key, digest: key.digest, status: 201, body, at: rollout.created })
    };
    let (rollout, pipeline) = shared.rollouts.start(start, remember).await?;
    Ok(created(serde_json::to_string(&view(&rollout, &pipeline, (&base, caller.role), false)).unwrap_or_default()))
}

fn created(body: String) -> Response {
    let location = serde_json::from_str::<RolloutView>(&body).map(|view| view.status_url).unwrap_or_default();
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::LOCATION, location)];
    (StatusCode::CREATED, headers, body).into_response()
}

/// Rollouts, the newest first, those that have ended too.
#[utoipa::path(get, path = "/rollouts", tag = "rollouts", params(Filter), responses((status = 200, body = Listed)))]
pub async fn list(
    State(shared): State<Shared>,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    Asked(filter): Asked<Filter>,
) -> Result<axum::Json<Listed>, Problem> {
    let query = RolloutQuery {
        service: filter.service,
        pipeline: filter.pipeline,
        status: filter.status,
        limit: paging::limit(filter.limit)? as u32,
        before: filter
            .after
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| Problem::invalid("after", "is no place in the list", "the `next` of the page before"))?,
    };
    let (items, next) = shared.rollouts.list(query).await?;
    let base = base(&shared, &caller, &headers);
    let items = items.iter().map(|(rollout, pipeline)| view(rollout, pipeline, (&base, caller.role), false)).collect();
    Ok(axum::Json(Listed { items, next: next.map(|next| next.to_string()) }))
}

/// A rollout, with all that has happened.
#[utoipa::path(get, path = "/rollouts/{id}", tag = "rollouts", params(("id" = String, Path)), responses((status = 200, body = RolloutView)))]
pub async fn get(
    State(shared): State<Shared>,
    Named(id): Named<String>,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
) -> Result<axum::Json<RolloutView>, Problem> {
    let (rollout, pipeline) = shared.rollouts.get(&id).await?.ok_or_else(|| missing(&id))?;
    Ok(axum::Json(view(&rollout, &pipeline, (&base(&shared, &caller, &headers), caller.role), true)))
}

/// Acts on a rollout: `pause`, `resume`, `approve`, `deny`, `retry`, `skip`, `abort` or `promote`. Answers when it is kept.
#[utoipa::path(post, path = "/rollouts/{id}/{action}", tag = "rollouts", params(("id" = String, Path), ("action" = String, Path, pattern = "^(pause|resume|approve|deny|retry|skip|abort|promote)$"), Link), request_body = Option<SentAction>, responses((status = 200, body = RolloutView)))]
pub async fn act(
    State(shared): State<Shared>,
    Named((id, action)): Named<(String, String)>,
    Asked(link): Asked<Link>,
    By(by): By,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    sent: Changing<Option<SentAction>>,
) -> Result<axum::Json<RolloutView>, Problem> {
    let known = Action::ALL.into_iter().find(|known| known.name() == action);
    let action = known.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no action {action:?}")))?;
    let SentAction { reason: why } = sent.value.unwrap_or_default();
    let asked = engine::Asked {
        action,
        by: engine::Caller {
            name: by.name.to_string(),
            role: caller.role,
            token: Some(by.name.to_string()),
            link: link.nonce.map(engine::Nonce),
        },
        reason: reason(why)?,
    };
    let done = match shared.rollouts.act(&id, asked, &by).await {
        Some(done) => done,
        None => match shared.rollouts.get(&id).await? {
            Some(_) => Err(NotDone::Ended(id.clone())),
            None => return Err(missing(&id)),
        },
    };
    let (rollout, pipeline) = done?;
    Ok(axum::Json(view(&rollout, &pipeline, (&base(&shared, &caller, &headers), caller.role), false)))
}

/// A page that shows the question that is open and answers it, for whoever was sent its link.
#[utoipa::path(get, path = "/rollouts/{id}/approval", tag = "rollouts", params(("id" = String, Path), Link), responses((status = 200, content_type = "text/html", body = String)))]
pub async fn approval(
    State(shared): State<Shared>,
    Named(id): Named<String>,
    Asked(link): Asked<Link>,
) -> Result<Response, Problem> {
    let (rollout, pipeline) = shared.rollouts.get(&id).await?.ok_or_else(|| missing(&id))?;
    let open = rollout.nonce().map(|nonce| nonce.0);
    let page = match link.nonce.filter(|nonce| open.as_ref().is_some_and(|open| same(open, nonce))) {
        Some(nonce) => super::approval::question(&rollout, &pipeline, &nonce),
        None => super::approval::closed(),
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, super::approval::POLICY),
    ];
    Ok((headers, page).into_response())
}

/// In a time that tells nothing.
fn same(one: &str, other: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

fn missing(id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no rollout {id}"))
}

/// Where this API is, as the caller has reached it.
fn base(shared: &Shared, caller: &Caller, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = if caller.tls { "https" } else { "http" };
    let statics = shared.providers.statics();
    let path = statics.api.as_ref().map_or("", |api| api.base_path.trim_end_matches('/'));
    format!("{scheme}://{host}{path}/api/v1")
}

/// As whoever asks may see it. `whole`: with what has happened.
fn view(rollout: &Rollout, pipeline: &Pipeline, (base, role): (&str, Role), whole: bool) -> RolloutView {
    let nonce = rollout.nonce().filter(|_| role >= Role::Operate);
    let possible = rollout.possible();
    RolloutView {
        id: rollout.id.clone(),
        pipeline: rollout.pipeline.clone(),
        service: rollout.service.clone(),
        stable: rollout.stable.clone(),
        canary: rollout.canary.clone(),
        build: rollout.build.clone(),
        status: rollout.status.name().to_owned(),
        progress: rollout.progress(),
        waits_for: rollout.waits_for(pipeline, jiff::Timestamp::now().as_millisecond()),
        reason: rollout.reason.clone(),
        status_url: format!("{base}/rollouts/{}", rollout.id),
        actor: rollout.actor.clone(),
        started_at: milliseconds_as_text(rollout.created),
        ended_at: rollout.ended.map(milliseconds_as_text),
        weight: rollout.share.map(|share| share.to_string()),
        stage: rollout.record().name.clone(),
        approval_url: nonce.map(|nonce| format!("{base}/rollouts/{}/approval?nonce={}", rollout.id, nonce.0)),
        possible: possible.iter().map(|action| action.name().to_owned()).collect(),
        stages: rollout.plan(pipeline).into_iter().map(json).collect(),
        evidence: rollout.evidence.as_ref().map(json),
        history: if whole { rollout.history.iter().map(json).collect() } else { Vec::new() },
    }
}

fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl From<NotBegun> for Problem {
    fn from(error: NotBegun) -> Self {
        match error {
            NotBegun::Refused(refused) => refused.into(),
            NotBegun::Exists(_) => Self::new(Code::NotPossible, error.to_string()),
        }
    }
}

impl From<NotDone> for Problem {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::Refused(engine::Refusal::NotAllowed { .. } | engine::Refusal::OldLink) => {
                Self::new(Code::Forbidden, error.to_string())
            }
            NotDone::Refused(engine::Refusal::NoReason { .. }) => {
                Self::invalid("reason", "is missing: it is kept for whoever asks later", "a text")
            }
            NotDone::Refused(_) | NotDone::Ended(_) => Self::new(Code::NotPossible, error.to_string()),
            NotDone::Store(error) => error.into(),
        }
    }
}
