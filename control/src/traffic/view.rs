//! A service's weights as they are told.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use rollgate_config::{dynamic::service::WeightedChild, scalar::Weight};
use rollgate_gateway::Over;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    events::milliseconds_as_text,
    store::{LiveWeights, Owner},
};

/// The weights of a service: decimals with at most six places, as text, by the qualified names of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Weights)]
pub struct WeightsView {
    /// The service's qualified name.
    #[schema(example = "pro@file")]
    pub service: String,
    /// Who decides: `none` (the configuration), `api`, `rollout:ID` or `kubernetes:CONTROLLER`.
    #[schema(example = "api")]
    pub owner: String,
    /// The live weights; those of the configuration where there are none.
    pub weights: BTreeMap<String, String>,
    /// The weights of the configuration.
    pub configured: BTreeMap<String, String>,
    /// The weights in force: the live ones, and 0 for a version that is braked.
    pub effective: BTreeMap<String, String>,
    /// The configuration's weights have changed since the live ones were set.
    pub drift: bool,
    /// Who set the live weights.
    pub set_by: Option<String>,
    /// When, RFC 3339.
    pub set_at: Option<String>,
    /// Why, in the caller's words.
    pub reason: Option<String>,
    /// For `If-Match`: changes with each change of the live or the configured weights.
    pub etag: String,
}

impl WeightsView {
    /// Of a service with these children, live weights and what lies over it.
    pub fn new(service: &str, children: &[WeightedChild], live: Option<&LiveWeights>, over: &Over) -> Self {
        let of = |weight: &dyn Fn(&WeightedChild) -> Weight| -> BTreeMap<String, String> {
            children.iter().map(|child| (child.name.value.clone(), weight(child).to_string())).collect()
        };
        let set = live.map(|live| &live.weights);
        let desired = |child: &WeightedChild| {
            set.and_then(|weights| weights.get(&*child.name.value).copied()).unwrap_or(child.weight)
        };
        let mut view = Self {
            service: service.to_owned(),
            owner: live.map_or(Owner::None, |live| live.owner.clone()).to_string(),
            weights: of(&desired),
            configured: of(&|child| child.weight),
            effective: of(&|child| over.weight(&child.name.value, child.weight)),
            drift: live.is_some_and(|live| live.base != configured(children)),
            set_by: live.map(|live| live.actor.clone()),
            set_at: live.map(|live| milliseconds_as_text(live.at)),
            reason: live.and_then(|live| live.reason.clone()),
            etag: String::new(),
        };
        view.etag = etag(
            [&view.service, &view.owner, &format!("{:?}", view.weights), &format!("{:?}", view.configured)]
                .into_iter()
                .map(String::as_str)
                .chain([&*live.map_or(0, |live| live.revision).to_string()]),
        );
        view
    }
}

/// The weights that are configured.
pub fn configured(children: &[WeightedChild]) -> BTreeMap<String, Weight> {
    children.iter().map(|child| (child.name.value.clone(), child.weight)).collect()
}

/// A strong entity tag (RFC 9110 section 8.8.3) of what these texts say.
pub fn etag<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(&part.len().to_string());
        text.push(':');
        text.push_str(part);
    }
    let digest = digest(&SHA256, text.as_bytes());
    let short: String = digest.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{short}\"")
}
