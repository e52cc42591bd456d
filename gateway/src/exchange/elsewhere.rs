//! A server has answered, and another one is asked beside it or in its place.

use std::time::Instant;

use http::StatusCode;
use smallvec::SmallVec;

use super::{Exchange, Lease};
use crate::{
    balancer::InFlight,
    metrics::{Outcome, ServiceId, VersionId},
    pool::Shared,
    trial::Booking,
};

/// How much has been chosen for a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen {
    versions: usize,
    cookies: usize,
    bookings: usize,
}

/// A server that has answered, while another one is asked.
#[derive(Debug)]
pub(crate) struct Aside {
    pub(crate) lease: Option<Lease>,
    shared: Option<Shared>,
    in_flight: Option<InFlight>,
    server: Option<u64>,
    sent: bool,
    answer_by: Option<Instant>,
    service: Option<ServiceId>,
    versions: SmallVec<[VersionId; 2]>,
    bookings: SmallVec<[Booking; 1]>,
}

impl Exchange {
    /// What has been chosen for the request so far.
    pub(crate) fn chosen(&self) -> Chosen {
        let cookies = self.seldom.as_ref().map_or(0, |seldom| seldom.cookies.len());
        Chosen { versions: self.versions.len(), cookies, bookings: self.bookings.len() }
    }

    /// What was chosen since then has answered, with a status that the client does not get, and another service is asked in
    /// its place: the client is not to come back there.
    pub(crate) fn leave(&mut self, chosen: Chosen, status: StatusCode) {
        let outcome = if status.is_server_error() { Outcome::Error } else { Outcome::Ok };
        for version in self.versions.drain(chosen.versions..) {
            if self.count {
                self.connection.worker.metrics.version_ended(version, outcome);
            }
        }
        self.book_left(chosen.bookings, status);
        if let Some(seldom) = &mut self.seldom {
            seldom.cookies.truncate(chosen.cookies);
        }
    }

    /// The service that has answered has been counted, and no longer is the request's: where nobody is asked in its place,
    /// the answer is no service's.
    pub(crate) fn leave_service(&mut self) {
        (self.service, self.origin_bytes) = (None, None);
        if let Some(record) = &mut self.record {
            (record.service, record.server_url, record.server_address) = (None, None, None);
            (record.origin, record.origin_headers) = (None, Vec::new());
        }
    }

    /// Puts the server that has answered aside: another one is asked, for something else.
    pub(crate) fn set_aside(&mut self) -> Aside {
        Aside {
            lease: self.lease.take(),
            shared: self.shared.take(),
            in_flight: self.in_flight.take(),
            server: self.server.take(),
            sent: self.sent,
            answer_by: self.answer_by.take(),
            service: self.service,
            versions: std::mem::take(&mut self.versions),
            bookings: std::mem::take(&mut self.bookings),
        }
    }

    /// That server's answer goes to the client after all.
    pub(crate) fn take_back(&mut self, aside: Aside) {
        (self.lease, self.shared, self.in_flight) = (aside.lease, aside.shared, aside.in_flight);
        (self.server, self.service, self.versions) = (aside.server, aside.service, aside.versions);
        (self.sent, self.answer_by, self.bookings) = (aside.sent, aside.answer_by, aside.bookings);
    }

    /// What the other server has answered stands for that server's answer, and the request counts for where it went first:
    /// it is there that it has failed, if it is sent again. That server's connection, if it is this request's alone.
    pub(crate) fn stand_for(&mut self, aside: Aside) -> Option<Lease> {
        (self.server, self.service, self.versions) = (aside.server, aside.service, aside.versions);
        self.bookings = aside.bookings;
        aside.lease
    }
}
