//! `rollgate demo --rollout`: the whole pipeline, twice. The first canary is good and is promoted; the second one fails five of a
//! hundred requests, and is taken back.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rollgate_control::{
    Instance,
    rollout::{
        Start,
        engine::{Action, Asked, Caller, Rollout, Status},
    },
    traffic::Actor,
};

/// What is added to the demo's configuration.
pub(super) const PIPELINE: &str = include_str!("pipeline.yml");

/// Whether the canary is the bad one.
#[derive(Debug, Clone, Default)]
pub(super) struct Canary(Arc<AtomicBool>);

impl Canary {
    /// Five requests of a hundred, of the bad one.
    pub(super) fn fails(&self) -> bool {
        self.0.load(Ordering::Relaxed) && fastrand::u32(0..100) < 5
    }
}

/// Runs both, and tells what happens. Returns when they have ended, or nobody reads any more.
pub(super) async fn show(instance: &Instance, canary: &Canary) -> Result<(), String> {
    let mut out = io::stdout();
    for (bad, what) in [(false, "a good canary"), (true, "a canary that fails 5% of its requests")] {
        canary.0.store(bad, Ordering::Relaxed);
        instance.start_over("pro", &operator()).await.map_err(|refused| refused.to_string())?;
        if writeln!(out, "\n== {what}").is_err() {
            return Ok(());
        }
        let Some(ended) = run(instance, &mut out).await? else { return Ok(()) };
        let expected = if bad { Status::RolledBack } else { Status::Succeeded };
        let evidence = ended.evidence.as_ref().map_or(String::new(), |evidence| format!(": {}", evidence.says));
        if writeln!(out, "{}{evidence}", ended.status).is_err() {
            return Ok(());
        }
        if ended.status != expected {
            return Err(format!("{} was expected, and it is {}", expected, ended.status));
        }
    }
    Ok(())
}

/// One rollout; approves what it asks. `None`: nobody reads any more.
async fn run(instance: &Instance, out: &mut impl Write) -> Result<Option<Arc<Rollout>>, String> {
    let rollouts = instance.rollouts();
    let configuration = instance.configuration();
    let (name, pipeline) = configuration.rollouts.iter().next().ok_or("the demo has no pipeline")?;
    let by = operator();
    let start = Start { name, pipeline: pipeline.clone(), by: &by, build: None, id: None, observed: None };
    let (rollout, _) = rollouts.start(start, |_, _| None).await.map_err(|error| error.to_string())?;
    let began = Instant::now();
    let mut seen = rollouts.follow(&rollout.id).ok_or("the rollout is gone")?;
    let mut told = 0;
    loop {
        let now = seen.borrow_and_update().clone();
        for entry in now.history.iter().skip(told) {
            if writeln!(out, "{:6.1} s  {entry}", began.elapsed().as_secs_f64()).is_err() {
                return Ok(None);
            }
        }
        told = now.history.len();
        if now.status.is_end() {
            return Ok(Some(now));
        }
        if now.status == Status::Waiting {
            // Somebody reads the question first.
            tokio::time::sleep(READING).await;
            let asked = Asked { action: Action::Approve, by: caller(), reason: Some("looks good".to_owned()) };
            if let Some(Err(error)) = rollouts.act(&now.id, asked, &by, None).await {
                return Err(error.to_string());
            }
        } else if seen.changed().await.is_err() {
            return Err("the rollout has stopped".to_owned());
        }
    }
}

fn operator() -> Actor {
    Actor { name: "demo".into(), role: "operate", address: None }
}

fn caller() -> Caller {
    Caller { name: "demo".to_owned(), role: rollgate_config::static_config::Role::Operate, token: None, link: None }
}

/// For a question.
const READING: Duration = Duration::from_secs(2);
