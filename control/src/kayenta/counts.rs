//! Failures among requests: judged as in the data path.
//!
//! Each point is a stratum of its own: of the requests that ended in it, the canary had the share `w`. If both versions fail
//! equally often, the failures fall on the canary as if drawn from those requests without putting back, which is less spread
//! than with probability `w` each (Hoeffding 1963, theorem 4); so the evidence of [`relative`] holds, however the weight or the
//! common rate of failures changes from point to point.

use rollgate_analysis::{Segment, relative};

use super::{
    Unfit,
    metric::{Classified, Label, Metric, Stats},
    request::Sides,
};

/// What ended in one point.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    /// Failures and requests.
    canary: (u64, u64),
    stable: (u64, u64),
}

/// Failures and all requests, each with where they stand in the request.
pub fn classify(
    metric: &Metric,
    (failures, field): (&Sides, &str),
    (all, all_field): (&Sides, &str),
) -> Result<Classified, Unfit> {
    let side = |values: &[f64], field: &str, side: &str| counted(values, &format!("{field}.values.{side}"));
    let canary = (side(&failures.canary, field, "experiment")?, side(&all.canary, all_field, "experiment")?);
    let stable = (side(&failures.stable, field, "control")?, side(&all.stable, all_field, "control")?);
    let points = points(&canary, &stable);
    for (index, point) in points.iter().enumerate() {
        for ((failed, requests), side) in [(point.canary, "experiment"), (point.stable, "control")] {
            if failed > requests {
                return Err(Unfit {
                    field: format!("{field}.values.{side}"),
                    what: format!("has {failed} failures among {requests} requests (point {index})"),
                    allowed: format!("at most what {all_field} has"),
                });
            }
        }
    }
    Ok(judged(metric, &points))
}

fn judged(metric: &Metric, points: &[Point]) -> Classified {
    let total = points.iter().fold(Point::default(), |sum, point| {
        let add = |a: (u64, u64), b: (u64, u64)| (a.0.saturating_add(b.0), a.1.saturating_add(b.1));
        Point { canary: add(sum.canary, point.canary), stable: add(sum.stable, point.stable) }
    });
    let stats = (stats(points, |point| point.canary), stats(points, |point| point.stable));
    if total.canary.1 == 0 || total.stable.1 == 0 {
        return metric.without_data(format!("Missing data for {}", metric.name), stats);
    }
    let share = |(failed, requests): (u64, u64)| failed as f64 / requests as f64;
    let (canary, stable) = (share(total.canary), share(total.stable));
    let ratio = if canary == 0.0 || stable == 0.0 { f64::NAN } else { canary / stable };
    let evidence = |up: bool| {
        let segment = |point: &Point| {
            let (ours, others) = if up { (point.canary, point.stable) } else { (point.stable, point.canary) };
            Segment::new(ours.1 as f64 / (ours.1 as f64 + others.1 as f64), ours.0, others.0)
        };
        relative::ln_e(points.iter().map(segment))
    };
    let enough = -metric.alpha().ln();
    for (up, is_asked) in [(true, metric.up), (false, metric.down)] {
        let ln_evidence = evidence(up);
        if is_asked
            && ln_evidence >= enough
            && let Some((label, critical, reason)) = metric.found(up, ratio)
        {
            let found = Classified::new(label, Some(reason), critical, ratio, stats);
            return Classified { ln_evidence: Some(ln_evidence), ..found };
        }
    }
    let fewest = total.canary.1.min(total.stable.1);
    if fewest < REQUESTS {
        let reason = format!("{}: {fewest} requests of one version are too few, {REQUESTS} are needed", metric.name);
        return metric.without_data(reason, stats);
    }
    Classified { ln_evidence: Some(evidence(metric.up)), ..Classified::new(Label::Pass, None, false, ratio, stats) }
}

/// Side by side if there are equally many of all; else what was counted in all is one point.
fn points(canary: &(Vec<Option<u64>>, Vec<Option<u64>>), stable: &(Vec<Option<u64>>, Vec<Option<u64>>)) -> Vec<Point> {
    let length = canary.1.len();
    if [canary.0.len(), stable.0.len(), stable.1.len()] == [length; 3] {
        let point = |index: usize| {
            Some(Point { canary: (canary.0[index]?, canary.1[index]?), stable: (stable.0[index]?, stable.1[index]?) })
        };
        return (0..length).filter_map(point).collect();
    }
    let sum = |values: &[Option<u64>]| values.iter().flatten().fold(0_u64, |sum, value| sum.saturating_add(*value));
    vec![Point { canary: (sum(&canary.0), sum(&canary.1)), stable: (sum(&stable.0), sum(&stable.1)) }]
}

/// Whole numbers; `None` where there is no value.
fn counted(values: &[f64], field: &str) -> Result<Vec<Option<u64>>, Unfit> {
    let count = |(index, value): (usize, &f64)| {
        if value.is_nan() {
            return Ok(None);
        }
        if !(0.0..=LARGEST).contains(value) || (value - value.round()).abs() > 1e-6 {
            return Err(Unfit {
                field: format!("{field}[{index}]"),
                what: format!("is {value}, which is no count"),
                allowed: "a whole number, as of Rollgate's increase(...), which does not extrapolate".to_owned(),
            });
        }
        Ok(Some(value.round() as u64))
    };
    values.iter().enumerate().map(count).collect()
}

/// Of the share of failures in each point.
fn stats(points: &[Point], of: impl Fn(&Point) -> (u64, u64)) -> Stats {
    let shares = points.iter().map(of).filter(|(_, requests)| *requests > 0);
    let shares: Vec<f64> = shares.map(|(failed, requests)| failed as f64 / requests as f64).collect();
    Stats::of(&shares)
}

/// Of each version, before a canary is said to be no worse.
const REQUESTS: u64 = 50;

/// Beyond it not every whole number can be written.
const LARGEST: f64 = 9_007_199_254_740_992.0;
