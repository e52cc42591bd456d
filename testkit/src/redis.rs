//! A real redis-server (Debian package `redis-server`) that a test kills, stops and starts again.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::wait::eventually_blocking;

/// A server of its own, in memory alone; killed, by its own process id, when dropped.
#[derive(Debug)]
pub struct Redis {
    /// Where it listens.
    pub address: SocketAddr,
    arguments: Vec<String>,
    directory: TempDir,
    child: Child,
}

impl Redis {
    /// On a port of its own.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With more of its options: `--name value`. `@DIR@` is its folder, in which `files` are.
    pub fn with(options: &[&str]) -> Self {
        Self::with_files(options, &[])
    }

    /// [`Redis::with`], and files beside it.
    pub fn with_files(options: &[&str], files: &[(&str, &str)]) -> Self {
        let mut directory = TempDir::with_prefix("rollgate-redis-").expect("a directory can be made");
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).expect("a file can be written");
        }
        let path = directory.path().to_str().expect("a temporary path is text");
        let arguments: Vec<String> = options.iter().map(|option| option.replace("@DIR@", path)).collect();
        loop {
            let address = free_address();
            let child = spawn(address, &arguments, &directory);
            let mut redis = Self { address, arguments: arguments.clone(), directory, child };
            if redis.wait_until_it_answers() {
                return redis;
            }
            // Somebody else was faster to take the port.
            let fresh = TempDir::with_prefix("rollgate-redis-").expect("a directory can be made");
            directory = std::mem::replace(&mut redis.directory, fresh);
        }
    }

    /// `127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// Ends it at once; what it held is lost.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Starts it again, on the same port.
    pub fn restart(&mut self) {
        let began = Instant::now();
        loop {
            self.child = spawn(self.address, &self.arguments, &self.directory);
            if self.wait_until_it_answers() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "redis does not get its port again");
        }
    }

    /// Stops it where it is: connections stay, and nothing is answered.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends a command on a connection of its own; the answer as it comes (RESP).
    pub fn command(&self, words: &[&str]) -> String {
        self.try_command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    fn try_command(&self, words: &[&str]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(request.as_bytes())?;
        let mut answer = vec![0; 65_536];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// False if it has ended instead. Any answer will do: it may want a password, or TLS.
    fn wait_until_it_answers(&mut self) -> bool {
        eventually_blocking("redis listens", Duration::from_secs(30), || {
            if self.child.try_wait().expect("a child can be waited for").is_some() {
                return Some(false);
            }
            TcpStream::connect(self.address).is_ok().then_some(true)
        })
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id is positive");
        kill_process(id, signal).expect("it is alive");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(address: SocketAddr, arguments: &[String], directory: &TempDir) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(directory.path());
    if !arguments.iter().any(|argument| argument == "--tls-port") {
        command.args(["--port", &address.port().to_string()]);
    }
    let port = address.port().to_string();
    command.args(arguments.iter().map(|argument| argument.replace("@PORT@", &port)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}; `cargo xtask setup` installs it"))
}

/// Below those that the kernel gives to clients, so that no client of anybody's takes it while the server is away.
fn free_address() -> SocketAddr {
    loop {
        let mut random = [0; 2];
        std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).expect("there is chance");
        let port = 20_000 + u16::from_le_bytes(random) % 12_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
