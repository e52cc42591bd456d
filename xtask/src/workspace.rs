//! Where things are, and cargo started in the right place.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folders that every command works in.
pub struct Workspace {
    /// The repository's root.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Below `target`: what `setup` installs.
    pub tools: PathBuf,
}

impl Workspace {
    /// From this binary's own place, which holds for every way of setting the target folder.
    pub fn find() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the xtask folder has no parent")?;
        let binary = std::env::current_exe().map_err(|why| format!("where am I: {why}"))?;
        let target = binary.parent().and_then(Path::parent).ok_or("not started from a target folder")?;
        Ok(Self { root: root.to_owned(), target: target.to_owned(), tools: target.join("tools") })
    }

    /// The cargo that started us, in the root; tests find Python by `ROLLGATE_TEST_PYTHON`.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        cargo.env("ROLLGATE_TEST_PYTHON", self.python());
        cargo
    }

    /// The interpreter of the virtual environment that `setup` makes.
    pub fn python(&self) -> PathBuf {
        self.tools.join("python/bin/python3")
    }
}
