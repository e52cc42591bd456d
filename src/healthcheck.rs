//! `rollgate healthcheck`: asks the internal entry point's `/ping`, for containers that have no other client in them.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
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
    match ask(&dialled(configured.as_deref().unwrap_or(DEFAULT))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// A host that stands for every address is asked on loopback.
fn dialled(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("" | "0.0.0.0" | "[::]", port)) => format!("127.0.0.1:{port}"),
        _ => address.to_owned(),
    }
}

fn ask(address: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{address}: {error}");
    let socket = address.to_socket_addrs().map_err(failed)?.next().ok_or_else(|| format!("{address}: no address"))?;
    let mut stream = TcpStream::connect_timeout(&socket, LIMIT).map_err(failed)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    write!(stream, "GET /ping HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").map_err(failed)?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).map_err(failed)?;
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
            assert_eq!(ask(&address).is_ok(), healthy);
            server.join().unwrap();
        }
    }
}
