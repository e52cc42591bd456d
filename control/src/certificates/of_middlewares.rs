//! The files that middlewares name: users, and certificates for the servers that they ask.
//!
//! A middleware that is written as before is shared between configurations, so one with its files' text in it is, too, as
//! long as both stay the same.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use rollgate_config::{
    dynamic::{
        Item,
        middleware::{
            BadLine, BasicUser, ClientTls, DigestUser, Middleware, MiddlewareKind, User, UserAuth, UsersFile, users,
        },
        name,
        tls::PemSource,
    },
    problem::Located,
};

use super::Resolver;
use crate::file::reader::Content;

/// Middlewares with the text of their files in them, from one resolution to the next.
#[derive(Debug, Default)]
pub struct Filled(HashMap<Arc<str>, One>);

#[derive(Debug)]
struct One {
    /// As it is written.
    written: Item<Middleware>,
    texts: Vec<Arc<str>>,
    filled: Arc<Middleware>,
}

impl<R: FnMut(&Path) -> Content> Resolver<'_, R> {
    pub(super) fn middlewares(&mut self, all: &mut BTreeMap<Arc<str>, Item<Middleware>>, filled: &mut Filled) {
        let mut before = std::mem::take(&mut filled.0);
        for (name, item) in all.iter_mut().filter(|(_, item)| names_files(&item.kind)) {
            let mut middleware = Middleware::clone(item);
            self.taken.clear();
            self.middleware(&format!("http.middlewares.{}", name::bare(name)), item, &mut middleware.kind);
            let texts = std::mem::take(&mut self.taken);
            let same = before.remove(name).filter(|before| before.written.is(item) && before.texts == texts);
            let written = item.clone();
            let middleware = same.map_or_else(|| Arc::new(middleware), |before| before.filled);
            *item = written.with(middleware.clone());
            filled.0.insert(name.clone(), One { written, texts, filled: middleware });
        }
    }

    fn middleware(&mut self, path: &str, item: &Item<Middleware>, kind: &mut MiddlewareKind) {
        match kind {
            MiddlewareKind::BasicAuth(auth) => {
                self.users(item, auth, &format!("{path}.basicAuth"), |_: &BasicUser| true)
            }
            MiddlewareKind::DigestAuth(auth) => {
                let realm = auth.realm.clone();
                let counts = |user: &DigestUser| user.is_of(&realm);
                self.users(item, auth, &format!("{path}.digestAuth"), counts);
            }
            MiddlewareKind::ForwardAuth(auth) => {
                self.client_tls(item, &mut auth.tls, &format!("{path}.forwardAuth.tls"));
            }
            MiddlewareKind::RateLimit(limit) => {
                let tls = limit.redis.as_mut().and_then(|redis| redis.tls.as_mut());
                tls.into_iter().for_each(|tls| self.client_tls(item, tls, &format!("{path}.rateLimit.redis.tls")));
            }
            _ => {}
        }
    }

    fn client_tls(&mut self, item: &Item<Middleware>, tls: &mut ClientTls, path: &str) {
        if let Some(Located { value, at }) = &mut tls.ca {
            self.authority(value, &item.place(at), path, Some("ca"));
        }
        if let Some(certificate) = &mut tls.certificate {
            certificate.at = item.place(&certificate.at);
            self.pair_of(certificate, [Some("cert"), Some("key")], path);
        }
    }

    /// A file with users is good if every line is one, and any of them counts: an empty file is one that is being written.
    fn users<U: User>(
        &mut self,
        item: &Item<Middleware>,
        auth: &mut UserAuth<U>,
        path: &str,
        counts: impl Fn(&U) -> bool,
    ) {
        let Some(Located { value: file, at }) = &mut auth.users_file else { return };
        let UsersFile::File(name) = file else { return };
        let shown = name.display().to_string();
        let check = |texts: &[Arc<str>]| {
            let told = |what: String| (Some("usersFile"), format!("{shown}: {what}"));
            match users::<U>(&texts[0]) {
                _ if texts[0].contains('\u{fffd}') => Err(told("is not UTF-8".to_owned())),
                Err(lines) => Err(told(shortened(&lines))),
                Ok(users) if users.is_empty() => Err(told("there is no user in it".to_owned())),
                Ok(users) if !users.iter().any(&counts) => Err(told("there is no user of this realm in it".to_owned())),
                Ok(_) => Ok(()),
            }
        };
        let mut source = PemSource::File(name.clone());
        self.unit(&mut [&mut source], [Some("usersFile")], check, &item.place(at), path, "file");
        if let PemSource::Text(text) = source {
            *file = UsersFile::Text(text.into());
        }
    }
}

/// Whether there is anything to read.
fn names_files(kind: &MiddlewareKind) -> bool {
    match kind {
        MiddlewareKind::BasicAuth(auth) => auth.users_file.is_some(),
        MiddlewareKind::DigestAuth(auth) => auth.users_file.is_some(),
        _ => kind.client_tls().is_some_and(|(_, tls)| tls.names_files()),
    }
}

fn shortened(lines: &[BadLine]) -> String {
    const SHOWN: usize = 5;
    let mut told: Vec<String> = lines.iter().take(SHOWN).map(ToString::to_string).collect();
    if lines.len() > SHOWN {
        told.push(format!("and {} more", lines.len() - SHOWN));
    }
    told.join("; ")
}
