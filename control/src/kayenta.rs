//! Kayenta's remote judge: pairs of series in, a classification of each and a score out.
//!
//! ```text
//! Request -> Metric (what is configured) -> counts | series -> Classified -> score -> Judged
//! ```
//!
//! Pure. Counts of failures among requests are judged as in the data path, point by point: the evidence holds at every look.
//! Everything else is compared by ranks, and not before there are enough points. Scores, groups, weights, critical and muted
//! metrics, and metrics without data are Kayenta's.

mod answer;
mod counts;
mod metric;
mod request;
mod score;
mod series;

pub use self::{answer::Judged, request::Request};
use self::{
    answer::Result as MetricResult,
    metric::{Label, Metric},
    request::Pair,
};

/// A field that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Where in the request.
    pub field: String,
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub allowed: String,
}

/// Judges.
///
/// # Errors
/// The first field that cannot be.
pub fn judge(request: &Request) -> Result<Judged, Unfit> {
    let pairs = request.metric_set_pair_list.len();
    for (field, length) in [("metricSetPairList", pairs), ("canaryConfig.metrics", request.canary_config.metrics.len())]
    {
        if length > MOST {
            let (field, what) = (field.to_owned(), format!("has {length} items"));
            return Err(Unfit { field, what, allowed: format!("at most {MOST}") });
        }
    }
    let mut results = Vec::with_capacity(pairs);
    for (index, pair) in request.metric_set_pair_list.iter().enumerate() {
        results.push(of_pair(request, index, pair)?);
    }
    let weights = request.canary_config.classifier.as_ref().and_then(|classifier| classifier.group_weights.clone());
    let thresholds = &request.score_thresholds;
    Ok(score::judged(results, &weights.unwrap_or_default(), thresholds.pass, thresholds.marginal))
}

fn of_pair(request: &Request, index: usize, pair: &Pair) -> Result<MetricResult, Unfit> {
    let field = format!("metricSetPairList[{index}]");
    let configured = request.canary_config.metrics.iter().enumerate().find(|(_, metric)| metric.name == pair.name);
    let Some((at, configured)) = configured else {
        return Err(Unfit {
            field: format!("{field}.name"),
            what: format!("is {:?}, which canaryConfig.metrics has not", pair.name),
            allowed: "the name of one of canaryConfig.metrics".to_owned(),
        });
    };
    let metric = Metric::new(configured, &format!("canaryConfig.metrics[{at}]"))?;
    let values = pair.sides(&field)?;
    let classified = match &metric.of {
        None => series::classify(&metric, &values),
        Some(of) => {
            let mut others = request.metric_set_pair_list.iter().enumerate();
            let Some((other, all)) = others.find(|(_, other)| other.name == *of && other.tags == pair.tags) else {
                return Err(Unfit {
                    field: format!("canaryConfig.metrics[{at}].analysisConfigurations.rollgate.of"),
                    what: format!("is {of:?}, of which there is no pair with the same tags"),
                    allowed: "the name of a metric that counts all requests".to_owned(),
                });
            };
            let all_field = format!("metricSetPairList[{other}]");
            let all = all.sides(&all_field)?;
            counts::classify(&metric, (&values, &field), (&all, &all_field))?
        }
    };
    Ok(MetricResult::new(pair, &metric, classified))
}

/// Metrics, and pairs of series.
const MOST: usize = 1_000;

#[cfg(test)]
mod tests;
