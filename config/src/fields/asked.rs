//! Which keys readers ask for, written down while they read: so that no list of them is kept by hand.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// What becomes of a key; of two answers for one key the later one here holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Traefik knows it, and it has no effect here.
    Inert,
    /// Traefik knows it, and here it is a problem, but perhaps for one value.
    Refused,
    /// It is read.
    Read,
    /// It is read, and Traefik does not know it.
    Ours,
}

/// What a value with further keys below it is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A section with keys of its own.
    Section,
    /// A section whose keys are names.
    Names,
    /// A list.
    List,
}

/// All that was asked for, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Keys.
    pub keys: BTreeMap<String, Use>,
    /// Values that are more than a single one.
    pub shapes: BTreeMap<String, Shape>,
}

/// Where readers write down what they ask for; shared by all parts of one reading.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notebook(Arc<Mutex<Asked>>);

impl Notebook {
    pub fn key(&self, path: String, is: Use) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = asked.keys.entry(path).or_insert(is);
        *known = is.max(*known);
    }

    pub fn shape(&self, path: String, is: Shape) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).shapes.insert(path, is);
    }

    pub fn asked(&self) -> Asked {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
