//! What the control plane tells: small sets that change seldom.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::Certificate;

/// A gauge by its label values. A set is replaced as a whole, so no scrape sees half of one.
#[derive(Default)]
pub(super) struct Rows(Mutex<BTreeMap<Vec<String>, f64>>);

impl Rows {
    /// Sets one row.
    pub(super) fn set(&self, values: Vec<String>, value: f64) {
        self.0.lock().insert(values, value);
    }

    /// Takes one row out.
    pub(super) fn remove(&self, values: &[String]) {
        self.0.lock().remove(values);
    }

    /// Puts other rows in place of all.
    pub(super) fn replace(&self, rows: impl Iterator<Item = (Vec<String>, f64)>) {
        let rows = rows.collect();
        *self.0.lock() = rows;
    }

    /// Puts other rows in place of those whose first value is this one.
    pub(super) fn replace_of(&self, first: &str, rows: impl Iterator<Item = (Vec<String>, f64)>) {
        let mut all = self.0.lock();
        let start = vec![first.to_owned()];
        let old = all.range(start..).map(|(values, _)| values).take_while(|values| values[0] == first);
        for values in old.cloned().collect::<Vec<_>>() {
            all.remove(&values);
        }
        all.extend(rows);
    }

    /// All rows now.
    pub(super) fn all(&self) -> Vec<(Vec<String>, f64)> {
        self.0.lock().iter().map(|(values, value)| (values.clone(), *value)).collect()
    }
}

/// A counter by its label values, for what happens seldom.
#[derive(Default)]
pub(super) struct Counts(Mutex<BTreeMap<Vec<String>, u64>>);

impl Counts {
    /// Counts one.
    pub(super) fn add(&self, values: Vec<String>) {
        *self.0.lock().entry(values).or_default() += 1;
    }

    /// Of those whose first value is this one, keeps those that `stays` says.
    pub(super) fn retain_of(&self, first: &str, stays: impl Fn(&[String]) -> bool) {
        let mut all = self.0.lock();
        let of_it =
            all.range(vec![first.to_owned()]..).map(|(values, _)| values).take_while(|values| values[0] == first);
        let gone: Vec<_> = of_it.filter(|values| !stays(values)).cloned().collect();
        for values in gone {
            all.remove(&values);
        }
    }

    /// All counts now.
    pub(super) fn all(&self) -> Vec<(Vec<String>, u64)> {
        self.0.lock().iter().map(|(values, count)| (values.clone(), *count)).collect()
    }
}

/// What is told of the process as a whole.
#[derive(Default)]
pub(super) struct ProcessRows {
    pub(super) reloads: Mutex<Reloads>,
    pub(super) certificates: Rows,
    pub(super) servers: Rows,
    /// By service, URL, whereto and cause.
    pub(super) server_changes: Counts,
    /// By service and outcome.
    pub(super) health_checks: Counts,
    /// By service and verdict.
    pub(super) trial_verdicts: Counts,
    pub(super) problems: Rows,
    pub(super) held_back: Rows,
    pub(super) restart: Rows,
    pub(super) unsupported: Rows,
    pub(super) lookups: Mutex<BTreeMap<&'static str, u64>>,
    pub(super) lookups_failing: Rows,
    pub(super) password_checks: Mutex<BTreeMap<&'static str, u64>>,
    pub(super) memory: Rows,
    pub(super) memory_refusing: Rows,
}

impl ProcessRows {
    pub(super) fn reloaded(&self, now: i64) {
        let mut reloads = self.reloads.lock();
        reloads.total += 1;
        reloads.last_success = now;
    }

    pub(super) fn set_certificates(&self, certificates: &[Certificate]) {
        self.certificates.replace(certificates.iter().map(|certificate| {
            let labels = [&certificate.common_name, &certificate.serial, &certificate.sans];
            (labels.map(Clone::clone).to_vec(), certificate.not_after as f64)
        }));
    }
}

/// How often the configuration was applied.
#[derive(Default, Clone, Copy)]
pub(super) struct Reloads {
    pub(super) total: u64,
    /// Seconds since 1970; 0 before the first.
    pub(super) last_success: i64,
}
