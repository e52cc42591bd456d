//! The admin API: `/api/v1` in JSON, its description, Traefik's own paths below `/api`, and what
//! other systems ask by paths of their own: `/prometheus`, `/kayenta`.
//!
//! ```text
//! worker (access, passage) -> serve -> axum router -> handlers -> traffic, gateway, providers, store
//! ```

#![expect(clippy::result_large_err, reason = "a refusal is seldom, and goes straight to its answer")]
#![expect(unused_qualifications, reason = "what describes a path writes them")]

mod analysis;
mod approval;
mod audit;
mod bounds;
mod brakes;
mod docs;
mod events;
mod explain;
mod extract;
mod flagger;
mod kayenta;
mod paging;
mod pipelines;
mod problem;
mod prometheus;
mod providers;
mod rest;
mod rollouts;
mod services;
mod topology;
mod traefik;
mod unknown;
mod weights;

use std::{sync::Arc, time::SystemTime};

use axum::{
    Router,
    body::Body,
    http::Request,
    response::IntoResponse as _,
    routing::{get, post, put},
};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use rollgate_config::Allow;
use rollgate_gateway::{AdminBody, Asked, Gateway};
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::bounds::Bounds;
use self::unknown::{unknown, wrong_method};
use crate::{history::History, providers::Providers, reconciler::RestProvider, rollout::Rollouts, traffic::Traffic};

/// What handlers consult.
pub type Shared = Arc<Consulted>;

/// See [`Shared`].
pub struct Consulted {
    /// The data plane.
    pub gateway: Arc<Gateway>,
    /// Weights and brakes.
    pub traffic: Arc<Traffic>,
    /// Files.
    pub providers: Arc<Providers>,
    /// What `--allow-unsupported` names.
    pub allow: Allow,
    /// When the process began.
    pub started: SystemTime,
    /// Where decisions are kept.
    pub store: StoreFacts,
    /// The provider `rest`, if there is one.
    pub rest: Option<RestProvider>,
    /// Rollouts.
    pub rollouts: Arc<Rollouts>,
    /// The course of counters.
    pub history: Arc<Mutex<History>>,
    /// How much at once.
    pub bounds: Bounds,
}

/// What is known of the store.
#[derive(Debug, Clone, Default)]
pub struct StoreFacts {
    /// Its file; `None`: memory.
    pub file: Option<String>,
    /// What was wrong with it at the start.
    pub problem: Option<String>,
}

/// Answers what workers hand over, until they are gone. What was begun is finished, whether or not anybody waits for it.
pub async fn serve(mut requests: mpsc::Receiver<Asked>, shared: Shared) {
    let router = router(shared.clone());
    while let Some(Asked { request, caller, answer }) = requests.recv().await {
        // He was told by now that nobody has taken it.
        if answer.is_closed() {
            continue;
        }
        let place = match shared.bounds.request(&request) {
            Ok(place) => place,
            Err(problem) => {
                let response = problem.into_response();
                drop(answer.send(response.map(|body| AdminBody::new(body.map_err(Into::into)))));
                continue;
            }
        };
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(caller);
        let answering = router.clone().oneshot(Request::from_parts(parts, Body::from(body)));
        tokio::spawn(async move {
            let Ok(response) = answering.await;
            drop(place);
            drop(answer.send(response.map(|body| AdminBody::new(body.map_err(Into::into)))));
        });
    }
}

/// The API, and what describes it.
fn router(shared: Shared) -> Router {
    let (v1, description) = OpenApiRouter::with_openapi(docs::description()).nest("/api/v1", v1()).split_for_parts();
    let described = docs::router(description);
    let v1 = v1
        .route("/api/providers/{provider}", put(rest::put))
        .route("/prometheus/api/v1/query", get(prometheus::query).post(prometheus::query))
        .route("/prometheus/api/v1/query_range", get(prometheus::query_range).post(prometheus::query_range))
        .route("/prometheus/api/v1/label/__name__/values", get(prometheus::names))
        .route("/prometheus/-/healthy", get(prometheus::healthy))
        .route("/kayenta/judge", post(kayenta::judge));
    v1.fallback(unknown).method_not_allowed_fallback(wrong_method).with_state(shared).merge(described)
}

fn v1() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(services::list))
        .routes(routes!(services::get))
        .routes(routes!(weights::list, weights::put_several))
        .routes(routes!(weights::get, weights::put, weights::patch, weights::delete))
        .routes(routes!(brakes::list))
        .routes(routes!(brakes::put, brakes::delete))
        .routes(routes!(pipelines::list, pipelines::put))
        .routes(routes!(pipelines::get, pipelines::delete))
        .routes(routes!(rollouts::list, rollouts::start))
        .routes(routes!(rollouts::get))
        .routes(routes!(rollouts::approval))
        .routes(routes!(rollouts::act))
        .routes(routes!(analysis::of_rollout))
        .routes(routes!(analysis::of_service))
        .routes(routes!(flagger::flagger))
        .routes(routes!(events::follow))
        .routes(routes!(audit::list))
        .routes(routes!(topology::routers))
        .routes(routes!(topology::middlewares))
        .routes(routes!(topology::entry_points))
        .routes(routes!(topology::certificates))
        .routes(routes!(providers::snapshot))
        .routes(routes!(providers::live))
        .routes(routes!(providers::ready))
        .routes(routes!(explain::explain))
        .routes(routes!(explain::check))
}
