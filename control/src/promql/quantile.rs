//! `histogram_quantile`, as Prometheus does it: linear within a bucket.

use std::collections::BTreeMap;

use super::value::Row;

/// Its upper bound, and its values.
type Bucket = (f64, Vec<Option<f64>>);

/// The quantile of each group of buckets, which are told apart by `le`.
pub fn quantiles(quantile: f64, rows: Vec<Row>) -> Vec<Row> {
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<Bucket>> = BTreeMap::new();
    for row in rows {
        let Row { mut labels, values } = row.unnamed();
        if let Some(bound) = labels.remove("le").and_then(|le| le.parse::<f64>().ok()) {
            groups.entry(labels).or_default().push((bound, values));
        }
    }
    let of_group = |(labels, mut buckets): (_, Vec<Bucket>)| {
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let times = buckets.iter().map(|(_, values)| values.len()).max().unwrap_or_default();
        let values = (0..times).map(|time| {
            let there: Vec<(f64, f64)> =
                buckets.iter().filter_map(|(bound, values)| Some((*bound, (*values.get(time)?)?))).collect();
            (!there.is_empty()).then(|| of(quantile, &there))
        });
        Row { labels, values: values.collect() }
    };
    groups.into_iter().map(of_group).collect()
}

/// Of buckets by their upper bounds, each with what is in it and in all below.
fn of(quantile: f64, buckets: &[(f64, f64)]) -> f64 {
    let Some(&(highest, total)) = buckets.last() else { return f64::NAN };
    if highest != f64::INFINITY || buckets.len() < 2 || total.is_nan() || total == 0.0 || quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    let rank = quantile * total;
    let found = buckets.iter().position(|(_, below)| *below >= rank).unwrap_or(buckets.len() - 1);
    if found == buckets.len() - 1 {
        return buckets[found - 1].0;
    }
    let (upper, until) = buckets[found];
    if found == 0 && upper <= 0.0 {
        return upper;
    }
    let (lower, before) = if found == 0 { (0.0, 0.0) } else { buckets[found - 1] };
    let inside = until - before;
    if inside <= 0.0 { lower } else { lower + (upper - lower) * ((rank - before) / inside) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        let buckets = [(0.1, 50.0), (0.3, 90.0), (1.2, 99.0), (5.0, 99.0), (f64::INFINITY, 100.0)];
        for (quantile, expected) in [(0.25, 0.05), (0.5, 0.1), (0.7, 0.2), (0.99, 1.2), (1.0, 5.0), (0.0, 0.0)] {
            let found = of(quantile, &buckets);
            assert!((found - expected).abs() < 1e-12, "{quantile}: {found} instead of {expected}");
        }
        assert_eq!((of(-1.0, &buckets), of(2.0, &buckets)), (f64::NEG_INFINITY, f64::INFINITY));
        for none in [&buckets[..4], &buckets[4..], &[(0.1, 0.0), (f64::INFINITY, 0.0)], &[]] {
            assert!(of(0.5, none).is_nan(), "{none:?}");
        }
    }
}
