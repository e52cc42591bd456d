//! Where decoders put what they find wrong.

use std::{fmt, sync::Arc};

use super::Notebook;
use crate::{
    Read,
    allow::Allow,
    problem::{Place, Problem},
    syntax::SyntaxError,
};

/// How many problems are kept: enough for every honest mistake, and a bound for a file of nothing else.
const MAX_PROBLEMS: usize = 10_000;

/// All that is wrong so far, and what decoding depends on.
#[derive(Debug)]
pub(crate) struct Sink {
    basis: Arc<Basis>,
    notes: Notes,
    /// Where what is asked for is written down, if anybody wants to know.
    pub notebook: Option<Notebook>,
}

/// What decoding depends on.
#[derive(Debug, PartialEq)]
pub(crate) struct Basis {
    allow: Allow,
    provider: String,
}

/// All that is wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    problems: Vec<Problem>,
    left_out: usize,
    warnings: Vec<Problem>,
    extensions: Vec<Problem>,
}

impl Sink {
    /// `provider` is what names without one are qualified with.
    pub fn new(allow: &Allow, provider: &str) -> Self {
        let basis = Basis { allow: allow.clone(), provider: provider.to_owned() };
        Self { basis: Arc::new(basis), notes: Notes::default(), notebook: None }
    }

    /// What comes from now on is this provider's.
    pub fn turn_to(&mut self, provider: &str) {
        if self.basis.provider != provider {
            self.basis = Arc::new(Basis { allow: self.basis.allow.clone(), provider: provider.to_owned() });
        }
    }

    /// It writes down what is asked for.
    pub fn noting(self, notebook: Notebook) -> Self {
        Self { notebook: Some(notebook), ..self }
    }

    /// An empty one that decodes the same.
    pub fn same_basis(&self) -> Self {
        Self { basis: self.basis.clone(), notes: Notes::default(), notebook: self.notebook.clone() }
    }

    pub fn basis(&self) -> Arc<Basis> {
        self.basis.clone()
    }

    /// Whether what was decoded with another basis would come out the same here.
    pub fn has(&self, basis: &Arc<Basis>) -> bool {
        Arc::ptr_eq(&self.basis, basis) || self.basis == *basis
    }

    pub fn problem(
        &mut self,
        at: &Place,
        path: impl fmt::Display,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        if self.notes.problems.len() < MAX_PROBLEMS {
            self.notes.problems.push(Problem::new(at, path, what, allowed));
        } else {
            self.notes.left_out += 1;
        }
    }

    /// What is wrong with a text in one of the small languages, with a caret below the place.
    pub fn syntax(&mut self, at: &Place, path: impl fmt::Display, text: &str, error: &SyntaxError) {
        self.problem(at, path, format!("{}\n{}", error.what, error.pointer(text)), error.allowed.clone());
    }

    pub fn add(&mut self, problems: Vec<Problem>) {
        let room = MAX_PROBLEMS.saturating_sub(self.notes.problems.len());
        self.notes.left_out += problems.len().saturating_sub(room);
        self.notes.problems.extend(problems.into_iter().take(room));
    }

    /// Adds what was found in a part of a source whose places do not count so many lines before it.
    pub fn add_moved(&mut self, notes: &Notes, lines: u32) {
        let moved = |problems: &[Problem], have: usize| -> Vec<Problem> {
            let room = MAX_PROBLEMS.saturating_sub(have);
            let moved = |problem: &Problem| Problem { at: problem.at.moved(lines), ..problem.clone() };
            problems.iter().take(room).map(moved).collect()
        };
        let Notes { problems, left_out, warnings, extensions } = &mut self.notes;
        let more = moved(&notes.problems, problems.len());
        *left_out += notes.left_out + notes.problems.len() - more.len();
        problems.extend(more);
        warnings.extend(moved(&notes.warnings, warnings.len()));
        extensions.extend(moved(&notes.extensions, extensions.len()));
    }

    /// `None`: there is nothing to tell.
    pub fn into_notes(self) -> Option<Box<Notes>> {
        let Notes { problems, warnings, extensions, .. } = &self.notes;
        let nothing = problems.is_empty() && warnings.is_empty() && extensions.is_empty();
        (!nothing).then(|| Box::new(self.notes))
    }

    /// What Traefik has and Rollgate has not: a problem, or a warning where the operator allows it.
    pub fn unsupported(&mut self, at: &Place, path: impl fmt::Display, what: impl Into<String>) {
        let path = path.to_string();
        let allowed = self.basis.allow.covers(&path);
        let problem = Problem { unsupported: Some(path.clone()), ..Problem::new(at, path, what, "") };
        if !allowed {
            return self.add(vec![problem]);
        }
        if self.notes.warnings.len() < MAX_PROBLEMS {
            self.notes.warnings.push(problem);
        }
    }

    /// What Rollgate has and Traefik has not.
    pub fn extension(&mut self, at: &Place, path: impl fmt::Display, what: impl Into<String>) {
        if self.notes.extensions.len() < MAX_PROBLEMS {
            self.notes.extensions.push(Problem::new(at, path, what, ""));
        }
    }

    /// `x` is `x@file`; a name with a provider stays.
    pub fn qualified(&self, name: &str) -> String {
        if name.contains('@') { name.to_owned() } else { format!("{name}@{}", self.basis.provider) }
    }

    /// What came of it: the value if nothing is wrong, and all problems, warnings and extensions in the order of places.
    pub fn finish<T>(self, value: Option<T>) -> Read<T> {
        let Notes { mut problems, left_out, mut warnings, mut extensions } = self.notes;
        for problems in [&mut problems, &mut warnings, &mut extensions] {
            problems.sort_by(|a, b| (&a.at, &a.path).cmp(&(&b.at, &b.path)));
        }
        if let (Some(last), 1..) = (problems.last(), left_out) {
            let more = Problem::new(&last.at.clone(), "", format!("{left_out} more problems are left out"), "");
            problems.push(more);
        }
        Read { value: value.filter(|_| problems.is_empty()), problems, warnings, extensions }
    }
}
