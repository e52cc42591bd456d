//! The draws of a request that are judged: what their versions have made of it, where the answer that the client gets does not
//! say so, and its end.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::Exchange;
use crate::{
    call::Answered,
    error::Error,
    trial::{Booking, Ended},
};

impl Exchange {
    /// It is a copy for a mirror.
    pub(crate) fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// So it has ended for its versions, whatever the client gets.
    pub(crate) fn ends(&mut self, ended: Ended) {
        self.bookings.iter_mut().for_each(|booking| booking.ended = Some(ended));
    }

    /// Another answer may be given in place of this one, which is what its versions have made of the request.
    pub(crate) fn learns(&mut self, answered: &Result<Answered, Error>) {
        if self.bookings.is_empty() {
            return;
        }
        match answered {
            Ok(Answered::Response(response)) => {
                let status = response.status().as_u16();
                self.ends(Ended::Answered { status, grpc: self.grpc_status });
            }
            Ok(Answered::Tunnelled(..)) => {}
            Err(error) => self.ends(Ended::of(error)),
        }
    }

    /// The attempt that was learned of is thrown away.
    pub(super) fn unlearn(&mut self) {
        self.bookings.iter_mut().for_each(|booking| booking.ended = None);
    }

    /// The answer's time has come before its end; not the one that a slow client has.
    pub(crate) fn ran_out(&mut self) {
        if self.answer_by.is_some_and(|by| by <= Instant::now()) {
            self.ends(Ended::Late);
        }
    }

    /// Books the draws at the request's end.
    #[inline(never)]
    pub(super) fn book(&mut self, took: Duration) {
        let in_body = self.seldom.as_ref().and_then(|seldom| seldom.grpc_status.get());
        // Without an outcome, the client has gone away, and the versions have not said anything yet.
        let answered = Ended::Answered { status: self.status, grpc: self.grpc_status.or(in_body) };
        let ended = self.outcome.map(|_| answered);
        // Nearly always one, for which a drain is much ado; each adds to cells of its own, so the order is nobody's.
        while let Some(booking) = self.bookings.pop() {
            booking.end(ended, took);
        }
    }

    /// Books the draws of those that were left.
    pub(super) fn book_left(&mut self, left: usize, status: StatusCode) {
        let took = self.started.elapsed();
        let ended = Ended::Answered { status: status.as_u16(), grpc: self.grpc_status };
        self.bookings.drain(left..).for_each(|booking: Booking| booking.end(Some(ended), took));
    }

    /// The protocol is another one: that was the answer.
    pub(super) fn book_switched(&mut self) {
        if !self.bookings.is_empty() {
            let ended = Ended::Answered { status: StatusCode::SWITCHING_PROTOCOLS.as_u16(), grpc: None };
            let took = self.started.elapsed();
            self.bookings.drain(..).for_each(|booking| booking.end(Some(ended), took));
        }
    }
}
