//! The static configuration while the gateway runs: which part of it follows the main file, and which needs a restart.

use rollgate_config::{
    Allow, Read,
    problem::{Place, Problem},
    static_config::{Api, FileProvider, Static},
};

use crate::file::Text;

/// What the gateway was started with.
#[derive(Debug)]
pub struct Started {
    /// The static configuration.
    pub statics: Static,
    /// Where the internal entry point listens if the configuration does not say.
    pub internal_address: Option<String>,
    /// What `--allow-unsupported` names.
    pub allow: Allow,
    /// What it let through of the static configuration.
    pub allowed: Vec<Problem>,
}

/// The static configuration that a text of the main file stands for.
#[derive(Debug)]
pub struct Now {
    /// The entry points, the default transport and who may ask the API are the text's; the rest is what the gateway was
    /// started with.
    pub statics: Static,
    /// What was let through.
    pub allowed: Vec<Problem>,
    /// What else the text says otherwise: one for each root key.
    pub restart: Vec<Problem>,
}

impl Started {
    /// `main`: the main file, if there is one.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn now(&self, main: Option<&Text>) -> Result<Now, Vec<Problem>> {
        let Some(main) = main else {
            return Ok(Now { statics: self.statics.clone(), allowed: self.allowed.clone(), restart: Vec::new() });
        };
        let document = main.document.as_ref().map_err(Clone::clone)?;
        let Read { value, problems, warnings, .. } = rollgate_config::read_static(document, &self.allow);
        let mut new = value.ok_or(problems)?;
        if let Some(address) = &self.internal_address {
            new.set_internal_default(address);
        }
        let places = document.static_roots();
        let place = |key: &str| {
            let found = places.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, at)| at.clone());
            found.unwrap_or_else(|| Place::whole(document.source()))
        };
        let restart = differing(&self.statics, &new).into_iter().map(|key| {
            let what = "was changed, which takes effect at the next start";
            Problem::new(&place(key), key, what, "")
        });
        let restart = restart.collect();
        let Static { entry_points, servers_transport, api, .. } = new;
        let api = following(self.statics.api.as_ref(), api);
        let statics = Static { entry_points, servers_transport, api, ..self.statics.clone() };
        Ok(Now { statics, allowed: warnings, restart })
    }
}

/// Who may ask follows; whether there is an API, and where, is what the gateway was started with.
fn following(started: Option<&Api>, new: Option<Api>) -> Option<Api> {
    let started = started?;
    Some(new.map_or_else(|| started.clone(), |new| Api { base_path: started.base_path.clone(), ..new }))
}

/// Whether the entry points and the default transport are the same.
pub fn is_same(one: &Static, other: &Static) -> bool {
    let entry_points = || one.entry_points.iter().zip(&other.entry_points);
    one.servers_transport.is(&other.servers_transport)
        && one.entry_points.len() == other.entry_points.len()
        && entry_points().all(|((name, one), (other_name, other))| name == other_name && one.is(other))
}

/// The root keys that differ and that only a start reads.
fn differing(started: &Static, new: &Static) -> Vec<&'static str> {
    let provider = |statics: &Static| {
        statics.file_provider.as_ref().map(|FileProvider { target, watch, .. }| (target.clone(), *watch))
    };
    let path = |statics: &Static| statics.api.as_ref().map(|api| api.base_path.clone());
    let differs = [
        ("providers", provider(started) != provider(new) || started.rest_provider != new.rest_provider),
        ("ping", started.ping != new.ping),
        ("metrics", started.prometheus != new.prometheus || started.metrics_add_internals != new.metrics_add_internals),
        ("limits", started.limits != new.limits),
        ("log", started.log != new.log),
        ("accessLog", started.access_log != new.access_log),
        ("resolver", started.resolver != new.resolver),
        ("api", path(started) != path(new)),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::file::reader::Content;

    fn main(text: &str) -> Text {
        let content: Content = Ok(Arc::from(text));
        Text::parse("rollgate.yml", content, true)
    }

    fn started(text: &str) -> Started {
        let Read { value, problems, .. } =
            rollgate_config::read_static(main(text).document.as_ref().unwrap(), &Allow::default());
        let statics = value.unwrap_or_else(|| panic!("{problems:?}"));
        Started { statics, internal_address: None, allow: Allow::default(), allowed: Vec::new() }
    }

    const TEXT: &str = "entryPoints: {web: {address: ':80'}}
providers: {file: {directory: conf}}
ping: {}
metrics: {prometheus: {}}
log: {level: INFO}
accessLog: {}
serversTransport: {maxIdleConnsPerHost: 7}
";

    fn keys(text: &str) -> Vec<String> {
        let now = started(TEXT).now(Some(&main(text))).unwrap();
        now.restart.iter().map(|problem| format!("{} {}", problem.at.line, problem.path)).collect()
    }

    #[test]
    fn what_only_a_start_reads_is_told_of_with_its_place() {
        assert_eq!(keys(TEXT), Vec::<String>::new());
        assert_eq!(keys(&format!("\n\n# moved\n{TEXT}")), Vec::<String>::new());
        for (from, to, told) in [
            ("conf}", "other}", "2 providers"),
            ("conf}", "conf, watch: false}", "2 providers"),
            ("ping: {}", "ping: {entryPoint: web}", "3 ping"),
            ("prometheus: {}", "prometheus: {addRoutersLabels: true}", "4 metrics"),
            ("prometheus: {}", "addInternals: true, prometheus: {}", "4 metrics"),
            ("INFO", "DEBUG", "5 log"),
            ("accessLog: {}", "accessLog: {format: json}", "6 accessLog"),
            ("accessLog: {}\n", "", "0 accessLog"),
            ("accessLog: {}\n", "accessLog: {}\nresolver: {maxTTL: 1m}\n", "7 resolver"),
        ] {
            assert_eq!(keys(&TEXT.replace(from, to)), [told], "{to}");
        }
        assert_eq!(keys(&format!("{TEXT}api: {{}}\n")), ["8 api"]);
        let with_rest = TEXT.replace("conf}", "conf}, rest: {}") + "api: {}\n";
        assert_eq!(keys(&with_rest), ["2 providers", "8 api"]);
    }

    #[test]
    fn who_may_ask_follows_the_file_and_whether_there_is_an_api_does_not() {
        let token = |name: &str| format!("{{name: {name}, role: read, hash: 'sha256:{:0>64}'}}", name.len());
        let api = |text: &str| format!("{TEXT}api: {{{text}}}\n");
        let started_with = |text: &str| started(&format!("{TEXT}{text}"));
        let with = started_with(&format!("api: {{basePath: /x, tokens: [{}]}}\n", token("one")));
        let now =
            with.now(Some(&main(&api(&format!("basePath: /x, hosts: [a], tokens: [{}]", token("other")))))).unwrap();
        assert_eq!(now.restart, []);
        let followed = now.statics.api.unwrap();
        assert_eq!((&*followed.tokens[0].name, &*followed.hosts), ("other", &["a".to_owned()][..]));
        assert!(followed.client_certificates.is_empty());
        let now = with.now(Some(&main(&api("clientCertificates: [{name: a, role: admin}]")))).unwrap();
        assert_eq!(now.restart.len(), 1, "its path changed");
        let followed = now.statics.api.unwrap();
        assert_eq!((&*followed.base_path, followed.tokens.len(), followed.client_certificates.len()), ("/x", 0, 1));
        let now = with.now(Some(&main(TEXT))).unwrap();
        assert_eq!(now.restart.len(), 1);
        assert_eq!(now.statics.api, with.statics.api, "who could ask still can until the restart");
        let without = started_with("").now(Some(&main(&api("")))).unwrap();
        assert_eq!((without.statics.api, without.restart.len()), (None, 1));
    }

    #[test]
    fn entry_points_and_the_default_transport_follow_the_file() {
        let started = started(TEXT);
        let changed = TEXT.replace(":80", ":81").replace('7', "8").replace("INFO", "DEBUG");
        let now = started.now(Some(&main(&changed))).unwrap().statics;
        assert_eq!(now.entry_points["web"].address.value, ":81");
        assert_eq!(now.servers_transport.max_idle_conns_per_host, 8);
        assert_eq!(now.log, started.statics.log);
        assert!(!is_same(&now, &started.statics));
        let moved = started.now(Some(&main(&format!("\n\n{TEXT}")))).unwrap().statics;
        assert!(is_same(&moved, &started.statics), "a line that moves changes nothing");
        assert!(started.now(Some(&main("entryPoints: {web: {adress: ':80'}}"))).is_err());
    }
}
