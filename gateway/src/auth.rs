//! Who a client is: names and passwords (RFC 7617), checked off the worker and remembered, and digests (RFC 7616).
//!
//! What a process keeps of it: a random key that nothing leaves it; the passwords that were found right, as keyed hashes; the
//! checks under way; the counts of nonces that were used. All of it outlives reloads, none of it a process.

pub(crate) mod credentials;
pub(crate) mod digest;
mod md5_crypt;
pub(crate) mod nonces;
pub(crate) mod password;
pub(crate) mod passwords;
mod verified;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::middleware::CompileError;

/// Randomness for a key.
fn random<const BYTES: usize>() -> Result<[u8; BYTES], CompileError> {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| CompileError::Randomness)?;
    Ok(bytes)
}

/// Whether both are the same, in a time that depends on their lengths alone.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}
