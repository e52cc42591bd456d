//! Two values become one.

use std::collections::BTreeMap;

use super::{
    eval::Failed,
    expr::Arithmetic,
    value::{Row, Value},
};

/// Values by their labels.
type ByLabels = BTreeMap<BTreeMap<String, String>, Vec<Option<f64>>>;

/// Of two vectors, series with the same labels are one.
pub fn arithmetic(operation: Arithmetic, left: Value, right: Value) -> Result<Value, Failed> {
    let each = |rows: Vec<Row>, of: &dyn Fn(f64) -> f64| {
        let applied = rows.into_iter().map(|row| {
            let mut row = row.unnamed();
            row.values.iter_mut().flatten().for_each(|value| *value = of(*value));
            row
        });
        Value::Vector(applied.collect())
    };
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Value::Scalar(operation.of(left, right))),
        (Value::Vector(rows), Value::Scalar(right)) => Ok(each(rows, &|left| operation.of(left, right))),
        (Value::Scalar(left), Value::Vector(rows)) => Ok(each(rows, &|right| operation.of(left, right))),
        (Value::Vector(left), Value::Vector(right)) => {
            let mut others = by_labels(right)?;
            let pairs = by_labels(left)?.into_iter().filter_map(|(labels, left)| {
                let right = others.remove(&labels)?;
                let both = left.into_iter().zip(right);
                let values = both.map(|(left, right)| Some(operation.of(left?, right?)));
                Some(Row { labels, values: values.collect() })
            });
            Ok(Value::Vector(pairs.collect()))
        }
    }
}

/// At each time, the right's series whose labels the left has not.
pub fn or(left: Value, right: Value) -> Result<Value, Failed> {
    let (Value::Vector(left), Value::Vector(right)) = (left, right) else {
        return Err(Failed::Wrong("or stands between series, and a number is none: vector(0) makes it one".to_owned()));
    };
    let mut all = by_labels(left)?;
    for (labels, right) in by_labels(right)? {
        match all.get_mut(&labels) {
            Some(left) => left.iter_mut().zip(right).for_each(|(left, right)| *left = left.or(right)),
            None => drop(all.insert(labels, right)),
        }
    }
    Ok(Value::Vector(all.into_iter().map(|(labels, values)| Row { labels, values }).collect()))
}

fn by_labels(rows: Vec<Row>) -> Result<ByLabels, Failed> {
    let count = rows.len();
    let rows: BTreeMap<_, _> = rows.into_iter().map(Row::unnamed).map(|row| (row.labels, row.values)).collect();
    if rows.len() < count {
        return Err(Failed::Wrong("two series of one side have the same labels".to_owned()));
    }
    Ok(rows)
}
