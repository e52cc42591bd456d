//! A password against its stored hash.

use std::{fmt, str::FromStr, sync::Arc};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use rollgate_config::dynamic::middleware::PasswordHash;

use super::{is_same, md5_crypt::md5_crypt};
use crate::middleware::CompileError;

/// A stored hash, ready to be compared with.
#[derive(Clone)]
pub(crate) struct Hash {
    /// As it is written, with its kind and salt.
    text: Arc<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bcrypt,
    /// So many bytes of the text are the magic, and so many the salt after it.
    Md5 {
        magic: usize,
        salt: usize,
    },
    Sha1,
}

impl Hash {
    /// What was validated may still be none for the library: base64 with bits left over.
    pub(crate) fn compile(hash: &PasswordHash) -> Result<Self, CompileError> {
        let (text, kind) = match hash {
            PasswordHash::Bcrypt(text) => {
                bcrypt::HashParts::from_str(text).map_err(|_| CompileError::PasswordHash)?;
                (text, Kind::Bcrypt)
            }
            PasswordHash::Md5(text) => {
                let magic = if text.starts_with("$apr1$") { "$apr1$".len() } else { "$1$".len() };
                let salt = text[magic..].find('$').ok_or(CompileError::PasswordHash)?;
                (text, Kind::Md5 { magic, salt })
            }
            PasswordHash::Sha1(text) => (text, Kind::Sha1),
        };
        Ok(Self { text: text.as_str().into(), kind })
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a comparison takes more than the 100 us that a worker may be held up for.
    pub(crate) fn is_slow(&self) -> bool {
        match self.kind {
            Kind::Bcrypt | Kind::Md5 { .. } => true,
            Kind::Sha1 => false,
        }
    }

    /// Whether it is this password's.
    pub(crate) fn is_of(&self, password: &[u8]) -> bool {
        match self.kind {
            Kind::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Kind::Md5 { magic, salt } => {
                let (head, stored) = self.text.split_at(magic + salt + 1);
                let (magic, salt) = head.as_bytes()[..magic + salt].split_at(magic);
                is_same(&md5_crypt(password, magic, salt), stored.as_bytes())
            }
            Kind::Sha1 => {
                let digest = BASE64_STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, password));
                is_same(digest.as_bytes(), &self.text.as_bytes()["{SHA}".len()..])
            }
        }
    }
}

/// Without the hash.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hash").field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rollgate_config::dynamic::middleware::{BasicUser, User};

    use super::*;

    fn hash(text: &str) -> Result<Hash, CompileError> {
        Hash::compile(&BasicUser::parse(&format!("user:{text}")).unwrap().hash)
    }

    #[test]
    fn each_kind_knows_its_password_and_no_other() {
        for (text, password) in [
            ("$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/", "test"),
            ("$1$12345678$hj0uLpdidjPhbMMZeno8X/", "secret"),
            ("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "test"),
            ("$2a$04$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "test"),
            ("$2b$04$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "test"),
            ("$2x$04$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "test"),
            ("$2y$04$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "test"),
        ] {
            let hash = hash(text).unwrap();
            assert!(hash.is_of(password.as_bytes()), "{text}");
            for wrong in ["", "tes", "test ", "Test", "secret!"] {
                assert!(!hash.is_of(wrong.as_bytes()), "{text} {wrong:?}");
            }
        }
    }

    #[test]
    fn bcrypt_looks_at_72_bytes_as_everywhere() {
        let made = bcrypt::hash("x".repeat(72), 4).unwrap();
        let hash = hash(&made).unwrap();
        assert!(hash.is_of("x".repeat(72).as_bytes()));
        assert!(hash.is_of("x".repeat(100).as_bytes()));
        assert!(!hash.is_of("x".repeat(71).as_bytes()));
    }

    #[test]
    fn a_hash_that_the_library_does_not_take_is_told() {
        // The salt's last character has bits that are none of its.
        let odd = "$2y$04$.8sTYfcxbSplCtoxt5TdJPgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e";
        assert_eq!(hash(odd).unwrap_err(), CompileError::PasswordHash);
    }

    #[test]
    fn a_hash_is_not_shown() {
        assert_eq!(format!("{:?}", hash("{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=").unwrap()), "Hash { kind: Sha1, .. }");
    }
}
