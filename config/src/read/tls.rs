//! `tls`, and what transports share with it.

use crate::{
    dynamic::tls::{Certificate, ClientAuth, PemSource, TlsOptions, TlsVersion},
    fields::{Fields, Sink, Value, boolean, choice, located, of_choices, present_text, quoted, text},
    problem::Located,
};

/// `{certFile, keyFile}`; `stores` may only name the default one, as there is no other.
pub(super) fn certificate(value: Value<'_>, out: &mut Sink) -> Option<Certificate> {
    let read = value.section(out, |fields| {
        let cert = fields.required("certFile", pem);
        let key = fields.required("keyFile", pem);
        fields.list("stores", |value, out| {
            let name = text(value, out)?;
            if name != "default" {
                out.unsupported(
                    &value.node.at,
                    value.path,
                    format!("the store {} is not supported, only default is", quoted(&name)),
                );
            }
            Some(())
        });
        Some(Certificate { at: fields.at.clone(), cert: cert?, key: key? })
    });
    read.flatten()
}

/// A file's name, or the PEM text itself.
pub(super) fn pem(value: Value<'_>, out: &mut Sink) -> Option<PemSource> {
    let text = present_text(value, out)?;
    Some(if text.contains("-----BEGIN") { PemSource::Text(text) } else { PemSource::File(text.into()) })
}

pub(super) fn located_pem(value: Value<'_>, out: &mut Sink) -> Option<Located<PemSource>> {
    located(value, out, pem)
}

/// `stores`: the default certificate.
pub(super) fn default_certificate(value: Value<'_>, out: &mut Sink) -> Option<Certificate> {
    let found = value.named(out, |key, store, out| {
        if key.name != "default" {
            out.unsupported(
                &key.at,
                store.path,
                format!("the store {} is not supported, only default is", quoted(&key.name)),
            );
            return None;
        }
        let certificate = store.section(out, |fields| {
            fields.unsupported(&["defaultGeneratedCert"]);
            fields.read("defaultCertificate", certificate)
        });
        certificate.flatten()
    });
    found.into_iter().next()
}

pub(super) fn options(value: Value<'_>, out: &mut Sink) -> Option<TlsOptions> {
    value.section(out, |fields| {
        let mut options = TlsOptions::new(fields.at.clone());
        versions(fields, &mut options.min_version, &mut options.max_version);
        options.cipher_suites = cipher_suites(fields, &mut options.min_version);
        options.curve_preferences = fields.list("curvePreferences", curve);
        fields.within("clientAuth", |auth| client_auth(auth, &mut options));
        fields.set("sniStrict", &mut options.sni_strict, boolean);
        // Deprecated in Traefik too, whose TLS decides for itself.
        fields.inert(&["preferServerCipherSuites"]);
        let protocols = [("h2", "h2"), ("http/1.1", "http/1.1"), ("acme-tls/1", "acme-tls/1")];
        let alpn = fields.list("alpnProtocols", |value, out| choice(protocols)(value, out).map(str::to_owned));
        if !alpn.is_empty() {
            options.alpn = alpn;
        }
        fields.set("disableSessionTickets", &mut options.disable_session_tickets, boolean);
        options
    })
}

/// `minVersion` and `maxVersion`.
pub(super) fn versions(fields: &mut Fields<'_>, min: &mut TlsVersion, max: &mut TlsVersion) {
    fields.set("minVersion", min, version);
    fields.set("maxVersion", max, version);
    if min > max {
        fields.problem("minVersion", "is above maxVersion", "");
    }
}

fn version(value: Value<'_>, out: &mut Sink) -> Option<TlsVersion> {
    let name = text(value, out)?;
    match &*name {
        "VersionTLS12" => Some(TlsVersion::Tls12),
        "VersionTLS13" => Some(TlsVersion::Tls13),
        "" => None,
        "VersionTLS10" | "VersionTLS11" => {
            out.unsupported(&value.node.at, value.path, format!("{name} is not supported: it is broken"));
            None
        }
        _ => {
            let allowed = of_choices(&name, &["VersionTLS12", "VersionTLS13"]);
            out.problem(&value.node.at, value.path, format!("{} is no TLS version", quoted(&name)), allowed);
            None
        }
    }
}

/// The TLS 1.2 suites that there are.
const SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Go's other names for two of them.
const SHORT_NAMES: [&str; 2] = ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"];

/// The suites of TLS 1.3, which cannot be chosen.
const TLS13_SUITES: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// What else Go has: without forward secrecy, or CBC, RC4, 3DES.
const OLD_SUITES: [&str; 14] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// And their SHA-256 variants and the signal that is no suite.
const MORE_OLD_SUITES: [&str; 3] =
    ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "TLS_FALLBACK_SCSV"];

/// `cipherSuites`: TLS 1.2 suites. A list of TLS 1.3 suites alone leaves TLS 1.2 without any, which is TLS 1.3 only.
pub(super) fn cipher_suites(fields: &mut Fields<'_>, min: &mut TlsVersion) -> Vec<Located<String>> {
    let read = fields.list("cipherSuites", |value, out| {
        let name = present_text(value, out)?;
        let suite = if SHORT_NAMES.contains(&&*name) { format!("{name}_SHA256") } else { name };
        if SUITES.contains(&&*suite) {
            return Some(Some(Located { value: suite, at: value.node.at.clone() }));
        }
        if TLS13_SUITES.contains(&&*suite) {
            return Some(None);
        }
        if OLD_SUITES.contains(&&*suite) || MORE_OLD_SUITES.contains(&&*suite) {
            out.unsupported(
                &value.node.at,
                value.path,
                format!("the cipher suite {suite} is not supported: it is weak"),
            );
        } else {
            out.problem(
                &value.node.at,
                value.path,
                format!("unknown cipher suite {}", quoted(&suite)),
                of_choices(&suite, &SUITES),
            );
        }
        None
    });
    let only_tls13 = !read.is_empty() && read.iter().all(Option::is_none);
    if only_tls13 {
        *min = TlsVersion::Tls13;
    }
    read.into_iter().flatten().collect()
}

fn curve(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    let name = present_text(value, out)?;
    let canonical = match &*name.to_ascii_lowercase() {
        "x25519" => "X25519",
        "curvep256" | "secp256r1" => "CurveP256",
        "curvep384" | "secp384r1" => "CurveP384",
        "x25519mlkem768" => "X25519MLKEM768",
        "curvep521" | "secp521r1" => {
            out.unsupported(&value.node.at, value.path, format!("the curve {name} is not supported"));
            return None;
        }
        _ => {
            let allowed = of_choices(&name, &["X25519", "CurveP256", "CurveP384", "X25519MLKEM768"]);
            out.problem(&value.node.at, value.path, format!("unknown curve {}", quoted(&name)), allowed);
            return None;
        }
    };
    Some(Located { value: canonical.to_owned(), at: value.node.at.clone() })
}

/// `clientAuth`: with authorities and no type, certificates are required and verified.
fn client_auth(fields: &mut Fields<'_>, options: &mut TlsOptions) {
    options.client_ca = fields.list("caFiles", located_pem);
    if fields.has_items("caFiles") {
        options.client_auth = ClientAuth::RequireAndVerify;
    }
    let types = [
        ("NoClientCert", ClientAuth::None),
        ("RequestClientCert", ClientAuth::Request),
        ("RequireAnyClientCert", ClientAuth::RequireAny),
        ("VerifyClientCertIfGiven", ClientAuth::VerifyIfGiven),
        ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerify),
    ];
    fields.set("clientAuthType", &mut options.client_auth, choice(types));
    let verifies = matches!(options.client_auth, ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify);
    if verifies && !fields.has_items("caFiles") {
        fields.problem("clientAuthType", "verifies certificates and names no authority", "caFiles");
    }
}
