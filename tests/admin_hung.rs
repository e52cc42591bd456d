//! A control plane that hangs is not missed by anybody but those who ask it for something.

#![cfg(test)]

use std::{
    net::SocketAddr,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use http::Request;
use rollgate_config::{Allow, Document, Format};
use rollgate_control::{Instance, Options, StateChoice, file::Sources};
use rollgate_testkit::{Ask, Backend, Connection, client::full};
use tokio::sync::{mpsc, oneshot};

/// A gateway in this process, on a runtime that can be made to hang.
struct Hanging {
    web: SocketAddr,
    internal: SocketAddr,
    /// Hangs for so long, and says when it does.
    hang: mpsc::UnboundedSender<(Duration, oneshot::Sender<()>)>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hanging {
    async fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("rollgate.yml");
        std::fs::write(&file, text).expect("a file can be written");
        let name = file.to_str().expect("a path is text").to_owned();
        let document = Document::parse(&name, text, Format::Yaml).expect("it is YAML");
        let statics = rollgate_config::read_static(&document, &Allow::default()).value.expect("it is good");
        let (ready, started) = oneshot::channel();
        let (hang, mut hangs) = mpsc::unbounded_channel::<(Duration, oneshot::Sender<()>)>();
        let (end, ends) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is a runtime");
            runtime.block_on(async move {
                let options = Options {
                    statics,
                    sources: Sources { main: Some(file), target: None },
                    internal_address: None,
                    state_dir: None,
                    state: StateChoice::Memory,
                    allow: Allow::default(),
                    allowed: Vec::new(),
                    workers: 1,
                    keeper: Vec::new(),
                    inherited: Vec::new(),
                };
                let instance = Instance::start(options).await.unwrap_or_else(|failure| panic!("{failure:?}"));
                drop(ready.send(instance.addresses()));
                let hanging = async {
                    while let Some((time, begun)) = hangs.recv().await {
                        let _nobody_waits = begun.send(());
                        // All of the runtime hangs with this task.
                        std::thread::sleep(time);
                    }
                };
                tokio::select! {
                    () = hanging => {}
                    _ = ends => {}
                }
                instance.shutdown(false).await;
                drop(folder);
            });
        });
        let addresses = started.await.expect("it starts");
        let of = |wanted: &str| addresses.iter().find(|(name, _)| name == wanted).expect("it is there").1;
        Self { web: of("web"), internal: of("traefik"), hang, end: Some(end), thread: Some(thread) }
    }

    async fn hangs(&self, time: Duration) {
        let (begun, hangs) = oneshot::channel();
        self.hang.send((time, begun)).expect("the control plane is there");
        hangs.await.expect("it hangs");
    }

    async fn get(&self, path: &str) -> (u16, Duration) {
        let began = Instant::now();
        let reply = Ask::get(&format!("http://localhost{path}")).send(self.internal).await;
        (reply.status, began.elapsed())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        drop(self.end.take());
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn configuration(backend: &Backend) -> String {
    format!(
        "entryPoints: {{web: {{address: '127.0.0.1:0'}}, traefik: {{address: '127.0.0.1:0'}}}}
api: {{}}
metrics: {{prometheus: {{}}}}
http:
  routers: {{all: {{rule: PathPrefix(`/`), service: split, entryPoints: [web]}}}}
  services:
    a: {}
    b: {{loadBalancer: {{servers: []}}}}
    split: {{weighted: {{services: [{{name: a, weight: 1}}, {{name: b, weight: 0}}]}}}}
",
        backend.load_balancer()
    )
}

fn change(weight: u32) -> Request<rollgate_testkit::client::Body> {
    Request::put("/api/v1/services/split/weights")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(full(format!(r#"{{"weights": {{"a": {weight}, "b": 0}}}}"#)))
        .expect("it is a request")
}

#[tokio::test]
async fn while_the_control_plane_hangs_all_else_is_answered_and_what_it_had_not_begun_is_never_done() {
    let backend = Backend::echo("a");
    let gateway = Hanging::start(&configuration(&backend)).await;
    assert_eq!(gateway.get("/api/v1/live").await.0, 200);
    let hang = Duration::from_secs(4);
    gateway.hangs(hang).await;
    let began = Instant::now();
    // Asked in the moment in which it begins to hang, and later.
    let mut connection = Connection::http1(gateway.internal).await;
    let response = connection.try_send(change(7)).await.expect("there is an answer");
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert!(began.elapsed() < Duration::from_millis(1100), "{:?}", began.elapsed());
    for _ in 0..3 {
        let (status, took) = gateway.get("/api/v1/services").await;
        assert!(status == 503 && took < Duration::from_secs(1), "{status} after {took:?}");
        for path in ["/ping", "/live", "/ready", "/metrics"] {
            let (status, took) = gateway.get(path).await;
            assert!(status == 200 && took < Duration::from_millis(500), "{path}: {status} after {took:?}");
        }
        let reply = Ask::get("http://a.test/").send(gateway.web).await;
        assert_eq!((reply.status, &*reply.seen().backend), (200, "a"));
    }
    assert!(began.elapsed() < hang, "it has hung all the time");
    // And then it goes on, as if nobody had asked.
    rollgate_testkit::wait::eventually("the control plane answers again", async || {
        (gateway.get("/api/v1/live").await.0 == 200).then_some(())
    })
    .await;
    let reply = Ask::get("http://localhost/api/v1/services/split/weights").send(gateway.internal).await;
    let told: serde_json::Value = serde_json::from_slice(&reply.body).expect("it is JSON");
    assert_eq!(told["owner"], "none", "{told}");
}
