//! A picture of what was found: when rollouts are over, and what a bad canary costs.
//!
//! [`draw`] makes lines and texts of it, [`mod@svg`] and [`mod@png`] write these. The same series give the same bytes.

mod axis;
mod drawing;
mod png;
mod svg;

use rollgate_control::rollout::simulation::End;

use self::{
    axis::Axis,
    drawing::{Anchor, Colour, Stroke, Style},
};
pub(super) use self::{drawing::Drawing, png::png, svg::svg};
use super::{
    SimulateArgs,
    numbers::{count, percent, plain, seconds},
    series::Series,
    show::scene,
};

/// Draws all series, at most [`MOST_SERIES`].
pub(super) fn draw(arguments: &SimulateArgs, all: &[Series]) -> Drawing {
    let height = LEGEND + 20.0 * all.len() as f64 + 10.0;
    let mut drawing = Drawing::new(WIDTH, height);
    let [title, below] = titles(arguments, all);
    drawing.text((LEFT.0, 28.0), Anchor::Start, Style::Bold, &title);
    drawing.text((LEFT.0, 48.0), Anchor::Start, Style::Faint, &below);

    let ends: Vec<[Curve; 2]> = all.iter().map(ends).collect();
    let values = ends.iter().flatten().flat_map(|curve| &curve.0).map(|(value, _)| *value);
    let axis = Axis::of_times(values.chain([1.0]), LEFT);
    panel(&mut drawing, &axis, "rollouts promoted (solid) and rolled back (dashed)", "time since the rollout began");
    for (curves, colour) in ends.iter().zip(COLOURS) {
        for (curve, is_dashed) in curves.iter().zip([false, true]) {
            let stroke = Stroke { colour, width: 2.0, is_dashed };
            drawing.line(curve.lasting(&axis).on(&axis), stroke);
        }
    }

    let costs: Vec<Curve> = all.iter().map(costs).collect();
    let values = costs.iter().flat_map(|curve| &curve.0).map(|(value, _)| *value);
    let axis = Axis::of_counts(values.chain([1.0]), RIGHT);
    panel(&mut drawing, &axis, "of those rolled back: requests that the canary got", "requests to the canary");
    for (curve, colour) in costs.iter().zip(COLOURS) {
        drawing.line(curve.on(&axis), Stroke { colour, width: 2.0, is_dashed: false });
    }

    for ((row, series), colour) in all.iter().enumerate().zip(COLOURS) {
        let y = LEGEND + 20.0 * row as f64;
        drawing
            .line(vec![(LEFT.0, y - 4.0), (LEFT.0 + 24.0, y - 4.0)], Stroke { colour, width: 3.0, is_dashed: false });
        drawing.text((LEFT.0 + 34.0, y), Anchor::Start, Style::Plain, &legend(series));
    }
    drawing
}

/// A share that grows: values in their order, each with the share that is reached with it.
#[derive(Debug, Default)]
struct Curve(Vec<(f64, f64)>);

impl Curve {
    /// Of values of some of so many.
    fn of(values: impl Iterator<Item = f64>, all: usize) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let every = values.len().div_ceil(MOST_POINTS).max(1);
        let last = values.len().saturating_sub(1);
        let points = values.iter().enumerate().filter(|(place, _)| place % every == 0 || *place == last);
        let point = |(place, value): (usize, &f64)| (*value, (place + 1) as f64 / all.max(1) as f64);
        Self(points.map(point).collect())
    }

    /// It stays what it was at its last value.
    fn lasting(&self, axis: &Axis) -> Self {
        let last = self.0.last().map(|(_, share)| (axis.to, *share));
        Self(self.0.iter().copied().chain(last).collect())
    }

    /// From nothing on.
    fn on(&self, axis: &Axis) -> Vec<(f64, f64)> {
        let first = self.0.first().map(|(value, _)| (*value, 0.0));
        first.into_iter().chain(self.0.iter().copied()).map(|(value, share)| (axis.at(value), level(share))).collect()
    }
}

/// When canaries are promoted, and when they are braked.
fn ends(series: &Series) -> [Curve; 2] {
    [End::Promoted, End::RolledBack].map(|end| {
        let runs = series.runs.iter().filter(|run| run.end == end);
        Curve::of(runs.map(|run| run.took.as_secs_f64()), series.runs.len())
    })
}

/// What the canary got until it was braked.
fn costs(series: &Series) -> Curve {
    let braked: Vec<f64> =
        series.runs.iter().filter(|run| run.verdict.is_some()).map(|run| run.requests as f64).collect();
    // A few false rollbacks are no distribution.
    let all = braked.len();
    if all < FEW { Curve::default() } else { Curve::of(braked.into_iter(), all) }
}

fn titles(arguments: &SimulateArgs, all: &[Series]) -> [String; 2] {
    let mut pipelines: Vec<String> =
        all.iter().map(|series| format!("{}: {}", series.pipeline, series.stages())).collect();
    pipelines.dedup();
    let title = if let [only] = &pipelines[..] { only.clone() } else { format!("{} pipelines", pipelines.len()) };
    let mut alphas: Vec<String> = all.iter().map(|series| series.plan.pipeline.analysis.alpha.to_string()).collect();
    alphas.dedup();
    let rates: Vec<String> = arguments.rps.iter().map(|rate| plain(*rate)).collect();
    let several = |texts: &[String]| texts.join(", ");
    let mut below = vec![
        format!("alpha {}", several(&alphas)),
        format!("{} requests a second, {} of stable's fail", several(&rates), arguments.baseline_error),
    ];
    below.extend(scene(arguments).into_iter().map(|(name, what)| format!("{name} {what}")));
    below.push(format!("{} rollouts of each, seed {}", count(f64::from(arguments.runs)), arguments.seed));
    [title, below.join("; ")]
}

fn legend(series: &Series) -> String {
    let summary = &series.summary;
    let canary = format!("canary {}", series.label.join(", "));
    let after = |median: String, p95: String| format!(" after {median} (95%: {p95})");
    let requests = summary.requests.filter(|_| !series.is_as_good);
    let braked = requests.map(|found| after(format!("{} requests", count(found.median)), count(found.p95)));
    let promoted = summary.promotion.map(|found| after(seconds(found.median), seconds(found.p95)));
    let mut told = vec![format!("{} rolled back{}", percent(summary.rolled_back.share), braked.unwrap_or_default())];
    let others =
        [("promoted", summary.promoted, promoted), ("held", summary.held, None), ("failed", summary.failed, None)];
    for (how, rate, after) in others {
        if rate.share > 0.0 {
            told.push(format!("{} {how}{}", percent(rate.share), after.unwrap_or_default()));
        }
    }
    format!("{canary}: {}", told.join("; "))
}

/// Axes, their numbers, and what they show.
fn panel(drawing: &mut Drawing, axis: &Axis, title: &str, below: &str) {
    let (left, right) = axis.place;
    let grid = Stroke { colour: Colour::GRID, width: 1.0, is_dashed: false };
    drawing.text((left, TOP - 12.0), Anchor::Start, Style::Plain, title);
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        drawing.line(vec![(left, level(share)), (right, level(share))], grid);
        drawing.text((left - 8.0, level(share) + 4.0), Anchor::End, Style::Faint, &percent(share));
    }
    for (value, name) in axis.ticks() {
        let x = axis.at(value);
        drawing.line(vec![(x, TOP), (x, BOTTOM)], grid);
        drawing.text((x, BOTTOM + 17.0), Anchor::Middle, Style::Faint, &name);
    }
    drawing.text(((left + right) / 2.0, BOTTOM + 36.0), Anchor::Middle, Style::Faint, below);
}

/// Where a share is drawn.
fn level(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

const WIDTH: f64 = 960.0;
const LEFT: (f64, f64) = (60.0, 450.0);
const RIGHT: (f64, f64) = (540.0, 930.0);
const TOP: f64 = 95.0;
const BOTTOM: f64 = 335.0;
const LEGEND: f64 = 405.0;

/// Points of a curve: a step of half a per cent is not seen.
const MOST_POINTS: usize = 200;
const FEW: usize = 20;

/// So many colours are told apart, also by those who see few (Okabe and Ito).
const COLOURS: [Colour; MOST_SERIES] = [
    Colour(0, 114, 178),
    Colour(213, 94, 0),
    Colour(0, 158, 115),
    Colour(204, 121, 167),
    Colour(230, 159, 0),
    Colour(86, 180, 233),
    Colour(0, 0, 0),
    Colour(128, 128, 128),
];

/// Series of a picture.
pub(super) const MOST_SERIES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_its_first_and_last_value_and_few_between() {
        let curve = Curve::of((0..1_234).map(f64::from), 2_468);
        assert_eq!((curve.0[0], *curve.0.last().unwrap()), ((0.0, 1.0 / 2_468.0), (1_233.0, 0.5)));
        assert!(curve.0.len() <= MOST_POINTS + 1 && curve.0.len() > MOST_POINTS / 2);
        assert!(Curve::of(std::iter::empty(), 10).0.is_empty());
    }
}
