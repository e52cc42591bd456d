//! The image's root file system, started by chroot as the image's own user.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    Outcome,
    steps::{pass, read},
};

/// The version, the configuration that is in the image, and a gateway that answers, is healthy and ends in order.
pub fn check(root: &Path) -> Outcome {
    let version = read(inside(root).arg("--version"))?;
    println!("    {version}");
    read(inside(root).args(["check", "/etc/rollgate/rollgate.yml"]))?;
    let mut run = inside(root);
    run.args(["run", "--entryPoints.web.address=127.0.0.1:0", "--ping=true"]);
    let gateway = run.env("ROLLGATE_INTERNAL_ADDRESS", "127.0.0.1:0").stdout(Stdio::piped()).spawn();
    let mut gateway = Gateway(gateway.map_err(|why| format!("rollgate run: {why}"))?);
    let address = gateway.internal_address()?;
    let answer = ping(&address).map_err(|why| format!("GET /ping on {address}: {why}"))?;
    if !answer.starts_with("HTTP/1.1 200 ") {
        return Err(format!("GET /ping on {address} was answered: {answer}"));
    }
    pass(inside(root).arg("healthcheck").env("ROLLGATE_INTERNAL_ADDRESS", &address))?;
    gateway.end()
}

/// The image's binary in its own root, as its own user, with an empty environment but for the path to chroot.
fn inside(root: &Path) -> Command {
    let mut chroot = Command::new("chroot");
    chroot.args(["--userspec=65532:65532"]).arg(root).arg("/usr/local/bin/rollgate");
    chroot.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    chroot
}

/// A running gateway; killed if it is dropped before its end.
struct Gateway(Child);

impl Gateway {
    /// From the line that `run` prints for each listener once it serves.
    fn internal_address(&mut self) -> Result<String, String> {
        let output = self.0.stdout.take().ok_or("its output was taken before")?;
        for line in BufReader::new(output).lines() {
            let line = line.map_err(|why| format!("rollgate run: {why}"))?;
            if let Some(address) = line.strip_prefix("listening entrypoint=traefik address=") {
                return Ok(address.trim().to_owned());
            }
        }
        Err("rollgate run ended before it listened".to_owned())
    }

    fn end(mut self) -> Outcome {
        pass(Command::new("busybox").args(["kill", "-TERM", &self.0.id().to_string()]))?;
        let status = self.0.wait().map_err(|why| format!("rollgate run: {why}"))?;
        if status.success() { Ok(()) } else { Err(format!("after SIGTERM `rollgate run` ended with {status}")) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn ping(address: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    write!(connection, "GET /ping HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

/// How long `/ping` may take.
const PATIENCE: Duration = Duration::from_secs(10);
