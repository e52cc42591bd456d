//! `rollgate check FILE...`: everything that is wrong with a configuration, before it serves.
//!
//! One file is read as `run` reads it, with what its `providers.file` names. Several files and folders are one
//! configuration as they are: static and dynamic keys may stand in any of them.

mod certificates;
mod files;
mod users;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use rollgate_config::{
    Allow, Document, problem::Problem, read_dynamic, read_static, static_config::FileTarget, validate_entry_points,
};

/// The command line of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Files and folders; together they are one configuration.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also lists what Traefik itself would refuse.
    #[arg(long)]
    traefik: bool,
    /// Keys that are not supported yet and may be left out.
    #[arg(long, value_name = "KEY,...")]
    allow_unsupported: Vec<String>,
}

pub(crate) use self::files::parsed;

/// Runs the command: 0 if nothing is wrong, 1 if anything is, 2 if there was nothing to check.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let options = Options { traefik: args.traefik, allow: Allow::parse(&args.allow_unsupported.join(",")) };
    match check(&args.files, &options) {
        Ok(report) => report.print(&mut io::stdout().lock(), &mut io::stderr().lock()),
        Err(what) => {
            eprintln!("rollgate check: {what}");
            ExitCode::from(2)
        }
    }
}

/// What to hold against a configuration.
#[derive(Debug, Default)]
struct Options {
    traefik: bool,
    allow: Allow,
}

/// What came of it, in the order of files and lines.
#[derive(Debug, Default)]
struct CheckReport {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    files: usize,
}

/// Checks files and folders as one configuration.
///
/// # Errors
/// A file or folder that is not there, cannot be read or is of no known kind.
fn check(named: &[PathBuf], options: &Options) -> Result<CheckReport, String> {
    let mut report = CheckReport::default();
    let found = files::found(named, files::EmptyFolder::Refused)?;
    report.files = found.len();
    let mut documents = report.parsed(&found)?;
    if let ([only], [document]) = (named, &documents[..])
        && only.is_file()
    {
        let target = read_static(document, &options.allow).value.and_then(|statics| statics.file_provider);
        if let Some(provider) = target {
            report.follow(only, &provider.target, &provider.at, &mut documents)?;
        }
    }
    report.judge(&documents, options);
    report.in_order();
    Ok(report)
}

impl CheckReport {
    fn parsed(&mut self, found: &[PathBuf]) -> Result<Vec<Document>, String> {
        let mut documents = Vec::with_capacity(found.len());
        for file in found {
            match parsed(file)? {
                Ok(document) => documents.push(document),
                Err(problems) => self.problems.extend(problems),
            }
        }
        Ok(documents)
    }

    /// Adds what the one file that was named names itself.
    fn follow(
        &mut self,
        main: &Path,
        target: &FileTarget,
        at: &rollgate_config::problem::Place,
        documents: &mut Vec<Document>,
    ) -> Result<(), String> {
        let (FileTarget::File(path) | FileTarget::Directory(path)) = target;
        let more = match files::found(std::slice::from_ref(path), files::EmptyFolder::Fine) {
            Ok(more) => more,
            Err(what) => {
                self.problems.push(Problem::new(at, "providers.file", what, ""));
                return Ok(());
            }
        };
        let more: Vec<PathBuf> = more.into_iter().filter(|file| !files::is_same(file, main)).collect();
        self.files += more.len();
        let more = self.parsed(&more)?;
        for (key, at) in more.iter().flat_map(Document::static_roots) {
            let what = "static configuration has no effect in a dynamic file";
            self.problems.push(Problem::new(&at, key, what, "it belongs in the file that names this one"));
        }
        // What is only dynamic must not make entry points or the like up.
        documents.extend(more.into_iter().filter(|document| document.static_roots().is_empty()));
        Ok(())
    }

    fn judge(&mut self, documents: &[Document], options: &Options) {
        let mut extensions = Vec::new();
        let statics = documents.iter().any(Document::has_static).then(|| {
            let read = read_static(&Document::of_statics(documents), &options.allow);
            self.problems.extend(read.problems);
            self.warnings.extend(read.warnings);
            extensions.extend(read.extensions);
            read.value
        });
        let statics = statics.flatten();
        let dynamic = read_dynamic(documents, "file", statics.as_ref(), &options.allow);
        self.problems.extend(dynamic.problems);
        self.warnings.extend(dynamic.warnings);
        extensions.extend(dynamic.extensions);
        if let (Some(statics), Some(configuration)) = (&statics, &dynamic.value) {
            self.problems.extend(validate_entry_points(statics, configuration));
        }
        self.problems.extend(certificates::missing(statics.as_ref(), dynamic.value.as_ref()));
        if options.traefik {
            self.problems.extend(extensions);
        }
    }

    fn in_order(&mut self) {
        for problems in [&mut self.problems, &mut self.warnings] {
            problems.sort_by(|a, b| (&a.at, &a.path, &a.what).cmp(&(&b.at, &b.path, &b.what)));
            problems.dedup();
        }
    }

    /// Problems go to `out`, all else to `err`. An output that is gone changes nothing about the result.
    fn print(&self, out: &mut impl Write, err: &mut impl Write) -> ExitCode {
        let told = self.tell(out, err);
        if told.is_err() || !self.problems.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn tell(&self, out: &mut impl Write, err: &mut impl Write) -> io::Result<()> {
        for problem in &self.problems {
            writeln!(out, "{problem}")?;
        }
        out.flush()?;
        for warning in &self.warnings {
            writeln!(err, "left out: {warning}")?;
        }
        writeln!(err, "{} in {}", counted(self.problems.len(), "problem"), counted(self.files, "file"))
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests;
