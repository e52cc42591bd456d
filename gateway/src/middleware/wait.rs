//! Decisions that take time: the request stands still, its worker goes on.

use std::time::Duration;

use super::{Answer, Note};
use crate::call::Call;

/// What is waited for.
#[derive(Debug)]
pub(crate) enum Wait {
    /// A moment; then it is noted.
    Delay(Duration, Note),
}

impl Wait {
    /// Waits; what the middleware notes, or its answer.
    pub(crate) async fn settle(self: Box<Self>, _call: &mut Call<'_>) -> Result<Note, Box<Answer>> {
        match *self {
            Self::Delay(delay, note) => {
                tokio::time::sleep(delay).await;
                Ok(note)
            }
        }
    }
}
