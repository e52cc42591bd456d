//! What Kayenta sends. Of its configuration, what a judge has use for; the rest is for others.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};

use super::Unfit;

/// A body of `POST /judge`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub canary_config: CanaryConfig,
    pub score_thresholds: Thresholds,
    pub metric_set_pair_list: Vec<Pair>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct CanaryConfig {
    pub metrics: Vec<MetricConfig>,
    pub classifier: Option<Classifier>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricConfig {
    pub name: String,
    pub groups: Option<Vec<String>>,
    pub analysis_configurations: Option<Analysis>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Analysis {
    pub canary: Option<Canary>,
    pub rollgate: Option<Rollgate>,
}

/// Kayenta's own settings of a metric.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    pub direction: Option<String>,
    pub nan_strategy: Option<String>,
    pub critical: Option<bool>,
    pub must_have_data: Option<bool>,
    pub muted: Option<bool>,
    pub effect_size: Option<EffectSize>,
    pub outliers: Option<Outliers>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectSize {
    pub measure: Option<String>,
    pub allowed_increase: Option<f64>,
    pub allowed_decrease: Option<f64>,
    pub critical_increase: Option<f64>,
    pub critical_decrease: Option<f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outliers {
    pub strategy: Option<String>,
    pub outlier_factor: Option<f64>,
}

/// Ours: the metric counts failures.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollgate {
    /// The metric that counts all requests, of which they are some.
    pub of: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Classifier {
    pub group_weights: Option<BTreeMap<String, f64>>,
}

/// What the score is compared with, 0 to 100.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Thresholds {
    pub pass: f64,
    pub marginal: f64,
}

/// One metric of both versions.
#[derive(Debug, Clone, Deserialize)]
pub struct Pair {
    pub name: String,
    #[serde(default)]
    pub id: String,
    #[serde(default, deserialize_with = "or_none")]
    pub tags: BTreeMap<String, String>,
    values: BTreeMap<String, Vec<Number>>,
}

/// A metric's values, of the canary (`experiment`) and of the stable version (`control`). NaN where there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Sides {
    pub canary: Vec<f64>,
    pub stable: Vec<f64>,
}

impl Pair {
    pub fn sides(&self, field: &str) -> Result<Sides, Unfit> {
        let side = |name: &str| {
            let values = self.values.get(name).ok_or_else(|| Unfit {
                field: format!("{field}.values.{name}"),
                what: "is not there".to_owned(),
                allowed: "a list of numbers".to_owned(),
            })?;
            if values.len() > POINTS {
                return Err(Unfit {
                    field: format!("{field}.values.{name}"),
                    what: format!("has {} values", values.len()),
                    allowed: format!("at most {POINTS}, as many as a Prometheus gives"),
                });
            }
            Ok(values.iter().map(|Number(value)| *value).collect())
        };
        Ok(Sides { canary: side("experiment")?, stable: side("control")? })
    }
}

/// Null is as good as nothing.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A number as Jackson writes it: what is none is a text.
#[derive(Debug, Clone, Copy)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
            Nothing(()),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Number(number)) => Ok(Self(number)),
            Ok(Written::Nothing(())) => Ok(Self(f64::NAN)),
            Ok(Written::Text(text)) => match &*text {
                "NaN" => Ok(Self(f64::NAN)),
                "Infinity" | "+Infinity" => Ok(Self(f64::INFINITY)),
                "-Infinity" => Ok(Self(f64::NEG_INFINITY)),
                _ => Err(de::Error::custom("it is no number")),
            },
            Err(_) => Err(de::Error::custom("it is no number")),
        }
    }
}

/// Values of a series.
const POINTS: usize = 11_000;
