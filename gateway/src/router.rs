//! Which router answers a request.
//!
//! ```text
//! rules --(matcher: parsed once)--> conditions --(table: ranked, indexed by host)--> find: request -> route
//!                                                                                \-> explain: why it, why not others
//! ```
//!
//! Rules are ranked once: priority, then provider, then name. A request looks its host up, so that the cost is that
//! of the rules which could match this host, whatever the number of hosts.

mod explain;
mod facts;
mod matcher;
mod table;

pub(crate) use self::facts::{decoded, query_values};
pub use self::{
    explain::{Outcome, Verdict},
    facts::Facts,
    table::{Compiled, Route, Table},
};

#[cfg(test)]
mod tests;
