//! `api`: Traefik's keys, and who may ask.

use std::net::IpAddr;

use crate::{
    fields::{Fields, Sink, Value, choice, quoted, text},
    static_config::{Api, ClientCertificate, Role, TOKEN_PREFIX, Token},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Api> {
    value.section(out, |fields| {
        let mut api = Api::default();
        fields.set("basePath", &mut api.base_path, base_path);
        fields.inert(&["insecure", "dashboard", "debug", "disableDashboardAd", "dashboardName"]);
        api.hosts = fields.list("hosts", host);
        fields.read("tokens", |value, out| {
            value.items(out, |item, out| {
                let token = item.section(out, |fields| token(fields, &api.tokens))??;
                api.tokens.push(token);
                Some(())
            })
        });
        fields.read("clientCertificates", |value, out| {
            value.items(out, |item, out| {
                let certificate =
                    item.section(out, |fields| client_certificate(fields, &api.client_certificates))??;
                api.client_certificates.push(certificate);
                Some(())
            })
        });
        ["hosts", "tokens", "clientCertificates"].into_iter().for_each(|key| fields.ours(key));
        api
    })
}

/// `before`: those of the items above.
fn token(fields: &mut Fields<'_>, before: &[Token]) -> Option<Token> {
    let name = fields.required("name", token_name);
    let role = fields.required("role", role);
    let hash = fields.required("hash", hash);
    if let Some(name) = name.as_ref().filter(|name| before.iter().any(|token| token.name == **name)) {
        fields.problem("name", format!("two tokens are called {name:?}"), "");
    }
    if let Some(same) = before.iter().find(|token| Some(token.hash) == hash) {
        fields.problem("hash", format!("is that of token {:?} too", same.name), "one entry for each token");
    }
    Some(Token { name: name?, role: role?, hash: hash? })
}

fn client_certificate(fields: &mut Fields<'_>, before: &[ClientCertificate]) -> Option<ClientCertificate> {
    let name = fields.required("name", certificate_name);
    let role = fields.required("role", role);
    if let Some(name) = name.as_ref().filter(|name| before.iter().any(|certificate| certificate.name == **name)) {
        fields.problem("name", format!("{name:?} is there twice"), "");
    }
    Some(ClientCertificate { name: name?, role: role? })
}

/// `/`, `/x`, `/x/y`; nothing that would have to be decoded or resolved.
fn base_path(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let written = text(value, out)?;
    let path = written.strip_suffix('/').unwrap_or(&written);
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment =
        |segment: &str| !segment.is_empty() && segment.bytes().all(is_fit) && segment != "." && segment != "..";
    let mut segments = path.split('/');
    if written.is_empty() || segments.next() != Some("") || !segments.all(is_segment) {
        out.problem(
            &value.node.at,
            value.path,
            format!("{} is no path to serve below", quoted(&written)),
            "like / or /x",
        );
        return None;
    }
    Some(path.to_owned())
}

/// A host's name or address, as it is compared.
fn host(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let written = text(value, out)?;
    let bare = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(&written).parse::<IpAddr>()
        && (bare.is_none() || address.is_ipv6())
    {
        return Some(address.to_string());
    }
    let name = written.strip_suffix('.').unwrap_or(&written).to_ascii_lowercase();
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_fit);
    if name.len() > 253 || !name.split('.').all(is_label) {
        let what = format!("{} is no name of a host", quoted(&written));
        out.problem(&value.node.at, value.path, what, "like gateway.example.com: no scheme, no port, no *");
        return None;
    }
    Some(name)
}

fn token_name(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let name = text(value, out)?;
    if let Some(wrong) = Token::wrong_name(&name) {
        let allowed = "1 to 64 letters, digits, dots, hyphens, underscores and @";
        out.problem(&value.node.at, value.path, format!("{} {wrong}", quoted(&name)), allowed);
        return None;
    }
    Some(name)
}

fn certificate_name(value: Value<'_>, out: &mut Sink) -> Option<String> {
    let name = text(value, out)?;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        let what = format!("{} is no name in a certificate", quoted(&name));
        out.problem(&value.node.at, value.path, what, "the subject's common name, or an alternative name");
        return None;
    }
    Some(name)
}

pub(super) fn role(value: Value<'_>, out: &mut Sink) -> Option<Role> {
    choice(Role::ALL.map(|role| (role.name(), role)))(value, out)
}

/// Whatever stands there may be the token, so that it is not repeated.
fn hash(value: Value<'_>, out: &mut Sink) -> Option<[u8; 32]> {
    let written = text(value, out)?;
    let hash = Token::parse_hash(&written);
    if hash.is_none() {
        let (what, allowed) = if written.starts_with(TOKEN_PREFIX) {
            ("is a token, which whoever reads this file can use now", "its hash: rollgate token hash")
        } else {
            ("is no hash of a token", "sha256: and 64 hexadecimal digits, as rollgate token create prints them")
        };
        out.problem(&value.node.at, value.path, what, allowed);
    }
    hash
}
