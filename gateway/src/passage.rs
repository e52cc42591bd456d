//! The middlewares that a request has passed: their response halves run in reverse over the answer, also over one that a
//! later middleware gave.

use http::{StatusCode, response};
use smallvec::SmallVec;

use crate::{
    call::Way,
    exchange::Exchange,
    middleware::{Answer, Halt, Head, Note, Wait},
    snapshot::Step,
};

/// In the order they were passed, each with what it has noted of the request. Empty, and without an allocation, on the
/// plain path.
#[derive(Debug, Default)]
pub(crate) struct Passage<'s> {
    passed: SmallVec<[(&'s Step, Note); 2]>,
    /// Notes of steps that are still to be passed: what the client sent, before any middleware changed it.
    ahead: SmallVec<[(&'s Step, Note); 1]>,
}

/// Why a request does not just go on.
pub(crate) enum Stop<'s> {
    /// A middleware answers in the server's place.
    Answer(Box<Answer>),
    /// A middleware has to wait for its decision.
    Wait { step: &'s Step, wait: Box<Wait> },
    /// A middleware wraps the call.
    Around(&'s Step),
}

/// How far a request had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    passed: usize,
    /// Of the exchange's notes, to which those of answers go that were settled.
    settled: usize,
}

impl<'s> Passage<'s> {
    /// Runs the request halves of the way's next steps, up to one that stops the request; the way is then what is left
    /// behind that one. A middleware that answers has said all it has to say.
    pub(crate) fn enter(&mut self, way: &mut Way<'s>, head: &mut Head<'_>) -> Result<(), Stop<'s>> {
        if way.fresh {
            self.look_ahead(way.steps, head);
        }
        while let [step, rest @ ..] = way.steps {
            (way.steps, way.fresh) = (rest, false);
            if step.middleware.wraps() {
                return Err(Stop::Around(step));
            }
            match step.middleware.request(head) {
                Ok(note) => self.passed(step, note),
                Err(Halt::Answer(answer)) => return Err(Stop::Answer(answer)),
                Err(Halt::Wait(wait)) => return Err(Stop::Wait { step, wait }),
            }
        }
        Ok(())
    }

    fn look_ahead(&mut self, steps: &'s [Step], head: &Head<'_>) {
        for step in steps.iter().filter(|step| step.middleware.looks_ahead()) {
            self.ahead.push((step, step.middleware.look_ahead(head)));
        }
    }

    /// The request half of a step is behind.
    pub(crate) fn passed(&mut self, step: &'s Step, note: Note) {
        if !step.middleware.has_response_half() {
            return;
        }
        // A copy stays: the step may be passed again.
        let ahead = self.ahead.iter().rev().find(|(for_step, _)| std::ptr::eq(*for_step, step));
        let note = ahead.map_or(note, |(_, ahead)| ahead.copied());
        self.passed.push((step, note));
    }

    /// Where the request is now.
    pub(crate) fn mark(&self, exchange: &Exchange) -> Mark {
        Mark { passed: self.passed.len(), settled: exchange.notes.len() }
    }

    /// Runs all response halves, the last one first.
    pub(crate) fn leave(&mut self, parts: &mut response::Parts, exchange: &mut Exchange) {
        self.leave_to(Mark::START, parts, exchange);
    }

    /// Runs the response halves of what was passed since the mark, over an answer that is kept.
    pub(crate) fn leave_to(&mut self, mark: Mark, parts: &mut response::Parts, exchange: &mut Exchange) {
        while self.passed.len() > mark.passed
            && let Some((step, mut note)) = self.passed.pop()
        {
            step.middleware.response(&mut note, parts);
            if note.lasts() {
                exchange.notes.push(note);
            }
        }
    }

    /// Forgets what was passed since the mark: that answer is thrown away, and its status is all that is learned of it.
    /// What a wrapper has settled has learned the status at its own place; another one only if what it `answered` has
    /// failed since.
    pub(crate) fn abandon(&mut self, mark: Mark, status: StatusCode, answered: bool, exchange: &mut Exchange) {
        for mut note in exchange.notes.drain(mark.settled..) {
            if !answered {
                note.learns(status);
            }
        }
        while self.passed.len() > mark.passed
            && let Some((_, mut note)) = self.passed.pop()
        {
            note.learns(status);
        }
    }
}

impl Mark {
    /// Before the first step.
    const START: Self = Self { passed: 0, settled: 0 };
}
