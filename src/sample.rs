//! `rollgate sample`: a small server that says who it is. The demo and the compose file put it behind the gateway.

use std::{convert::Infallible, net::TcpListener as StdListener, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

use crate::run::Signals;

/// The command line of `sample`.
#[derive(Debug, Args)]
pub(crate) struct SampleArgs {
    /// What it says it is
    #[arg(long)]
    name: String,
    /// Where it listens; an empty host is every address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    listen: String,
    /// Which version of that
    #[arg(long, default_value = "v1")]
    version: String,
}

/// Exit code 0 after SIGTERM or SIGINT, 1 if it cannot listen.
pub(crate) fn run(arguments: &SampleArgs) -> ExitCode {
    let address = match arguments.listen.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => arguments.listen.clone(),
    };
    let served = StdListener::bind(&address).and_then(|listener| {
        println!("sample {} listening on {}", arguments.name, listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut signals = Signals::new()?;
            tokio::select! {
                served = serve(arguments.name.clone(), arguments.version.clone(), listener) => served,
                () = signals.end() => Ok(()),
            }
        })
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves HTTP/1.1 and HTTP/2 in clear text until dropped.
pub(crate) async fn serve(name: String, version: String, listener: StdListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (name, version) = (name.clone(), version.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&name, &version, &request);
                async move { Ok::<_, Infallible>(answer.delayed().await) }
            });
            // How a client ends its connection is its own business.
            drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// What is answered, and after how long.
struct Answer {
    status: StatusCode,
    text: String,
    delay: Duration,
}

/// `?status=503` and `?delay=100ms` are obeyed, so that people can see what a bad version does.
fn answer(name: &str, version: &str, request: &Request<Incoming>) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    let wish = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let status = wish("status").and_then(|status| status.parse().ok()).unwrap_or(StatusCode::OK);
    let delay = wish("delay")
        .and_then(|delay| delay.strip_suffix("ms")?.parse().ok())
        .map_or(Duration::ZERO, Duration::from_millis);
    let text = match request.uri().path() {
        "/health" => "OK\n".to_owned(),
        path => format!("{name} {version}\n{} {path}\n", request.method()),
    };
    Answer { status, text, delay: delay.min(LONGEST_DELAY) }
}

impl Answer {
    async fn delayed(self) -> Response<Full<Bytes>> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let mut response = Response::new(Full::new(Bytes::from(self.text)));
        // 1xx and 101 are no answers.
        *response.status_mut() = if self.status.is_informational() { StatusCode::OK } else { self.status };
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
        response
    }
}

const LONGEST_DELAY: Duration = Duration::from_secs(10);
