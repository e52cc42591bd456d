//! `rollgate sample`: a small server that says who it is. The demo and the compose file put it behind the gateway.

use std::{convert::Infallible, net::TcpListener as StdListener, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Method, Request, Response, StatusCode, Uri};
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
                served = serve(arguments.name.clone(), arguments.version.clone(), listener, || false) => served,
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

/// Serves HTTP/1.1 and HTTP/2 in clear text until dropped. Fails only before it begins. While `is_broken`, it answers with
/// 500 what has no wish of its own.
pub(crate) async fn serve(
    name: String,
    version: String,
    listener: StdListener,
    is_broken: impl Fn() -> bool + Clone + Send + 'static,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a client that is gone already: neither is the end.
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (name, version, is_broken) = (name.clone(), version.clone(), is_broken.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let usual = if is_broken() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
                let answer = answer((&name, &version), usual, request.method(), request.uri());
                async move { Ok::<_, Infallible>(answer.delayed().await) }
            });
            // How a client ends its connection is its own business.
            drop(auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// What is answered, and after how long.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: StatusCode,
    text: String,
    delay: Duration,
}

/// `?status=503` and `?delay=100ms` are obeyed, so that people can see what a bad version does.
fn answer((name, version): (&str, &str), usual: StatusCode, method: &Method, uri: &Uri) -> Answer {
    let query = uri.query().unwrap_or_default();
    let wish = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let status = wish("status").and_then(|status| status.parse().ok()).unwrap_or(usual);
    let delay = wish("delay")
        .and_then(|delay| delay.strip_suffix("ms")?.parse().ok())
        .map_or(Duration::ZERO, Duration::from_millis);
    let text = match uri.path() {
        "/health" => "OK\n".to_owned(),
        path => format!("{name} {version}\n{method} {path}\n"),
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
/// Between two tries to accept, if one failed.
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str) -> Answer {
        answer(("blue", "v2"), StatusCode::OK, &Method::PUT, &uri.parse().unwrap())
    }

    #[test]
    fn a_broken_one_answers_with_500_unless_it_is_told_what_with() {
        for (query, status) in [("", 500), ("status=201", 201), ("delay=1ms", 500)] {
            let uri = format!("/?{query}").parse().unwrap();
            let answer = answer(("blue", "v2"), StatusCode::INTERNAL_SERVER_ERROR, &Method::GET, &uri);
            assert_eq!(answer.status.as_u16(), status, "{query}");
        }
    }

    #[test]
    fn it_says_who_it_is_and_what_it_was_asked() {
        assert_eq!(asked("/a/b?c").text, "blue v2\nPUT /a/b\n");
        assert_eq!(asked("/health").text, "OK\n");
    }

    #[test]
    fn a_wish_is_obeyed_within_bounds_and_else_ignored() {
        for (query, status, millis) in [
            ("", 200, 0),
            ("status=503", 503, 0),
            ("delay=100ms", 200, 100),
            ("delay=20ms&status=404", 404, 20),
            ("delay=3600000ms", 200, 10_000),
            ("delay=99999999999999999999ms", 200, 0),
            ("delay=-1ms&status=99", 200, 0),
            ("delay=5&status=1000", 200, 0),
            ("mystatus=503", 200, 0),
        ] {
            let answer = asked(&format!("/?{query}"));
            assert_eq!((answer.status.as_u16(), answer.delay.as_millis()), (status, millis), "{query}");
        }
    }
}
