//! What stands between a caller and the admin API, and loses an answer now and then.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use rollgate_testkit::{Ask, Backend, backend::Protocol, client::full};

/// A fault, once: of the next request with this method.
pub struct Fault {
    pub method: &'static str,
    /// The request arrives, and its answer does not.
    pub arrives: bool,
    pub status: u16,
}

pub struct Between {
    pub backend: Backend,
    /// `METHOD /path`, in order.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Between {
    pub fn new(admin: SocketAddr, faults: Vec<Fault>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let faults = Arc::new(Mutex::new(VecDeque::from(faults)));
        let record = seen.clone();
        let backend = Backend::serve("between", Protocol::Http1, move |request| {
            let (record, faults) = (record.clone(), faults.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("the request arrives whole").to_bytes();
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                record.lock().expect("nobody panics").push(format!("{} {path}", parts.method));
                let fault = {
                    let mut faults = faults.lock().expect("nobody panics");
                    let place = faults.iter().position(|fault| fault.method == parts.method.as_str());
                    place.and_then(|place| faults.remove(place))
                };
                let mut ask = Ask::new(parts.method.as_str(), &format!("http://between{path}")).body(body);
                for (name, value) in &parts.headers {
                    if name != "content-length" {
                        ask = ask.header(name.as_str(), value.to_str().expect("it is text"));
                    }
                }
                let reply = match &fault {
                    Some(fault) if !fault.arrives => None,
                    _ => Some(ask.send(admin).await),
                };
                match (fault, reply) {
                    (None, Some(reply)) => {
                        let mut response = Response::new(full(reply.body));
                        *response.status_mut() = StatusCode::from_u16(reply.status).expect("it is a status");
                        for (name, value) in &reply.headers {
                            if name != "content-length" && name != "transfer-encoding" {
                                response.headers_mut().append(name, value.clone());
                            }
                        }
                        response
                    }
                    (fault, _) => {
                        let mut response = Response::new(full("lost"));
                        let status = fault.map_or(502, |fault| fault.status);
                        *response.status_mut() = StatusCode::from_u16(status).expect("it is a status");
                        response
                    }
                }
            }
        });
        Self { backend, seen }
    }

    /// How many such requests have come.
    pub fn count(&self, what: &str) -> usize {
        self.seen.lock().expect("nobody panics").iter().filter(|seen| seen.starts_with(what)).count()
    }
}
