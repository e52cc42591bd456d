//! `basicAuth`: a name and a password (RFC 7617).
//!
//! A right password is checked once and remembered, so most requests cost a keyed hash; a check leaves the worker unless
//! the stored hash is a fast one. A name that nobody has costs what some user's costs, always the same one for a name.

use std::{collections::HashMap, fmt, sync::Arc};

use http::{HeaderValue, StatusCode, header, request};
use rollgate_config::dynamic::middleware::{BasicUser, UserAuth};

use super::{
    Answer, CompileError, Halt, Head, Making, Note, Wait,
    admission::{Admission, quoted, unauthorized},
};
use crate::{
    auth::{
        credentials::Credentials,
        password::Hash,
        passwords::{Passwords, Question},
    },
    call::Call,
    limits,
};

/// One `basicAuth`.
pub(crate) struct BasicAuth {
    users: HashMap<Box<[u8]>, Arc<User>>,
    /// A stored hash for each user, for names that nobody has.
    hashes: Box<[Hash]>,
    challenge: HeaderValue,
    admission: Admission,
    passwords: Arc<Passwords>,
}

struct User {
    name: Arc<str>,
    value: HeaderValue,
    hash: Hash,
}

/// A password that is checked off the worker.
pub(crate) struct Checking {
    auth: Arc<BasicAuth>,
    question: Question,
    /// `None`: nobody has that name.
    user: Option<Arc<User>>,
}

impl BasicAuth {
    pub(crate) fn compile(auth: &UserAuth<BasicUser>, making: &Making<'_>) -> Result<Self, CompileError> {
        let mut users = HashMap::new();
        for BasicUser { name, hash } in auth.all().map_err(CompileError::Users)? {
            let value = HeaderValue::from_str(&name).or_else(|_| HeaderValue::from_bytes(name.as_bytes()));
            let value = value.map_err(|_| CompileError::HeaderValue(name.clone()))?;
            let user = User { name: name.as_str().into(), value, hash: Hash::compile(&hash)? };
            users.insert(name.into_bytes().into(), Arc::new(user));
        }
        if users.is_empty() {
            return Err(CompileError::NoUser);
        }
        let mut hashes: Vec<Hash> = users.values().map(|user: &Arc<User>| user.hash.clone()).collect();
        hashes.sort_by(|one, other| one.text().cmp(other.text()));
        let challenge = format!("Basic realm={}", quoted(&auth.realm));
        let fresh = Passwords::new(making.helper, making.metrics, making.workers)?;
        Ok(Self {
            users,
            hashes: hashes.into(),
            challenge: HeaderValue::try_from(challenge).map_err(|_| CompileError::HeaderValue(auth.realm.clone()))?,
            admission: Admission::compile(auth.header_field.as_deref(), auth.remove_header)?,
            passwords: making.states.of("passwords", "", || fresh),
        })
    }

    pub(crate) fn request(self: &Arc<Self>, head: &mut Head<'_>) -> Result<Note, Halt> {
        let Some(credentials) = Credentials::of(&head.parts.headers) else { return Err(self.refusal()) };
        let user = self.users.get(credentials.user());
        if let Some(record) = head.record.as_deref_mut() {
            let name = user.map(|user| user.name.clone());
            record.username = name.or_else(|| Some(String::from_utf8_lossy(credentials.user()).into()));
        }
        let hash = match user {
            Some(user) => &user.hash,
            None => self.decoy(credentials.user()),
        };
        if !hash.is_slow() {
            return match (hash.is_of(credentials.password()), user) {
                (true, Some(user)) => Ok(self.admit(user, head.parts)),
                _ => Err(self.refusal()),
            };
        }
        let question = self.passwords.question(credentials.user(), credentials.password(), hash, user.is_some());
        match user {
            Some(user) if self.passwords.remembers(&question) => Ok(self.admit(user, head.parts)),
            user => {
                let checking = Checking { auth: self.clone(), question, user: user.cloned() };
                Err(Halt::Wait(Box::new(Wait::Password(Box::new(checking)))))
            }
        }
    }

    /// The hash that a name is compared with which nobody has.
    fn decoy(&self, name: &[u8]) -> &Hash {
        let number = self.passwords.number(name) % self.hashes.len() as u64;
        &self.hashes[number as usize]
    }

    fn admit(&self, user: &User, parts: &mut request::Parts) -> Note {
        self.admission.admit(&mut parts.headers, &user.value);
        Note::Nothing
    }

    fn refusal(&self) -> Halt {
        Halt::Answer(Box::new(unauthorized(self.challenge.clone())))
    }
}

impl Checking {
    /// Waits for the check.
    pub(crate) async fn settle(self, call: &mut Call<'_>) -> Result<Note, Box<Answer>> {
        let Self { auth, question, user } = self;
        let client = call.exchange.connection.client.ip();
        match (auth.passwords.check(question, client).await, user) {
            (Ok(true), Some(user)) => Ok(auth.admit(&user, &mut call.parts)),
            (Ok(_), _) => Err(Box::new(unauthorized(auth.challenge.clone()))),
            (Err(_), _) => {
                call.exchange.connection.worker.metrics.refused("password_checks");
                Err(Box::new(busy()))
            }
        }
    }
}

/// 503: too many passwords are being checked.
fn busy() -> Answer {
    let mut answer = Answer::error(StatusCode::SERVICE_UNAVAILABLE, "too many passwords are being checked\n");
    answer.headers.insert(header::RETRY_AFTER, limits::RETRY_AFTER);
    answer
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Checking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checking").finish_non_exhaustive()
    }
}
