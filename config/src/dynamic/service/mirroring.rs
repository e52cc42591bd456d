//! `mirroring`.

use std::time::Duration;

use crate::problem::Located;

/// A service, and others that get copies of its requests.
#[derive(Debug, Clone)]
pub struct Mirroring {
    /// `service`, qualified: it answers.
    pub service: Located<String>,
    /// `mirrorBody`, true: bodies are copied too.
    pub mirror_body: bool,
    /// `maxBodySize`; `None` (-1): bodies of any length are mirrored.
    pub max_body_size: Option<u64>,
    /// `timeout` (ours), 60 s: what a mirror may take for a whole request and its answer. At least 1 ms.
    pub timeout: Duration,
    /// `mirrors`.
    pub mirrors: Vec<Mirror>,
}

/// One that gets copies.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// `name`, qualified.
    pub name: Located<String>,
    /// `percent` of the requests, 0 to 100; 0 by default.
    pub percent: u8,
}
