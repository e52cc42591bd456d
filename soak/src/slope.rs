//! Whether a series of samples rises.

/// A straight line through samples, by least squares.
#[derive(Debug, Clone, Copy)]
pub struct Slope {
    /// Rise in a unit of time.
    pub rise: f64,
    /// Its standard error.
    pub error: f64,
}

impl Slope {
    /// Of `(time, value)` samples. They are first put together into [`BLOCKS`] blocks, whose medians are taken: samples of
    /// a process that follow each other are alike, and their number would make the error look smaller than it is.
    pub fn of(samples: &[(f64, f64)]) -> Self {
        let points = medians(samples);
        let n = points.len() as f64;
        if points.len() < 3 {
            return Self { rise: 0.0, error: f64::INFINITY };
        }
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let rise = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
        let rest: f64 = points.iter().map(|point| (point.1 - y - rise * (point.0 - x)).powi(2)).sum();
        Self { rise, error: (rest / (n - 2.0) / spread).sqrt() }
    }

    /// The rise that can be told from noise: two standard errors below the rise that was measured.
    pub fn certain(self) -> f64 {
        self.rise - 2.0 * self.error
    }
}

/// The middles of the blocks, in their order.
pub fn medians(samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
    samples.chunks(samples.len().div_ceil(BLOCKS).max(1)).map(median).collect()
}

/// The middle of a block, in time and in value.
fn median(block: &[(f64, f64)]) -> (f64, f64) {
    let mut values: Vec<f64> = block.iter().map(|sample| sample.1).collect();
    values.sort_by(f64::total_cmp);
    let time = block.iter().map(|sample| sample.0).sum::<f64>() / block.len() as f64;
    (time, values[values.len() / 2])
}

/// Enough for an error, few enough that each is long.
const BLOCKS: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_below_noise_and_a_level_is_none() {
        let noise = |number: usize| (number * 7919 % 100) as f64;
        let rising: Vec<_> = (0..600).map(|number| (number as f64, 5.0 * number as f64 + noise(number))).collect();
        let level: Vec<_> = (0..600).map(|number| (number as f64, 1000.0 + noise(number))).collect();
        let (rising, level) = (Slope::of(&rising), Slope::of(&level));
        assert!((rising.rise - 5.0).abs() < 0.1 && rising.certain() > 4.8, "{rising:?}");
        assert!(level.rise.abs() < 0.1 && level.certain() <= 0.0, "{level:?}");
    }

    #[test]
    fn too_little_says_nothing() {
        assert!(Slope::of(&[(0.0, 0.0), (1.0, 100.0)]).certain() < 0.0);
    }
}
