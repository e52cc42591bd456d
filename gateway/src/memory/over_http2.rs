//! A gateway with one client that speaks HTTP/2.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::TokioIo;
use rollgate_config::{dynamic::Configuration, problem::Problem, static_config::Static};
use tokio::runtime::LocalRuntime;

use super::PIPE;
use crate::{connection, http::LocalExecutor, stream::socket::Socket, worker::Worker};

/// Like [`InMemory`](super::InMemory), over one connection in clear text.
pub struct OverHttp2 {
    runtime: LocalRuntime,
    client: http2::SendRequest<Empty<Bytes>>,
}

impl OverHttp2 {
    /// Serves `entry_point`; every server whose host is [`HOST`](super::HOST) is the one in memory.
    pub fn new(statics: &Static, configuration: &Configuration, entry_point: &str) -> Result<Self, Vec<Problem>> {
        let (mut compiler, entry) = super::compiler(statics, entry_point);
        let compiled = compiler.compile(configuration)?;
        let shared = super::shared(statics, &compiler, compiled);
        let runtime = LocalRuntime::new().expect("a runtime");
        let (near, far) = tokio::io::duplex(PIPE);
        let client = runtime.block_on(async {
            let worker = Worker::new(0, Arc::new(shared));
            let peer = (IpAddr::from([192, 0, 2, 7]), 40_000).into();
            tokio::task::spawn_local(connection::serve(worker.hold(), entry, Socket::Memory(far), peer, None));
            let (client, driving) = http2::handshake(LocalExecutor, TokioIo::new(near)).await.expect("it is spoken");
            tokio::task::spawn_local(async move { drop(driving.await) });
            client
        });
        Ok(Self { runtime, client })
    }

    /// Asks once; the answer's status and the length of its body.
    pub fn exchange(&mut self, url: &str, fields: &[(&str, &str)]) -> (u16, usize) {
        let mut request = Request::get(url);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).expect("a request");
        let Self { runtime, client } = self;
        runtime.block_on(async {
            let response = client.send_request(request).await.expect("the gateway answers");
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("all of it");
            (status, body.to_bytes().len())
        })
    }
}
