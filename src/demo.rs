//! `rollgate demo`: three sample services, the gateway before them with `examples/flask`, a little traffic, and a view of
//! where it goes. No file and no port is needed.

mod lines;
mod numbers;
mod rollout;
mod stage;
mod story;
mod traffic;
mod view;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use rollgate_control::{Instance, Options, StartFailure};

use self::{
    numbers::{Numbers, Window},
    rollout::Canary,
    stage::Stage,
    story::Story,
};
use crate::{
    run::Signals,
    statics::{self, Failure},
};

/// The command line of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after so many seconds [default: 30 without a terminal, never in one]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Play a whole pipeline instead: a canary that is good, then one that fails 5% of its requests
    #[arg(long, conflicts_with = "seconds")]
    rollout: bool,
}

/// Exit code 0 after a clean end, 1 if the machine does not let it start.
pub(crate) fn run(arguments: &DemoArgs) -> ExitCode {
    match play(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            // The terminal may be gone.
            drop(writeln!(io::stderr(), "{what}"));
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &DemoArgs) -> Result<(), String> {
    let story = Story::begin();
    let canary = Canary::default();
    let stage = match arguments.rollout {
        false => Stage::build(move || story.canary_fails(), ""),
        true => {
            let canary = canary.clone();
            Stage::build(move || canary.fails(), rollout::PIPELINE)
        }
    };
    let stage = stage.map_err(|error| format!("the demo cannot be set up: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the control plane cannot start: {error}"))?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| format!("signals: {error}"))?;
        let instance = start(&stage).await?;
        let tries = Tries::new(&instance)?;
        traffic::start(tries.web).map_err(|error| format!("the traffic cannot start: {error}"))?;
        if arguments.rollout {
            let played = tokio::select! {
                played = rollout::show(&instance, &canary) => played,
                () = signals.end() => Ok(()),
            };
            instance.shutdown(false).await;
            return played;
        }
        let in_terminal = io::stdout().is_terminal();
        let limit = arguments.seconds.or_else(|| (!in_terminal).then_some(30)).map(Duration::from_secs);
        let told = async {
            tokio::select! {
                () = signals.end() => {}
                () = ended(limit) => {}
            }
        };
        let shown = match in_terminal {
            true => view::show(&instance, &tries, story, told).await.map_err(|error| format!("the terminal: {error}")),
            false => Ok(lines::show(&instance, &tries, story, told).await),
        };
        if let Ok(last) = &shown {
            drop(writeln!(io::stdout(), "{}", summary(last)));
        }
        tokio::select! {
            () = instance.shutdown(false) => {}
            // Told twice: at once.
            () = signals.end() => {}
        }
        shown.map(drop)
    })
}

async fn start(stage: &Stage) -> Result<Instance, String> {
    let problems = |problems: Vec<rollgate_config::problem::Problem>| {
        problems.iter().map(|problem| format!("{problem}\n")).collect::<String>()
    };
    let loaded = statics::load(Some(stage.file()), &[], &Default::default()).map_err(|failure| match failure {
        Failure::Usage(what) => what,
        Failure::Problems(found) => problems(found),
    })?;
    let options = Options {
        statics: loaded.statics,
        sources: loaded.sources,
        internal_address: loaded.internal_address,
        state_dir: None,
        state: rollgate_control::StateChoice::Memory,
        allow: Default::default(),
        allowed: Vec::new(),
        workers: 0,
        keeper: crate::run::keeper(),
        inherited: Vec::new(),
    };
    Instance::start(options).await.map_err(|failure| match failure {
        StartFailure::System(what) => what,
        StartFailure::Problems(found) => problems(found),
    })
}

async fn ended(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// What a person can type, with the ports that it really is.
struct Tries {
    web: std::net::SocketAddr,
    lines: Vec<String>,
}

impl Tries {
    fn new(instance: &Instance) -> Result<Self, String> {
        let addresses = instance.addresses();
        let of = |wanted: &str| addresses.iter().find(|(name, _)| name == wanted).map(|(_, address)| *address);
        let web = of("web").ok_or("the demo has no entry point web")?;
        let mut lines = vec![
            format!("curl -H 'Host: dev.coding' http://{web}/                          # k8s-flask-nodeport"),
            format!(
                "curl -H 'Host: pro.coding' http://{web}/                          # k8s-flask, one in ten k8s-flask-canary"
            ),
            format!("curl -H 'Host: pro.coding' -H 'X-Version: canary' http://{web}/   # always k8s-flask-canary"),
        ];
        if let Some(internal) = of("traefik") {
            lines.push(format!("curl http://{internal}/metrics | grep circuit_breaker"));
            lines.push(format!(
                "curl -X PUT -H 'Content-Type: application/json' -d '{HALF}' http://{internal}/api/v1/services/pro/weights"
            ));
            lines.push(format!("the admin API: http://{internal}/api/v1/docs/"));
        }
        Ok(Self { web, lines })
    }
}

/// Half of the requests for the canary.
const HALF: &str = r#"{"weights": {"k8s-flask": 50, "k8s-flask-canary": 50}}"#;

/// What the metrics say now.
fn numbers(instance: &Instance) -> Numbers {
    Numbers::read(&String::from_utf8_lossy(&instance.metrics_text()))
}

/// The last two looks at the metrics, a second apart.
struct Looks {
    window: Window,
    at: Instant,
}

impl Looks {
    fn new() -> Self {
        Self { window: Window::default(), at: Instant::now() }
    }

    fn look(&mut self, instance: &Instance) {
        let now = Instant::now();
        self.window.push(numbers(instance), now - self.at);
        self.at = now;
    }
}

fn summary(numbers: &Numbers) -> String {
    let total: u64 = numbers.services.values().map(|service| service.requests).sum();
    let errors: u64 = numbers.services.values().map(|service| service.errors).sum();
    let shares: Vec<String> = numbers
        .services
        .iter()
        .map(|(name, service)| {
            let share = 100.0 * service.requests as f64 / total.max(1) as f64;
            format!("{name} {} ({share:.1}%)", service.requests)
        })
        .collect();
    format!("{total} requests, {errors} errors: {}", shares.join(", "))
}
