//! Where the static configuration comes from: a file, else Traefik's flags, else `TRAEFIK_*` variables. As in Traefik
//! they do not mix: the first that is there counts. Unlike there, flags beside a file are an error.

use std::path::{Path, PathBuf};

use rollgate_config::{Allow, Document, Format, Read, problem::Problem, static_config::Static};
use rollgate_control::{StateChoice, file::Sources};

/// The static configuration and where the dynamic one is.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) statics: Static,
    pub(crate) sources: Sources,
    /// Where the internal entry point listens if the configuration does not say.
    pub(crate) internal_address: Option<String>,
    /// Unsupported keys that were let through.
    pub(crate) warnings: Vec<Problem>,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The configuration is wrong.
    Problems(Vec<Problem>),
    /// The command line is.
    Usage(String),
}

/// Reads it. `flags` are the command line's own words that are not ours.
pub(crate) fn load(file: Option<&Path>, flags: &[String], allow: &Allow) -> Result<Loaded, Failure> {
    let (document, main) = match file {
        Some(_) if !flags.is_empty() => {
            let what = format!("{}: static configuration comes from a file or from flags, not from both", flags[0]);
            return Err(Failure::Usage(what));
        }
        Some(file) => (from_file(file)?, Some(file.to_owned())),
        None if !flags.is_empty() => (Document::from_flags(flags).map_err(Failure::Problems)?, None),
        None => {
            let variables: Vec<(String, String)> =
                std::env::vars().filter(|(name, _)| name.starts_with("TRAEFIK_")).collect();
            (Document::from_environment(&variables).map_err(Failure::Problems)?, None)
        }
    };
    let Read { value, problems, warnings, .. } = rollgate_config::read_static(&document, allow);
    let Some(mut statics) = value else { return Err(Failure::Problems(problems)) };
    let internal_address = std::env::var(INTERNAL_ADDRESS).ok();
    if let Some(address) = &internal_address {
        statics.set_internal_default(address);
    }
    let target = statics.file_provider.as_ref().map(|provider| provider.target.clone());
    Ok(Loaded { statics, sources: Sources { main, target }, internal_address, warnings })
}

/// Where copies are kept if the command line does not say.
pub(crate) fn state_dir_of_environment() -> Option<PathBuf> {
    std::env::var_os(STATE_DIR).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Where live weights and brakes are kept: where it was said, else in the platform's place for state.
pub(crate) fn state(in_memory: bool, folder: Option<&Path>) -> StateChoice {
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if in_memory || (folder.is_none() && said(STATE_IN_MEMORY).is_some_and(|value| value == Path::new("1"))) {
        return StateChoice::Memory;
    }
    StateChoice::Folder(
        folder.map_or_else(|| usual_state_dir(rustix::process::geteuid().is_root(), said), Path::to_path_buf),
    )
}

/// systemd's `StateDirectory=`, else the system's for root and the user's own for everybody else (XDG base directories).
fn usual_state_dir(root: bool, said: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let system = || PathBuf::from("/var/lib/rollgate");
    if let Some(folders) = said("STATE_DIRECTORY") {
        // More than one are separated by colons.
        return folders.to_string_lossy().split(':').next().map_or_else(system, PathBuf::from);
    }
    if root {
        return system();
    }
    let of_user = said("XDG_STATE_HOME").or_else(|| said("HOME").map(|home| home.join(".local/state")));
    of_user.map_or_else(system, |folder| folder.join("rollgate"))
}

fn from_file(file: &Path) -> Result<Document, Failure> {
    let name = file.display().to_string();
    let format = Format::of(&name)
        .ok_or_else(|| Failure::Usage(format!("{name}: unknown kind of file (.yml, .yaml, .toml, .json)")))?;
    let text = std::fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    Document::parse(&name, &text, format).map_err(Failure::Problems)
}

/// Splits a command line into our own options and Traefik's flags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) config: Option<PathBuf>,
    pub(crate) allow: Vec<String>,
    pub(crate) workers: usize,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) state_in_memory: bool,
    pub(crate) flags: Vec<String>,
}

impl Words {
    /// Understands `--config F`, `--config=F`, `--configFile=F`, `--allow-unsupported K,...`, `--workers N`, `--state-dir D`,
    /// `--state-in-memory`; all else is Traefik's.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            let mut needed =
                || value.clone().or_else(|| words.next().cloned()).ok_or_else(|| format!("{name} needs a value"));
            match name.to_ascii_lowercase().as_str() {
                "--config" | "-c" | "--configfile" => parsed.config = Some(needed()?.into()),
                "--state-dir" => parsed.state_dir = Some(needed()?.into()),
                "--state-in-memory" if value.is_none() => parsed.state_in_memory = true,
                "--allow-unsupported" => parsed.allow.push(needed()?),
                "--workers" => {
                    let value = needed()?;
                    parsed.workers = value.parse().map_err(|_| format!("--workers {value}: not a number"))?;
                }
                flag if flag.starts_with("--") => parsed.flags.push(word.clone()),
                _ => return Err(format!("{word}: not an option")),
            }
        }
        Ok(parsed)
    }

    pub(crate) fn allow(&self) -> Allow {
        Allow::parse(&self.allow.join(","))
    }
}

/// Where the internal entry point listens if the configuration does not say; the container image sets it.
const INTERNAL_ADDRESS: &str = "ROLLGATE_INTERNAL_ADDRESS";
const STATE_DIR: &str = "ROLLGATE_STATE_DIR";

/// `1`: live weights and brakes are kept nowhere.
const STATE_IN_MEMORY: &str = "ROLLGATE_STATE_IN_MEMORY";

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Words, String> {
        Words::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn our_options_are_told_from_traefiks_flags() {
        let parsed =
            words("--configFile=a.yml --workers 3 --state-dir state --allow-unsupported tcp --allow-unsupported=udp")
                .unwrap();
        assert_eq!((parsed.config, parsed.state_dir), (Some("a.yml".into()), Some("state".into())));
        assert_eq!((parsed.workers, parsed.allow.join(",")), (3, "tcp,udp".to_owned()));
        let parsed = words("--entryPoints.web.address=:80 --ping").unwrap();
        assert_eq!(parsed.flags, ["--entryPoints.web.address=:80", "--ping"]);
        assert_eq!(words("--config"), Err("--config needs a value".to_owned()));
        assert_eq!(words("--workers many"), Err("--workers many: not a number".to_owned()));
        assert_eq!(words("web"), Err("web: not an option".to_owned()));
    }
}
