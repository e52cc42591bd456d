//! The programs that ask: wrk and h2load, beside the servers.

use std::process::Command;

use crate::site::{HOST, Site};

/// What a program has seen of its requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Answered.
    pub requests: f64,
    /// In a second.
    pub rate: f64,
    /// In milliseconds.
    pub p50: f64,
    /// In milliseconds.
    pub p99: f64,
    /// Without a good answer.
    pub failed: f64,
}

/// What is asked, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Over HTTP/1.1.
    Wrk {
        /// How many connections.
        connections: u32,
        /// Which path.
        path: &'static str,
        /// Header fields of a browser's kind.
        fields: &'static [&'static str],
    },
    /// Over HTTP/2 and TLS, 16 connections with 16 requests each.
    H2load {
        /// Which path.
        path: &'static str,
        /// With this body, as a gRPC method.
        grpc: bool,
    },
}

impl Asked {
    /// Asks for so long.
    ///
    /// # Errors
    /// If the program says nothing that can be read.
    pub fn run(self, site: &Site, seconds: u64) -> Result<Seen, String> {
        let mut command = self.command(site, seconds);
        let output = command.output().map_err(|why| format!("{:?}: {why}", command.get_program()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let seen = match self {
            Self::Wrk { .. } => of_wrk(&said),
            Self::H2load { .. } => of_h2load(&said),
        };
        seen.filter(|seen| seen.requests > 0.0)
            .ok_or_else(|| format!("nothing was answered: {said} {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn command(self, site: &Site, seconds: u64) -> Command {
        let scheme = if site.job.tls { "https" } else { "http" };
        match self {
            Self::Wrk { connections, path, fields } => {
                let mut wrk = Command::new("wrk");
                wrk.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--latency"]);
                wrk.args(["-H", &format!("Host: {}", site.host())]);
                wrk.args(fields.iter().flat_map(|field| ["-H", field]));
                wrk.arg(format!("{scheme}://127.0.0.1:{}{path}", site.port()));
                wrk
            }
            Self::H2load { path, grpc } => {
                let mut h2load = Command::new("h2load");
                h2load.args(["-t1", "-c16", "-m16", &format!("-D{seconds}")]);
                h2load.arg(format!("--connect-to=127.0.0.1:{}", site.port()));
                if grpc {
                    let message = site.folder("h2load").join("message");
                    std::fs::write(&message, [0; 5]).expect("a file can be written");
                    h2load.arg("-d").arg(message).args(["-H", "content-type: application/grpc", "-H", "te: trailers"]);
                }
                h2load.arg(format!("https://{HOST}:{}{path}", site.port()));
                h2load
            }
        }
    }
}

fn of_wrk(said: &str) -> Option<Seen> {
    let number = |begin: &str, end: &str| between(said, begin, end)?.trim().parse::<f64>().ok();
    let lines = || said.lines().map(str::trim);
    let requests = lines().find_map(|line| line.split_once(" requests in ")?.0.parse().ok())?;
    let quantile = |name: &str| lines().find_map(|line| milliseconds(line.strip_prefix(name)?.trim()));
    let bad = number("Non-2xx or 3xx responses: ", "\n").unwrap_or_default();
    let errors = between(said, "Socket errors: ", "\n").unwrap_or_default();
    let errors: f64 = errors.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse::<f64>().ok()).sum();
    Some(Seen {
        requests,
        rate: number("Requests/sec:", "\n")?,
        p50: quantile("50%")?,
        p99: quantile("99%")?,
        failed: bad + errors,
    })
}

fn of_h2load(said: &str) -> Option<Seen> {
    let counts = between(said, "requests: ", "\n")?;
    let count = |of: &str| {
        let (before, _) = counts.split_once(of)?;
        before.trim().rsplit(' ').next()?.parse::<f64>().ok()
    };
    let statuses = between(said, "status codes: ", "\n")?;
    let good: f64 = statuses.split(' ').next()?.parse().ok()?;
    let times = between(said, "time for request:", "\n")?;
    // min, max, mean, ...: it tells no quantiles.
    let mean = times.split_whitespace().nth(2).and_then(milliseconds)?;
    let requests = count(" succeeded")?;
    Some(Seen {
        requests,
        rate: between(said, "finished in ", " req/s")?.rsplit(' ').next()?.parse().ok()?,
        p50: mean,
        p99: f64::NAN,
        failed: count(" failed")? + (requests - good).max(0.0),
    })
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    let rest = &text[text.find(begin)? + begin.len()..];
    Some(&rest[..rest.find(end).unwrap_or(rest.len())])
}

/// Of `1.25ms`, `900us`, `1.10s`.
fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "us" => 1e-3,
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 6e4,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "Running 5s test @ http://127.0.0.1:18080/ok
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.27ms  212.03us   9.94ms   94.94%
    Req/Sec    50.62k     1.93k   53.09k    86.00%
  Latency Distribution
     50%    1.23ms
     75%    1.31ms
     90%    1.38ms
     99%  900.00us
  251855 requests in 5.00s, 310.27MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:  50369.81
Transfer/sec:     62.05MB
";
        let seen = of_wrk(said).unwrap();
        assert_eq!(seen, Seen { requests: 251_855.0, rate: 50_369.81, p50: 1.23, p99: 0.9, failed: 7.0 });
        assert_eq!(of_wrk("unable to connect"), None);
    }

    #[test]
    fn what_h2load_says_is_read() {
        let said = "finished in 5.01s, 61234.40 req/s, 64.12MB/s
requests: 306172 total, 306428 started, 306172 done, 306170 succeeded, 2 failed, 0 errored, 0 timeout
status codes: 306160 2xx, 0 3xx, 0 4xx, 10 5xx
traffic: 320.61MB (336184672) total, 2.05MB (2150000) headers (space savings 95.11%), 299.00MB (313520128) data
                     min         max         mean         sd        +/- sd
time for request:      202us     25.09ms      4.10ms      1.02ms    75.12%
time for connect:     1.25ms     10.33ms      5.80ms      2.70ms    56.25%
";
        let seen = of_h2load(said).unwrap();
        assert_eq!((seen.requests, seen.rate, seen.p50, seen.failed), (306_170.0, 61_234.4, 4.1, 12.0));
    }
}
