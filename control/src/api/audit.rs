//! `/audit`: who changed what.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Shared,
    extract::Asked,
    paging,
    problem::{Code, Problem},
};
use crate::{
    events::milliseconds_as_text,
    store::{AuditEntry, AuditQuery, StoreError},
};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Of this service, by its qualified name.
    service: Option<String>,
    /// Of this caller.
    actor: Option<String>,
    /// `weights.set`, `weights.reset`, `weights.dropped`, `brake.set`, `brake.released`, ...
    action: Option<String>,
    /// At this time or later, RFC 3339.
    #[param(format = "date-time")]
    since: Option<String>,
    /// Before this time, RFC 3339.
    #[param(format = "date-time")]
    until: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// The `next` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    after: Option<String>,
}

/// A change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entry {
    /// Counts up.
    id: String,
    /// When, RFC 3339.
    at: String,
    /// The caller's name; `gateway` where nobody asked.
    actor: String,
    /// `read`, `operate` or `admin`; empty for the gateway.
    role: String,
    /// Where the caller came from; empty for the gateway.
    address: String,
    action: String,
    service: Option<String>,
    version: Option<String>,
    /// In the caller's words.
    reason: Option<String>,
    /// How it was.
    #[schema(value_type = Option<Object>)]
    from: serde_json::Value,
    /// How it was from then on; null: as configured.
    #[schema(value_type = Option<Object>)]
    to: serde_json::Value,
    /// The generation that had it first.
    generation: Option<u64>,
}

/// Some entries, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entries {
    items: Vec<Entry>,
    /// What `after` has to be for older ones.
    next: Option<String>,
}

/// The newest changes that fit.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Filter), responses((status = 200, body = Entries)))]
pub async fn list(State(shared): State<Shared>, Asked(filter): Asked<Filter>) -> Result<Json<Entries>, Problem> {
    let query = AuditQuery {
        limit: paging::limit(filter.limit)? as u32,
        since: filter.since.map(|text| time("since", &text)).transpose()?,
        until: filter.until.map(|text| time("until", &text)).transpose()?,
        before_id: filter.after.map(|text| id(&text)).transpose()?,
        service: filter.service,
        actor: filter.actor,
        action: filter.action,
    };
    let page = shared.traffic.store().audit(query).await.map_err(|error| match error {
        StoreError::Busy => {
            Problem::new(Code::Busy, "others are reading the audit log, or the store is busy; try again")
        }
        error => error.into(),
    })?;
    let items = page.items.into_iter().map(Entry::from).collect();
    Ok(Json(Entries { items, next: page.next.map(|id| id.to_string()) }))
}

fn id(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| Problem::invalid("after", "is no entry's id", "the `next` of the page before"))
}

/// In milliseconds since 1970.
fn time(field: &str, text: &str) -> Result<i64, Problem> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    let wrong = |_| Problem::invalid(field, "is no time", "RFC 3339, like 2026-01-31T12:00:00Z");
    time.map(jiff::Timestamp::as_millisecond).map_err(wrong)
}

impl From<AuditEntry> for Entry {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.to_string(),
            at: milliseconds_as_text(entry.at),
            actor: entry.actor,
            role: entry.role,
            address: entry.address,
            action: entry.action,
            service: entry.service,
            version: entry.version,
            reason: entry.reason,
            from: entry.from,
            to: entry.to,
            generation: entry.generation,
        }
    }
}
