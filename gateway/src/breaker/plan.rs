//! What has to be counted for a condition, and the condition's value from the counts.

use std::{fmt::Write, ops::Range};

use rollgate_config::condition::{Expression, Term};

/// A condition, ready to be counted for and evaluated.
#[derive(Debug)]
pub(crate) struct Plan {
    expression: Expression,
    /// The first counts all; those that are divided by stand before those that are divided.
    counters: Box<[Counter]>,
    /// Each term of the expression once.
    terms: Box<[(Term, Source)]>,
    wants_latency: bool,
}

/// Which answers are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Counter {
    All,
    NetworkErrors,
    Statuses(Range<u16>),
}

/// Where a term's value comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// One counter divided by another.
    Ratio { counted: usize, among: usize },
    /// The counter of all.
    Count,
    /// Latencies.
    Quantile(f64),
}

/// What was measured, by term.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// Answers in the counters' window.
    pub(crate) answers: u64,
    values: Vec<f64>,
}

impl Plan {
    pub(crate) fn new(expression: &Expression) -> Self {
        let mut terms: Vec<&Term> = Vec::new();
        expression.for_each_comparison(&mut |comparison| {
            if !terms.contains(&&comparison.term) {
                terms.push(&comparison.term);
            }
        });
        let mut counters = vec![Counter::All];
        let mut place = |counter: Counter| {
            let known = counters.iter().position(|known| *known == counter);
            known.unwrap_or_else(|| {
                counters.push(counter);
                counters.len() - 1
            })
        };
        for term in &terms {
            if let Term::ResponseCodeRatio { among, .. } = term {
                place(Counter::Statuses(among.clone()));
            }
        }
        let sources: Vec<(Term, Source)> = terms
            .into_iter()
            .map(|term| {
                let source = match term {
                    Term::NetworkErrorRatio => Source::Ratio { counted: place(Counter::NetworkErrors), among: 0 },
                    Term::ResponseCodeRatio { counted, among } => Source::Ratio {
                        counted: place(Counter::Statuses(counted.clone())),
                        among: place(Counter::Statuses(among.clone())),
                    },
                    Term::LatencyAtQuantile(quantile) => Source::Quantile(*quantile),
                    Term::RequestThreshold => Source::Count,
                };
                (term.clone(), source)
            })
            .collect();
        let wants_latency = sources.iter().any(|(_, source)| matches!(source, Source::Quantile(_)));
        Self { expression: expression.clone(), counters: counters.into(), terms: sources.into(), wants_latency }
    }

    /// How many counters there are.
    pub(crate) fn counters(&self) -> usize {
        self.counters.len()
    }

    /// The counters that an answer of this status counts in, in their order.
    pub(crate) fn counting(&self, status: u16) -> impl Iterator<Item = usize> {
        let counts = move |counter: &Counter| match counter {
            Counter::All => true,
            Counter::NetworkErrors => status == BAD_GATEWAY || status == GATEWAY_TIMEOUT,
            Counter::Statuses(range) => range.contains(&status),
        };
        self.counters.iter().enumerate().filter(move |(_, counter)| counts(counter)).map(|(index, _)| index)
    }

    /// Whether latencies are looked at.
    pub(crate) fn wants_latency(&self) -> bool {
        self.wants_latency
    }

    /// The terms' values from the counters' sums; `quantile` is asked for latencies in microseconds.
    pub(crate) fn measure(&self, sums: &[u64], quantile: impl Fn(f64) -> u64) -> Measured {
        let value = |(_, source): &(Term, Source)| match *source {
            Source::Ratio { counted, among } if sums[among] > 0 => sums[counted] as f64 / sums[among] as f64,
            Source::Ratio { .. } => 0.0,
            Source::Count => sums[0] as f64,
            Source::Quantile(share) => (quantile(share) / MICROSECONDS) as f64,
        };
        Measured { answers: sums[0], values: self.terms.iter().map(value).collect() }
    }

    /// Whether the condition holds for what was measured.
    pub(crate) fn holds(&self, measured: &Measured) -> bool {
        self.expression.holds(&|term| {
            let known = self.terms.iter().position(|(known, _)| known == term);
            known.map_or(0.0, |index| measured.values[index])
        })
    }

    /// `NetworkErrorRatio() = 0.42, RequestThreshold() = 57`
    pub(crate) fn shown(&self, measured: &Measured) -> String {
        let mut text = String::new();
        for ((term, _), value) in self.terms.iter().zip(&measured.values) {
            let comma = if text.is_empty() { "" } else { ", " };
            // Three places tell shares apart, and whole numbers stay whole.
            let rounded = (value * 1000.0).round() / 1000.0;
            write!(text, "{comma}{term} = {rounded}").expect("a String takes everything");
        }
        text
    }
}

const BAD_GATEWAY: u16 = 502;
const GATEWAY_TIMEOUT: u16 = 504;

/// In a millisecond.
const MICROSECONDS: u64 = 1000;

#[cfg(test)]
mod tests {
    use rollgate_config::condition::Condition;

    use super::*;

    fn plan(text: &str) -> Plan {
        Plan::new(&Condition::parse(text).unwrap().expression)
    }

    /// What a plan counts of these answers.
    fn sums(plan: &Plan, answers: &[(u16, u64)]) -> Vec<u64> {
        let mut sums = vec![0; plan.counters()];
        for (status, count) in answers {
            plan.counting(*status).for_each(|index| sums[index] += count);
        }
        sums
    }

    #[test]
    fn only_what_the_terms_need_is_counted() {
        for (text, counters, latency) in [
            ("RequestThreshold() > 5", 1, false),
            ("LatencyAtQuantileMS(50.0) > 5", 1, true),
            ("NetworkErrorRatio() > 0.5", 2, false),
            ("NetworkErrorRatio() > 0.5 && NetworkErrorRatio() < 0.9 && RequestThreshold() > 5", 2, false),
            ("ResponseCodeRatio(500, 600, 0, 600) > 0.5", 3, false),
            ("ResponseCodeRatio(500, 600, 0, 600) > 0.5 || ResponseCodeRatio(400, 500, 0, 600) > 0.5", 4, false),
        ] {
            let plan = plan(text);
            assert_eq!((plan.counters(), plan.wants_latency()), (counters, latency), "{text}");
        }
    }

    #[test]
    fn what_is_divided_by_is_counted_before_what_is_divided() {
        let plan = plan("ResponseCodeRatio(500, 600, 0, 600) > 0.5 || ResponseCodeRatio(0, 600, 100, 700) > 0.5");
        let ratio = |source: Source| match source {
            Source::Ratio { counted, among } => (counted, among),
            other => panic!("{other:?}"),
        };
        assert_eq!(ratio(plan.terms[0].1), (3, 1));
        assert_eq!(ratio(plan.terms[1].1), (1, 2), "one that is both stands with the first");
    }

    /// The cases that oxy documents by its tests, and the borders beside them.
    #[test]
    fn conditions_hold_as_in_traefik() {
        let gateway_errors = [(504, 60), (200, 40)];
        for (text, answers, latency_ms, expected) in [
            ("NetworkErrorRatio() > 0.5", &gateway_errors[..], 0, true),
            ("NetworkErrorRatio() < 0.5", &gateway_errors, 0, false),
            ("NetworkErrorRatio() > 0.5", &[(502, 60), (200, 40)], 0, true),
            ("NetworkErrorRatio() > 0.0", &[(503, 60), (499, 40), (500, 1)], 0, false),
            ("LatencyAtQuantileMS(50.0) > 50", &[(200, 1)], 51, true),
            ("LatencyAtQuantileMS(50.0) < 50", &[(200, 1)], 51, false),
            ("LatencyAtQuantileMS(40.0) > 50", &gateway_errors, 0, false),
            ("ResponseCodeRatio(500, 600, 0, 600) > 0.5", &[(200, 5), (500, 6)], 0, true),
            ("ResponseCodeRatio(500, 600, 0, 600) > 0.5", &[(200, 5), (500, 4)], 0, false),
            ("ResponseCodeRatio(500, 600, 200, 300) >= 2.0", &[(200, 2), (599, 4)], 0, true),
            ("ResponseCodeRatio(500, 600, 0, 600) > 0.0", &[(200, 5), (600, 4)], 0, false),
            ("ResponseCodeRatio(500, 600, 700, 800) > 0.0", &[(500, 5)], 0, false),
            ("NetworkErrorRatio() > 0.5 && RequestThreshold() >= 20", &[(504, 19)], 0, false),
            ("NetworkErrorRatio() > 0.5 && RequestThreshold() >= 20", &[(504, 20)], 0, true),
            ("NetworkErrorRatio() == 0.0", &[], 0, true),
        ] {
            let plan = plan(text);
            let measured = plan.measure(&sums(&plan, answers), |_| latency_ms * MICROSECONDS + 999);
            assert_eq!(plan.holds(&measured), expected, "{text} of {answers:?}");
        }
    }

    #[test]
    fn what_was_measured_is_shown_by_term() {
        let plan = plan("NetworkErrorRatio() > 0.5 && LatencyAtQuantileMS(95.0) > 10 || RequestThreshold() > 5");
        let measured = plan.measure(&sums(&plan, &[(502, 2), (200, 1)]), |_| 12_345);
        let shown = "NetworkErrorRatio() = 0.667, LatencyAtQuantileMS(95.0) = 12, RequestThreshold() = 3";
        assert_eq!(plan.shown(&measured), shown);
    }
}
