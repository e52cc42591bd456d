//! Two series of any kind: compared by ranks (Mann-Whitney, with ties), one-sided at [`Metric::alpha`], and not with fewer
//! than [`POINTS`] points of each. It takes points for independent, which points of a series are not quite.

use super::{
    metric::{Classified, Label, Metric, Stats},
    request::Sides,
};

pub fn classify(metric: &Metric, sides: &Sides) -> Classified {
    let canary = cleaned(metric, &sides.canary);
    let stable = cleaned(metric, &sides.stable);
    let stats = (Stats::of(&canary), Stats::of(&stable));
    if canary.is_empty() || stable.is_empty() {
        if metric.replaces {
            return Classified::new(Label::Pass, None, false, 1.0, stats);
        }
        return metric.without_data(format!("Missing data for {}", metric.name), stats);
    }
    let fewest = canary.len().min(stable.len());
    if fewest < POINTS {
        let reason = format!("{}: {fewest} points of one version are too few, {POINTS} are needed", metric.name);
        return metric.without_data(reason, stats);
    }
    let ratio = match (stats.0.mean, stats.1.mean) {
        (canary, stable) if canary == 0.0 || stable == 0.0 => f64::NAN,
        (canary, stable) => canary / stable,
    };
    let Ranked { z, above } = ranked(&canary, &stable);
    let effect = if metric.cles { above } else { ratio };
    for (up, is_asked) in [(true, metric.up), (false, metric.down)] {
        let z = if up { z } else { -z };
        if is_asked
            && z > quantile(metric.alpha())
            && let Some((label, critical, reason)) = metric.found(up, effect)
        {
            return Classified::new(label, Some(reason), critical, ratio, stats);
        }
    }
    Classified::new(Label::Pass, None, false, ratio, stats)
}

/// Without what is no number and, if it is asked for, without outliers.
fn cleaned(metric: &Metric, values: &[f64]) -> Vec<f64> {
    let mut values: Vec<f64> = if metric.replaces {
        values.iter().map(|value| if value.is_nan() { 0.0 } else { *value }).collect()
    } else {
        values.iter().copied().filter(|value| !value.is_nan()).collect()
    };
    if let Some(factor) = metric.outliers
        && !values.is_empty()
    {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| percentile(&sorted, part);
        let (low, high) = (at(0.25), at(0.75));
        let reach = factor * (high - low);
        let (least, most) = (at(0.01).min(low - reach), at(0.99).max(high + reach));
        values.retain(|value| !(*value < least || *value > most));
    }
    values
}

/// Linear between the two nearest, of values in order.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    if below == above { below } else { below + (above - below) * at.fract() }
}

struct Ranked {
    /// Above 0 where the canary's are higher; continuity and ties are taken into account.
    z: f64,
    /// The part of pairs of which the canary's is higher; equal ones are half.
    above: f64,
}

fn ranked(canary: &[f64], stable: &[f64]) -> Ranked {
    let mut all: Vec<(f64, bool)> =
        canary.iter().map(|value| (*value, true)).chain(stable.iter().map(|value| (*value, false))).collect();
    all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (m, n, count) = (canary.len() as f64, stable.len() as f64, all.len() as f64);
    let (mut sum, mut ties, mut start) = (0.0, 0.0, 0);
    while start < all.len() {
        let end = start + all[start..].iter().take_while(|(value, _)| *value == all[start].0).count().max(1);
        let equal = (end - start) as f64;
        let rank = (start + 1 + end) as f64 / 2.0;
        sum += rank * all[start..end].iter().filter(|(_, is_canary)| *is_canary).count() as f64;
        ties += equal.powi(3) - equal;
        start = end;
    }
    let pairs = sum - m * (m + 1.0) / 2.0;
    let apart = pairs - m * n / 2.0;
    let variance = m * n / 12.0 * ((count + 1.0) - ties / (count * (count - 1.0)));
    let z = if variance > 0.0 { (apart.abs() - 0.5).max(0.0).copysign(apart) / variance.sqrt() } else { 0.0 };
    Ranked { z, above: pairs / (m * n) }
}

/// What a standard normal number exceeds with this probability, for the two that there are.
fn quantile(alpha: f64) -> f64 {
    if alpha > 0.007_5 { 2.326_347_874_040_841 } else { 2.575_829_303_548_901 }
}

/// Of each version: the normal distribution is good from there on.
const POINTS: usize = 20;
