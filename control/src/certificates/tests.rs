use std::cell::RefCell;

use rollgate_config::{Allow, Document, Format, dynamic::middleware::MiddlewareKind, read_dynamic};

use super::*;

/// A certificate and its key, in PEM.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Files, and what a configuration that names them makes of them.
#[derive(Default)]
struct Files {
    texts: BTreeMap<PathBuf, String>,
    good: Good,
    filled: Filled,
}

impl Files {
    fn write(&mut self, path: &str, text: impl Into<String>) {
        self.texts.insert(path.into(), text.into());
    }

    /// Resolves; what was good stays for the next time.
    fn resolve(&mut self, yaml: &str) -> (Configuration, Resolved) {
        let document = Document::parse("a.yml", yaml, Format::Yaml).unwrap();
        let mut configuration = read_dynamic(&[document], "file", None, &Allow::default()).value.unwrap();
        let mut transport = ServersTransport::new(Place::default());
        let read = |path: &Path| {
            self.texts.get(path).map(|text| text.as_str().into()).ok_or_else(|| "is not there".to_owned())
        };
        let resolved = resolve(&mut transport, &mut configuration, read, &self.good, &mut self.filled);
        self.good.clone_from(&resolved.good);
        (configuration, resolved)
    }
}

fn lines(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

const PAIR: &str = "tls: {certificates: [{certFile: a.crt, keyFile: a.key}]}";

#[test]
fn a_pair_is_replaced_when_the_new_one_is_whole_and_matches() {
    let (old, new) = (pair(), pair());
    let mut files = Files::default();
    files.write("a.crt", &old.0);
    files.write("a.key", &old.1);
    let text = |configuration: &Configuration| configuration.tls.certificates[0].cert.clone();
    assert_eq!(text(&files.resolve(PAIR).0), PemSource::Text(old.0.clone()));
    for (step, told) in [
        (("a.crt", new.0[..200].to_owned()), "tls.certificates[0].certFile: a.crt: "),
        (("a.crt", String::new()), "tls.certificates[0].certFile: a.crt: no certificate in it; the pair"),
        (
            ("a.crt", new.0.clone()),
            "tls.certificates[0]: a.crt and a.key: the certificate and the key do not go together",
        ),
        (("a.key", new.1[..40].to_owned()), "tls.certificates[0].keyFile: a.key: no private key: "),
    ] {
        files.write(step.0, step.1);
        let (configuration, resolved) = files.resolve(PAIR);
        assert_eq!(text(&configuration), PemSource::Text(old.0.clone()), "the old one serves on");
        assert_eq!(lines(&resolved.problems), [""; 0]);
        let [outdated] = &lines(&resolved.outdated)[..] else { panic!("{:?}", resolved.outdated) };
        assert!(outdated.contains(told) && outdated.ends_with("; the pair that was good last serves on"), "{outdated}");
    }
    files.write("a.key", &new.1);
    let (configuration, resolved) = files.resolve(PAIR);
    assert_eq!((text(&configuration), lines(&resolved.outdated)), (PemSource::Text(new.0), Vec::new()));
}

#[test]
fn a_pair_that_is_gone_serves_on_and_one_that_never_was_is_a_problem() {
    let (certificate, key) = pair();
    let mut files = Files::default();
    let (_, resolved) = files.resolve(PAIR);
    assert_eq!(lines(&resolved.problems), ["a.yml:1:22: tls.certificates[0].certFile: a.crt: is not there"]);
    assert_eq!(resolved.seen.keys().map(|path| path.display().to_string()).collect::<Vec<_>>(), ["a.crt"]);
    files.write("a.crt", certificate);
    files.write("a.key", key);
    assert_eq!(lines(&files.resolve(PAIR).1.problems), [""; 0]);
    files.texts.clear();
    let (_, resolved) = files.resolve(PAIR);
    assert_eq!((resolved.problems.len(), resolved.outdated.len()), (0, 1));
}

#[test]
fn authorities_and_the_pairs_of_transports_are_judged_too() {
    let (certificate, key) = pair();
    let yaml = "http:
  serversTransports: {t: {rootCAs: [ca.crt], certificates: [{certFile: t.crt, keyFile: t.key}]}}
tls:
  options: {o: {clientAuth: {caFiles: [clients.crt]}}}
  stores: {default: {defaultCertificate: {certFile: d.crt, keyFile: d.key}}}
";
    let mut files = Files::default();
    for name in ["ca.crt", "t.crt", "clients.crt", "d.crt"] {
        files.write(name, &certificate);
    }
    files.write("t.key", &key);
    files.write("d.key", &key);
    assert_eq!(lines(&files.resolve(yaml).1.problems), [""; 0]);
    for name in ["ca.crt", "clients.crt", "t.key", "d.key"] {
        files.write(name, "half");
    }
    insta::assert_snapshot!(lines(&files.resolve(yaml).1.outdated).join("\n"));
}

#[test]
fn the_configurations_own_text_is_left_alone_and_a_file_beside_it_must_match() {
    let (old, new) = (pair(), pair());
    let yaml = |key: &str| format!("tls: {{certificates: [{{certFile: a.crt, keyFile: {key:?}}}]}}");
    let mut files = Files::default();
    files.write("a.crt", &old.0);
    let (configuration, resolved) = files.resolve(&yaml(&old.1));
    assert_eq!(lines(&resolved.problems), [""; 0]);
    assert_eq!(configuration.tls.certificates[0].key, PemSource::Text(old.1.clone()));
    // Neither the file as it is nor as it was goes with another key.
    assert_eq!(files.resolve(&yaml(&new.1)).1.problems.len(), 1);
    files.write("a.crt", &new.0);
    assert_eq!(lines(&files.resolve(&yaml(&new.1)).1.problems), [""; 0]);
}

#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let (certificate, key) = pair();
    let reads = RefCell::new(Vec::new());
    let read = |path: &Path| -> Content {
        reads.borrow_mut().push(path.display().to_string());
        Ok(if path == Path::new("a.crt") { certificate.as_str() } else { key.as_str() }.into())
    };
    let yaml = "tls: {certificates: [{certFile: a.crt, keyFile: a.key}, {certFile: a.crt, keyFile: a.key}]}";
    let document = Document::parse("a.yml", yaml, Format::Yaml).unwrap();
    let mut configuration = read_dynamic(&[document], "file", None, &Allow::default()).value.unwrap();
    let mut transport = ServersTransport::new(Place::default());
    resolve(&mut transport, &mut configuration, read, &Good::new(), &mut Filled::default());
    assert_eq!(reads.into_inner(), ["a.crt", "a.key"]);
}

const USERS: &str = "http: {middlewares: {m: {basicAuth: {usersFile: users}}}}";

const USER: &str = "test:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n";

fn users_of(configuration: &Configuration) -> Vec<String> {
    let MiddlewareKind::BasicAuth(auth) = &configuration.middlewares["m@file"].kind else { panic!("it is one") };
    auth.all().unwrap().into_iter().map(|user| user.name).collect()
}

#[test]
fn a_broken_file_with_users_is_told_by_its_lines_and_the_good_one_stays() {
    let mut files = Files::default();
    files.write("users", USER);
    assert_eq!(users_of(&files.resolve(USERS).0), ["test"]);
    for (text, told) in [
        ("", "there is no user in it"),
        ("# nobody\n", "there is no user in it"),
        ("test:secret\n", "line 1 has its password in plain text, or a hash of no known kind"),
        ("test:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n\na:b:c\n", "line 3 is no user (name:hash)"),
        ("t\u{fffd}st:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n", "is not UTF-8"),
    ] {
        files.write("users", text);
        let (configuration, resolved) = files.resolve(USERS);
        assert_eq!(users_of(&configuration), ["test"]);
        let outdated = lines(&resolved.outdated);
        let begin = format!("a.yml:1:49: http.middlewares.m.basicAuth.usersFile: users: {told}");
        assert!(outdated[0].starts_with(&begin), "{outdated:?}");
        assert!(outdated[0].ends_with("; the file that was good last serves on"), "{outdated:?}");
    }
    files.write("users", format!("{USER}other:{}", &USER[5..]));
    let (configuration, resolved) = files.resolve(USERS);
    assert_eq!(users_of(&configuration), ["test", "other"]);
    assert_eq!(resolved.outdated, []);
    let many = "a\n".repeat(9);
    files.write("users", many);
    let outdated = lines(&files.resolve(USERS).1.outdated);
    assert!(outdated[0].contains("line 5 is no user (name:hash); and 4 more; the file"), "{outdated:?}");
}

#[test]
fn a_file_with_users_that_never_was_good_is_a_problem() {
    let mut files = Files::default();
    let (_, resolved) = files.resolve(USERS);
    let told = "a.yml:1:49: http.middlewares.m.basicAuth.usersFile: users: is not there";
    assert_eq!(lines(&resolved.problems), [told]);
    assert!(resolved.seen.contains_key(Path::new("users")), "it is watched");
}

#[test]
fn a_file_for_digests_has_a_user_of_the_realm() {
    let text = "http: {middlewares: {m: {digestAuth: {usersFile: users, realm: shop}}}}";
    let mut files = Files::default();
    files.write("users", "test:office:a2688e031edb4be6a3797f3882655c05\n");
    let told = "a.yml:1:50: http.middlewares.m.digestAuth.usersFile: users: there is no user of this realm in it";
    assert_eq!(lines(&files.resolve(text).1.problems), [told]);
    files.write("users", "test:shop:a2688e031edb4be6a3797f3882655c05\ntest:office:a2688e031edb4be6a3797f3882655c05\n");
    assert_eq!(lines(&files.resolve(text).1.problems), [""; 0]);
}

#[test]
fn a_middleware_is_the_same_one_as_long_as_its_file_is() {
    let mut files = Files::default();
    files.write("users", USER);
    let document = Document::parse("a.yml", USERS, Format::Yaml).unwrap();
    let resolve_again = |files: &mut Files| {
        let mut configuration =
            read_dynamic(std::slice::from_ref(&document), "file", None, &Allow::default()).value.unwrap();
        let read = |path: &Path| Ok(files.texts[path].as_str().into());
        let mut transport = ServersTransport::new(Place::default());
        let resolved = resolve(&mut transport, &mut configuration, read, &files.good, &mut files.filled);
        assert_eq!(resolved.problems, []);
        configuration.middlewares["m@file"].clone()
    };
    let first = resolve_again(&mut files);
    assert!(resolve_again(&mut files).is(&first));
    files.write("users", format!("# more\n{USER}"));
    let other = resolve_again(&mut files);
    assert!(!other.is(&first));
    assert!(resolve_again(&mut files).is(&other));
}

#[test]
fn the_certificates_of_a_limit_in_redis_are_replaced_likewise() {
    let text = "http: {middlewares: {m: {rateLimit: {redis: {tls: {ca: ca, cert: crt, key: key}}}}}}";
    let good = pair();
    let mut files = Files::default();
    files.write("ca", &good.0);
    files.write("crt", &good.0);
    files.write("key", &good.1);
    let (configuration, resolved) = files.resolve(text);
    assert_eq!(lines(&resolved.problems), [""; 0]);
    let MiddlewareKind::RateLimit(limit) = &configuration.middlewares["m@file"].kind else { panic!("it is one") };
    let tls = limit.redis.as_ref().unwrap().tls.as_ref().unwrap();
    assert_eq!(tls.ca.as_ref().unwrap().value, PemSource::Text(good.0.clone()));
    assert_eq!(tls.certificate.as_ref().unwrap().key, PemSource::Text(good.1.clone()));
    files.write("ca", "");
    let outdated = lines(&files.resolve(text).1.outdated);
    assert!(outdated[0].starts_with("a.yml:1:56: http.middlewares.m.rateLimit.redis.tls.ca: ca: "), "{outdated:?}");
}

#[test]
fn a_forward_auths_certificates_are_replaced_as_all_others_are() {
    let text = "http: {middlewares: {m: {forwardAuth: {address: 'https://a', tls: {ca: ca, cert: crt, key: key}}}}}";
    let good = pair();
    let mut files = Files::default();
    files.write("ca", &good.0);
    files.write("crt", &good.0);
    files.write("key", &good.1);
    let (configuration, resolved) = files.resolve(text);
    assert_eq!(lines(&resolved.problems), [""; 0]);
    let MiddlewareKind::ForwardAuth(auth) = &configuration.middlewares["m@file"].kind else { panic!("it is one") };
    let certificate = auth.tls.certificate.as_ref().unwrap();
    assert_eq!(certificate.cert, PemSource::Text(good.0.clone()));
    assert_eq!(certificate.key, PemSource::Text(good.1.clone()));
    files.write("ca", "");
    files.write("key", "");
    let outdated = lines(&files.resolve(text).1.outdated);
    assert!(outdated[0].starts_with("a.yml:1:72: http.middlewares.m.forwardAuth.tls.ca: ca: "), "{outdated:?}");
    assert!(outdated[1].starts_with("a.yml:1:82: http.middlewares.m.forwardAuth.tls.key: key: "), "{outdated:?}");
}
