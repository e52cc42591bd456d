//! `api`: who may ask the admin API for what.

use std::fmt;

/// `api`. The default lets nobody in but from this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Api {
    /// `basePath`, `/`: what stands before `/api`. Empty, or `/x` without a slash at its end.
    pub base_path: String,
    /// `hosts` (ours): what `Host` may say beside this machine's own names: lower-cased, without a port or a final dot; IP
    /// addresses as they are usually written, IPv6 without brackets.
    pub hosts: Vec<String>,
    /// `tokens` (ours); neither a name nor a hash is there twice.
    pub tokens: Vec<Token>,
    /// `clientCertificates` (ours); no name is there twice.
    pub client_certificates: Vec<ClientCertificate>,
}

/// A bearer token, of which only the hash is known.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Whom the audit log names.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The SHA-256 of the token's text.
    pub hash: [u8; 32],
}

/// Whose certificate, verified by its entry point, lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject's common name, or an alternative name (DNS, URI, e-mail); compared whole.
    pub name: String,
    /// What it allows.
    pub role: Role,
}

/// What a caller may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Read,
    /// Weights and brakes too.
    Operate,
    /// Configuration too.
    Admin,
}

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Admin];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl Token {
    /// Why a text cannot be a token's name, if it cannot: it has to stand for one caller in a line of the log.
    pub fn wrong_name(name: &str) -> Option<&'static str> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_fit) {
            return Some("is no name for a token");
        }
        (name == LOOPBACK).then_some("is the name of callers without a token")
    }

    /// The hash as `sha256:` and 64 hexadecimal digits.
    pub fn hash_text(hash: &[u8; 32]) -> String {
        let digits = hash.iter().map(|byte| format!("{byte:02x}"));
        HASH.to_owned() + &digits.collect::<String>()
    }

    /// The other way round; `None`: it is no such text.
    pub fn parse_hash(text: &str) -> Option<[u8; 32]> {
        let digits = text.strip_prefix(HASH)?;
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
        }
        Some(hash)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = Self::hash_text(&self.hash);
        f.debug_struct("Token").field("name", &self.name).field("role", &self.role).field("hash", &hash).finish()
    }
}

/// What a token's text begins with, so that it is known where it has no business to be.
pub const TOKEN_PREFIX: &str = "rg_";

/// Whom the audit log names where no token and no certificate was shown.
pub const LOOPBACK: &str = "loopback";

const HASH: &str = "sha256:";
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_and_read_back() {
        let hash: [u8; 32] = std::array::from_fn(|index| index as u8 * 8);
        let text = Token::hash_text(&hash);
        assert_eq!(text, "sha256:0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8");
        assert_eq!(Token::parse_hash(&text), Some(hash));
        assert_eq!(Token::parse_hash(&text.replace("f8", "F8")), Some(hash));
        for wrong in
            [&text[7..], &text[..70], &text.replace("f8", "g8"), &text.replace("f8", "+8"), &(text.clone() + "0"), ""]
        {
            assert_eq!(Token::parse_hash(wrong), None, "{wrong}");
        }
        assert!(Token::parse_hash(&text.replace("f8", "ü")).is_none(), "of bytes, not of characters");
    }

    #[test]
    fn each_role_includes_those_before_it() {
        assert!(Role::ALL.is_sorted());
        assert_eq!(Role::ALL.map(Role::name), ["read", "operate", "admin"]);
    }

    #[test]
    fn names_stand_for_one_caller_in_a_line() {
        for name in ["ci", "spinnaker-prod", "a.b_c@d", &"x".repeat(64)] {
            assert_eq!(Token::wrong_name(name), None, "{name}");
        }
        for name in ["", "a b", "a\n", "certificate x", "ü", "loopback", &"x".repeat(65)] {
            assert!(Token::wrong_name(name).is_some(), "{name}");
        }
    }
}
