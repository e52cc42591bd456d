//! The files that middlewares name: users, which are read line by line, and certificates, which must be there.

use std::path::Path;

use rollgate_config::{
    dynamic::{
        Configuration,
        middleware::{BasicUser, DigestUser, MiddlewareKind, User, UserAuth, UsersFile, users},
        tls::PemSource,
    },
    problem::{Located, Place, Problem},
};

/// All that is wrong with them. `look` is told of each file with a certificate, a key or authorities.
pub(super) fn wrong(configuration: &Configuration, look: &mut impl FnMut(&str, &PemSource, &Place)) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, item) in &configuration.middlewares {
        let path = format!("http.middlewares.{}", name.split('@').next().unwrap_or(name));
        let place = |at: &Place| item.place(at);
        match &item.kind {
            MiddlewareKind::BasicAuth(auth) => {
                problems.extend(of_users(auth, &format!("{path}.basicAuth"), place, |_: &BasicUser| true));
            }
            MiddlewareKind::DigestAuth(auth) => {
                let counts = |user: &DigestUser| user.is_of(&auth.realm);
                problems.extend(of_users(auth, &format!("{path}.digestAuth"), place, counts));
            }
            _ => {}
        }
        if let Some((key, tls)) = item.kind.client_tls() {
            if let Some(Located { value, at }) = &tls.ca {
                look(&format!("{path}.{key}.ca"), value, &place(at));
            }
            if let Some(certificate) = &tls.certificate {
                look(&format!("{path}.{key}.cert"), &certificate.cert, &place(&certificate.at));
                look(&format!("{path}.{key}.key"), &certificate.key, &place(&certificate.at));
            }
        }
    }
    problems
}

fn of_users<U: User>(
    auth: &UserAuth<U>,
    path: &str,
    place: impl Fn(&Place) -> Place,
    counts: impl Fn(&U) -> bool,
) -> Vec<Problem> {
    let Some(Located { value: UsersFile::File(file), at }) = &auth.users_file else { return Vec::new() };
    let path = format!("{path}.usersFile");
    let at_key = |what: String| vec![Problem::new(&place(at), &path, what, "")];
    let text = match std::fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => return at_key(format!("there is no file {:?}", file.display().to_string())),
    };
    match users::<U>(&text) {
        Err(lines) => {
            let problem = |line: &rollgate_config::dynamic::middleware::BadLine| {
                Problem::new(&place_in(file, line.line), "", line.what, line.allowed)
            };
            lines.iter().map(problem).collect()
        }
        Ok(users) if !users.iter().any(counts) => {
            at_key(format!("there is no user in {:?} that counts", file.display().to_string()))
        }
        Ok(_) => Vec::new(),
    }
}

fn place_in(file: &Path, line: usize) -> Place {
    Place { source: file.display().to_string().into(), line: u32::try_from(line).unwrap_or(u32::MAX), column: 1 }
}
