//! The API's description (OpenAPI 3.1), made from the code, and a page that shows it without outside assets.

use std::sync::Arc;

use axum::{
    Router,
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_swagger_ui::Config;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Rollgate's admin API",
        description = "Live weights, brakes, events and what there is. Errors are RFC 9457 problem documents.",
    ),
    security(("token" = []), ()),
    modifiers(&Tokens)
)]
struct Description;

struct Tokens;

impl utoipa::Modify for Tokens {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// What all of it has in common.
pub fn description() -> OpenApi {
    Description::openapi()
}

/// `/api/v1/openapi.json` and `/api/v1/docs/`.
pub fn router(description: OpenApi) -> Router {
    let text = description.to_json().unwrap_or_default();
    let json = move || async move { ([(header::CONTENT_TYPE, "application/json")], text) };
    let config = Arc::new(Config::from("../openapi.json"));
    Router::new()
        .route("/api/v1/openapi.json", get(json))
        .route("/api/v1/docs", get(|| async { Redirect::permanent("docs/") }))
        .route(
            "/api/v1/docs/",
            get({
                let config = config.clone();
                || async move { page("index.html", config) }
            }),
        )
        .route("/api/v1/docs/{*file}", get(|Path(file): Path<String>| async move { page(&file, config) }))
}

fn page(file: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(found)) => {
            let kind = HeaderValue::from_str(&found.content_type);
            let kind = kind.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
            ([(header::CONTENT_TYPE, kind)], found.bytes.into_owned()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
