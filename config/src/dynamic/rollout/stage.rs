//! `stages`: what a pipeline does, one after the other.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use url::Url;

use super::audience::Audience;
use crate::{
    problem::{Located, Place},
    scalar::{Secret, Share, StatusRanges},
    static_config::Role,
};

/// One stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Where it was written.
    pub at: Place,
    /// `name`; by default its kind, and `-2` and so on where there are several. Letters, digits, `-`, `_`; at most 63.
    pub name: String,
    /// Exactly one kind.
    pub kind: StageKind,
}

/// The kinds of stage.
#[derive(Debug, Clone)]
pub enum StageKind {
    /// `job`
    Job(Command),
    /// `deploy`
    Deploy(Deploy),
    /// `approve`
    Approve(Approve),
    /// `abTest`
    AbTest(AbTest),
    /// `ramp`
    Ramp(Ramp),
    /// `watch`
    Watch(Watch),
    /// `wait`, or its `duration`: so long; above 0, at most 30 days.
    Wait(Duration),
    /// `webhook`
    Webhook(Webhook),
    /// `protect`
    Protect(Protect),
    /// `promote`
    Promote(Promote),
}

/// A command that is run on the gateway's machine, without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// `command`: the program and its arguments; at least the program. No text of it, nor of the variables, holds NUL.
    pub command: Vec<String>,
    /// `env`: in addition to `PATH`, `HOME` and what tells of the rollout (`ROLLGATE_ROLLOUT`, `ROLLGATE_STAGE`,
    /// `ROLLGATE_SERVICE`, `ROLLGATE_STABLE`, `ROLLGATE_CANARY`). No name begins with `ROLLGATE_`, is empty or holds
    /// `=`.
    pub env: BTreeMap<String, Secret>,
    /// `directory` in which it is run; `/`.
    pub directory: Option<PathBuf>,
    /// `timeout`, 10 min; 1 s to 24 h. Then it is ended.
    pub timeout: Duration,
    /// `retries`, 0; at most 10.
    pub retries: u32,
}

/// `deploy`: brings the canary up, then waits until its servers are.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// `command` or `webhook`; `None`: somebody else does it, and it is only waited for.
    pub by: Option<DeployBy>,
    /// `router`, qualified: leads to the canary before its release. Shown to whoever approves.
    pub router: Option<Located<String>>,
    /// `healthy`, 1: servers of the canary that have to be up; 1 to 1,000,000.
    pub healthy: u32,
    /// `timeout`, 10 min; 1 s to 24 h, from the stage's start until they are up.
    pub timeout: Duration,
}

/// Who brings it up.
#[derive(Debug, Clone)]
pub enum DeployBy {
    /// `command`, with its `env`, `directory` and `retries` beside it.
    Command(Command),
    /// `webhook`
    Webhook(Webhook),
}

/// `approve`: somebody has to say yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approve {
    /// `message`: what is asked.
    pub message: Option<String>,
    /// `role`, operate: the least that he must have.
    pub role: Role,
    /// `tokens`: names of those who may, of tokens or in certificates; empty: whoever has the role. Whether there are
    /// any is not looked at.
    pub tokens: Vec<String>,
    /// `timeout`; `None`: no end. 1 s to 30 days.
    pub timeout: Option<Duration>,
    /// `onTimeout`, fail; only beside a timeout.
    pub on_timeout: OnTimeout,
}

/// `approve.onTimeout`: what silence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnTimeout {
    /// `fail`: no.
    #[default]
    Fail,
    /// `approve`: yes.
    Approve,
}

/// `abTest`: an audience gets the canary. Weight 0 and the brake hold for it too.
#[derive(Debug, Clone, PartialEq)]
pub struct AbTest {
    /// `match`.
    pub audience: Audience,
    /// `duration`: at least so long; above 0, at most 30 days. Without it 0, and `requests` is not.
    pub duration: Duration,
    /// `requests`: at least so many of the audience's to the canary; 1 to 1,000,000,000. Without it 0, and `duration`
    /// is not.
    pub requests: u64,
    /// `draw`: only this share of the audience's requests gets the canary, at random, so that both can be compared.
    /// Above 0, at most 50%, and not where the service has `sticky`. `None`: all of them, and no comparison.
    pub draw: Option<Share>,
}

/// `ramp`: the canary's weight grows in steps. Not where the service has `sticky`: who was drawn once would stay, and
/// what is not drawn cannot be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Ramp {
    /// `steps`, 1/5/25/50%; 1 to 32, each higher than the one before. A share alone is one with the defaults.
    pub steps: Vec<Step>,
    /// `cohort`: users keep their version; by default if the service has a `cohort`, without which it cannot be.
    pub cohort: Option<bool>,
}

/// A step of a ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// `weight`: the canary's share of what both versions have together. Above 0, at most 50%.
    pub weight: Share,
    /// `minDuration`; 30 s below 5%, 60 s below 25%, 120 s from there on. At most 30 days.
    pub min_duration: Duration,
    /// `minRequests`, 0, of the canary; at most 1,000,000,000.
    pub min_requests: u64,
    /// `margin`: how many times as many errors as stable's have to be ruled out; 5 below 5%, 3 below 25%, 2 from there
    /// on. Above 1, at most 100.
    pub margin: f64,
}

/// `watch`: both versions are judged, and somebody else decides about their weights. It goes on until somebody ends it, or another
/// rollout of the service begins. Not where the service has `sticky`, as with a ramp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watch {
    /// `margin`, 2: how many times as many errors as stable's have to be ruled out before the canary is said to be no worse. Above 1,
    /// at most 100.
    pub margin: f64,
    /// `minRequests`, 20: of the canary since its share has changed, before it is said to be no worse. At most 1,000,000,000.
    pub min_requests: u64,
}

/// `webhook`: asks somebody else.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// `url`: http or https, without a user and a fragment.
    pub url: Located<Url>,
    /// `method`, POST: GET, POST, PUT, PATCH or DELETE.
    pub method: String,
    /// `headers`, by lower-cased name; none that says where the request goes or where it ends.
    pub headers: BTreeMap<String, Secret>,
    /// `body`: a text in which `${rollout}`, `${pipeline}`, `${stage}`, `${service}`, `${stable}`, `${canary}`,
    /// `${status}`, `${weight}` and `${reason}` are replaced, written as JSON strings are inside. `None`: a JSON object
    /// of all these.
    pub body: Option<String>,
    /// `timeout` of an attempt, 10 s; 1 s to 10 min.
    pub timeout: Duration,
    /// `retries`, 3; at most 100: after 1 s, 2 s, 4 s, ... at most 60 s.
    pub retries: u32,
    /// `success.status`, 200-299.
    pub status: StatusRanges,
    /// `success.json`: its `pointer`, where in the answer (a JSON pointer, RFC 6901), and its `value`: what has to
    /// stand there, as text.
    pub json: Option<(String, String)>,
}

/// `protect`: a rate limit and a circuit breaker in front of the canary, which is about to have all users. At least one
/// of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Protect {
    /// `rateLimit`.
    pub rate_limit: Option<ProtectRate>,
    /// `circuitBreaker`.
    pub circuit_breaker: Option<ProtectBreaker>,
}

/// `protect.rateLimit`. Rates are from 1 to 1,000,000,000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ProtectRate {
    /// `headroom`, 2: so many times the highest rate that was seen in a second, within bounds.
    Observed {
        /// `headroom`; 1 to 100.
        headroom: f64,
        /// `atLeast`, 1 request a second; not above the next.
        at_least: u64,
        /// `atMost`, 1,000,000 requests a second.
        at_most: u64,
    },
    /// `average` requests a second, and a `burst`.
    Fixed {
        /// `average`.
        average: u64,
        /// `burst`; by default the average.
        burst: u64,
    },
}

/// `protect.circuitBreaker`.
#[derive(Debug, Clone, PartialEq)]
pub enum ProtectBreaker {
    /// Opens at `factor`, 3, times the share of errors that was seen, within bounds.
    Observed {
        /// `factor`; above 1, at most 100.
        factor: f64,
        /// `atLeast`, 5%; above 0, not above the next.
        at_least: Share,
        /// `atMost`, 50%; above 0.
        at_most: Share,
    },
    /// `expression`, as a `circuitBreaker` has it.
    Fixed(Located<String>),
}

/// `promote`: the canary has all users, and is stable from then on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Promote {
    /// `writeBack`: the file in which the service's weights stand, and are written; `None`: the change is shown.
    pub write_back: Option<PathBuf>,
}

impl Webhook {
    /// What may stand between `${` and `}` in a body.
    pub const PLACEHOLDERS: [&str; 9] =
        ["rollout", "pipeline", "stage", "service", "stable", "canary", "status", "weight", "reason"];
}

impl StageKind {
    /// As it is written.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Job(_) => "job",
            Self::Deploy(_) => "deploy",
            Self::Approve(_) => "approve",
            Self::AbTest(_) => "abTest",
            Self::Ramp(_) => "ramp",
            Self::Watch(_) => "watch",
            Self::Wait(_) => "wait",
            Self::Webhook(_) => "webhook",
            Self::Protect(_) => "protect",
            Self::Promote(_) => "promote",
        }
    }
}
