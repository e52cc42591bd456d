//! Where output goes: standard output for what was asked for, standard error for what went wrong.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::{
    failure::Failure,
    table::Table,
    text::{shown, shown_json},
};

/// The terminal, a file or a pipe.
#[derive(Debug)]
pub(super) struct Screen {
    /// What is printed is for scripts.
    pub(super) json: bool,
    /// Somebody sits before a terminal that a picture can be drawn on, and has a keyboard.
    pub(super) interactive: bool,
    colours: bool,
}

impl Screen {
    /// The process's own.
    pub(super) fn of_process(json: bool) -> Self {
        let interactive = !json && shows_pictures() && io::stdin().is_terminal();
        Self { json, interactive, colours: colours_are_wanted() }
    }

    /// Prints a table.
    pub(super) fn table(&self, table: &Table) -> Result<(), Failure> {
        put(&table.text(self.colours))
    }

    /// Prints a line.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        put(&format!("{}\n", shown(text)))
    }

    /// Prints JSON over several lines.
    pub(super) fn value(&self, value: &Value) -> Result<(), Failure> {
        put(&format!("{}\n", shown_json(&format!("{value:#}"))))
    }

    /// Prints JSON on one line.
    pub(super) fn value_line(&self, value: &Value) -> Result<(), Failure> {
        put(&format!("{}\n", shown_json(&value.to_string())))
    }

    /// Tells a person of something beside the output; a script is not told.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            complain(&format!("{}\n", shown(text)));
        }
    }

    /// Tells why there is no output.
    pub(super) fn failed(&self, failure: &Failure) {
        if failure.code() == 0 {
            return;
        }
        if self.json {
            complain(&format!("{}\n", shown_json(&failure.document().to_string())));
            return;
        }
        complain(&failure.lines().iter().map(|line| format!("{}\n", shown(line))).collect::<String>());
    }
}

/// Colours are for terminals whose user has not set `NO_COLOR`.
pub(crate) fn colours_are_wanted() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && shows_pictures()
}

/// Whether what is printed gets to somebody before a terminal that a picture can be drawn on.
fn shows_pictures() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    !dumb && io::stdout().is_terminal()
}

fn put(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

fn complain(text: &str) {
    // Nobody is left to be told of it.
    drop(io::stderr().write_all(text.as_bytes()));
}
