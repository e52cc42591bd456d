//! What is configured of a metric, and how one is classified.

use super::{
    Unfit,
    request::{EffectSize, MetricConfig, Outliers},
};

/// How a metric of the canary is, beside the stable version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    Pass,
    High,
    Low,
    /// There is too little to tell.
    Nodata,
    /// The same of one that has to have data.
    NodataFailMetric,
}

impl Label {
    /// As Kayenta writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::High => "High",
            Self::Low => "Low",
            Self::Nodata => "Nodata",
            Self::NodataFailMetric => "NodataFailMetric",
        }
    }
}

/// What came of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    pub label: Label,
    pub reason: Option<String>,
    /// Its failure fails the canary.
    pub critical: bool,
    /// The canary's mean, or share of failures, by the stable version's.
    pub ratio: f64,
    /// Of counts: the natural logarithm of the evidence for what was found.
    pub ln_evidence: Option<f64>,
    pub canary: Stats,
    pub stable: Stats,
}

/// Of one side.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stats {
    pub count: usize,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    pub std: f64,
}

/// What is asked of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub name: String,
    pub groups: Vec<String>,
    pub up: bool,
    pub down: bool,
    /// A value that is none is 0.
    pub replaces: bool,
    pub critical: bool,
    pub must_have_data: bool,
    pub muted: bool,
    /// The effect is the chance that a value of the canary is above one of the stable version, not the ratio of the means.
    pub cles: bool,
    pub allowed: (f64, f64),
    pub critical_effect: (f64, f64),
    /// The factor of outliers that are taken out.
    pub outliers: Option<f64>,
    /// The metric that counts what these are some of.
    pub of: Option<String>,
}

impl Metric {
    pub fn new(config: &MetricConfig, field: &str) -> Result<Self, Unfit> {
        let analysis = config.analysis_configurations.clone().unwrap_or_default();
        let canary = analysis.canary.unwrap_or_default();
        let field = format!("{field}.analysisConfigurations.canary");
        let one_of = |name: &str, written: Option<String>, allowed: &[&str]| match written {
            None => Ok(String::new()),
            Some(text) if allowed.contains(&&*text) => Ok(text),
            Some(text) => Err(Unfit {
                field: format!("{field}.{name}"),
                what: format!("is {text:?}"),
                allowed: allowed.join(", "),
            }),
        };
        let direction = one_of("direction", canary.direction, &["increase", "decrease", "either"])?;
        let nan_strategy = one_of("nanStrategy", canary.nan_strategy, &["remove", "replace", "none"])?;
        let EffectSize { measure, allowed_increase, allowed_decrease, critical_increase, critical_decrease } =
            canary.effect_size.unwrap_or_default();
        let cles = one_of("effectSize.measure", measure, &["meanRatio", "cles"])? == "cles";
        let usual = if cles { 0.5 } else { 1.0 };
        let Outliers { strategy, outlier_factor } = canary.outliers.unwrap_or_default();
        let removes = one_of("outliers.strategy", strategy, &["remove", "keep", "none"])? == "remove";
        let factor = outlier_factor.unwrap_or(OUTLIER_FACTOR);
        if factor.is_nan() || factor <= 0.0 {
            let field = format!("{field}.outliers.outlierFactor");
            return Err(Unfit { field, what: format!("is {factor}"), allowed: "a number above 0".to_owned() });
        }
        let (of, replaces) = (analysis.rollgate.map(|rollgate| rollgate.of), nan_strategy == "replace");
        for (name, is_set) in [("effectSize.measure", cles), ("nanStrategy", replaces), ("outliers.strategy", removes)]
        {
            if of.is_some() && is_set {
                return Err(Unfit {
                    field: format!("{field}.{name}"),
                    what: "has no meaning for counts".to_owned(),
                    allowed: String::new(),
                });
            }
        }
        Ok(Self {
            name: config.name.clone(),
            groups: config.groups.clone().unwrap_or_default(),
            up: direction != "decrease",
            down: direction != "increase",
            replaces,
            critical: canary.critical.unwrap_or_default(),
            must_have_data: canary.must_have_data.unwrap_or_default(),
            muted: canary.muted.unwrap_or_default(),
            cles,
            allowed: (allowed_increase.unwrap_or(usual), allowed_decrease.unwrap_or(usual)),
            critical_effect: (critical_increase.unwrap_or(usual), critical_decrease.unwrap_or(usual)),
            outliers: removes.then_some(factor),
            of,
        })
    }

    /// What a metric's evidence may err by in one direction.
    pub fn alpha(&self) -> f64 {
        if self.up && self.down { ALPHA / 2.0 } else { ALPHA }
    }

    /// There is too little to tell, as Kayenta takes it.
    pub fn without_data(&self, reason: String, stats: (Stats, Stats)) -> Classified {
        let fails = self.must_have_data && !self.critical;
        let label = if fails { Label::NodataFailMetric } else { Label::Nodata };
        let critical = self.critical && !fails;
        Classified::new(label, Some(reason), critical, 1.0, stats)
    }

    /// The canary is proven to be above (or below) the stable version; its size says whether that matters. An effect that
    /// cannot be told matters.
    pub fn found(&self, up: bool, effect: f64) -> Option<(Label, bool, String)> {
        let beyond = |least: f64, most: f64| effect.is_nan() || if up { effect >= least } else { effect <= most };
        let label = if up { Label::High } else { Label::Low };
        if !beyond(self.allowed.0, self.allowed.1) {
            return None;
        }
        let critical = self.critical && beyond(self.critical_effect.0, self.critical_effect.1);
        let reason = if critical {
            format!("The metric {} was classified as {} (Critical)", self.name, label.name())
        } else {
            format!("{} was classified as {}", self.name, label.name())
        };
        Some((label, critical, reason))
    }
}

impl Classified {
    pub fn new(
        label: Label,
        reason: Option<String>,
        critical: bool,
        ratio: f64,
        (canary, stable): (Stats, Stats),
    ) -> Self {
        Self { label, reason, critical, ratio, ln_evidence: None, canary, stable }
    }
}

impl Stats {
    /// Of values that are numbers.
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            count: values.len(),
            mean,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            std: if values.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 },
        }
    }
}

/// The rate of false alarms of one metric.
const ALPHA: f64 = 0.01;

/// Kayenta's.
const OUTLIER_FACTOR: f64 = 3.0;
