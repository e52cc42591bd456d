//! The `basicAuth` and `digestAuth` middlewares.

use crate::{
    dynamic::middleware::{BasicUser, DigestUser, MiddlewareKind, User, UserAuth, UsersFile},
    fields::{Sink, Value, boolean, header_name, header_value, located, path, text},
};

pub(super) fn basic_auth(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    user_auth::<BasicUser>(value, out).map(|auth| MiddlewareKind::BasicAuth(Box::new(auth)))
}

pub(super) fn digest_auth(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    user_auth::<DigestUser>(value, out).map(|auth| MiddlewareKind::DigestAuth(Box::new(auth)))
}

fn user_auth<U: User>(value: Value<'_>, out: &mut Sink) -> Option<UserAuth<U>> {
    value.section(out, |fields| {
        let users = fields.list("users", user);
        let users_file = fields
            .read("usersFile", |value, out| located(value, out, |value, out| path(value, out).map(UsersFile::File)));
        if !fields.has_items("users") && !fields.has("usersFile") {
            fields.out.problem(fields.at, fields.path, "names no user, so nobody could pass", "users or usersFile");
        }
        let mut realm = DEFAULT_REALM.to_owned();
        fields.set("realm", &mut realm, |value, out| header_value(value, out).filter(|realm| !realm.is_empty()));
        let mut remove_header = false;
        fields.set("removeHeader", &mut remove_header, boolean);
        let header_field = fields.read("headerField", optional_header);
        UserAuth { users, users_file, realm, remove_header, header_field }
    })
}

fn user<U: User>(value: Value<'_>, out: &mut Sink) -> Option<U> {
    match U::parse(text(value, out)?.trim()) {
        Ok(user) => Some(user),
        Err((what, allowed)) => {
            out.problem(&value.node.at, value.path, what, allowed);
            None
        }
    }
}

/// A header's name; an empty one is none.
pub(super) fn optional_header(value: Value<'_>, out: &mut Sink) -> Option<String> {
    if text(value, out)?.is_empty() {
        return None;
    }
    header_name(value, out)
}

/// Traefik's.
const DEFAULT_REALM: &str = "traefik";
