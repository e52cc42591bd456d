//! Decisions that take time: the request stands still, its worker goes on.

use std::{sync::Arc, time::Duration};

use super::{Answer, Checking, ForwardAuth, Note, rate_limit::Asking};
use crate::call::Call;

/// What is waited for.
#[derive(Debug)]
pub(crate) enum Wait {
    /// A moment; then it is noted.
    Delay(Duration, Note),
    /// A password is checked.
    Password(Box<Checking>),
    /// Another server is asked.
    Question(Arc<ForwardAuth>),
    /// Redis is asked.
    Limit(Asking),
}

impl Wait {
    /// Waits; what the middleware notes, or its answer.
    pub(crate) async fn settle(self: Box<Self>, call: &mut Call<'_>) -> Result<Note, Box<Answer>> {
        match *self {
            Self::Delay(delay, note) => {
                tokio::time::sleep(delay).await;
                Ok(note)
            }
            Self::Password(checking) => checking.settle(call).await,
            Self::Question(auth) => auth.settle(call).await,
            Self::Limit(asking) => asking.settle().await,
        }
    }
}
