//! A draw that is counted, from the draw to the answer's end: kept with the request, and booked where the draw was made.

use std::{sync::Arc, time::Duration};

use super::{
    strata::Seat,
    users::{Met, Users, What},
};
use crate::error::{BodyError, Error};

/// A draw of a trial. One that is dropped is not counted.
#[derive(Debug)]
pub(crate) struct Booking {
    seat: Arc<Seat>,
    is_canary: bool,
    /// The hash of the user's key; `None`: it has none, or users are not kept.
    user: Option<u64>,
    /// How it has ended, where the answer that the client gets does not say so.
    pub(crate) ended: Option<Ended>,
}

/// How a request to a version has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With an answer.
    Answered {
        /// HTTP's.
        status: u16,
        /// gRPC's, from the head or the trailers.
        grpc: Option<u16>,
    },
    /// No connection, or one that broke.
    Broken,
    /// The answer did not come in time, or not to its end.
    Late,
    /// It says nothing about the version: the client or the gateway has ended it.
    Nobodys,
}

impl Booking {
    pub(crate) fn new(seat: &Arc<Seat>, is_canary: bool, user: Option<u64>) -> Self {
        Self { seat: seat.clone(), is_canary, user, ended: None }
    }

    /// The request has come to its end, so long after it came. Called by the worker that has drawn it.
    pub(crate) fn end(self, ended: Option<Ended>, took: Duration) {
        let watched = &*self.seat.watched;
        let Some(ended) = self.ended.or(ended) else { return };
        let Some(is_error) = watched.is_error(ended) else { return };
        // What did not come in time took longer than anything.
        let micros = if ended == Ended::Late { u64::MAX } else { took.as_micros() as u64 };
        let is_slow = !is_error && micros > watched.tau();
        self.seat.cells(self.is_canary).count(is_error, is_slow);
        if !self.is_canary && !is_error {
            watched.took(self.seat.worker, micros);
        }
        if let Some(users) = &watched.users {
            match (is_error, is_slow) {
                (true, _) => self.met(users, What::Error),
                (false, true) => self.met(users, What::Slow),
                (false, false) if self.user.is_some_and(|user| users.is_marked(user)) => self.met(users, What::Success),
                (false, false) => {}
            }
        }
        if self.is_canary && is_error {
            watched.wake.notify_one();
        }
    }

    #[cold]
    fn met(&self, users: &Users, what: What) {
        if let Some(w) = self.seat.w {
            users.met(Met { user: self.user, w, by_canary: self.is_canary, what });
        }
    }
}

impl Ended {
    /// How a request ended that failed so.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::NoServer
            | Error::Connect(_)
            | Error::ConnectTimeout
            | Error::UpstreamTls(_)
            | Error::Upstream(_)
            | Error::BadAnswer(_)
            | Error::Vanished(_)
            | Error::UnaskedUpgrade => Self::Broken,
            Error::ResponseTimeout | Error::RequestTimeout => Self::Late,
            Error::Refused(_)
            | Error::NoRouter
            | Error::SlowBody
            | Error::LongBody
            | Error::Overloaded
            | Error::ClientGone
            | Error::LongAnswer
            | Error::NoSpace
            | Error::Disk(_)
            | Error::Unforwardable(_) => Self::Nobodys,
        }
    }

    /// How an answer ended whose body broke off.
    pub(crate) fn of_body(error: &BodyError) -> Self {
        match error {
            BodyError::Http(_) => Self::Broken,
            BodyError::WriteTimeout => Self::Late,
            BodyError::ReadTimeout
            | BodyError::Idle
            | BodyError::TooLong
            | BodyError::Encoder(_)
            | BodyError::Disk(_)
            | BodyError::Control(_)
            | BodyError::Coding(_)
            | BodyError::Superseded
            | BodyError::Uncopied => Self::Nobodys,
        }
    }
}
