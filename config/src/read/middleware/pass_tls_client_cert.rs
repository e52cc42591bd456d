//! `passTLSClientCert`.

use crate::{
    dynamic::middleware::{CertificateInfo, MiddlewareKind, NameInfo, PassTlsClientCert},
    fields::{Fields, Sink, Value, boolean},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let mut pass = PassTlsClientCert::default();
        fields.set("pem", &mut pass.pem, boolean);
        pass.info = fields.read("info", info);
        MiddlewareKind::PassTlsClientCert(Box::new(pass))
    })
}

fn info(value: Value<'_>, out: &mut Sink) -> Option<CertificateInfo> {
    value.section(out, |fields| {
        let mut info = CertificateInfo::default();
        fields.set("notAfter", &mut info.not_after, boolean);
        fields.set("notBefore", &mut info.not_before, boolean);
        fields.set("sans", &mut info.sans, boolean);
        fields.set("serialNumber", &mut info.serial_number, boolean);
        fields.within("subject", |fields| {
            name(fields, &mut info.subject);
            fields.set("organizationalUnit", &mut info.subject.organizational_unit, boolean);
        });
        fields.within("issuer", |fields| name(fields, &mut info.issuer));
        info
    })
}

fn name(fields: &mut Fields<'_>, name: &mut NameInfo) {
    fields.set("country", &mut name.country, boolean);
    fields.set("province", &mut name.province, boolean);
    fields.set("locality", &mut name.locality, boolean);
    fields.set("organization", &mut name.organization, boolean);
    fields.set("commonName", &mut name.common_name, boolean);
    fields.set("serialNumber", &mut name.serial_number, boolean);
    fields.set("domainComponent", &mut name.domain_component, boolean);
}
