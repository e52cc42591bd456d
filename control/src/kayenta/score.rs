//! From metrics to a score, as Kayenta's own judge does it.

use std::collections::BTreeMap;

use super::{
    answer::{GroupScore, Judged, Result, Scored},
    metric::Label,
};

/// The whole judgment. Thresholds and weights are of 100.
pub fn judged(results: Vec<Result>, weights: &BTreeMap<String, f64>, pass: f64, marginal: f64) -> Judged {
    let counted: Vec<&Result> = results.iter().filter(|result| !result.muted).collect();
    let groups = groups(&counted);
    let failed = counted.iter().find(|result| result.critical && result.label != Label::Pass);
    let without = counted.iter().filter(|result| result.label == Label::Nodata).count();
    let (score, reason) = if let Some(failed) = failed {
        (0.0, format!("Canary Failed: {}", failed.classification_reason.as_deref().unwrap_or("")))
    } else if !counted.is_empty() && without * 100 >= counted.len() * NODATA {
        (0.0, format!("Canary Failed: {NODATA}% or more metrics returned NODATA"))
    } else {
        (summary(&groups, weights), String::new())
    };
    let classification = match score {
        _ if score >= pass => "Pass",
        _ if score >= marginal => "Marginal",
        _ => "Fail",
    };
    let group_scores = groups.into_iter().map(|(name, score)| GroupScore {
        name: name.to_owned(),
        score: score.unwrap_or(0.0),
        classification: "",
        classification_reason: "",
    });
    let group_scores = group_scores.collect();
    Judged {
        judge_name: NAME,
        group_scores,
        score: Scored { score, classification, classification_reason: reason },
        results,
    }
}

/// The part of each group's metrics that pass, of 100; `None` if none of them has data.
fn groups<'r>(results: &[&'r Result]) -> BTreeMap<&'r str, Option<f64>> {
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for result in results {
        for group in &result.groups {
            let (passed, all) = groups.entry(group).or_default();
            match result.label {
                Label::Pass => (*passed, *all) = (*passed + 1, *all + 1),
                Label::High | Label::Low | Label::NodataFailMetric => *all += 1,
                Label::Nodata => {}
            }
        }
    }
    let score = |(passed, all): (usize, usize)| (all > 0).then(|| passed as f64 / all as f64 * 100.0);
    groups.into_iter().map(|(group, counts)| (group, score(counts))).collect()
}

/// Groups without a weight share what is left; those without data count in full.
fn summary(groups: &BTreeMap<&str, Option<f64>>, weights: &BTreeMap<String, f64>) -> f64 {
    let unnamed = groups.keys().filter(|group| !weights.contains_key(**group)).count();
    let left = if unnamed > 0 { (100.0 - weights.values().sum::<f64>()) / unnamed as f64 } else { 0.0 };
    let of_group = |(group, score): (&&str, &Option<f64>)| {
        score.unwrap_or(100.0) * weights.get(*group).copied().unwrap_or(left) / 100.0
    };
    let sum: f64 = groups.iter().map(of_group).sum();
    (sum * 100.0).round() / 100.0
}

/// What the judge is called.
const NAME: &str = "RollgateJudge-v1.0";

/// Of a hundred metrics: so many without data fail the canary.
const NODATA: usize = 50;
