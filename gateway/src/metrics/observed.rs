//! What is kept elsewhere and asked for at each scrape: state that all workers share.

use std::{collections::BTreeMap, sync::Weak};

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Single, counter, gauge, pair};
use crate::weak_list::WeakList;

/// Something that counts by itself.
pub(crate) trait Observed: Send + Sync {
    /// Adds what it has to tell.
    fn tell(&self, told: &mut Told);
}

/// What was told so far; of one family and the same labels, the sum.
#[derive(Default)]
pub(crate) struct Told(BTreeMap<&'static str, (&'static Single, BTreeMap<Vec<String>, f64>)>);

impl Told {
    /// The label's values stand in the order of the family's labels.
    pub(crate) fn add(&mut self, family: &'static Single, values: &[&str], count: u64) {
        self.add_value(family, values, count as f64);
    }

    /// The same of a gauge that is no whole number.
    pub(crate) fn add_value(&mut self, family: &'static Single, values: &[&str], value: f64) {
        let (_, metrics) = self.0.entry(family.name).or_insert_with(|| (family, BTreeMap::new()));
        *metrics.entry(values.iter().map(|value| (*value).to_owned()).collect()).or_default() += value;
    }

    fn families(self) -> impl Iterator<Item = MetricFamily> {
        self.0.into_values().map(|(family, metrics)| {
            let metric = |(values, value): (Vec<String>, f64)| {
                let labels = family.labels.iter().zip(&values).map(|(label, value)| pair(label, value)).collect();
                if family.kind == MetricType::COUNTER { counter(labels, value as u64) } else { gauge(labels, value) }
            };
            family.family(metrics.into_iter().map(metric).collect())
        })
    }
}

/// Everything that is asked.
#[derive(Default)]
pub(super) struct Observers(WeakList<dyn Observed>);

impl Observers {
    pub(super) fn add(&self, observed: Weak<dyn Observed>) {
        self.0.add(observed);
    }

    pub(super) fn collect(&self, all: &mut Vec<MetricFamily>) {
        let mut told = Told::default();
        self.0.all().iter().for_each(|observed| observed.tell(&mut told));
        all.extend(told.families());
    }
}
