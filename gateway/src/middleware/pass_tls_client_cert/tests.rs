use http::{Request, request::Parts};
use proptest::prelude::*;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::*;
use crate::tls::client_chain::ClientChain;

/// Certificates and texts of Traefik's own test.
const MINIMAL: &str = include_str!("fixtures/minimal.pem");
const COMPLETE: &str = include_str!("fixtures/complete.pem");
const MINIMAL_INFO: &str = "Subject=\"C=FR,ST=Some-State,O=Cheese\";\
    Issuer=\"DC=org,DC=cheese,C=FR,C=US,ST=Signing State,ST=Signing State 2,L=TOULOUSE,L=LYON,O=Cheese,O=Cheese 2,\
    CN=Simple Signing CA 2\";SerialNumber=\"481535886039632329873080491016862977516759989652\";NB=\"1544094636\";\
    NA=\"1632568236\"";
const COMPLETE_INFO: &str = "Subject=\"DC=org,DC=cheese,C=FR,C=US,ST=Cheese org state,ST=Cheese com state,L=TOULOUSE,\
    L=LYON,O=Cheese,O=Cheese 2,OU=Simple Signing Section,OU=Simple Signing Section 2,CN=*.cheese.com\";\
    Issuer=\"DC=org,DC=cheese,C=FR,C=US,ST=Signing State,ST=Signing State 2,L=TOULOUSE,L=LYON,O=Cheese,O=Cheese 2,\
    CN=Simple Signing CA 2\";SerialNumber=\"1\";NB=\"1544094616\";NA=\"1607166616\";\
    SAN=\"*.cheese.org,*.cheese.net,*.cheese.com,test@cheese.org,test@cheese.net,10.0.1.0,10.0.1.2\"";

fn chain(texts: &[&str]) -> ClientChain {
    let read = |text: &&str| CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
    ClientChain::new(&texts.iter().map(read).collect::<Vec<_>>())
}

fn all() -> CertificateInfo {
    let name = NameInfo {
        country: true,
        province: true,
        locality: true,
        organization: true,
        organizational_unit: true,
        common_name: true,
        serial_number: true,
        domain_component: true,
    };
    // A section `issuer` has no such key.
    let issuer = NameInfo { organizational_unit: false, ..name };
    CertificateInfo { not_after: true, not_before: true, sans: true, serial_number: true, subject: name, issuer }
}

/// What a server is sent, in both headers, of a request that has something in both.
fn sent(config: Config, certificates: Option<&ClientChain>, known_peer: bool) -> [Option<String>; 2] {
    let request = Request::builder().header(CERTIFICATE, "forged").header(INFO, "a").header(INFO, "b");
    let mut parts = request.body(()).unwrap().into_parts().0;
    pass(config, &mut parts, certificates, known_peer);
    [CERTIFICATE, INFO].map(|name| {
        let lines: Vec<&str> = parts.headers.get_all(name).iter().map(|line| line.to_str().unwrap()).collect();
        (!lines.is_empty()).then(|| lines.join(" | "))
    })
}

fn pass(config: Config, parts: &mut Parts, certificates: Option<&ClientChain>, known_peer: bool) {
    let plain = Head::plain(parts, [192, 0, 2, 1].into());
    let mut head = Head { tls: true, certificates, known_peer, ..plain };
    assert!(PassTlsClientCert::new(&config).request(&mut head).is_continue());
}

fn info_of(wanted: CertificateInfo, certificates: &ClientChain) -> String {
    let [_, info] = sent(Config { pem: false, info: Some(wanted) }, Some(certificates), false);
    let plain = info.unwrap().replace('+', " ");
    percent_encoding::percent_decode_str(&plain).decode_utf8().unwrap().into_owned()
}

#[test]
fn servers_are_told_what_traefik_tells_them() {
    assert_eq!(info_of(all(), &chain(&[MINIMAL])), MINIMAL_INFO);
    assert_eq!(info_of(all(), &chain(&[COMPLETE])), COMPLETE_INFO);
    let both = info_of(all(), &chain(&[MINIMAL, COMPLETE]));
    assert_eq!(both, format!("{MINIMAL_INFO},{COMPLETE_INFO}"));
    let some = CertificateInfo {
        not_after: true,
        sans: true,
        subject: NameInfo { organization: true, organizational_unit: true, ..NameInfo::default() },
        issuer: NameInfo { country: true, ..NameInfo::default() },
        ..CertificateInfo::default()
    };
    assert_eq!(info_of(some, &chain(&[MINIMAL])), "Subject=\"O=Cheese\";Issuer=\"C=FR,C=US\";NA=\"1632568236\"");
    assert_eq!(info_of(CertificateInfo::default(), &chain(&[MINIMAL, COMPLETE])), ",");
    let raw = sent(Config { pem: false, info: Some(all()) }, Some(&chain(&[COMPLETE])), false)[1].clone().unwrap();
    assert!(
        raw.starts_with("Subject%3D%22DC%3Dorg%2CDC%3Dcheese%2CC%3DFR%2CC%3DUS%2CST%3DCheese+org+state%2C"),
        "{raw}"
    );
    assert!(raw.contains("CN%3D%2A.cheese.com%22%3BIssuer%3D%22"), "{raw}");
}

#[test]
fn the_certificates_themselves_are_pem_on_one_line() {
    let bare = |text: &str| -> String { text.lines().filter(|line| !line.starts_with('-')).collect() };
    let pem = || Config { pem: true, info: None };
    let [certificate, info] = sent(pem(), Some(&chain(&[MINIMAL])), false);
    assert_eq!((certificate, info.as_deref()), (Some(bare(MINIMAL)), Some("a | b")));
    let [certificate, _] = sent(pem(), Some(&chain(&[MINIMAL, COMPLETE])), false);
    assert_eq!(certificate.unwrap(), format!("{},{}", bare(MINIMAL), bare(COMPLETE)));
}

#[test]
fn only_a_known_proxy_may_say_it_itself() {
    let both = || Config { pem: true, info: Some(all()) };
    assert_eq!(sent(both(), None, false), [None, None]);
    assert_eq!(sent(both(), None, true), [Some("forged".to_owned()), Some("a | b".to_owned())]);
    for known_peer in [false, true] {
        let [certificate, info] = sent(both(), Some(&chain(&[COMPLETE])), known_peer);
        assert!(certificate.unwrap().starts_with("MII"));
        assert!(info.unwrap().starts_with("Subject%3D"));
    }
    // What it is not to send is not its own: another one in the chain may have set it.
    assert_eq!(sent(Config { pem: true, info: None }, None, false), [None, Some("a | b".to_owned())]);
}

#[test]
fn of_a_damaged_certificate_nothing_is_said() {
    let complete = CertificateDer::from_pem_slice(COMPLETE.as_bytes()).unwrap();
    let longer = CertificateDer::from([&complete[..], b"x"].concat());
    let text = CertificateDer::from(b"none".to_vec());
    let empty = CertificateDer::from(Vec::new());
    let chain = ClientChain::new(&[complete, longer, text, empty]);
    assert_eq!(info_of(all(), &chain), format!("{COMPLETE_INFO},,,"));
    assert_eq!(chain.encoded().to_str().unwrap().split(',').next_back(), Some(""));
}

proptest! {
    #[test]
    fn no_bytes_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6), cut: prop::sample::Index) {
        let mut bytes = CertificateDer::from_pem_slice(COMPLETE.as_bytes()).unwrap().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let cut = bytes[..cut.index(bytes.len())].to_vec();
        let chain = ClientChain::new(&[CertificateDer::from(bytes), CertificateDer::from(cut)]);
        let [certificate, info] = sent(Config { pem: true, info: Some(all()) }, Some(&chain), false);
        prop_assert!(certificate.is_some() && info.is_some_and(|info| info.is_ascii()));
    }
}
