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
        ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
        path::Parameter,
        schema::{Schema, SchemaType, Type},
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
    components(schemas(super::problem::Problem, super::weights::SentOfService)),
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
pub fn router(mut description: OpenApi) -> Router {
    with_problems(&mut description);
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

/// Every operation may be refused in ways that have nothing to do with what it does: they are described in one place.
fn with_problems(description: &mut OpenApi) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    for item in description.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.parameters.iter_mut().flatten().for_each(never_null);
            for (status, title) in PROBLEMS {
                let response = ResponseBuilder::new().description(title).content(PROBLEM, problem.clone()).build();
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert_with(|| response.into());
            }
        }
    }
}

/// A parameter is there or not; it is never null.
fn never_null(parameter: &mut RefOr<Parameter>) {
    if let RefOr::T(Parameter { schema: Some(RefOr::T(Schema::Object(object))), .. }) = parameter
        && let SchemaType::Array(types) = &mut object.schema_type
    {
        types.retain(|kind| *kind != Type::Null);
    }
}

const PROBLEM: &str = "application/problem+json";

const PROBLEMS: [(&str, &str); 12] = [
    ("400", "The request cannot be read"),
    ("401", "It is not known who asks"),
    ("403", "This is not allowed, or the request is for another host or comes from another site"),
    ("404", "There is no such thing"),
    ("405", "This cannot be done with it"),
    ("409", "The name could mean more than one thing, somebody else decides, or nothing would be left"),
    ("412", "It has changed in the meantime"),
    ("413", "The body is too long"),
    ("415", "The body is in a form that is not read"),
    ("422", "A value cannot be, or the idempotency key was used for another request"),
    ("429", "Too many wrong tokens"),
    ("503", "The control plane or its store is not there, or too much is under way at once"),
];

/// Nothing is loaded from anywhere else, and no other page may show this one. Swagger UI sets styles itself.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

fn page(file: &str, config: Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(found)) => {
            let kind = HeaderValue::from_str(&found.content_type);
            let kind = kind.unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
            let head = [
                (header::CONTENT_TYPE, kind),
                (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
                (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            ];
            (head, found.bytes.into_owned()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
