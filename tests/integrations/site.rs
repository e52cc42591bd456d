//! Two versions of a service, users that ask all the time, and a gateway that is reached by a name, with tokens.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{Response, StatusCode};
use rollgate_testkit::{Admin, Ask, Backend, Gateway, Launch, backend::Protocol, client::full, rollgate, wait};
use serde_json::Value;

/// The name by which others reach the admin API.
pub const HOST: &str = "rollgate.gateway.svc";

/// Two versions, of which the canary can be made to fail.
pub struct Site {
    pub stable: Backend,
    pub canary: Backend,
    fails: Arc<AtomicBool>,
    pub token: Token,
}

/// A token as the command makes it.
pub struct Token {
    pub text: String,
    line: String,
}

impl Site {
    /// Whose caller has this role.
    pub fn new(role: &str) -> Self {
        let fails = Arc::new(AtomicBool::new(false));
        let failing = fails.clone();
        let canary = Backend::serve("canary", Protocol::Http1, move |_| {
            let fails = failing.load(Ordering::SeqCst);
            async move {
                let mut response = Response::new(full("canary"));
                *response.status_mut() = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
                response
            }
        });
        Self { stable: Backend::echo("stable"), canary, fails, token: Token::new("other", role) }
    }

    /// Every answer of the canary is an error from now on.
    pub fn fails(&self) {
        self.fails.store(true, Ordering::SeqCst);
    }

    /// None is.
    pub fn works(&self) {
        self.fails.store(false, Ordering::SeqCst);
    }

    /// Stable has all users. `more` stands beside `http`.
    pub fn start(&self, more: &str) -> (Gateway, Admin) {
        let gateway = self.launch(more).start();
        let admin = Admin::of(&gateway).with_token(&self.token.text);
        (gateway, admin)
    }

    pub fn launch(&self, more: &str) -> Launch {
        Launch::new(&format!(
            "entryPoints: {{web: {{address: '127.0.0.1:0'}}, traefik: {{address: '127.0.0.1:0'}}}}
metrics: {{prometheus: {{}}}}
log: {{level: INFO}}
api: {{hosts: [{HOST}], tokens: [{}]}}
http:
  routers: {{pro: {{rule: Host(`pro.test`), service: pro}}}}
  services:
    k8s-flask: {}
    k8s-flask-canary: {}
    pro: {{weighted: {{services: [{{name: k8s-flask, weight: 100}}, {{name: k8s-flask-canary, weight: 0}}]}}}}
{more}",
            self.token.line,
            self.stable.load_balancer(),
            self.canary.load_balancer()
        ))
    }
}

impl Token {
    pub fn new(name: &str, role: &str) -> Self {
        let output = rollgate(Path::new("."), &["token", "create", "--json", "--name", name, "--role", role]);
        assert_eq!(output.code, 0, "{output:?}");
        let made: Value = serde_json::from_str(&output.stdout).expect("it is JSON");
        let text = made["token"].as_str().expect("there is a token").to_owned();
        let hash = made["hash"].as_str().expect("there is a hash");
        Self { text, line: format!("{{name: {name}, role: {role}, hash: '{hash}'}}") }
    }
}

/// Ask as fast as they are answered, until this is dropped.
pub struct Users {
    stop: Arc<AtomicBool>,
}

impl Users {
    pub fn of(gateway: &Gateway) -> Self {
        Self::with(gateway, &[])
    }

    /// Who take their time: some hundred requests a second, for as long as a test may last.
    pub fn calm(gateway: &Gateway) -> Self {
        Self::each(gateway, &[], Duration::from_millis(10))
    }

    /// Whose requests have these headers.
    pub fn with(gateway: &Gateway, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self::each(gateway, headers, Duration::ZERO)
    }

    fn each(gateway: &Gateway, headers: &'static [(&'static str, &'static str)], pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..2 {
            let (stop, address) = (stop.clone(), gateway.web());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let ask = Ask::get("http://pro.test/");
                    let ask = headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
                    let _answered = ask.send(address).await;
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
            });
        }
        Self { stop }
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Until a rollout is so.
pub async fn until(admin: &Admin, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait::eventually(what, async || {
        let told = admin.get(&format!("/rollouts/{id}")).await;
        (told.status == 200 && is_so(&told.body)).then_some(told.body)
    })
    .await
}

/// A file that is shipped.
pub fn shipped(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
