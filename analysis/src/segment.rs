//! What was counted under one weight.

/// Errors of two versions while the canary's share of the draws between them was `w`.
///
/// Given that an error happened, it is the canary's with probability `w` if both versions fail equally often, however
/// often that is and however it changes. Nothing else is needed: neither successes nor the time.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Segment {
    /// The probability, of this very draw, that it went to the canary rather than to stable.
    pub w: f64,
    /// Errors of the canary.
    pub canary: u64,
    /// Errors of the stable version.
    pub stable: u64,
}

impl Segment {
    /// A segment with its counts.
    pub const fn new(w: f64, canary: u64, stable: u64) -> Self {
        Self { w, canary, stable }
    }

    /// Both versions' errors.
    pub fn errors(&self) -> u64 {
        self.canary.saturating_add(self.stable)
    }
}

/// `w` of two versions among more: draws that went to others are left out.
pub fn pair(canary_weight: f64, stable_weight: f64) -> f64 {
    canary_weight / (canary_weight + stable_weight)
}

/// The canary's share of what it has `ratio` times as often as stable, while it has `w` of the draws.
pub(crate) fn share(w: f64, ratio: f64) -> f64 {
    w * ratio / (1.0 + w * (ratio - 1.0))
}

/// Whether chance decided. A draw without a choice (the other version down, a forced one) says nothing and is not
/// counted.
pub(crate) fn is_drawn(w: f64) -> bool {
    w > 0.0 && w < 1.0
}

/// The segments that are counted.
pub(crate) fn drawn(segments: impl IntoIterator<Item = Segment>) -> impl Iterator<Item = Segment> {
    segments.into_iter().filter(|segment| is_drawn(segment.w))
}
