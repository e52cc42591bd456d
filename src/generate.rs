//! `rollgate generate FOLDER`: the manual pages and the completions of shells, made of the command line's own definition.
//! `cargo xtask generate` calls it; packages take what it wrote.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_complete::{Shell, generate_to};

/// The command line of `generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Where `docs/man/` and `completions/` are
    folder: PathBuf,
}

/// Exit code 0 if all is written, 1 if it cannot be.
pub(crate) fn run(arguments: &GenerateArgs, command: Command) -> ExitCode {
    match write(&arguments.folder, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", arguments.folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, command: Command) -> io::Result<()> {
    let command = without_hidden(&command);
    let (pages, completions) = (folder.join("docs/man"), folder.join("completions"));
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    remove_pages(&pages)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command.clone(), "rollgate", &completions)?;
    }
    clap_mangen::generate_to(command, &pages)
}

/// Completions list hidden commands too.
fn without_hidden(command: &Command) -> Command {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let about = command.get_about().cloned().unwrap_or_default();
    Command::new("rollgate").version(env!("CARGO_PKG_VERSION")).about(about).subcommands(shown)
}

/// What a command that is gone has left behind goes.
fn remove_pages(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("rollgate") && name.ends_with(".1") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
