//! Why a change of traffic is refused.

use crate::store::{Owner, StoreError};

/// Why; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing of this name.
    #[error("there is no {what} {name}")]
    NotFound {
        /// `service` or `version`.
        what: &'static str,
        /// As asked.
        name: String,
    },
    /// More than one thing could be meant.
    #[error("{name} could be any of {}", candidates.join(", "))]
    Ambiguous {
        /// As asked.
        name: String,
        /// Qualified names.
        candidates: Vec<String>,
    },
    /// It has no versions.
    #[error("{service} has no weights: it is of the kind {kind}")]
    NotWeighted {
        /// Its qualified name.
        service: String,
        /// As it is written.
        kind: &'static str,
    },
    /// Somebody else decides about its weights.
    #[error("the weights of {service} belong to {owner}")]
    Owned {
        /// Its qualified name.
        service: String,
        /// Who.
        owner: Owner,
    },
    /// A value that cannot be.
    #[error("{field} {what}")]
    Invalid {
        /// Where, in the body.
        field: String,
        /// What is wrong with it.
        what: String,
        /// What would be right.
        allowed: String,
    },
    /// Nothing would take requests.
    #[error("{service} would have no version left that takes requests: {why}")]
    NothingLeft {
        /// Its qualified name.
        service: String,
        /// Why not.
        why: String,
    },
    /// Somebody braked it while the brake was taken off.
    #[error("{version} of {service} was braked again while its brake was released: it is braked")]
    BrakedAgain {
        /// The service's qualified name.
        service: String,
        /// The version's.
        version: String,
    },
    /// It is no longer what the caller has seen.
    #[error("{service} has changed: its ETag is {etag}")]
    Precondition {
        /// Its qualified name.
        service: String,
        /// The current one.
        etag: String,
    },
    /// The key belongs to another request.
    #[error("the idempotency key was used for another request, within 24 hours")]
    KeyReused,
    /// It could not be kept.
    #[error("{0}")]
    Store(#[from] StoreError),
}
