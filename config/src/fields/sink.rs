//! Where decoders put what they find wrong.

use std::fmt;

use crate::{
    Read,
    allow::Allow,
    problem::{Place, Problem},
};

/// How many problems are kept: enough for every honest mistake, and a bound for a file of nothing else.
const MAX_PROBLEMS: usize = 10_000;

/// All that is wrong so far, and what decoding depends on.
#[derive(Debug)]
pub(crate) struct Sink {
    allow: Allow,
    provider: String,
    problems: Vec<Problem>,
    left_out: usize,
    warnings: Vec<Problem>,
    extensions: Vec<Problem>,
}

impl Sink {
    /// `provider` is what names without one are qualified with.
    pub fn new(allow: &Allow, provider: &str) -> Self {
        Self {
            allow: allow.clone(),
            provider: provider.to_owned(),
            problems: Vec::new(),
            left_out: 0,
            warnings: Vec::new(),
            extensions: Vec::new(),
        }
    }

    pub fn problem(
        &mut self,
        at: &Place,
        path: impl fmt::Display,
        what: impl Into<String>,
        allowed: impl Into<String>,
    ) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(at, path, what, allowed));
        } else {
            self.left_out += 1;
        }
    }

    pub fn add(&mut self, problems: Vec<Problem>) {
        let room = MAX_PROBLEMS.saturating_sub(self.problems.len());
        self.left_out += problems.len().saturating_sub(room);
        self.problems.extend(problems.into_iter().take(room));
    }

    /// What Traefik has and Rollgate has not: a problem, or a warning where the operator allows it.
    pub fn unsupported(&mut self, at: &Place, path: impl fmt::Display, what: impl Into<String>) {
        let path = path.to_string();
        let allowed = self.allow.covers(&path);
        let problem = Problem { unsupported: Some(path.clone()), ..Problem::new(at, path, what, "") };
        if !allowed {
            return self.add(vec![problem]);
        }
        if self.warnings.len() < MAX_PROBLEMS {
            self.warnings.push(problem);
        }
    }

    /// What Rollgate has and Traefik has not.
    pub fn extension(&mut self, at: &Place, path: impl fmt::Display, what: impl Into<String>) {
        if self.extensions.len() < MAX_PROBLEMS {
            self.extensions.push(Problem::new(at, path, what, ""));
        }
    }

    /// `x` is `x@file`; a name with a provider stays.
    pub fn qualified(&self, name: &str) -> String {
        if name.contains('@') { name.to_owned() } else { format!("{name}@{}", self.provider) }
    }

    /// What came of it: the value if nothing is wrong, and all problems, warnings and extensions in the order of places.
    pub fn finish<T>(mut self, value: Option<T>) -> Read<T> {
        for problems in [&mut self.problems, &mut self.warnings, &mut self.extensions] {
            problems.sort_by(|a, b| (&a.at, &a.path).cmp(&(&b.at, &b.path)));
        }
        if let (Some(last), 1..) = (self.problems.last(), self.left_out) {
            let more = Problem::new(&last.at.clone(), "", format!("{} more problems are left out", self.left_out), "");
            self.problems.push(more);
        }
        let Self { problems, warnings, extensions, .. } = self;
        Read { value: value.filter(|_| problems.is_empty()), problems, warnings, extensions }
    }
}
