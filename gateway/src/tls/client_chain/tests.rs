use rcgen::{
    CertificateParams, DnType, DnValue, KeyPair, SanType,
    string::{BmpString, Ia5String, PrintableString, TeletexString, UniversalString},
};

use super::*;

fn facts(change: impl FnOnce(&mut CertificateParams)) -> Option<Facts> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    Facts::read(certificate.der())
}

#[test]
fn names_are_read_in_every_kind_of_text() {
    for (written, read) in [
        (DnValue::Utf8String("Käse ☃".to_owned()), Some("Käse ☃")),
        (DnValue::PrintableString(PrintableString::try_from("Cheese").unwrap()), Some("Cheese")),
        (DnValue::Ia5String(Ia5String::try_from("a@b").unwrap()), Some("a@b")),
        (DnValue::TeletexString(TeletexString::try_from("abc").unwrap()), Some("abc")),
        (DnValue::BmpString(BmpString::try_from("Zug ☃").unwrap()), Some("Zug ☃")),
        // Go takes no certificate with such a text.
        (DnValue::UniversalString(UniversalString::try_from("a").unwrap()), None),
    ] {
        let facts = facts(|params| params.distinguished_name.push(DnType::OrganizationName, written));
        let told = facts.as_ref().map(|facts| facts.subject.all(Attribute::Organization).collect::<Vec<_>>().concat());
        assert_eq!(told.as_deref(), read);
    }
}

#[test]
fn alternative_names_are_ordered_by_kind() {
    let text = |text: &str| Ia5String::try_from(text).unwrap();
    let facts = facts(|params| {
        params.subject_alt_names = vec![
            SanType::URI(text("SPIFFE://a.test/B")),
            SanType::IpAddress("::ffff:192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1:0:0:1".parse().unwrap()),
            SanType::Rfc822Name(text("a@a.test")),
            SanType::DnsName(text("a.test")),
        ];
    });
    let names = ["a.test", "a@a.test", "192.0.2.1", "2001:db8::1:0:0:1", "spiffe://a.test/B"];
    assert_eq!(facts.unwrap().alternative_names, names);
}
