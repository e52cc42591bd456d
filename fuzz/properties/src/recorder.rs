//! The server of the HTTP/1 targets: reads strictly, writes down what it reads, and answers as the target says.

use std::{cell::RefCell, rc::Rc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinHandle,
};

use crate::wire::{Parsed, Request, Side, parse};

/// What every connection to the server has brought, in the order of heads.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) requests: Vec<Request>,
    /// What no server should be sent.
    pub(crate) faults: Vec<String>,
    pub(crate) connections: Vec<JoinHandle<()>>,
}

/// Serves one connection, in a task of the thread's runtime.
pub(crate) fn serve(log: &Rc<RefCell<Log>>, pipe: DuplexStream) {
    let connection = tokio::task::spawn_local(Connection { log: log.clone(), pipe }.run());
    log.borrow_mut().connections.push(connection);
}

struct Connection {
    log: Rc<RefCell<Log>>,
    pipe: DuplexStream,
}

impl Connection {
    async fn run(mut self) {
        let mut bytes = Vec::new();
        // The place in the log of the request that is under way, and whether it was answered.
        let mut current: Option<(usize, bool)> = None;
        loop {
            match parse(&bytes, Side::Server) {
                Parsed::Partial => {}
                Parsed::Request(request, length) => {
                    let (place, answered) = *current.get_or_insert_with(|| (self.note(&request), false));
                    let whole = request.whole;
                    let answer = (!answered && (whole || request.target.contains("/early"))).then(|| answer(&request));
                    self.log.borrow_mut().requests[place] = *request;
                    if let Some((answer, ends)) = &answer {
                        if self.pipe.write_all(answer).await.is_err() || *ends {
                            return self.end().await;
                        }
                        current = Some((place, true));
                    }
                    if whole {
                        current = None;
                        bytes.drain(..length);
                        continue;
                    }
                }
                Parsed::Malformed(why, _) => {
                    let fault = format!("{why} in {:?}", String::from_utf8_lossy(&bytes));
                    self.log.borrow_mut().faults.push(fault);
                    return;
                }
            }
            if self.pipe.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                continue;
            }
            return;
        }
    }

    /// Writes down a request whose head has come.
    fn note(&self, request: &Request) -> usize {
        let mut log = self.log.borrow_mut();
        log.faults.extend(faults(request).map(|why| format!("{why}: {request:?}")));
        log.requests.push(request.clone());
        log.requests.len() - 1
    }

    /// Takes what still comes without looking at it.
    async fn end(mut self) {
        if self.pipe.shutdown().await.is_err() {
            return;
        }
        let mut rest = [0; 1024];
        while self.pipe.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    }
}

/// What is wrong with a request to a server although its framing is sound.
fn faults(request: &Request) -> impl Iterator<Item = &'static str> {
    let hosts: Vec<&[u8]> = request.values("host").collect();
    let origin = request.target.starts_with('/') || (request.target == "*" && request.method == "OPTIONS");
    let hop = ["keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "http2-settings"];
    let upgrade = request.values("upgrade").next().is_some();
    let connection: Vec<&[u8]> = request.values("connection").collect();
    let te = request.values("te").any(|value| !value.eq_ignore_ascii_case(b"trailers"));
    let forwarded = request.values("x-forwarded-for").collect::<Vec<_>>() != [b"192.0.2.7"];
    let alias =
        request.fields.iter().any(|(name, _)| name.contains('_') && name.replace('_', "-") == "x-forwarded-for");
    let found = [
        (hosts.len() != 1, "not one Host"),
        (!origin, "a target that is not in origin form"),
        (hop.iter().any(|name| request.values(name).next().is_some()), "a hop-by-hop field"),
        (te, "TE"),
        (connection.len() > 1 || upgrade != request.has("connection", "upgrade"), "Connection and Upgrade disagree"),
        (forwarded || alias, "the client is not who it is"),
        (request.method == "CONNECT", "CONNECT"),
    ];
    found.into_iter().filter_map(|(is_fault, what)| is_fault.then_some(what))
}

/// The answer, and whether the connection ends with it.
fn answer(request: &Request) -> (Vec<u8>, bool) {
    let target = &request.target;
    if request.switches() {
        return (b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".to_vec(), true);
    }
    let ends = target.contains("/close");
    let mut answer = Vec::new();
    if target.contains("/continue") {
        answer.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }
    if target.contains("/204") {
        answer.extend_from_slice(b"HTTP/1.1 204 No Content\r\n\r\n");
        return (answer, ends);
    }
    answer.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    let body: &[u8] = match (target.contains("/chunked"), ends) {
        (true, _) => b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        (false, true) => b"connection: close\r\n\r\nok",
        (false, false) => b"content-length: 2\r\n\r\nok",
    };
    let body = if request.method == "HEAD" { b"content-length: 2\r\n\r\n" } else { body };
    answer.extend_from_slice(body);
    (answer, ends)
}
