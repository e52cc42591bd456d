//! A network of its own, with faults: a namespace at the other end of a virtual cable, whose filter drops, loses and
//! resets what the test says. Needs root, `ip` (iproute2) and `nft` (nftables).

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
};

use rustix::{
    fd::AsFd,
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

/// A namespace with one address; it and its cable vanish when dropped, also by a panic.
#[derive(Debug)]
pub struct Network {
    name: String,
    /// The address of the far end.
    pub address: Ipv4Addr,
    /// The address of this machine's end.
    pub near: Ipv4Addr,
}

/// Networks of this process so far.
static COUNT: AtomicU16 = AtomicU16::new(0);

impl Network {
    /// Connects a new one to this machine.
    pub fn new() -> Self {
        let process = std::process::id();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // 198.18.0.0/15 is for such tests (RFC 2544); each process and network has four addresses of it.
        let base = 0xc612_0000 | ((process.wrapping_mul(8).wrapping_add(number.into()) << 2) & 0x0001_ffff);
        let (near, far) = (Ipv4Addr::from(base + 1), Ipv4Addr::from(base + 2));
        let network = Self { name: format!("rg{process}x{number}"), address: far, near };
        let (name, cable) = (&network.name, format!("{}a", network.name));
        run(&format!("ip netns add {name}"));
        run(&format!("ip link add {cable} type veth peer name {name}b netns {name}"));
        run(&format!("ip addr add {near}/30 dev {cable}"));
        run(&format!("ip link set {cable} up"));
        run(&format!("ip -n {name} addr add {far}/30 dev {name}b"));
        run(&format!("ip -n {name} link set {name}b up"));
        run(&format!("ip -n {name} link set lo up"));
        network.filter("add table inet faults");
        network.filter("add chain inet faults in { type filter hook input priority 0; }");
        network
    }

    /// Listens at the far end, on any port.
    pub fn listen(&self) -> TcpListener {
        let address = SocketAddr::from((self.address, 0));
        self.there(move || TcpListener::bind(address).expect("the far end has its address"))
    }

    /// Connects from the far end.
    pub fn connect(&self, address: SocketAddr) -> TcpStream {
        self.there(move || TcpStream::connect(address).expect("this machine listens"))
    }

    /// Makes a socket, which stays in the namespace of the thread that made it.
    fn there<T: Send + 'static>(&self, make: impl FnOnce() -> T + Send + 'static) -> T {
        let namespace = File::open(format!("/run/netns/{}", self.name)).expect("the namespace is there");
        let making = thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("this is root");
            make()
        });
        making.join().expect("the thread does not panic")
    }

    /// From now on nothing arrives at the far end.
    pub fn black_hole(&self) {
        self.filter("add rule inet faults in drop");
    }

    /// From now on one of so many packets does not arrive.
    pub fn lose_one_of(&self, packets: u32) {
        self.filter(&format!("add rule inet faults in numgen inc mod {packets} 0 drop"));
    }

    /// From now on whatever this peer sends is answered with a reset, as by a firewall that has forgotten the connection.
    pub fn reset_from(&self, peer: SocketAddr) {
        self.filter(&format!("add rule inet faults in tcp sport {} reject with tcp reset", peer.port()));
    }

    /// All arrives again.
    pub fn heal(&self) {
        self.filter("flush chain inet faults in");
    }

    fn filter(&self, command: &str) {
        let mut nft = Command::new("ip");
        nft.args(["netns", "exec", &self.name, "nft", command]);
        check(nft);
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Sockets that are still open keep a namespace, and its end of the cable, alive; the near end is ours to remove.
        for command in [format!("ip link del {}a", self.name), format!("ip netns del {}", self.name)] {
            drop(words(&command).stderr(Stdio::null()).status());
        }
    }
}

fn run(command: &str) {
    check(words(command));
}

fn words(command: &str) -> Command {
    let mut words = command.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

fn check(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let wrote = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} (this needs root): {wrote}");
}
