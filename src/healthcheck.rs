//! `rollgate healthcheck`: asks the internal entry point's `/ping`, for containers that have no other client in them.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;

/// The command line of `healthcheck`.
#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// Where the internal entry point listens [default: ROLLGATE_INTERNAL_ADDRESS, else 127.0.0.1:8080]
    #[arg(long, value_name = "IP:PORT")]
    address: Option<String>,
}

/// Exit code 0 if it answers 200, 1 if it does not.
pub(crate) fn run(arguments: &HealthcheckArgs) -> ExitCode {
    let configured = arguments.address.clone().or_else(|| std::env::var("ROLLGATE_INTERNAL_ADDRESS").ok());
    match ask(&dialled(configured.as_deref().unwrap_or(DEFAULT)), LIMIT) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// A host that stands for every address is asked on loopback.
pub(crate) fn dialled(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("" | "0.0.0.0" | "[::]", port)) => format!("127.0.0.1:{port}"),
        _ => address.to_owned(),
    }
}

/// The whole of it takes no longer than `limit`.
fn ask(address: &str, limit: Duration) -> Result<(), String> {
    let end = Instant::now() + limit;
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let socket = address.to_socket_addrs().map_err(failed)?.next().ok_or_else(|| format!("{address}: no address"))?;
    let mut stream = TcpStream::connect_timeout(&socket, limit).map_err(failed)?;
    write!(stream, "GET /ping HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").map_err(failed)?;
    let mut status = [0; 12];
    let mut read = 0;
    while read < status.len() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("{address}: no answer within {limit:?}"));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        match stream.read(&mut status[read..]) {
            Ok(0) => return Err(format!("{address}: closed before it answered")),
            Ok(more) => read += more,
            // Too late is found out above.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if &status == b"HTTP/1.1 200" {
        return Ok(());
    }
    Err(format!("{address}: /ping answered {}", String::from_utf8_lossy(&status)))
}

const DEFAULT: &str = "127.0.0.1:8080";
const LIMIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_loopback() {
        for (address, asked) in [
            (":8080", "127.0.0.1:8080"),
            ("0.0.0.0:81", "127.0.0.1:81"),
            ("[::]:82", "127.0.0.1:82"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            assert_eq!(dialled(address), asked);
        }
    }

    #[test]
    fn only_200_is_healthy() {
        for (answer, healthy) in
            [("HTTP/1.1 200 OK\r\n\r\n", true), ("HTTP/1.1 503 Service Unavailable\r\n\r\n", false)]
        {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
                let mut rest = Vec::new();
                drop(stream.read_to_end(&mut rest));
            });
            assert_eq!(ask(&address, LIMIT).is_ok(), healthy);
            server.join().unwrap();
        }
    }

    #[test]
    fn an_answer_that_never_ends_is_given_up_in_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let silent = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 2").unwrap();
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest));
        });
        let told = ask(&address, Duration::from_millis(50)).unwrap_err();
        assert_eq!(told, format!("{address}: no answer within 50ms"));
        silent.join().unwrap();
    }

    #[test]
    fn a_connection_that_is_closed_is_no_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let closing = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            assert!(stream.read(&mut request).unwrap() > 0);
        });
        assert!(ask(&address, LIMIT).is_err());
        closing.join().unwrap();
    }
}
