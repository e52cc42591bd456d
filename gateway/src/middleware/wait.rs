//! Decisions that take time: the request stands still, its worker goes on.

use std::time::Duration;

use super::{Answer, Note};
use crate::call::Call;

/// What is waited for.
#[derive(Debug)]
pub(crate) enum Wait {
    /// A moment.
    Delay(Duration),
}

impl Wait {
    /// Waits; what the middleware notes, or its answer.
    pub(crate) async fn settle(self: Box<Self>, _call: &mut Call<'_>) -> Result<Note, Box<Answer>> {
        match *self {
            Self::Delay(delay) => {
                tokio::time::sleep(delay).await;
                Ok(Note::Nothing)
            }
        }
    }
}
