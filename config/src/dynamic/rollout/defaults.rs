//! What holds where nothing is written.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::{
    analysis::{Analysis, ErrorRule, Latency},
    stage::{Approve, Command, Deploy, OnTimeout, ProtectBreaker, ProtectRate, Ramp, Step, Watch, Webhook},
};
use crate::{
    problem::Located,
    scalar::{Share, StatusRanges},
    static_config::Role,
};

impl Default for Analysis {
    fn default() -> Self {
        Self {
            alpha: Share(10_000),
            beta: Share(50_000),
            min_errors: 3,
            promise: Share(10_000),
            veto: false,
            errors: ErrorRule::default(),
            exclude: Vec::new(),
            latency: Some(Latency::default()),
            repeated_errors: false,
            discard: Duration::ZERO,
        }
    }
}

impl Default for ErrorRule {
    fn default() -> Self {
        Self { status: StatusRanges(vec![(500, 599)]), grpc: vec![2, 4, 12, 13, 14, 15], connect: true, timeout: true }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::Quantile(Share(950_000))
    }
}

impl Command {
    /// One of which only the command is written.
    pub fn new(command: Vec<String>) -> Self {
        Self { command, env: BTreeMap::new(), directory: None, timeout: TEN_MINUTES, retries: 0 }
    }
}

impl Default for Deploy {
    fn default() -> Self {
        Self { by: None, router: None, healthy: 1, timeout: TEN_MINUTES }
    }
}

impl Default for Approve {
    fn default() -> Self {
        Self { message: None, role: Role::Operate, tokens: Vec::new(), timeout: None, on_timeout: OnTimeout::default() }
    }
}

impl Default for Ramp {
    fn default() -> Self {
        let weights = [10_000, 50_000, 250_000, 500_000];
        Self { steps: weights.map(|weight| Step::new(Share(weight))).to_vec(), cohort: None }
    }
}

impl Step {
    /// One of which only the weight is written.
    pub fn new(weight: Share) -> Self {
        let (seconds, margin) = match weight.0 {
            ..50_000 => (30, 5.0),
            50_000..250_000 => (60, 3.0),
            _ => (120, 2.0),
        };
        Self { weight, min_duration: Duration::from_secs(seconds), min_requests: 0, margin }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self { margin: 2.0, min_requests: 20 }
    }
}

impl Webhook {
    /// One of which only the URL is written.
    pub fn new(url: Located<Url>) -> Self {
        Self {
            url,
            method: "POST".to_owned(),
            headers: BTreeMap::new(),
            body: None,
            timeout: Duration::from_secs(10),
            retries: 3,
            status: StatusRanges(vec![(200, 299)]),
            json: None,
        }
    }
}

impl Default for ProtectRate {
    fn default() -> Self {
        Self::Observed { headroom: 2.0, at_least: 1, at_most: 1_000_000 }
    }
}

impl Default for ProtectBreaker {
    fn default() -> Self {
        Self::Observed { factor: 3.0, at_least: Share(50_000), at_most: Share(500_000) }
    }
}

const TEN_MINUTES: Duration = Duration::from_secs(600);
