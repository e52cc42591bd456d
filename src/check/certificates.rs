//! Whether the certificate files that a configuration names are there, the gateway judges what is in them; and what is wrong
//! with files that hold users.

use rollgate_config::{
    dynamic::{
        Configuration,
        tls::{Certificate, PemSource},
        transport::ServersTransport,
    },
    problem::{Place, Problem},
    static_config::Static,
};

/// A problem for each file that is named and not there, and for each line that should be a user and is none.
pub(super) fn missing(statics: Option<&Static>, configuration: Option<&Configuration>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut look = |path: &str, source: &PemSource, at: &Place| {
        if let PemSource::File(file) = source
            && !file.is_file()
        {
            problems.push(Problem::new(at, path, format!("there is no file {:?}", file.display().to_string()), ""));
        }
    };
    if let Some(statics) = statics {
        of_transport("serversTransport", &statics.servers_transport, &mut look);
    }
    let Some(configuration) = configuration else {
        return problems;
    };
    for (name, transport) in &configuration.servers_transports {
        let name = name.split('@').next().unwrap_or(name);
        of_transport(&format!("http.serversTransports.{name}"), transport, &mut look);
    }
    let tls = &configuration.tls;
    of_certificates("tls.certificates", &tls.certificates, &mut look);
    of_certificates("tls.stores.default.defaultCertificate", tls.default_certificate.as_slice(), &mut look);
    for (name, options) in &tls.options {
        let name = name.split('@').next().unwrap_or(name);
        for authority in &options.client_ca {
            look(&format!("tls.options.{name}.clientAuth.caFiles"), &authority.value, &authority.at);
        }
    }
    let of_users = super::users::wrong(configuration, &mut look);
    problems.extend(of_users);
    problems
}

fn of_transport(path: &str, transport: &ServersTransport, look: &mut impl FnMut(&str, &PemSource, &Place)) {
    for authority in &transport.root_cas {
        look(&format!("{path}.rootCAs"), &authority.value, &authority.at);
    }
    of_certificates(&format!("{path}.certificates"), &transport.certificates, look);
}

fn of_certificates(path: &str, certificates: &[Certificate], look: &mut impl FnMut(&str, &PemSource, &Place)) {
    for certificate in certificates {
        look(path, &certificate.cert, &certificate.at);
        look(path, &certificate.key, &certificate.at);
    }
}
