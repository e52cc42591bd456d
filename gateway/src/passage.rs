//! The middlewares that a request has passed: their response halves run in reverse over the answer, also over one
//! that a later middleware gave.

use std::ops::ControlFlow;

use http::response;
use smallvec::SmallVec;

use crate::{
    middleware::{Answer, Head, Memo},
    snapshot::Step,
};

/// In the order they were passed, each with what its response half must know of the request. Empty, and without an
/// allocation, on the plain path.
#[derive(Debug, Default)]
pub(crate) struct Passage<'s> {
    passed: SmallVec<[(&'s Step, Memo); 2]>,
}

impl<'s> Passage<'s> {
    /// Runs the request halves. A middleware that answers has said all it has to say.
    pub(crate) fn enter(&mut self, steps: &'s [Step], head: &mut Head<'_>) -> ControlFlow<Answer> {
        // What the client sent, before any of them changes it.
        let needing = steps.iter().filter(|step| step.middleware.needs_memo());
        let memos: SmallVec<[Memo; 2]> = needing.map(|step| step.middleware.memo(head)).collect();
        let mut memos = memos.into_iter();
        for step in steps {
            let memo = if step.middleware.needs_memo() { memos.next() } else { None };
            step.middleware.request(head)?;
            if step.middleware.has_response_half() {
                self.passed.push((step, memo.unwrap_or_default()));
            }
        }
        ControlFlow::Continue(())
    }

    /// Runs the response halves, the last one first.
    pub(crate) fn leave(&self, parts: &mut response::Parts) {
        for (step, memo) in self.passed.iter().rev() {
            step.middleware.response(memo, parts);
        }
    }
}
