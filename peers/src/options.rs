//! What the command line says.

use std::path::PathBuf;

use crate::{
    peer::{PEERS, Peer},
    scenario::{SCENARIOS, Scenario},
};

/// What is run.
pub struct Options {
    /// In this order.
    pub scenarios: Vec<&'static Scenario>,
    /// Those that are asked for; the ones that are not installed are left out.
    pub peers: Vec<&'static Peer>,
    /// How often each peer has its turn, where that is said.
    pub rounds: Option<usize>,
    /// Of load in each turn.
    pub seconds: u64,
    /// Where the page and the chart go.
    pub write: Option<PathBuf>,
}

/// What the options are, for somebody who got them wrong.
pub const USAGE: &str = "rollgate-peers [SCENARIO...] [--peer NAME]... [--rounds N] [--seconds N] [--write FOLDER]";

impl Options {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { scenarios: Vec::new(), peers: Vec::new(), rounds: None, seconds: 5, write: None };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') {
                let found = SCENARIOS.iter().find(|scenario| scenario.name == argument);
                options.scenarios.push(found.ok_or_else(|| format!("there is no scenario {argument}"))?);
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let number = || {
                let number = value.parse().ok().filter(|number| (1..=1_000).contains(number));
                number.ok_or_else(|| format!("{argument} {value}: not a number from 1 to 1000"))
            };
            match argument.as_str() {
                "--rounds" => options.rounds = Some(number()? as usize),
                "--seconds" => options.seconds = number()?,
                "--write" => options.write = Some(value.into()),
                "--peer" => {
                    let found = PEERS.iter().find(|peer| peer.name == value);
                    options.peers.push(found.ok_or_else(|| format!("there is no peer {value}"))?);
                }
                unknown => return Err(format!("unknown option {unknown}")),
            }
        }
        if options.scenarios.is_empty() {
            options.scenarios = SCENARIOS.iter().collect();
        }
        if options.peers.is_empty() {
            options.peers = PEERS.iter().collect();
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(line.split(' ').filter(|word| !word.is_empty()).map(String::from))
    }

    #[test]
    fn everything_is_run_if_nothing_is_said() {
        let options = read("").unwrap();
        assert_eq!((options.scenarios.len(), options.peers.len()), (SCENARIOS.len(), PEERS.len()));
    }

    #[test]
    fn what_is_asked_for_is_run_in_that_order() {
        let options = read("h2 --rounds 7 plain --peer nginx").unwrap();
        let names: Vec<&str> = options.scenarios.iter().map(|scenario| scenario.name).collect();
        assert_eq!((names, options.rounds, options.peers[0].name), (vec!["h2", "plain"], Some(7), "nginx"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, says) in [
            ("plane", "there is no scenario plane"),
            ("--peer apache", "there is no peer apache"),
            ("--rounds 0", "--rounds 0: not a number from 1 to 1000"),
            ("--rounds", "--rounds needs a value"),
            ("--fast 1", "unknown option --fast"),
        ] {
            assert_eq!(read(line).err().unwrap(), says);
        }
    }
}
