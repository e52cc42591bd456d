//! Which text of each file counts when not all of the newest are good together: only what is at fault falls back to its
//! last good text.
//!
//! ```text
//! narrow:   all newest -> those in which a problem stands fall back -> again, until it is clean
//! probe:    a problem stands in a file that has not changed: which of the changes it comes from is tried one by one
//! advance:  it is clean: each file that fell back is tried once more, for it may have done so for another's sake
//! ```
//!
//! Pure: whoever drives it tries what [`Selection::chosen`] says and tells what came of it. The last good texts are good
//! together, so it ends with them at the latest; `MAX_TRIES` bounds how long a better answer is sought.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A file's name, as problems carry it.
pub type Name = Arc<str>;

/// Texts by file, and which of each is chosen.
#[derive(Debug, Clone)]
pub struct Selection<T> {
    files: BTreeMap<Name, File<T>>,
    stage: Stage,
    tries: usize,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Try what is chosen now.
    Try,
    /// What was accepted last is the answer, and it is what is chosen.
    Done,
    /// Nothing is left to fall back to: all stays as it was.
    Nothing,
}

#[derive(Debug, Clone)]
struct File<T> {
    /// `None`: it is gone.
    newest: Option<T>,
    /// `None`: there never was a good one.
    last_good: Option<T>,
    held: bool,
}

#[derive(Debug, Clone)]
enum Stage {
    Narrowing,
    /// `current` is held on trial; before it was, there were `problems`.
    Probing {
        untried: Vec<Name>,
        current: Name,
        problems: usize,
    },
    /// `current` is let go on trial; `progress`: one was accepted since the pass began.
    Advancing {
        untried: Vec<Name>,
        current: Name,
        progress: bool,
    },
}

impl<T: Clone + PartialEq> Selection<T> {
    /// Begins with the newest text of each file.
    pub fn new(newest: &BTreeMap<Name, T>, last_good: &BTreeMap<Name, T>) -> Self {
        let names: BTreeSet<&Name> = newest.keys().chain(last_good.keys()).collect();
        let files = names.into_iter().map(|name| {
            let (newest, last_good) = (newest.get(name).cloned(), last_good.get(name).cloned());
            (name.clone(), File { newest, last_good, held: false })
        });
        Self { files: files.collect(), stage: Stage::Narrowing, tries: 0 }
    }

    /// The texts to try: by name, those that are left out left out.
    pub fn chosen(&self) -> BTreeMap<Name, T> {
        let chosen = self.files.iter().filter_map(|(name, file)| Some((name.clone(), file.chosen()?.clone())));
        chosen.collect()
    }

    /// Whether a file's newest text is not in what is chosen.
    pub fn is_held(&self, name: &str) -> bool {
        self.files.get(name).is_some_and(|file| file.held)
    }

    /// The files whose newest text, or whose end, is not in what is chosen.
    pub fn held_back(&self) -> Vec<Name> {
        self.files.iter().filter(|(_, file)| file.held).map(|(name, _)| name.clone()).collect()
    }

    /// What was chosen is good.
    pub fn accepted(&mut self) -> Step {
        self.tries += 1;
        match &mut self.stage {
            Stage::Narrowing | Stage::Probing { .. } => {
                let held = self.held_back();
                // One alone: to let it go is what was tried first.
                if held.len() < 2 { Step::Done } else { self.advance(held, false) }
            }
            Stage::Advancing { untried, .. } => {
                let untried = std::mem::take(untried);
                self.advance(untried, true)
            }
        }
    }

    /// What was chosen has problems, so many, and in these files.
    pub fn refused(&mut self, problems: usize, at_fault: &BTreeSet<Name>) -> Step {
        self.tries += 1;
        match std::mem::replace(&mut self.stage, Stage::Narrowing) {
            Stage::Narrowing => self.narrow(problems, at_fault),
            Stage::Probing { problems: before, .. } if problems < before => self.narrow(problems, at_fault),
            Stage::Probing { untried, current, problems: before } => {
                self.hold(&current, false);
                self.probe(untried, before)
            }
            Stage::Advancing { untried, current, progress } => {
                self.hold(&current, true);
                self.advance(untried, progress)
            }
        }
    }

    fn narrow(&mut self, problems: usize, at_fault: &BTreeSet<Name>) -> Step {
        let falling = self.can_fall();
        let (guilty, others): (Vec<Name>, Vec<Name>) = falling.into_iter().partition(|name| at_fault.contains(name));
        if guilty.is_empty() && others.is_empty() {
            return Step::Nothing;
        }
        if !guilty.is_empty() {
            guilty.iter().for_each(|name| self.hold(name, true));
            return Step::Try;
        }
        // What is gone is more often missed than what is new is in the way.
        let (gone, changed): (Vec<Name>, Vec<Name>) =
            others.into_iter().partition(|name| self.files.get(name).is_some_and(|file| file.newest.is_none()));
        self.probe(gone.into_iter().chain(changed).rev().collect(), problems)
    }

    /// `untried`, the last first.
    fn probe(&mut self, mut untried: Vec<Name>, problems: usize) -> Step {
        match untried.pop().filter(|_| self.tries < MAX_TRIES) {
            Some(current) => {
                self.hold(&current, true);
                self.stage = Stage::Probing { untried, current, problems };
            }
            // No single one makes it better: all of them.
            None => self.can_fall().iter().for_each(|name| self.hold(name, true)),
        }
        Step::Try
    }

    fn advance(&mut self, mut untried: Vec<Name>, progress: bool) -> Step {
        let mut progress = progress;
        if untried.is_empty() && progress {
            (untried, progress) = (self.held_back(), false);
        }
        match untried.pop().filter(|_| self.tries < 2 * MAX_TRIES) {
            Some(current) => {
                self.hold(&current, false);
                self.stage = Stage::Advancing { untried, current, progress };
                Step::Try
            }
            None => Step::Done,
        }
    }

    /// The files that are chosen as they are now and were another way when all was good.
    fn can_fall(&self) -> Vec<Name> {
        let falling = self.files.iter().filter(|(_, file)| !file.held && file.newest != file.last_good);
        falling.map(|(name, _)| name.clone()).collect()
    }

    fn hold(&mut self, name: &Name, held: bool) {
        if let Some(file) = self.files.get_mut(name) {
            file.held = held;
        }
    }
}

impl<T> File<T> {
    fn chosen(&self) -> Option<&T> {
        if self.held { self.last_good.as_ref() } else { self.newest.as_ref() }
    }
}

/// Tries to find a file that is to blame, and as many to let others go again. A change of more files that are wrong
/// together is sooner mended than sorted out.
const MAX_TRIES: usize = 64;

#[cfg(test)]
mod tests;
