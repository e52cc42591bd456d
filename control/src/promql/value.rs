//! What comes of an expression, at each of the times that were asked for.

use std::collections::BTreeMap;

/// Numbers, or series of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The same at each time.
    Scalar(f64),
    /// In the order of their labels.
    Vector(Vec<Row>),
}

/// A series; it may be without a value at some times.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub labels: BTreeMap<String, String>,
    pub values: Vec<Option<f64>>,
}

impl Row {
    /// Its labels without the metric's name.
    pub fn unnamed(mut self) -> Self {
        self.labels.remove(NAME);
        self
    }
}

/// The label that holds the metric's name.
pub const NAME: &str = "__name__";
