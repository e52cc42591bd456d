//! What few exchanges have, so that the others need not be as large.

use std::{cell::Cell, rc::Rc};

use http::{HeaderMap, HeaderValue, header};

use super::Exchange;
use crate::{
    metrics::{Assignment, ServiceId},
    snapshot::ServiceIndex,
};

/// Made when there is something for it.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    /// Servers that the request has been to in vain.
    pub(super) tried: Vec<u64>,
    /// The services that have sent copies of it to their mirrors.
    mirrored: Vec<ServiceIndex>,
    /// Lines of the answer that make the client come back, each with the service that wants it.
    pub(super) cookies: Vec<(ServiceId, HeaderValue)>,
    /// gRPC's status where it stands in the answer's body.
    pub(super) grpc_status: Rc<Cell<Option<u16>>>,
}

impl Seldom {
    #[cold]
    fn give_cookies(&mut self, headers: &mut HeaderMap) {
        for (_, line) in self.cookies.drain(..) {
            headers.append(header::SET_COOKIE, line);
        }
    }
}

impl Exchange {
    /// Whether it comes to a service that mirrors for the first time.
    pub(crate) fn is_first_at(&mut self, service: ServiceIndex) -> bool {
        let mirrored = &mut self.seldom.get_or_insert_default().mirrored;
        let is_first = !mirrored.contains(&service);
        if is_first {
            mirrored.push(service);
        }
        is_first
    }

    /// Servers that the request has been to in vain; another one is chosen next, if there is one.
    pub(crate) fn tried(&self) -> &[u64] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.tried)
    }

    /// How the client came to the server or version that a service has chosen.
    pub(crate) fn assigned(&mut self, service: ServiceId, how: Option<Assignment>, cookie: Option<HeaderValue>) {
        if let Some(how) = how {
            self.connection.worker.metrics.assigned(service, how);
        }
        if let Some(line) = cookie {
            let cookies = &mut self.seldom.get_or_insert_default().cookies;
            cookies.retain(|(by, _)| *by != service);
            cookies.push((service, line));
        }
    }

    /// Puts the cookies into the answer.
    #[inline]
    pub(crate) fn give_cookies(&mut self, headers: &mut HeaderMap) {
        if let Some(seldom) = &mut self.seldom {
            seldom.give_cookies(headers);
        }
    }

    /// Where gRPC's status goes that is written into the answer's body.
    pub(crate) fn grpc_status_in_body(&mut self) -> Rc<Cell<Option<u16>>> {
        let status = &mut self.seldom.get_or_insert_default().grpc_status;
        // What an attempt before has left behind goes nowhere.
        *status = Rc::default();
        status.clone()
    }
}
