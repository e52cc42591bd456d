//! A name server on the loopback (UDP) whose records the test changes while it runs.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::UdpSocket, task::JoinHandle};

/// What a name is answered with.
#[derive(Debug, Clone)]
pub enum Records {
    /// These addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// SERVFAIL.
    Failure,
    /// Nothing.
    Silence,
}

/// A name server; it stops when dropped. Names that it was not told are answered with NXDOMAIN.
#[derive(Debug)]
pub struct NameServer {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    records: HashMap<String, Records>,
    asked: Vec<String>,
}

impl NameServer {
    /// Starts with no names.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = socket.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                if let Some(answer) = answer(&query[..length], &shared) {
                    socket.send_to(&answer, from).await.ok();
                }
            }
        });
        Self { address, state, serving }
    }

    /// From now on a name (lower case, without the last dot) has these.
    pub fn set(&self, name: &str, records: Records) {
        self.state().records.insert(name.to_owned(), records);
    }

    /// A name has these addresses for a second.
    pub fn set_addresses(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| address.parse().expect("it is an address")).collect();
        self.set(name, Records::Addresses(addresses, 1));
    }

    /// The names that were asked for, in order, each query.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The answer to a query of one question (RFC 1035 section 4); `None` for silence, and for what is no query.
fn answer(query: &[u8], state: &Mutex<State>) -> Option<Vec<u8>> {
    let (name, end) = name(query, HEADER)?;
    let question = query.get(HEADER..end + 4)?;
    let family = u16::from_be_bytes([query[end], query[end + 1]]);
    let records = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked.push(name.clone());
        state.records.get(&name).cloned()
    };
    let (code, addresses, ttl) = match records {
        Some(Records::Silence) => return None,
        Some(Records::Failure) => (SERVFAIL, Vec::new(), 0),
        Some(Records::Addresses(addresses, ttl)) => (0, addresses, ttl),
        None => (NXDOMAIN, Vec::new(), 0),
    };
    let data = |address: IpAddr| match (address, family) {
        (IpAddr::V4(address), A) => Some(address.octets().to_vec()),
        (IpAddr::V6(address), AAAA) => Some(address.octets().to_vec()),
        _ => None,
    };
    let data: Vec<Vec<u8>> = addresses.into_iter().filter_map(data).collect();
    let mut message = query[..2].to_vec();
    message.extend([0x81, 0x80 | code]);
    for count in [1, data.len() as u16, 0, 0] {
        message.extend(count.to_be_bytes());
    }
    message.extend(question);
    for data in data {
        // The question's name, its type, class IN.
        message.extend([0xc0, HEADER as u8]);
        message.extend(family.to_be_bytes());
        message.extend([0, 1]);
        message.extend(ttl.to_be_bytes());
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    Some(message)
}

/// A name's labels joined, in lower case, and where it ends.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        let label = message.get(at..at + length)?;
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        at += length;
    }
}

const HEADER: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
const SERVFAIL: u8 = 2;
const NXDOMAIN: u8 = 3;
