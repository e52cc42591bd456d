//! Pipelines for tests.

use std::{sync::Arc, time::Duration};

use rollgate_config::{
    dynamic::rollout::{
        OnFailure, Pipeline,
        analysis::Analysis,
        audience::Audience,
        stage::{
            AbTest, Approve, Command, Deploy, DeployBy, OnTimeout, Promote, Protect, ProtectBreaker, ProtectRate, Ramp,
            Stage, StageKind, Step, Watch, Webhook,
        },
    },
    problem::{Located, Place},
    scalar::{Share, StatusRanges},
    static_config::Role,
};

pub(super) fn place() -> Place {
    Place::whole("test")
}

pub(super) fn located<T>(value: T) -> Located<T> {
    Located { value, at: place() }
}

/// Of stages with the names of their kinds.
pub(super) fn pipeline(kinds: Vec<StageKind>, on_failure: OnFailure) -> Pipeline {
    Pipeline {
        at: place(),
        service: located("split@file".to_owned()),
        stable: located("stable@file".to_owned()),
        canary: located("canary@file".to_owned()),
        analysis: Analysis::default(),
        stages: stages(kinds),
        on_failure,
        source: Arc::from("{}"),
    }
}

pub(super) fn stages(kinds: Vec<StageKind>) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for kind in kinds {
        let of_kind = stages.iter().filter(|stage| stage.kind.name() == kind.name()).count();
        let name = match of_kind {
            0 => kind.name().to_owned(),
            before => format!("{}-{}", kind.name(), before + 1),
        };
        stages.push(Stage { at: place(), name, kind });
    }
    stages
}

pub(super) fn job() -> StageKind {
    StageKind::Job(command())
}

fn command() -> Command {
    let (env, directory) = (Default::default(), None);
    Command { command: vec!["migrate".to_owned()], env, directory, timeout: Duration::from_secs(600), retries: 0 }
}

/// A command, then two servers within ten minutes.
pub(super) fn deploy() -> StageKind {
    let by = Some(DeployBy::Command(command()));
    StageKind::Deploy(Deploy { by, router: None, healthy: 2, timeout: Duration::from_secs(600) })
}

pub(super) fn approve() -> StageKind {
    StageKind::Approve(question())
}

/// Whoever operates may answer, for ever.
pub(super) fn question() -> Approve {
    Approve {
        message: Some("go on?".to_owned()),
        role: Role::Operate,
        tokens: Vec::new(),
        timeout: None,
        on_timeout: OnTimeout::Fail,
    }
}

/// 60 s and 10 requests.
pub(super) fn ab_test() -> StageKind {
    let audience = Audience { any_of: Vec::new() };
    StageKind::AbTest(AbTest { audience, duration: Duration::from_secs(60), requests: 10, draw: Some(Share(500_000)) })
}

/// 1% for 30 s, 5% for 60 s and 10 requests, 50% for 120 s.
pub(super) fn ramp() -> StageKind {
    let step = |weight, seconds, min_requests, margin| Step {
        weight: Share(weight),
        min_duration: Duration::from_secs(seconds),
        min_requests,
        margin,
    };
    let steps = vec![step(10_000, 30, 0, 5.0), step(50_000, 60, 10, 3.0), step(500_000, 120, 0, 2.0)];
    StageKind::Ramp(Ramp { steps, cohort: None })
}

/// Whose canary must not fail four times as often.
pub(super) fn watch() -> StageKind {
    StageKind::Watch(Watch { margin: 4.0, min_requests: 20 })
}

pub(super) fn wait(seconds: u64) -> StageKind {
    StageKind::Wait(Duration::from_secs(seconds))
}

pub(super) fn webhook() -> StageKind {
    StageKind::Webhook(Webhook {
        url: located("http://ci.example/hook".parse().expect("an address")),
        method: "POST".to_owned(),
        headers: Default::default(),
        body: None,
        timeout: Duration::from_secs(10),
        retries: 3,
        status: StatusRanges(vec![(200, 299)]),
        json: None,
    })
}

/// Twice the rate, three times the errors.
pub(super) fn protect() -> StageKind {
    StageKind::Protect(Protect {
        rate_limit: Some(ProtectRate::Observed { headroom: 2.0, at_least: 1, at_most: 1_000_000 }),
        circuit_breaker: Some(ProtectBreaker::Observed {
            factor: 3.0,
            at_least: Share(50_000),
            at_most: Share(500_000),
        }),
    })
}

pub(super) fn promote() -> StageKind {
    StageKind::Promote(Promote { write_back: None })
}

/// All kinds, in the order in which they make sense.
pub(super) fn whole(on_failure: OnFailure) -> Pipeline {
    pipeline(vec![job(), deploy(), ab_test(), ramp(), approve(), protect(), wait(60), promote(), webhook()], on_failure)
}
