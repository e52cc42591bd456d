//! Whether a peer does the same work as the others: status, length and version of an answer, and what a server was told.

use std::process::Command;

use crate::site::{BODY, Behind, Site};

/// Asks once for a small answer and once for what the server has seen.
///
/// # Errors
/// What is not as it should be.
pub fn check(site: &Site) -> Result<(), String> {
    if site.job.behind != Behind::Versions {
        // gRPC and WebSocket have answers of their own, which their load looks at.
        return Ok(());
    }
    let (status, body) = ask(site, "/ok")?;
    if status != "200" || body.len() != BODY {
        return Err(format!("{status} with {} bytes for 200 with {BODY}", body.len()));
    }
    let (status, seen) = ask(site, "/seen")?;
    let host = site.host();
    let scheme = if site.job.tls { "https" } else { "http" };
    let told: Vec<&str> = seen.split('|').collect();
    // A connection of HTTP/1.1 is kept if nothing is said of it.
    let kept = told.last().is_some_and(|connection| matches!(*connection, "" | "keep-alive"));
    if status != "200" || told.get(..4) != Some(&[&*host, "127.0.0.1", scheme, &*host]) || !kept {
        return Err(format!("{status}: the server was told {seen}"));
    }
    Ok(())
}

fn ask(site: &Site, path: &str) -> Result<(String, String), String> {
    let scheme = if site.job.tls { "https" } else { "http" };
    let (host, port) = (site.host(), site.port());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--insecure", "--max-time", "10", "--write-out", "\n%{http_code}"]);
    // The port is not said: what is compared is the same wherever a peer listens.
    curl.args(["--connect-to", &format!("{host}::127.0.0.1:{port}")]).arg(format!("{scheme}://{host}{path}"));
    let output = curl.output().map_err(|why| format!("curl: {why}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match said.rsplit_once('\n') {
        Some((body, status)) if output.status.success() => Ok((status.to_owned(), body.to_owned())),
        _ => Err(format!("curl: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
