//! What the command line says.

use std::path::PathBuf;

/// How every scenario is to be run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The scenarios, by name; every one if none is named.
    pub scenarios: Vec<String>,
    /// The gateway's binary.
    pub binary: PathBuf,
    /// Where programs are looked for before the path.
    pub tools: Option<PathBuf>,
    /// How long a scenario's main part takes; its own length if not said.
    pub seconds: Option<u64>,
    /// Connections of attackers and slow clients; the scenario's own number if not said.
    pub connections: Option<usize>,
    /// Changes of the configuration, where a scenario makes a number of them; its own number if not said.
    pub changes: Option<u32>,
    /// New connections or requests in a second, where the scenario has a fixed rate; its own if not said.
    pub rate: Option<f64>,
    /// What was said but for scenarios and tools, to be said again.
    pub said: String,
    /// A minute in all, with what nothing but a quiet machine can meet only told.
    pub short: bool,
}

/// What the options are, for somebody who got them wrong.
pub const USAGE: &str = "rollgate-soak [SCENARIO...] --binary PATH [--seconds N] [--connections N] [--changes N] [--rate N] \
                         [--tools FOLDER] [--short]";

impl Options {
    /// Reads the arguments after the program's name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            scenarios: Vec::new(),
            binary: PathBuf::new(),
            tools: None,
            seconds: None,
            connections: None,
            changes: None,
            rate: None,
            said: String::new(),
            short: false,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') {
                options.scenarios.push(argument);
                continue;
            }
            if argument == "--short" {
                options.short = true;
                options.said.push_str(" --short");
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            match argument.as_str() {
                "--binary" => options.binary = value.clone().into(),
                "--tools" => options.tools = Some(value.clone().into()),
                "--seconds" => options.seconds = Some(positive(&argument, &value)?),
                "--connections" => options.connections = Some(positive(&argument, &value)?),
                "--changes" => options.changes = Some(positive(&argument, &value)?),
                "--rate" => options.rate = Some(positive(&argument, &value)?),
                unknown => return Err(format!("unknown option {unknown}")),
            }
            if argument != "--tools" {
                options.said.push_str(&format!(" {argument} {value}"));
            }
        }
        options.binary = std::path::absolute(&options.binary).map_err(|why| format!("--binary: {why}"))?;
        if options.binary.is_file() { Ok(options) } else { Err("--binary names no file".to_owned()) }
    }

    /// The seconds of a scenario that takes `long`, or `short` in a short run.
    pub fn seconds(&self, long: u64, short: u64) -> u64 {
        self.seconds.unwrap_or_else(|| self.either(long, short))
    }

    /// One of two numbers, by the kind of run.
    pub fn either<T>(&self, long: T, short: T) -> T {
        if self.short { short } else { long }
    }

    /// A program by its name: below the tools' folder if it is there, else on the path.
    pub fn program(&self, name: &str) -> PathBuf {
        let ours = self.tools.as_ref().map(|tools| tools.join("bin").join(name));
        ours.filter(|path| path.is_file()).unwrap_or_else(|| name.into())
    }
}

fn positive<T: std::str::FromStr + PartialOrd + Default>(option: &str, value: &str) -> Result<T, String> {
    let number = value.parse::<T>().ok().filter(|number| *number > T::default());
    number.ok_or_else(|| format!("{option} {value}: not a number above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        Options::read(line.split(' ').map(String::from))
    }

    #[test]
    fn scenarios_and_options_come_in_any_order() {
        let options = read("reload --seconds 5 --binary /proc/self/exe split --short").unwrap();
        assert_eq!(options.scenarios, ["reload", "split"]);
        assert_eq!((options.seconds, options.short), (Some(5), true));
        assert_eq!(options.said, " --seconds 5 --binary /proc/self/exe --short");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, says) in [
            ("--binary /nowhere", "--binary names no file"),
            ("--seconds", "--seconds needs a value"),
            ("--seconds 0", "--seconds 0: not a number above 0"),
            ("--rate many", "--rate many: not a number above 0"),
            ("--fast 1", "unknown option --fast"),
        ] {
            assert_eq!(read(line).unwrap_err(), says);
        }
    }
}
