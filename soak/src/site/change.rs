//! The ways that a file changes. Each returns once the gateway has done what it has to do about it.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use rollgate_testkit::{client, tls::unverified_client};
use rustix::process::Signal;
use tokio::net::TcpStream;

use super::{MARKED, NO_ROUTER, SECURE_HOST, Site, becomes, marker, marker_host, side, statics};

/// A way that files change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    InPlace,
    RenamedOver,
    Recreated,
    LinkSwapped,
    HalfWritten,
    Empty,
    Invalid,
    Hangup,
    OneBadFile,
    Weights,
    Routers,
    EntryPoint,
    Certificate,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::InPlace,
        Self::RenamedOver,
        Self::HalfWritten,
        Self::Recreated,
        Self::Weights,
        Self::OneBadFile,
        Self::LinkSwapped,
        Self::Hangup,
        Self::Empty,
        Self::Routers,
        Self::EntryPoint,
        Self::Invalid,
        Self::Certificate,
    ];

    /// How many changes one turn of it makes.
    pub fn changes(self) -> u32 {
        match self {
            Self::HalfWritten | Self::Empty | Self::Invalid | Self::EntryPoint | Self::OneBadFile | Self::Recreated => {
                2
            }
            Self::InPlace
            | Self::RenamedOver
            | Self::LinkSwapped
            | Self::Hangup
            | Self::Weights
            | Self::Routers
            | Self::Certificate => 1,
        }
    }
}

impl Site {
    /// Changes something and waits until it is live, and until what was wrong meanwhile has been reported.
    ///
    /// # Errors
    /// What did not happen in time.
    pub async fn change(&mut self, kind: Kind) -> Result<(), String> {
        self.generation += 1;
        let changed = match kind {
            Kind::InPlace => {
                fs::write(self.path("conf/main.yml"), self.main()).expect("a file can be written");
                self.main_is_live().await
            }
            Kind::RenamedOver | Kind::Weights => {
                self.rename_main();
                self.main_is_live().await
            }
            Kind::Hangup => {
                self.rename_main();
                self.gateway.signal(Signal::HUP);
                self.main_is_live().await
            }
            Kind::Recreated => self.recreate().await,
            Kind::LinkSwapped => self.swap_link().await,
            Kind::HalfWritten => {
                let text = self.main();
                // Within braces, so that the half is not by chance a configuration of its own.
                let cut = text.rfind("servers: [").expect("the file has servers") + 5;
                self.refused(&text[..cut]).await?;
                fs::write(self.path("conf/main.yml"), text).expect("a file can be written");
                self.main_is_live().await
            }
            Kind::Empty => {
                self.refused("").await?;
                self.rename_main();
                self.main_is_live().await
            }
            Kind::Invalid => {
                self.refused(&self.main().replace("weighted", "wieghted")).await?;
                self.rename_main();
                self.main_is_live().await
            }
            Kind::OneBadFile => self.break_one_file().await,
            Kind::Routers => {
                self.gateway.rewrite("conf/side.yml", &side(self.generation, 50 + self.generation % 50));
                self.is_live("side").await
            }
            Kind::EntryPoint => self.open_and_close_an_entry_point().await,
            Kind::Certificate => self.replace_certificate().await,
        };
        changed.map_err(|what| format!("{kind:?}: {what}"))
    }

    fn rename_main(&self) {
        self.gateway.rewrite("conf/main.yml", &self.main());
    }

    async fn main_is_live(&self) -> Result<(), String> {
        self.is_live("main").await?;
        self.problems(false).await
    }

    async fn is_live(&self, file: &str) -> Result<(), String> {
        becomes(self.gateway.web(), &marker_host(file, self.generation), MARKED, PATIENCE).await
    }

    /// Writes `main.yml` in place and waits until it has been refused.
    async fn refused(&self, text: &str) -> Result<(), String> {
        fs::write(self.path("conf/main.yml"), text).expect("a file can be written");
        self.problems(true).await
    }

    /// Waits until the gateway counts problems, or none.
    async fn problems(&self, some: bool) -> Result<(), String> {
        eventually(if some { "no problem is reported" } else { "a problem is still reported" }, async || {
            let count = self.gateway.metrics().await.sum("rollgate_config_problems", &[("provider", "file")]);
            (count > 0.0) == some
        })
        .await
    }

    /// A file that the load does not go by: what is gone for longer than the gateway waits for a file to be whole is gone.
    async fn recreate(&mut self) -> Result<(), String> {
        let (path, web) = (self.path("conf/again.yml"), self.gateway.web());
        fs::remove_file(&path).expect("a file can be removed");
        becomes(web, &marker_host("again", self.recreated), NO_ROUTER, PATIENCE).await?;
        fs::write(&path, marker("again", self.generation)).expect("a file can be written");
        self.recreated = self.generation;
        self.is_live("again").await
    }

    /// One file turns bad while another changes: that one has to go live.
    async fn break_one_file(&mut self) -> Result<(), String> {
        self.gateway.rewrite("conf/side.yml", "http: {routers: {side-marker: {rule: nonsense}}}\n");
        self.rename_main();
        let alone = self.is_live("main").await.map_err(|what| format!("beside a bad file {what}"));
        let told = self.problems(true).await;
        self.gateway.rewrite("conf/side.yml", &side(self.generation, 10));
        self.is_live("side").await?;
        alone.and(told).and(self.problems(false).await)
    }

    /// As the kubelet does: a new folder, a link beside the old one, renamed over it, and the old folder removed.
    async fn swap_link(&self) -> Result<(), String> {
        let mount = self.path("conf/mount");
        let old = fs::read_link(mount.join("..data")).expect("the link is there");
        let new = format!("..{}", self.generation);
        fs::create_dir(mount.join(&new)).expect("a folder can be made");
        fs::write(mount.join(&new).join("dynamic.yml"), marker("mount", self.generation)).expect("it can be written");
        symlink(&new, mount.join("..data_tmp")).expect("a link can be made");
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("a link can be renamed");
        fs::remove_dir_all(mount.join(old)).expect("a folder can be removed");
        self.is_live("mount").await
    }

    async fn open_and_close_an_entry_point(&self) -> Result<(), String> {
        let address = free_address();
        self.gateway.rewrite("rollgate.yml", &statics(Some(address)));
        let opened = eventually("the new entry point does not listen", async || listens(address).await).await;
        self.gateway.rewrite("rollgate.yml", &statics(None));
        opened?;
        eventually("the entry point that is gone still listens", async || !listens(address).await).await
    }

    /// First the certificate, then its key: between the two they do not match, and the old pair has to serve on.
    async fn replace_certificate(&mut self) -> Result<(), String> {
        let identity = self.authority.issue(&[SECURE_HOST]);
        self.gateway.rewrite("certs/site.crt", &identity.cert_pem);
        // Longer than the gateway waits for a file to be whole.
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.gateway.rewrite("certs/site.key", &identity.key_pem);
        self.certificate = identity.certificate.to_vec();
        eventually("the new certificate is not shown", async || self.shown_certificate().await == self.certificate)
            .await?;
        self.problems(false).await
    }

    async fn shown_certificate(&self) -> Vec<u8> {
        let stream =
            client::tls(self.gateway.address("websecure"), SECURE_HOST, unverified_client(&["http/1.1"])).await;
        let chain = stream.ok().and_then(|stream| Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec()));
        chain.unwrap_or_default()
    }
}

/// Whether a condition holds before [`PATIENCE`] is over.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        if Instant::now() > deadline {
            return Err(format!("{what} within {PATIENCE:?}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_ok()
}

/// An address of the loopback that nobody listens on, of a port that no client is given.
fn free_address() -> SocketAddr {
    let mut ports = 20_000..32_000;
    let free = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok());
    free.expect("a port is free")
}

/// How long a change may take before it counts as one that did not go live: the poll of a file system that gives no
/// notice, and air.
const PATIENCE: Duration = Duration::from_secs(5);
