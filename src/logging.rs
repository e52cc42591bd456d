//! Our own log: where `log` says, at the level it says.

use std::{fs::OpenOptions, io, sync::Mutex};

use rollgate_config::static_config::Log;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Installs it for the whole process. `RUST_LOG` wins over `log.level`.
pub(crate) fn install(log: &Log) -> io::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_target(false);
    // Installing it twice is the only failure; the first one stays.
    let _ = match (&log.file, log.json) {
        (None, false) => registry.with(layer.with_ansi(false).with_writer(io::stderr)).try_init(),
        (None, true) => registry.with(layer.json().with_writer(io::stderr)).try_init(),
        (Some(path), json) => {
            let file = Mutex::new(OpenOptions::new().create(true).append(true).open(path)?);
            if json {
                registry.with(layer.json().with_writer(file)).try_init()
            } else {
                registry.with(layer.with_ansi(false).with_writer(file)).try_init()
            }
        }
    };
    Ok(())
}
