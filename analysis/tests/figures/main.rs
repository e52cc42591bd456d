//! What the rule promises, measured: how often a good canary is rolled back, how many requests a bad one costs, how
//! soon a good one is promoted. The code that judges is the real one; the worlds are drawn from fixed seeds, so every
//! run gives the same figures.
//!
//! Successes of stable are not played one by one: they are no evidence, and how many there are until something else
//! happens is drawn from its distribution. Looks are taken at errors of the canary: `rule::tests` has that nothing
//! else makes a verdict worse, so it is as good as a look after every request. `--nocapture` shows the figures.

mod audience;
mod brake;
mod cohorts;
mod figures;
mod latency;
mod promotion;
mod shared;
mod world;
