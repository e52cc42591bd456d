use std::fs;

use super::*;

/// A folder of its own that goes away with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("rollgate-check-{}-{test}", std::process::id()));
        let folder = Self(path);
        fs::create_dir_all(&folder.0).expect("a folder");
        for (name, text) in files {
            let file = folder.0.join(name);
            fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
            fs::write(file, text.replace("{folder}", &folder.0.display().to_string())).expect("a file");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What is told about some of its files, and the exit code's name.
    fn told(&self, names: &[&str], options: &Options) -> String {
        let named: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        let text = match check(&named, options) {
            Err(what) => format!("usage: {what}\n"),
            Ok(report) => {
                let (mut out, mut err) = (Vec::new(), Vec::new());
                let code = report.print(&mut out, &mut err);
                let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
                let word = if code == ExitCode::SUCCESS { "success" } else { "failure" };
                format!("{}-- {word}\n{}", text(out), text(err))
            }
        };
        text.replace(&format!("{}{}", self.0.display(), std::path::MAIN_SEPARATOR), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const STATIC: &str = "entryPoints:\n  web: {address: ':80', http: {middlewares: [secure]}}\n";

const ROUTER: &str =
    "[http.routers.pro]\nrule = \"Host(`pro.coding`)\"\nservice = \"stable\"\nentryPoints = [\"web\"]\n";

const SERVICE: &str = r#"{"http": {"services": {"stable": {"loadBalancer": {"servers": [{"url": "http://a", "weight": 0.5}]}}},
  "middlewares": {"secure": {"headers": {"frameDeny": true}}}}}"#;

#[test]
fn files_and_folders_named_together_are_one_configuration() {
    let folder =
        Folder::new("together", &[("main.yml", STATIC), ("conf/a.toml", ROUTER), ("conf/below/b.json", SERVICE)]);
    let options = Options::default();
    assert_eq!(folder.told(&["main.yml", "conf"], &options), "-- success\nno problems in 3 files\n");
    assert_eq!(folder.told(&["conf", "main.yml", "conf/a.toml"], &options), "-- success\nno problems in 3 files\n");
    insta::assert_snapshot!(folder.told(&["main.yml", "conf/a.toml"], &options));
}

#[test]
fn what_traefik_would_refuse_is_listed_on_demand() {
    let folder = Folder::new("traefik", &[("b.json", SERVICE)]);
    assert_eq!(folder.told(&["b.json"], &Options::default()), "-- success\nno problems in 1 file\n");
    insta::assert_snapshot!(folder.told(&["b.json"], &Options { traefik: true, ..Options::default() }));
}

#[test]
fn what_is_allowed_is_told_beside() {
    let folder = Folder::new("allowed", &[("a.yml", "tcp: {}\nhttp: {}\n")]);
    let options = Options { allow: Allow::parse("tcp"), ..Options::default() };
    insta::assert_snapshot!(folder.told(&["a.yml"], &options));
}

#[test]
fn problems_come_in_the_order_of_files_and_lines() {
    let broken = "http:\n  routers:\n    a: {service: x}\n  services: {y: {}}\nentryPoints: {web: {}}\nextra: 1\n";
    let folder =
        Folder::new("order", &[("b.yml", broken), ("a.toml", "[http\n"), ("c.json", ""), (".hidden.yml", "x: [")]);
    insta::assert_snapshot!(folder.told(&["b.yml", "a.toml", "c.json"], &Options::default()));
    insta::assert_snapshot!(folder.told(&["."], &Options::default()));
}

#[test]
fn certificate_files_must_be_there() {
    let text = "tls:
  certificates:
    - {certFile: '{folder}/is.pem', keyFile: '{folder}/is-not.key'}
  stores: {default: {defaultCertificate: {certFile: '{folder}/none.pem', keyFile: '-----BEGIN PRIVATE KEY-----'}}}
  options: {default: {clientAuth: {caFiles: '{folder}/ca.pem'}}}
http:
  serversTransports: {t: {rootCAs: ['{folder}/root.pem']}}
serversTransport:
  rootCAs:
    - '{folder}/is.pem'
    - '{folder}/roots.pem'
";
    let folder = Folder::new("certificates", &[("a.yml", text), ("is.pem", "")]);
    insta::assert_snapshot!(folder.told(&["a.yml"], &Options::default()));
}

#[test]
fn files_with_users_are_read_line_by_line() {
    let text = "http:
  middlewares:
    good: {basicAuth: {usersFile: '{folder}/good'}}
    bad: {basicAuth: {usersFile: '{folder}/bad'}}
    none: {basicAuth: {usersFile: '{folder}/none'}}
    empty: {basicAuth: {usersFile: '{folder}/empty'}}
    digest: {digestAuth: {usersFile: '{folder}/digest'}}
    other: {digestAuth: {usersFile: '{folder}/digest', realm: other}}
    ask:
      forwardAuth:
        address: 'https://a'
        tls:
          ca: '{folder}/ca.pem'
          cert: '{folder}/good'
          key: '{folder}/a.key'
";
    let user = "test:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n";
    let bad = format!("{user}\nsecret\nuser:secret\n");
    let digest = "test:traefik:a2688e031edb4be6a3797f3882655c05\n";
    let files = [("a.yml", text), ("good", user), ("bad", &bad), ("empty", "# nobody\n"), ("digest", digest)];
    let told = Folder::new("users", &files).told(&["a.yml"], &Options::default());
    assert!(!told.contains("secret"), "{told}");
    insta::assert_snapshot!(told);
}

#[test]
fn certificate_files_of_a_limit_in_redis_must_be_there() {
    let text = "http: {middlewares: {limit: {rateLimit: {redis: {tls: {ca: '{folder}/ca.pem'}}}}}}\n";
    let told = Folder::new("redis", &[("a.yml", text)]).told(&["a.yml"], &Options::default());
    assert!(told.contains("http.middlewares.limit.rateLimit.redis.tls.ca: there is no file \"ca.pem\"\n"), "{told}");
}

#[test]
fn one_file_is_read_as_run_reads_it() {
    let main = "providers: {file: {directory: '{folder}/conf'}}\n";
    let folder = Folder::new(
        "follow",
        &[
            ("main.yml", main),
            ("itself.yml", "providers: {file: {filename: '{folder}/itself.yml'}}\nhttp: {}\n"),
            ("lost.yml", "providers:\n  file: {filename: '{folder}/nowhere.yml'}\n"),
            ("conf/a.yml", "http: {routers: {r: {rule: Host(`a`), service: nope, entryPoints: [http]}}}\n"),
            ("conf/b.yml", "entryPoints: {web: {address: ':80'}}\n"),
        ],
    );
    let options = Options::default();
    assert_eq!(folder.told(&["itself.yml"], &options), "-- success\nno problems in 1 file\n");
    insta::assert_snapshot!(
        [folder.told(&["main.yml"], &options), folder.told(&["lost.yml"], &options)].join("====\n")
    );
}

#[test]
fn what_is_not_there_is_wrong_usage() {
    let folder = Folder::new("usage", &[("a.txt", ""), ("empty/x.txt", ""), ("a.yml", "http: {}\n")]);
    for names in [&["nope.yml"][..], &["a.yml", "nope.yml"], &["empty"], &["a.txt"]] {
        let told = folder.told(names, &Options::default());
        assert!(told.starts_with("usage: "), "{names:?}: {told}");
    }
}

#[test]
fn bytes_that_are_no_text_are_a_problem() {
    let folder = Folder::new("bytes", &[]);
    fs::write(folder.path("a.yml"), b"http:\n  x: \xff\n").expect("a file");
    insta::assert_snapshot!(folder.told(&["a.yml"], &Options::default()), @r"
    a.yml:2:6: is not UTF-8
    -- failure
    1 problem in 1 file
    ");
}

#[test]
fn a_file_is_the_same_by_any_name() {
    let folder = Folder::new("same", &[("a.yml", "")]);
    assert!(files::is_same(&folder.path("a.yml"), &folder.0.join(".").join("a.yml")));
    assert!(!files::is_same(&folder.path("a.yml"), Path::new("a.yml")));
}
