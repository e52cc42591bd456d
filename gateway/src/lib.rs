//! The data plane.
//!
//! ```text
//! listener -> connection -> tls -> http -> sanitize -> router -> middleware* -> service -> balancer -> pool -> relay
//! ```
//!
//! [`Gateway`] is what the control plane holds; `proxy` and `call` are the life of a request, top-down. Decisions (router, split,
//! balancer, middlewares) are functions of data; sockets, clocks and randomness stay in listener, connection, worker
//! and pool.

mod gateway;

mod worker;

mod entry_points;
mod listener;

mod connection;
mod proxy_protocol;
mod stream;

mod tls;

mod http;

mod proxy;

mod call;

pub mod authority;
mod forwarded;
mod limits;
pub mod path;
mod sanitize;

pub mod router;

mod middleware;
pub mod networks;
mod passage;

mod breaker;
mod overlay;
mod rendezvous;
mod service;
mod split;

mod cookie;
mod sticky;

mod balancer;
mod health;

mod pool;
mod resolver;

mod body;
mod relay;
mod upgrade;

mod internal;
mod notice;

mod pressure;

mod access_log;
mod auth;
mod exchange;
pub mod metrics;

mod helper;
mod trial;
mod troubles;
mod weak_list;

mod clock;
mod compile;
mod deadline;
mod entry_point;
mod error;
mod explain;
#[cfg(feature = "in-memory")]
#[doc(hidden)]
pub mod memory;
mod shared;
mod snapshot;
mod status;

pub use breaker::{BreakerPlace, BreakerStatus, Phase as BreakerPhase};
pub use explain::{
    Belonging, Branch, Breaking, Candidate, Explanation, Found, Judging, Keeping, Listed, Question, Target, Winner,
    explain,
};
pub use gateway::{Gateway, StartError};
pub use internal::passage::{AdminBody, Asked, Caller};
pub use listener::ListeningSocket;
pub use notice::Notice;
pub use overlay::Over;
pub use status::{ServiceStatus, TrialStatus, VersionStatus};
pub use sticky::cookie_name as sticky_cookie_name;
pub use tls::{
    certificates::check_pair,
    pem::{PairFault, Part, check_authorities},
};
pub use trial::{
    Kept, Level, NoTrial, Rehearsal, Trial, TrialEvidence, TrialMode, TrialOrder, TrialState, TrialVerdict,
};
