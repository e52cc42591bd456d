//! The files with certificates, keys, authorities and users that a configuration names, as text: read at the edge, so that what is
//! compiled is one consistent set, and so that a pair that is half replaced never costs the one that was good.
//!
//! What is judged is a unit: a certificate with its key, one file of authorities, or one of users. A unit that is not good now counts as
//! it last was, and is told of; one that never was good is a problem of the configuration that names it.

mod of_middlewares;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rollgate_config::{
    dynamic::{
        Configuration, name,
        tls::{Certificate, PemSource},
        transport::ServersTransport,
    },
    problem::{Located, Place, Problem},
};
use rollgate_gateway::{PairFault, Part, check_authorities, check_pair};

pub use self::of_middlewares::Filled;
use crate::file::reader::Content;

/// The texts of units that are good, by their files.
pub type Good = BTreeMap<Vec<PathBuf>, Vec<Arc<str>>>;

/// What came of it.
#[derive(Debug, Default)]
pub struct Resolved {
    /// What the configuration uses now.
    pub good: Good,
    /// What is wrong with units that count as they last were.
    pub outdated: Vec<Problem>,
    /// What keeps the configuration from being used.
    pub problems: Vec<Problem>,
    /// Every file that was looked at.
    pub seen: BTreeMap<PathBuf, Content>,
}

/// Puts the text of each file in place of its name, in the default transport and in the configuration. `filled` is what
/// is remembered from one time to the next.
pub fn resolve(
    transport: &mut ServersTransport,
    configuration: &mut Configuration,
    read: impl FnMut(&Path) -> Content,
    last_good: &Good,
    filled: &mut Filled,
) -> Resolved {
    let mut resolver = Resolver { read, last_good, resolved: Resolved::default(), taken: Vec::new() };
    resolver.transport(transport, "serversTransport");
    for (name, transport) in &mut configuration.servers_transports {
        resolver.transport(transport, &format!("http.serversTransports.{}", name::bare(name)));
    }
    let tls = &mut configuration.tls;
    resolver.pairs(&mut tls.certificates, "tls.certificates");
    if let Some(certificate) = &mut tls.default_certificate {
        resolver.pair(certificate, "tls.stores.default.defaultCertificate");
    }
    for (name, options) in &mut tls.options {
        resolver.authorities(&mut options.client_ca, &format!("tls.options.{}.clientAuth.caFiles", name::bare(name)));
    }
    resolver.middlewares(&mut configuration.middlewares, filled);
    resolver.resolved
}

struct Resolver<'a, R> {
    read: R,
    last_good: &'a Good,
    resolved: Resolved,
    /// The texts of the units since this was cleared.
    taken: Vec<Arc<str>>,
}

/// What is wrong with a unit: the key that it is about, and how.
type Fault = (Option<&'static str>, String);

impl<R: FnMut(&Path) -> Content> Resolver<'_, R> {
    fn transport(&mut self, transport: &mut ServersTransport, path: &str) {
        self.authorities(&mut transport.root_cas, &format!("{path}.rootCAs"));
        self.pairs(&mut transport.certificates, &format!("{path}.certificates"));
    }

    fn pairs(&mut self, certificates: &mut [Certificate], path: &str) {
        for (index, certificate) in certificates.iter_mut().enumerate() {
            self.pair(certificate, &format!("{path}[{index}]"));
        }
    }

    fn pair(&mut self, certificate: &mut Certificate, path: &str) {
        self.pair_of(certificate, [Some("certFile"), Some("keyFile")], path);
    }

    /// `keys`: what the certificate and the key are called here.
    fn pair_of(&mut self, certificate: &mut Certificate, keys: [Option<&'static str>; 2], path: &str) {
        let Certificate { at, cert, key } = certificate;
        let named = [file(cert), file(key)];
        let check = |texts: &[Arc<str>]| {
            check_pair(&texts[0], &texts[1]).map_err(|PairFault { part, what }| {
                let files = match part {
                    Part::Certificate => vec![&named[0]],
                    Part::Key => vec![&named[1]],
                    Part::Both => vec![&named[0], &named[1]],
                };
                let files: Vec<String> = files.into_iter().flatten().map(|file| file.display().to_string()).collect();
                let key = match part {
                    Part::Certificate => keys[0],
                    Part::Key => keys[1],
                    Part::Both => None,
                };
                (key, format!("{}: {what}", files.join(" and ")))
            })
        };
        self.unit(&mut [cert, key], keys, check, at, path, "pair");
    }

    fn authorities(&mut self, authorities: &mut [Located<PemSource>], path: &str) {
        for Located { value, at } in authorities {
            self.authority(value, at, path, None);
        }
    }

    fn authority(&mut self, source: &mut PemSource, at: &Place, path: &str, key: Option<&'static str>) {
        let name = file(source).unwrap_or_default().display().to_string();
        let check = |texts: &[Arc<str>]| check_authorities(&texts[0]).map_err(|what| (key, format!("{name}: {what}")));
        self.unit(&mut [source], [key], check, at, path, "file");
    }

    fn unit<const PARTS: usize>(
        &mut self,
        sources: &mut [&mut PemSource; PARTS],
        keys: [Option<&'static str>; PARTS],
        check: impl Fn(&[Arc<str>]) -> Result<(), Fault>,
        at: &Place,
        path: &str,
        noun: &str,
    ) {
        let files: Vec<PathBuf> = sources.iter().filter_map(|source| file(source)).collect();
        if files.is_empty() {
            return;
        }
        let before = self.last_good.get(&files);
        let newest = self.newest(sources, keys).and_then(|texts| {
            // What has not changed is as good as it was, unless a part of it is the configuration's own text.
            let same = files.len() == PARTS && before.is_some_and(|before| *before == texts);
            if same { Ok(texts) } else { check(&texts).map(|()| texts) }
        });
        let texts = match newest {
            Ok(texts) => texts,
            Err((key, what)) => {
                let path = key.map_or_else(|| path.to_owned(), |key| format!("{path}.{key}"));
                let kept = before.map(|before| filled(sources, before)).filter(|texts| check(texts).is_ok());
                let Some(texts) = kept else {
                    return self.resolved.problems.push(Problem::new(at, path, what, ""));
                };
                let what = format!("{what}; the {noun} that was good last serves on");
                self.resolved.outdated.push(Problem::new(at, path, what, ""));
                texts
            }
        };
        let of_files: Vec<Arc<str>> = sources
            .iter()
            .zip(&texts)
            .filter(|(source, _)| file(source).is_some())
            .map(|(_, text)| text.clone())
            .collect();
        self.taken.extend(of_files.iter().cloned());
        self.resolved.good.insert(files, of_files);
        for (source, text) in sources.iter_mut().zip(texts) {
            **source = PemSource::Text(text.to_string());
        }
    }

    fn newest<const PARTS: usize>(
        &mut self,
        sources: &[&mut PemSource; PARTS],
        keys: [Option<&'static str>; PARTS],
    ) -> Result<Vec<Arc<str>>, Fault> {
        let mut texts = Vec::with_capacity(PARTS);
        for (source, key) in sources.iter().zip(keys) {
            texts.push(match &**source {
                PemSource::Text(text) => text.as_str().into(),
                PemSource::File(path) => {
                    let content = self.resolved.seen.entry(path.clone()).or_insert_with(|| (self.read)(path));
                    content.clone().map_err(|what| (key, format!("{}: {what}", path.display())))?
                }
            });
        }
        Ok(texts)
    }
}

/// A unit's texts, those of its files taken from `before`.
fn filled<const PARTS: usize>(sources: &[&mut PemSource; PARTS], before: &[Arc<str>]) -> Vec<Arc<str>> {
    let mut before = before.iter();
    let text = |source: &&mut PemSource| match &**source {
        PemSource::Text(text) => Some(text.as_str().into()),
        PemSource::File(_) => before.next().cloned(),
    };
    sources.iter().filter_map(text).collect()
}

fn file(source: &PemSource) -> Option<PathBuf> {
    match source {
        PemSource::File(path) => Some(path.clone()),
        PemSource::Text(_) => None,
    }
}

#[cfg(test)]
mod tests;
