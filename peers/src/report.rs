//! What came of it: medians, ratios, what was asked, a page and a chart.

mod chart;

use std::fmt::Write as _;

use crate::{
    machine,
    options::Options,
    peer::Peer,
    sample::{Sample, median, shown},
    scenario::{Of, Scenario, Target},
};

/// All samples.
pub struct Results {
    peers: Vec<(&'static str, String)>,
    absent: Vec<String>,
    scenarios: Vec<OfScenario>,
}

struct OfScenario {
    scenario: &'static Scenario,
    samples: Vec<(&'static str, Vec<Sample>)>,
    lacks: Vec<(&'static str, String)>,
}

impl Results {
    /// Of these peers; why others are absent.
    pub fn new(peers: &[&'static Peer], absent: Vec<String>) -> Self {
        let peers = peers.iter().map(|peer| (peer.name, peer.version())).collect();
        Self { peers, absent, scenarios: Vec::new() }
    }

    /// Adds a peer's turn.
    pub fn add(&mut self, scenario: &'static Scenario, peer: &Peer, sample: Sample) {
        let samples = &mut self.of(scenario).samples;
        match samples.iter_mut().find(|(name, _)| *name == peer.name) {
            Some((_, all)) => all.push(sample),
            None => samples.push((peer.name, vec![sample])),
        }
    }

    /// A peer does not take part, or no longer.
    pub fn lacks(&mut self, scenario: &'static Scenario, peer: &Peer, why: String) {
        self.of(scenario).lacks.push((peer.name, why));
    }

    fn of(&mut self, scenario: &'static Scenario) -> &mut OfScenario {
        let found = self.scenarios.iter().position(|of| of.scenario.name == scenario.name);
        let at = found.unwrap_or_else(|| {
            self.scenarios.push(OfScenario { scenario, samples: Vec::new(), lacks: Vec::new() });
            self.scenarios.len() - 1
        });
        &mut self.scenarios[at]
    }

    /// One scenario's table, the best first.
    pub fn table(&self, scenario: &Scenario) -> String {
        self.find(scenario.name).map_or_else(String::new, OfScenario::table)
    }

    fn find(&self, name: &str) -> Option<&OfScenario> {
        self.scenarios.iter().find(|of| of.scenario.name == name)
    }

    /// Each thing that is asked of us: what it is, and whether it is met.
    pub fn verdicts(&self) -> String {
        let mut text = "| scenario | figure | asked | measured | verdict |\n|---|---|---|---|---|\n".to_owned();
        for of in &self.scenarios {
            for target in of.scenario.targets {
                let Some(measured) = self.measured(of, target) else { continue };
                let verdict = if measured <= target.most { "met" } else { "MISSED" };
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "| {} | {}{} | {} | {measured:.2} | {verdict} |",
                    of.scenario.name,
                    target.figure,
                    compared(target.of),
                    target.most,
                );
            }
        }
        text
    }

    fn measured(&self, of: &OfScenario, target: &Target) -> Option<f64> {
        let value = |of: &OfScenario, peer: &str| of.median(peer, target.figure);
        let ours = value(of, US)?;
        let best = |peers: &mut dyn Iterator<Item = &'static str>| {
            peers.filter_map(|peer| value(of, peer)).min_by(f64::total_cmp)
        };
        let beside = match target.of {
            Of::Best => best(&mut ["nginx", "haproxy"].into_iter())?,
            Of::BestOfAll => best(&mut of.samples.iter().map(|(name, _)| *name).filter(|name| *name != US))?,
            Of::Named(peer) => value(of, peer)?,
            Of::Own(scenario) => value(self.find(scenario)?, US)?,
            Of::Nothing => 1.0,
        };
        Some(ours / beside)
    }

    /// The page that is kept.
    pub fn page(&self, options: &Options) -> String {
        let date = jiff::Zoned::now().date();
        let mut text = format!(
            "# Beside the peers\n\n{date}, `cargo xtask bench peers`: interleaved rounds of {} s; medians, least and most. {}.\n\n\
             A peer has a processor to itself; load and servers share the other one. Only ratios mean something elsewhere.\n\n\
             ![processor time of a request, as a multiple of Rollgate's](peers.svg)\n\n| | |\n|---|---|\n",
            options.seconds,
            machine::described()
        );
        for (name, version) in &self.peers {
            let _ = writeln!(text, "| {name} | {version} |");
        }
        for why in &self.absent {
            let _ = writeln!(text, "| absent | {why} |");
        }
        let _ = write!(text, "\n## What is asked\n\n{}", self.verdicts());
        for of in &self.scenarios {
            let (name, what, rounds) = (of.scenario.name, of.scenario.what, of.scenario.rounds(options));
            let _ = write!(text, "\n## {name}\n\n{what}; {rounds} rounds.\n\n{}", of.table());
        }
        text
    }

    /// What a request costs each peer, as a multiple of what it costs us.
    pub fn chart(&self) -> String {
        let groups = self.scenarios.iter().filter_map(|of| {
            let ours = of.median(US, "us")?;
            let bars = of.samples.iter().filter_map(|(name, _)| Some((*name, of.median(name, "us")? / ours)));
            Some((of.scenario.name, bars.collect()))
        });
        chart::drawn(&groups.collect::<Vec<_>>(), &jiff::Zoned::now().date().to_string())
    }
}

impl OfScenario {
    fn table(&self) -> String {
        let Some(first) = self.samples.first().and_then(|(_, all)| all.first()) else {
            return self.left_out();
        };
        let names: Vec<&str> = first.0.iter().map(|(name, _)| *name).collect();
        let mut text = format!("| | {} (least to most) | to rollgate", names[0]);
        text.extend(names[1..].iter().map(|name| format!(" | {name}")));
        let _ = writeln!(text, " |\n|---|{}", "---|".repeat(names.len() + 1));
        let mut order: Vec<&str> = self.samples.iter().map(|(name, _)| *name).collect();
        order
            .sort_by(|a, b| self.median(a, names[0]).partial_cmp(&self.median(b, names[0])).expect("they are numbers"));
        for peer in order {
            let (least, most) = self.range(peer, names[0]);
            let median = self.median(peer, names[0]).expect("it has samples");
            let ratio = self.median(US, names[0]).map_or_else(String::new, |ours| shown(median / ours));
            let _ = write!(text, "| {peer} | {} ({} to {}) | {ratio}", shown(median), shown(least), shown(most));
            for name in &names[1..] {
                let value = self.median(peer, name).map_or_else(String::new, shown);
                let _ = write!(text, " | {value}");
            }
            text.push_str(" |\n");
        }
        text + &self.left_out()
    }

    fn left_out(&self) -> String {
        let lines = self.lacks.iter().map(|(name, why)| format!("\n{name}: {why}\n"));
        lines.collect()
    }

    fn values(&self, peer: &str, figure: &str) -> Vec<f64> {
        let all = self.samples.iter().find(|(name, _)| *name == peer).map(|(_, all)| all.as_slice());
        all.unwrap_or_default().iter().filter_map(|sample| sample.get(figure)).collect()
    }

    fn median(&self, peer: &str, figure: &str) -> Option<f64> {
        median(self.values(peer, figure))
    }

    fn range(&self, peer: &str, figure: &str) -> (f64, f64) {
        let values = self.values(peer, figure);
        let least = values.iter().copied().reduce(f64::min);
        let most = values.iter().copied().reduce(f64::max);
        (least.unwrap_or_default(), most.unwrap_or_default())
    }
}

fn compared(of: Of) -> String {
    match of {
        Of::Best => ", of the better one of nginx and HAProxy".to_owned(),
        Of::BestOfAll => ", of the best peer".to_owned(),
        Of::Named(peer) => format!(", of {peer}"),
        Of::Own(scenario) => format!(", of our own in {scenario}"),
        Of::Nothing => String::new(),
    }
}

const US: &str = "rollgate";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{peer::PEERS, scenario::SCENARIOS};

    fn results(values: &[(usize, &[f64])]) -> Results {
        let mut results = Results { peers: Vec::new(), absent: Vec::new(), scenarios: Vec::new() };
        for (peer, all) in values {
            all.iter().for_each(|us| results.add(&SCENARIOS[0], &PEERS[*peer], Sample::default().with("us", *us)));
        }
        results
    }

    #[test]
    fn medians_are_compared_with_the_better_one() {
        // Us, nginx, HAProxy, Envoy.
        let results = results(&[(0, &[9.0, 8.0, 30.0]), (1, &[12.0, 10.0]), (2, &[20.0]), (3, &[30.0])]);
        let verdicts = results.verdicts();
        assert!(
            verdicts.contains("| plain | us, of the better one of nginx and HAProxy | 0.9 | 0.82 | met |"),
            "{verdicts}"
        );
        assert!(verdicts.contains("| plain | us, of envoy | 0.33 | 0.30 | met |"), "{verdicts}");
        assert!(!verdicts.contains("traefik"), "{verdicts}");
    }

    #[test]
    fn what_is_missed_is_said() {
        let verdicts = results(&[(0, &[10.0]), (1, &[10.0])]).verdicts();
        assert!(verdicts.contains("| 0.9 | 1.00 | MISSED |"), "{verdicts}");
    }

    #[test]
    fn the_best_stands_first_and_who_is_left_out_below() {
        let mut results = results(&[(0, &[20.0]), (1, &[10.0, 12.0, 11.0])]);
        results.lacks(&SCENARIOS[0], &PEERS[4], "left out: it cannot".to_owned());
        assert_eq!(
            results.table(&SCENARIOS[0]),
            "| | us (least to most) | to rollgate |\n|---|---|---|\n\
             | nginx | 11.0 (10.0 to 12.0) | 0.55 |\n| rollgate | 20.0 (20.0 to 20.0) | 1.00 |\n\ncaddy: left out: it cannot\n"
        );
    }
}
