//! What must hold for any input, one function for each fuzz target. `cargo test` replays the corpora through them;
//! `cargo xtask fuzz` lets libFuzzer look for inputs for which they panic.
//!
//! ```text
//! fuzz_targets/NAME.rs (libFuzzer) --.
//! tests/replay.rs (../corpus/NAME) ---+-> NAME(bytes): panics if the property does not hold
//! ```

mod configuration;
mod rule;

mod authority;
mod path;

mod proxy_protocol;

mod forwarded;

mod http1;
mod recorder;
mod script;
mod wire;

pub use self::{
    authority::authority,
    configuration::configuration,
    forwarded::forwarded,
    http1::{http1, http1_raw},
    path::path,
    proxy_protocol::proxy_protocol,
    rule::rule,
};

/// A property of any bytes.
pub type Property = fn(&[u8]);

/// Every target, by its name; its corpus is the folder of that name.
pub const TARGETS: [(&str, Property); 8] = [
    ("authority", authority),
    ("configuration", configuration),
    ("forwarded", forwarded),
    ("http1", http1),
    ("http1_raw", http1_raw),
    ("path", path),
    ("proxy_protocol", proxy_protocol),
    ("rule", rule),
];
