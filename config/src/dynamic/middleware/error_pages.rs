//! The `errors` middleware.

use crate::{problem::Located, scalar::StatusRanges};

/// `errors`: a page of a service in place of certain answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPages {
    /// `status`: the answers that are replaced.
    pub status: StatusRanges,
    /// `statusRewrites`, narrow ranges first: the first that holds an answer's status says what it becomes.
    pub status_rewrites: Vec<((u16, u16), u16)>,
    /// `service`, qualified: where the page is asked for.
    pub service: Located<String>,
    /// `query`: the page's path, with `{status}`, `{originalStatus}` and `{url}`; empty is `/`.
    pub query: String,
    /// `errorRequestHeaders`, lower-cased: what the page's request has of the client's; `None`: all.
    pub error_request_headers: Option<Vec<String>>,
}
