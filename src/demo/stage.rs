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
    ("k8s-flask-canary", "v2", "127.0.0.1:5002"),
    ("k8s-flask-nodeport", "dev", "127.0.0.1:5003"),
];

/// Where the configuration lets the gateway listen.
const ENTRY_POINTS: [&str; 2] = ["127.0.0.1:8000", "127.0.0.1:8080"];

/// A folder of the demo's own with its configuration in it; removed when dropped.
pub(super) struct Stage {
    folder: PathBuf,
    file: PathBuf,
}

impl Stage {
    /// Starts the services on a thread of their own and writes the configuration.
    pub(super) fn build() -> io::Result<Self> {
        let mut text = CONFIGURATION.to_owned();
        let mut listeners = Vec::new();
        for (name, version, address) in SERVICES {
            let listener = TcpListener::bind(address).or_else(|_taken| TcpListener::bind("127.0.0.1:0"))?;
            text = text.replace(address, &listener.local_addr()?.to_string());
            listeners.push((name.to_owned(), version.to_owned(), listener));
        }
        for address in ENTRY_POINTS {
            if TcpListener::bind(address).is_err() {
                text = text.replace(address, "127.0.0.1:0");
            }
        }
        serve(listeners)?;
        let folder = std::env::temp_dir().join(format!("rollgate-demo-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let file = folder.join("rollgate.yml");
        let stage = Self { folder, file };
        fs::write(&stage.file, text)?;
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

fn serve(listeners: Vec<(String, String, TcpListener)>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("samples".to_owned()).spawn(move || {
        runtime.block_on(async {
            let served = listeners
                .into_iter()
                .map(|(name, version, listener)| tokio::spawn(sample::serve(name, version, listener)));
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
}
