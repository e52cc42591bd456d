//! `digestAuth`: a name and a proof of its password (RFC 7616), with MD5 and `qop=auth`.
//!
//! A check takes three short MD5s and an HMAC, on the worker.

use std::{collections::HashMap, fmt, sync::Arc};

use http::{HeaderValue, uri::PathAndQuery};
use rollgate_config::dynamic::middleware::{DigestUser, UserAuth};

use super::{
    CompileError, Halt, Head, Making, Note,
    admission::{Admission, quoted, unauthorized},
};
use crate::auth::{
    digest::Digest,
    nonces::{Nonces, Refused},
};

/// One `digestAuth`.
pub(crate) struct DigestAuth {
    /// Those of this realm.
    users: HashMap<Box<[u8]>, User>,
    realm: String,
    admission: Admission,
    nonces: Arc<Nonces>,
}

struct User {
    name: Arc<str>,
    value: HeaderValue,
    ha1: Box<str>,
}

impl DigestAuth {
    pub(crate) fn compile(auth: &UserAuth<DigestUser>, making: &Making<'_>) -> Result<Self, CompileError> {
        let mut users = HashMap::new();
        for user in auth.all().map_err(CompileError::Users)? {
            // Those of other realms may stand in the same file.
            let Some(name) = user.name_of(&auth.realm) else { continue };
            let value = HeaderValue::from_bytes(name.as_bytes());
            let value = value.map_err(|_| CompileError::HeaderValue(name.to_owned()))?;
            users.insert(name.as_bytes().into(), User { name: name.into(), value, ha1: user.ha1.as_str().into() });
        }
        if users.is_empty() {
            return Err(CompileError::NoUser);
        }
        let fresh = Nonces::new(std::time::Instant::now())?;
        Ok(Self {
            users,
            realm: auth.realm.clone(),
            admission: Admission::compile(auth.header_field.as_deref(), auth.remove_header)?,
            nonces: making.states.of("nonces", "", || fresh),
        })
    }

    pub(crate) fn request(&self, head: &mut Head<'_>) -> Result<Note, Halt> {
        let digest = Digest::of(&head.parts.headers);
        let Some(digest) = digest else { return Err(self.refusal(head, false)) };
        let user = self.users.get(&*digest.username);
        if let Some(record) = head.record.as_deref_mut() {
            let name = user.map(|user| user.name.clone());
            record.username = name.or_else(|| Some(String::from_utf8_lossy(&digest.username).into()));
        }
        // A name that nobody has costs the same.
        let ha1 = user.map_or(NOBODY, |user| &user.ha1);
        let right = digest.answers(ha1, head.parts.method.as_str());
        let target = head.parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let (Some(user), Some(count), true, true) = (user, digest.count(), right, digest.is_for(target)) else {
            return Err(self.refusal(head, false));
        };
        match self.nonces.take(&digest.nonce, count, &self.realm, head.now()) {
            Ok(()) => {
                self.admission.admit(&mut head.parts.headers, &user.value);
                Ok(Note::Nothing)
            }
            Err(refused) => Err(self.refusal(head, refused == Refused::Stale)),
        }
    }

    /// 401 with a new nonce. `stale`: the client knows the password, and need not ask anybody for it.
    fn refusal(&self, head: &mut Head<'_>, stale: bool) -> Halt {
        let nonce = self.nonces.give(&self.realm, head.now());
        let stale = if stale { ", stale=true" } else { "" };
        let realm = quoted(&self.realm);
        let challenge =
            format!("Digest realm={realm}, nonce=\"{nonce}\", opaque=\"{OPAQUE}\"{stale}, algorithm=MD5, qop=\"auth\"");
        // The realm was a header's value.
        let challenge = HeaderValue::try_from(challenge).unwrap_or(HeaderValue::from_static("Digest"));
        Halt::Answer(Box::new(unauthorized(challenge)))
    }
}

/// Clients send it back; there is nothing in it, as the nonce says all.
const OPAQUE: &str = "0";

/// No secret of anybody's.
const NOBODY: &str = "00000000000000000000000000000000";

impl fmt::Debug for DigestAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { users, realm, .. } = self;
        f.debug_struct("DigestAuth").field("users", &users.len()).field("realm", realm).finish_non_exhaustive()
    }
}
