//! The demo's services and its configuration: the ports of `examples/flask` where they are free, others where not.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use crate::sample;

/// The configuration as it stands in the examples.
const CONFIGURATION: &str = include_str!("../../examples/flask/rollgate.yml");

/// The sample services, where the configuration looks for them.
const SERVICES: [(&str, &str, &str); 3] = [
    ("k8s-flask", "v1", "127.0.0.1:5001"),
    (CANARY, "v2", "127.0.0.1:5002"),
    ("k8s-flask-nodeport", "dev", "127.0.0.1:5003"),
];

/// The one that the story is about.
const CANARY: &str = "k8s-flask-canary";

/// Where the configuration lets the gateway listen.
const ENTRY_POINTS: [&str; 2] = ["127.0.0.1:8000", "127.0.0.1:8080"];

/// A folder of the demo's own with its configuration in it; removed when dropped.
pub(super) struct Stage {
    folder: PathBuf,
    file: PathBuf,
}

impl Stage {
    /// Starts the services on a thread of their own and writes the configuration, with more at its end. The canary answers with an
    /// error where it `fails`.
    pub(super) fn build(fails: impl Fn() -> bool + Clone + Send + Sync + 'static, more: &str) -> io::Result<Self> {
        let mut moved: Vec<(&str, String)> = Vec::new();
        let mut listeners = Vec::new();
        for (name, version, address) in SERVICES {
            let listener = TcpListener::bind(address).or_else(|_taken| TcpListener::bind("127.0.0.1:0"))?;
            moved.push((address, listener.local_addr()?.to_string()));
            listeners.push((name.to_owned(), version.to_owned(), listener));
        }
        for address in ENTRY_POINTS {
            if TcpListener::bind(address).is_err() {
                moved.push((address, "127.0.0.1:0".to_owned()));
            }
        }
        serve(listeners, fails)?;
        let folder = own_folder(&std::env::temp_dir())?;
        let file = folder.join("rollgate.yml");
        let stage = Self { folder, file };
        fs::write(&stage.file, format!("{}{more}", replaced(CONFIGURATION, &moved)))?;
        Ok(stage)
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A new folder that only we may enter. A demo that was killed has left its own, and in a container the process's
/// number is always the same.
fn own_folder(parent: &Path) -> io::Result<PathBuf> {
    let mut number = 0;
    loop {
        let folder = parent.join(format!("rollgate-demo-{}-{number}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < TRIES => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// All replacements in one pass: what one has put in is never taken for what another looks for (`127.0.0.1:50021` begins
/// like `127.0.0.1:5002`).
fn replaced(text: &str, moved: &[(&str, String)]) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    let first = |rest: &str| {
        let places = moved.iter().filter_map(|(from, to)| Some((rest.find(from)?, from.len(), to.clone())));
        places.min_by_key(|(at, ..)| *at)
    };
    while let Some((at, length, to)) = first(rest) {
        out.push_str(&rest[..at]);
        out.push_str(&to);
        rest = &rest[at + length..];
    }
    out + rest
}

/// How many folders may have been left behind.
const TRIES: u32 = 1000;

fn serve(
    listeners: Vec<(String, String, TcpListener)>,
    fails: impl Fn() -> bool + Clone + Send + Sync + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("samples".to_owned()).spawn(move || {
        runtime.block_on(async {
            let served = listeners.into_iter().map(|(name, version, listener)| {
                let is_canary = name == CANARY;
                let fails = fails.clone();
                let is_broken = move || is_canary && fails();
                tokio::spawn(sample::serve(name, version, listener, is_broken))
            });
            for service in served.collect::<Vec<_>>() {
                if let Ok(Err(error)) = service.await {
                    tracing::error!(%error, "a sample service ended");
                }
            }
        });
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_every_address_that_may_be_replaced() {
        for address in SERVICES.iter().map(|(_, _, address)| address).chain(&ENTRY_POINTS) {
            assert!(CONFIGURATION.contains(address), "{address}");
        }
    }

    #[test]
    fn what_was_put_in_is_not_replaced_again() {
        let moved = [("h:5001", "h:50021".to_owned()), ("h:5002", "h:50031".to_owned()), ("h:5003", "h:0".to_owned())];
        let text = "a h:5001, b h:5002, c h:5003, d h:5001.";
        assert_eq!(replaced(text, &moved), "a h:50021, b h:50031, c h:0, d h:50021.");
        assert_eq!(replaced("nothing", &moved), "nothing");
    }

    #[test]
    fn a_folder_that_was_left_behind_is_no_obstacle() {
        let parent = std::env::temp_dir().join(format!("rollgate-stage-{}", std::process::id()));
        fs::create_dir(&parent).unwrap();
        let folders: Vec<_> = (0..3).map(|_| own_folder(&parent).unwrap()).collect();
        assert!(folders[0] != folders[1] && folders[1] != folders[2]);
        fs::remove_dir_all(&parent).unwrap();
        assert!(own_folder(&parent).is_err(), "without its parent there is none");
    }
}
