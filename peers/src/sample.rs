//! What one turn of one peer has shown.

use std::fmt;

/// Figures, each with its name and unit; the first is what the scenario is about.
#[derive(Debug, Clone, Default)]
pub struct Sample(pub Vec<(&'static str, f64)>);

impl Sample {
    /// With one more.
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        self.0.push((name, value));
        self
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(its, _)| *its == name).map(|(_, value)| *value)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            write!(f, "{} {name}   ", shown(*value))?;
        }
        Ok(())
    }
}

/// With three digits or so.
pub fn shown(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// The one in the middle, or what is half-way between the two; of none there is none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}
