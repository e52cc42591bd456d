//! Figures over many runs.

/// What was measured in each run, sorted.
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The lowest value that a part of the runs does not exceed.
    pub fn quantile(&self, part: f64) -> f64 {
        let place = (part * self.0.len() as f64).ceil() as usize;
        self.0[place.clamp(1, self.0.len()) - 1]
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn most(&self) -> f64 {
        self.quantile(1.0)
    }

    pub fn show(&self, scene: &str) {
        let [median, p95, p999] = [0.5, 0.95, 0.999].map(|part| self.quantile(part));
        let (most, runs) = (self.most(), self.0.len());
        println!("{scene}: median {median}, p95 {p95}, 99.9% {p999}, most {most} ({runs} runs)");
    }
}

/// Counts the runs of `runs` for which it is so, and shows it.
pub fn share(scene: &str, runs: u64, so: impl FnMut(&u64) -> bool) -> f64 {
    let count = (0..runs).filter(so).count();
    let share = count as f64 / runs as f64;
    println!("{scene}: {:.2}% ({count} of {runs} runs)", share * 100.0);
    share
}
