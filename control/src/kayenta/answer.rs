//! What Kayenta reads.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{
    Label,
    metric::{Classified, Metric, Stats},
    request::Pair,
};

/// The judgment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    pub judge_name: &'static str,
    pub results: Vec<Result>,
    pub group_scores: Vec<GroupScore>,
    pub score: Scored,
}

/// What came of a metric.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Result {
    pub name: String,
    pub id: String,
    pub tags: BTreeMap<String, String>,
    pub classification: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification_reason: Option<String>,
    pub groups: Vec<String>,
    pub experiment_metadata: Metadata,
    pub control_metadata: Metadata,
    pub result_metadata: ResultMetadata,
    pub critical: bool,
    pub muted: bool,
    #[serde(skip)]
    pub label: Label,
}

/// Of one side.
#[derive(Debug, Clone, Serialize)]
pub struct Metadata {
    stats: Told,
}

#[derive(Debug, Clone, Serialize)]
struct Told {
    count: usize,
    #[serde(serialize_with = "number")]
    mean: f64,
    #[serde(serialize_with = "number")]
    min: f64,
    #[serde(serialize_with = "number")]
    max: f64,
    #[serde(serialize_with = "number")]
    std: f64,
}

/// Of both.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResultMetadata {
    #[serde(serialize_with = "number")]
    ratio: f64,
    /// Of counts: the natural logarithm of the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    ln_evidence: Option<f64>,
}

/// A group's.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupScore {
    pub name: String,
    pub score: f64,
    pub classification: &'static str,
    pub classification_reason: &'static str,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scored {
    /// 0 to 100.
    #[serde(serialize_with = "number")]
    pub score: f64,
    /// `Pass`, `Marginal` or `Fail`.
    pub classification: &'static str,
    pub classification_reason: String,
}

impl Result {
    pub fn new(pair: &Pair, metric: &Metric, classified: Classified) -> Self {
        Self {
            name: pair.name.clone(),
            id: pair.id.clone(),
            tags: pair.tags.clone(),
            classification: classified.label.name(),
            classification_reason: classified.reason,
            groups: metric.groups.clone(),
            experiment_metadata: Metadata::new(classified.canary),
            control_metadata: Metadata::new(classified.stable),
            result_metadata: ResultMetadata { ratio: classified.ratio, ln_evidence: classified.ln_evidence },
            critical: classified.critical,
            muted: metric.muted,
            label: classified.label,
        }
    }
}

impl Metadata {
    fn new(Stats { count, mean, min, max, std }: Stats) -> Self {
        Self { stats: Told { count, mean, min, max, std } }
    }
}

/// What is no number is a text, as Jackson has it.
fn number<S: Serializer>(value: &f64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value.is_infinite() {
        serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        serializer.serialize_f64(*value)
    }
}
