//! `basicAuth` and `digestAuth`: who may pass. A user is one line, in the configuration itself or in a file.

use std::{fmt, path::PathBuf, sync::Arc};

use crate::problem::Located;

/// `basicAuth` or `digestAuth`, by what a user is.
#[derive(Debug, Clone, PartialEq)]
pub struct UserAuth<U> {
    /// `users`, in the order written.
    pub users: Vec<U>,
    /// `usersFile`.
    pub users_file: Option<Located<UsersFile>>,
    /// `realm`, traefik.
    pub realm: String,
    /// `removeHeader`, false: `Authorization` does not reach the server.
    pub remove_header: bool,
    /// `headerField`: the header that gets the user's name; lower-cased.
    pub header_field: Option<String>,
}

/// `usersFile`: a file to read, or, once it was read, what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsersFile {
    /// Its path.
    File(PathBuf),
    /// Its text.
    Text(Arc<str>),
}

/// What a line stands for.
pub trait User: Sized {
    /// Reads a line without the white space around it.
    ///
    /// # Errors
    /// What is wrong with it and what is allowed. Neither quotes it: it may hold a password.
    fn parse(line: &str) -> Result<Self, (&'static str, &'static str)>;

    /// What is looked up; of two users with one key the later one holds.
    fn key(&self) -> &str;
}

/// A user of `basicAuth`: `name:hash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicUser {
    /// Before the colon.
    pub name: String,
    /// After it.
    pub hash: PasswordHash,
}

/// A password's hash as htpasswd writes it; its text is sound.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$2y$05$...`, also `$2a$`, `$2b$` and `$2x$`, which all mean `$2y$`.
    Bcrypt(String),
    /// `$apr1$...`, also `$1$`.
    Md5(String),
    /// `{SHA}...`
    Sha1(String),
}

/// A user of `digestAuth`: `name:realm:HA1`.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestUser {
    /// Name and realm, as written: `name:realm`.
    pub name_and_realm: String,
    /// MD5 of `name:realm:password` in 32 lower-case hexadecimal digits.
    pub ha1: String,
}

impl<U: User> UserAuth<U> {
    /// Every user, those of the file first: of two with one key the later one holds. A file that was not read counts as
    /// empty.
    ///
    /// # Errors
    /// All that is wrong with the file's lines.
    pub fn all(&self) -> Result<Vec<U>, Vec<BadLine>>
    where
        U: Clone,
    {
        let mut users = match self.users_file.as_ref().map(|file| &file.value) {
            Some(UsersFile::Text(text)) => users(text)?,
            Some(UsersFile::File(_)) | None => Vec::new(),
        };
        users.extend(self.users.iter().cloned());
        Ok(users)
    }
}

/// What is wrong with one line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
    /// What is allowed.
    pub allowed: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} {} ({})", self.line, self.what, self.allowed)
    }
}

/// The users of a file: one a line, empty lines and those that begin with `#` aside.
///
/// # Errors
/// Every line that is no user.
pub fn users<U: User>(text: &str) -> Result<Vec<U>, Vec<BadLine>> {
    let (mut users, mut bad) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match U::parse(text) {
            Ok(user) => users.push(user),
            Err((what, allowed)) => bad.push(BadLine { line, what, allowed }),
        }
    }
    if bad.is_empty() { Ok(users) } else { Err(bad) }
}

impl User for BasicUser {
    fn parse(line: &str) -> Result<Self, (&'static str, &'static str)> {
        let mut parts = line.split(':');
        let (Some(name), Some(hash), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(("is no user", "name:hash"));
        };
        check_name(name)?;
        Ok(Self { name: name.to_owned(), hash: PasswordHash::parse(hash)? })
    }

    fn key(&self) -> &str {
        &self.name
    }
}

impl DigestUser {
    /// Whether it is one of this realm.
    pub fn is_of(&self, realm: &str) -> bool {
        self.name_of(realm).is_some()
    }

    /// Its name, if it is one of this realm.
    pub fn name_of(&self, realm: &str) -> Option<&str> {
        self.name_and_realm.strip_suffix(realm)?.strip_suffix(':')
    }
}

impl User for DigestUser {
    fn parse(line: &str) -> Result<Self, (&'static str, &'static str)> {
        const SHAPE: &str = "name:realm:hash, as htdigest writes it";
        let Some((name_and_realm, ha1)) = line.rsplit_once(':') else { return Err(("is no user", SHAPE)) };
        let mut parts = name_and_realm.split(':');
        let (Some(name), Some(_), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(("is no user", SHAPE));
        };
        check_name(name)?;
        if name_and_realm.contains(char::is_control) {
            return Err(("has a realm with control characters in it", ""));
        }
        if ha1.len() != 32 || !ha1.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(("has a hash that is no MD5", "32 lower-case hexadecimal digits"));
        }
        Ok(Self { name_and_realm: name_and_realm.to_owned(), ha1: ha1.to_owned() })
    }

    fn key(&self) -> &str {
        &self.name_and_realm
    }
}

/// A name has to fit into a header field.
fn check_name(name: &str) -> Result<(), (&'static str, &'static str)> {
    if name.is_empty() || name.contains(char::is_control) {
        return Err(("has no name that a client can send", "not empty, no control characters"));
    }
    Ok(())
}

impl PasswordHash {
    fn parse(text: &str) -> Result<Self, (&'static str, &'static str)> {
        const KINDS: &str = "bcrypt, MD5 or SHA-1, as htpasswd writes them: $2y$, $apr1$ or {SHA}";
        if let Some(digest) = text.strip_prefix("{SHA}") {
            return if digest.len() == 28 && digest.ends_with('=') && digest[..27].bytes().all(is_base64) {
                Ok(Self::Sha1(text.to_owned()))
            } else {
                Err(("has a damaged SHA-1 hash", "{SHA} and 28 characters"))
            };
        }
        if let Some(rest) = text.strip_prefix("$apr1$").or_else(|| text.strip_prefix("$1$")) {
            return match rest.split_once('$') {
                Some((salt, digest))
                    if (1..=8).contains(&salt.len())
                        && salt.bytes().all(|byte| byte.is_ascii_graphic())
                        && is_crypt64_of(digest, 22) =>
                {
                    Ok(Self::Md5(text.to_owned()))
                }
                _ => Err(("has a damaged MD5 hash", "$apr1$, a salt of 1 to 8 characters, $ and 22 characters")),
            };
        }
        let version = ["$2a$", "$2b$", "$2x$", "$2y$"].iter().find_map(|version| text.strip_prefix(version));
        if let Some(rest) = version {
            let parts = rest.split_once('$').filter(|(cost, rest)| {
                cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit()) && is_crypt64_of(rest, 53)
            });
            return match parts.and_then(|(cost, _)| cost.parse().ok()) {
                Some(MIN_COST..=MAX_COST) => Ok(Self::Bcrypt(text.to_owned())),
                Some(_) => Err(("has a bcrypt hash of a cost that is not taken", "from 04 to 17")),
                None => Err(("has a damaged bcrypt hash", "$2y$, two digits, $ and 53 characters")),
            };
        }
        Err(("has its password in plain text, or a hash of no known kind", KINDS))
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/".contains(&byte)
}

fn is_crypt64_of(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte))
}

/// As bcrypt itself has it.
const MIN_COST: u8 = 4;
/// htpasswd's own largest: a check takes some 10 s; each step up doubles that.
const MAX_COST: u8 = 17;

/// Only its kind: it is not to be read in a log.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bcrypt(_) => "Bcrypt",
            Self::Md5(_) => "Md5",
            Self::Sha1(_) => "Sha1",
        })
    }
}

/// Without the hash, which is as good as the password.
impl fmt::Debug for DigestUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestUser").field("name_and_realm", &self.name_and_realm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
