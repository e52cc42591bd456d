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
    /// Runs the request halves; a middleware that answers was passed too.
    pub(crate) fn enter(&mut self, steps: &'s [Step], head: &mut Head<'_>) -> ControlFlow<Answer> {
        for step in steps {
            if step.middleware.has_response_half() {
                let needs = step.middleware.needs_memo();
                let memo = if needs { step.middleware.memo(head) } else { Memo::default() };
                self.passed.push((step, memo));
            }
            step.middleware.request(head)?;
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
