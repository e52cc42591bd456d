//! The tools of the end-to-end tests: the real binary, servers behind it and clients before it.
//!
//! ```text
//! client / raw / frames / load  ->  gateway (the real binary)  ->  backend / hostile_backend
//! hostile_client       ->                             ->  recorder
//!                name_server: where a name leads   redis: where limits are shared
//!                admin: the admin API, as a script uses it
//!                network: black holes, loss and resets between the two
//!                tls: certificates for both sides      wait: conditions with a deadline
//!                yaml: what others read
//! ```
//!
//! Everything listens on the loopback's port 0. Every wait has a deadline and says what it waited for. A failure here is
//! a failure of the test that asked, so these functions panic rather than return errors.

pub mod admin;
pub mod backend;
pub mod client;
pub mod command;
pub mod frames;
pub mod gateway;
pub mod hostile_backend;
pub mod hostile_client;
pub mod load;
pub mod metrics;
pub mod name_server;
pub mod network;
pub mod raw;
pub mod recorder;
pub mod redis;
pub mod tls;
pub mod wait;
pub mod yaml;

pub use admin::{Admin, Told};
pub use backend::{Backend, Seen, Switched};
pub use client::{Ask, Connection, Reply};
pub use command::{Output, rollgate};
pub use frames::FrameConnection;
pub use gateway::{Gateway, Launch, Reader, Successor, configuration};
pub use hostile_backend::{HostileBackend, Peer, Route};
pub use hostile_client::{Ended, Heard, Script};
pub use name_server::{NameServer, Records};
pub use network::Network;
pub use raw::{RawConnection, RawReply};
pub use recorder::Recorder;
pub use redis::Redis;
