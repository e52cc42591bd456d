//! `/rollouts`: begin one, watch it, act on it.

mod order;
mod view;

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use rollgate_config::dynamic::rollout::Pipeline;
use rollgate_gateway::Caller;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use self::view::{Braked, RolloutView, answer, view};
use super::{
    Shared,
    extract::{Asked, By, Changing, Named},
    paging,
    problem::{Code, Problem},
    weights::reason,
};
use crate::{
    rollout::{
        NotBegun, NotDone, Once, Seen, Start,
        engine::{self, Action, Rollout, Status},
    },
    store::{Remembered, RolloutQuery},
    traffic::Key,
};

/// A rollout to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"pipeline": "release-coding", "build": "1.4.2"}))]
pub struct SentStart {
    /// The pipeline's name, qualified or bare; or `definition`.
    #[schema(max_length = 255)]
    pipeline: Option<String>,
    /// A pipeline as `POST /pipelines` takes it, for this rollout alone. One with a `job`, a `webhook`, a `deploy` by one of these or
    /// a `promote` with `writeBack` takes the role `admin`.
    #[schema(value_type = Option<Object>)]
    definition: Option<Box<RawValue>>,
    /// The rollout's id, if the caller wants to know it beforehand.
    #[schema(max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    id: Option<String>,
    /// What tells the canary's build apart; shown, and part of what is kept.
    #[schema(max_length = 255)]
    build: Option<String>,
    /// The id of an earlier rollout of the same canary: a `protect` goes by what was seen there too.
    #[schema(max_length = 100)]
    after: Option<String>,
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
    /// As the header `Idempotency-Key`, for those that cannot set headers. Not looked at with a `nonce`.
    #[schema(max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    idempotency_key: Option<String>,
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
    /// One or several with commas between them: `PENDING`, `RUNNING`, `WAITING`, `PAUSED`, `SUCCEEDED`, `ROLLED_BACK`, `FAILED`, `CANCELED`.
    #[param(example = "RUNNING,WAITING")]
    status: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    after: Option<String>,
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
    if let Some(before) = before(&shared, key.as_ref()).await? {
        return Ok(created(before));
    }
    let (id, build) = (order::id(value.id)?, order::build(value.build)?);
    let (name, pipeline) = match (value.pipeline, value.definition) {
        (Some(name), None) => super::pipelines::named(&shared, &name)?,
        (None, Some(sent)) => {
            let (name, pipeline) = order::inline(&shared, &sent, id.as_deref().unwrap_or("inline"))?;
            order::allowed(&pipeline, caller.role)?;
            (name, pipeline)
        }
        _ => {
            return Err(Problem::invalid(
                "pipeline",
                "and `definition`: one of the two says what to do",
                "one of the two",
            ));
        }
    };
    let observed = order::observed(&shared, value.after.as_deref(), &pipeline, build.as_deref()).await?;
    let start = Start { name: &name, pipeline, by: &by, build, id, observed };
    let braked = Braked::now(&shared.traffic);
    let remember = |rollout: &Rollout, pipeline: &Pipeline| {
        key.clone().map(|key| remembered(key, 201, &answer(rollout, pipeline, (&base, caller.role), &braked)))
    };
    match shared.rollouts.start(start, remember).await {
        Ok((rollout, pipeline)) => Ok(created(text(&answer(&rollout, &pipeline, (&base, caller.role), &braked)))),
        // The same request may have come in the meantime.
        Err(error) => match before(&shared, key.as_ref()).await? {
            Some(before) => Ok(created(before)),
            None => Err(error.into()),
        },
    }
}

/// What was answered to the same request before.
async fn before(shared: &Shared, key: Option<&Key>) -> Result<Option<String>, Problem> {
    let Some(key) = key else { return Ok(None) };
    let now = jiff::Timestamp::now().as_millisecond();
    match shared.traffic.store().remembered(key.key.clone(), now).await? {
        Some(before) if before.digest == key.digest => Ok(Some(before.body)),
        Some(_) => Err(crate::traffic::Refused::KeyReused.into()),
        None => Ok(None),
    }
}

fn remembered(key: Key, status: u16, view: &RolloutView) -> Remembered {
    let at = jiff::Timestamp::now().as_millisecond();
    Remembered { key: key.key, digest: key.digest, status, body: text(view), at }
}

fn text(view: &RolloutView) -> String {
    serde_json::to_string(view).unwrap_or_default()
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
        status: filter.status.as_deref().map(statuses).transpose()?.unwrap_or_default(),
        limit: paging::limit(filter.limit)? as u32,
        before: filter
            .after
            .map(|text| text.parse())
            .transpose()
            .map_err(|_| Problem::invalid("after", "is no place in the list", "the `next` of the page before"))?,
    };
    let (items, next) = shared.rollouts.list(query).await?;
    let base = base(&shared, &caller, &headers);
    let (now, braked) = (jiff::Timestamp::now().as_millisecond(), Braked::now(&shared.traffic));
    let view = |(rollout, pipeline): &Seen| view(rollout, pipeline, (&base, caller.role), (now, &braked), false);
    let items = items.iter().map(view).collect();
    Ok(axum::Json(Listed { items, next: next.map(|next| next.to_string()) }))
}

/// What is between the commas.
fn statuses(text: &str) -> Result<Vec<String>, Problem> {
    let known = |name: &str| {
        let wrong = || {
            let all = Status::ALL.map(Status::name).join(", ");
            Problem::invalid("status", format!("{name:?} is none"), format!("one or several of {all}"))
        };
        Status::ALL.into_iter().find(|status| status.name() == name).map(|_| name.to_owned()).ok_or_else(wrong)
    };
    text.split(',').map(known).collect()
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
    let (base, now) = (base(&shared, &caller, &headers), jiff::Timestamp::now().as_millisecond());
    let braked = Braked::now(&shared.traffic);
    Ok(axum::Json(view(&rollout, &pipeline, (&base, caller.role), (now, &braked), true)))
}

/// Acts on a rollout: `pause`, `resume`, `approve`, `deny`, `retry`, `skip`, `abort` or `promote`. Answers when it is kept.
#[utoipa::path(post, path = "/rollouts/{id}/{action}", tag = "rollouts", params(("id" = String, Path), ("action" = String, Path, pattern = "^(pause|resume|approve|deny|retry|skip|abort|promote)$"), Link, Again), request_body = Option<SentAction>, responses((status = 200, body = RolloutView)))]
pub async fn act(
    State(shared): State<Shared>,
    Named((id, action)): Named<(String, String)>,
    Asked(link): Asked<Link>,
    By(by): By,
    axum::Extension(caller): axum::Extension<Caller>,
    headers: HeaderMap,
    sent: Changing<Option<SentAction>>,
) -> Result<Response, Problem> {
    let known = Action::ALL.into_iter().find(|known| known.name() == action);
    let action = known.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no action {action:?}")))?;
    let SentAction { reason: why, idempotency_key } = sent.value.unwrap_or_default();
    // Whoever has no more than a link is told nothing of what others were answered.
    let key = match &link.nonce {
        Some(_) => None,
        None => super::weights::either(sent.key, idempotency_key, sent.digest)?,
    };
    if let Some(before) = before(&shared, key.as_ref()).await? {
        return Ok(json_text(before));
    }
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
    let base = base(&shared, &caller, &headers);
    let braked = Arc::new(Braked::now(&shared.traffic));
    let once = key.clone().map(|key| {
        let (again, base, braked) = (key.clone(), base.clone(), braked.clone());
        let answer = move |rollout: &Rollout, pipeline: &Pipeline| {
            remembered(key, 200, &answer(rollout, pipeline, (&base, caller.role), &braked))
        };
        Once { key: again, answer: Box::new(answer) }
    });
    let done = match shared.rollouts.act(&id, asked, &by, once).await {
        Some(done) => done,
        None => match shared.rollouts.get(&id).await? {
            Some(_) => Err(NotDone::Ended(id.clone())),
            None => return Err(missing(&id)),
        },
    };
    match done {
        Ok((rollout, pipeline)) => Ok(json_text(text(&answer(&rollout, &pipeline, (&base, caller.role), &braked)))),
        Err(NotDone::Before(body)) => Ok(json_text(body)),
        // The same request may have ended it in the meantime.
        Err(error) => match before(&shared, key.as_ref()).await? {
            Some(before) => Ok(json_text(before)),
            None => Err(error.into()),
        },
    }
}

fn json_text(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
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
            NotDone::Refused(_) | NotDone::Ended(_) | NotDone::Before(_) => {
                Self::new(Code::NotPossible, error.to_string())
            }
            NotDone::Store(error) => error.into(),
            NotDone::Key(refused) => refused.into(),
        }
    }
}
