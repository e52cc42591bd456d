//! `match`: whom an A/B test is for.

use ipnet::IpNet;

use crate::scalar::IpStrategy;

/// A request belongs to it if one of these is true of it. At most 1,000 names, values and networks in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// `match`, a list or a single one; at least one.
    pub any_of: Vec<AllOf>,
}

/// All of these have to be true; at least one is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllOf {
    /// `headers`: by lower-cased name, never `host`; a line of it has one of the values. An empty list: it is there.
    pub headers: Vec<(String, Vec<String>)>,
    /// `cookies`, likewise.
    pub cookies: Vec<(String, Vec<String>)>,
    /// `query`, likewise.
    pub query: Vec<(String, Vec<String>)>,
    /// `clientIP.sourceRange`; empty: not asked.
    pub client_ip: Vec<IpNet>,
    /// `clientIP.ipStrategy`: which address counts.
    pub ip_strategy: IpStrategy,
}
