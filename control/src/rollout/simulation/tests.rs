//! What rollouts promise, through the whole engine and the judge, from fixed seeds; that nothing is lost by drawing only what matters;
//! and what each kind of stage and scene does.

use rollgate_config::reread_pipeline;
use rollgate_gateway::{Kept, Rehearsal};

use super::{
    budget::Account,
    flow::{Group, Held},
    site::{Site, Wants},
    stream::seeded,
    *,
};

/// Of stages in JSON, and other keys.
fn plan_with(stages: &str, keys: &str, scene: Scene) -> Plan {
    let source =
        format!(r#"{{"service": "split", "stable": "stable", "canary": "canary", "stages": [{stages}]{keys}}}"#);
    let pipeline = reread_pipeline("simulated@file", &source).unwrap_or_else(|problems| panic!("{problems:?}"));
    let weights = [("stable@file", 100_000_000), ("canary@file", 0)];
    let weights = weights.into_iter().map(|(version, weight)| (version.to_owned(), Weight(weight))).collect();
    Plan { pipeline: Arc::new(pipeline), weights, scene }
}

fn plan(stages: &str, scene: Scene) -> Plan {
    plan_with(stages, "", scene)
}

/// 1/5/25/50, then all.
fn usual(scene: Scene) -> Plan {
    plan(r#"{"ramp": {}}, {"promote": {}}"#, scene)
}

/// 5%, for as long as it takes.
fn at_five(scene: Scene) -> Plan {
    plan(r#"{"ramp": {"steps": [{"weight": "5%", "minDuration": "720h"}]}}"#, scene)
}

fn simulate(plan: &Plan, runs: usize, seed: u64) -> Vec<Run> {
    super::simulate(plan, runs, seed).expect("they are short")
}

fn failing(canary_error: f64) -> Scene {
    Scene { canary_error, ..Scene::default() }
}

/// As [`simulate`], and shown with `--nocapture`.
fn played(what: &str, plan: &Plan, runs: usize) -> Summary {
    let began = std::time::Instant::now();
    let summary = Summary::of(&simulate(plan, runs, 1));
    let Summary { promoted, rolled_back, held, failed, requests, verdict, promotion, .. } = &summary;
    let shown = |found: &Option<Quantiles>| {
        found.map_or_else(|| "-".to_owned(), |found| format!("{}/{}/{}", found.median, found.p95, found.p999))
    };
    println!(
        "{what}: {runs} runs in {:.1} s: {}/{}/{}/{} promoted/rolled back/held/failed; requests {}, braked after {}, promoted after {}",
        began.elapsed().as_secs_f64(),
        promoted.share,
        rolled_back.share,
        held.share,
        failed.share,
        shown(requests),
        shown(verdict),
        shown(promotion),
    );
    summary
}

#[test]
fn a_good_canary_is_promoted_within_five_hundred_seconds() {
    let summary = played("good", &usual(Scene::default()), 400);
    assert!(summary.promotion.unwrap().median <= 500.0);
    // 1%, and three standard errors of 400 runs.
    assert!(summary.rolled_back.share <= 0.025);
    assert_eq!(summary.promoted.share + summary.rolled_back.share, 1.0);
    assert_eq!(summary.steps.len(), 4);
}

#[test]
fn a_canary_that_always_fails_gets_three_requests_and_hardly_ever_more_than_five() {
    let requests = played("fails always", &at_five(failing(1.0)), 5_000).requests.unwrap();
    assert_eq!(requests.median, 3.0);
    assert!(requests.p999 <= 5.0);
}

#[test]
fn canaries_that_fail_at_times_are_found_soon() {
    for (share, median) in [(0.2, 20.0), (0.05, 160.0)] {
        let summary = played(&format!("fails {share}"), &at_five(failing(share)), 400);
        assert_eq!(summary.rolled_back.share, 1.0);
        assert!(summary.requests.unwrap().median <= median);
        assert_eq!(summary.families.keys().collect::<Vec<_>>(), ["errors"]);
    }
    let summary = played("fails 5% on the usual ramp", &usual(failing(0.05)), 300);
    assert_eq!((summary.rolled_back.share, summary.promoted.share), (1.0, 0.0));
    assert!(summary.requests.unwrap().median <= 160.0);
}

#[test]
fn an_outage_of_both_holds_and_rolls_nothing_back() {
    let outage = Outage { from: Duration::from_secs(60), long: Duration::from_secs(60), share: 0.3 };
    let scene = Scene { outage: Some(outage), ..Scene::default() };
    let with = played("outage 30% for 60 s", &usual(scene), 400);
    assert!(with.rolled_back.share <= 0.01);
    let without = Summary::of(&simulate(&usual(Scene::default()), 100, 1)).promotion.unwrap().median;
    assert!(with.promotion.unwrap().median > without + 30.0, "it was held for a while");
}

#[test]
fn slow_answers_are_found_and_the_threshold_is_stables_own() {
    let summary = played("a quarter is slow", &at_five(Scene { slow_canary: 0.25, ..Scene::default() }), 300);
    assert_eq!(summary.families.keys().collect::<Vec<_>>(), ["slow"]);
    assert!(summary.requests.unwrap().median <= 200.0);
    let steps = r#"{"ramp": {"steps": [{"weight": "5%", "minDuration": "1h"}]}}"#;
    let none = r#", "analysis": {"latency": {"margin": 1}}"#;
    let strict = plan_with(steps, none, Scene { slow_canary: 0.25, ..Scene::default() });
    assert!(played("and none is let pass", &strict, 300).requests.unwrap().median <= 70.0);
    let both = Scene { slow_baseline: 0.25, slow_canary: 0.25, ..Scene::default() };
    assert!(played("both slow", &usual(both), 200).rolled_back.share <= 0.01);
    let fixed = r#", "analysis": {"latency": {"threshold": "150ms"}}"#;
    let scene = Scene { slow_canary: 1.0, ..Scene::default() };
    let requests = played("all above a fixed one", &plan_with(steps, fixed, scene), 300).requests.unwrap();
    assert!((5.0..10.0).contains(&requests.median), "{requests:?}");
}

#[test]
fn a_canary_that_breaks_late_is_found_as_soon() {
    let scene = Scene { break_after: Some(5_000), ..failing(1.0) };
    let summary = played("breaks after 5,000", &at_five(scene), 200);
    assert!(summary.requests.unwrap().median <= 12.0 && summary.requests.unwrap().p95 <= 20.0);
    assert!(summary.verdict.unwrap().median <= 3.0);
    let drift = Drift { to: 0.03, over: Duration::from_secs(300) };
    let scene = Scene { drift: Some(drift), ..Scene::default() };
    assert!(played("drift to 3%", &usual(scene), 200).rolled_back.share <= 0.01);
}

#[test]
fn an_audience_gets_its_share() {
    let stages = r#"{"abTest": {"match": {"headers": {"x": "y"}}, "duration": "5m"}}"#;
    let audience = |canary_error| Scene { audience: 0.02, ..failing(canary_error) };
    let bad = played("audience, fails always", &plan(stages, audience(1.0)), 200);
    assert_eq!(bad.rolled_back.share, 1.0);
    assert!((2.0..=3.0).contains(&bad.requests.unwrap().median), "{:?}", bad.requests);
    assert_eq!(bad.families.keys().collect::<Vec<_>>(), ["promise"]);
    let good = simulate(&plan(stages, audience(0.002)), 50, 1);
    assert!(good.iter().filter(|run| run.end == End::Promoted).count() >= 49);
    let requests = good.iter().map(|run| run.requests as f64).sum::<f64>() / 50.0;
    assert!((requests - 600.0).abs() < 15.0, "2 a second for 5 minutes: {requests}");
    assert!(good.iter().all(|run| run.took >= Duration::from_secs(300) || run.end != End::Promoted));

    let drawn = r#"{"abTest": {"match": {"headers": {"x": "y"}}, "draw": "50%", "requests": 300}}"#;
    let good = simulate(&plan(drawn, audience(0.01)), 50, 1);
    let seconds = good.iter().map(|run| run.took.as_secs_f64()).sum::<f64>() / 50.0;
    assert!((seconds - 300.0).abs() < 10.0, "1 a second: {seconds}");
}

#[test]
fn stages_take_their_stated_time_and_approvals_none() {
    let stages = r#"{"job": {"command": ["x"]}}, {"approve": {"tokens": ["t"]}}, {"wait": "10m"},
        {"ramp": {"steps": [{"weight": "50%", "minDuration": 60, "minRequests": 6000}]}}, {"wait": "5m"},
        {"protect": {"rateLimit": {}, "circuitBreaker": {}}}, {"promote": {}}, {"wait": "1h"}"#;
    let runs = simulate(&plan(stages, Scene::default()), 20, 1);
    for run in &runs {
        assert_eq!(run.end, End::Promoted);
        let seconds = run.took.as_secs_f64() - 600.0 - 300.0;
        assert!((110.0..400.0).contains(&seconds), "6,000 requests at 50 a second: {seconds}");
        assert!(run.steps[0].requests >= 6_000 && run.steps[0].passed);
        assert!(run.requests > 20_000, "the canary has its half while it is waited: {}", run.requests);
    }
}

#[test]
fn warming_up_is_not_counted() {
    let stages = r#"{"ramp": {"steps": [{"weight": "5%", "minDuration": 30}]}}, {"promote": {}}"#;
    let warming = plan_with(stages, r#", "analysis": {"discard": "2m"}"#, failing(1.0));
    let found = played("fails always, two minutes of warm-up", &warming, 50);
    assert!(found.verdict.unwrap().median > 120.0 && found.requests.unwrap().median > 500.0);
    let good = plan_with(stages, r#", "analysis": {"discard": "2m"}"#, Scene::default());
    assert!(
        simulate(&good, 10, 1).iter().all(|run| run.took > Duration::from_secs(150)),
        "the step's time begins anew"
    );
}

#[test]
fn who_has_too_little_traffic_is_held_and_told_so() {
    let scene = Scene { rps: 0.01, limit: Duration::from_secs(3_600), ..Scene::default() };
    let summary = played("36 requests", &usual(scene), 20);
    assert_eq!(summary.held.share, 1.0);
    let stages = r#"{"protect": {"rateLimit": {}}}, {"promote": {}}"#;
    let summary = Summary::of(&simulate(&plan(stages, Scene::default()), 2, 1));
    assert_eq!(summary.failed.share, 1.0);
    assert!(summary.why_failed.unwrap().contains("no rate limit"));
}

#[test]
fn what_is_held_after_a_failure_was_found_all_the_same() {
    let plan = plan_with(r#"{"ramp": {}}, {"promote": {}}"#, r#", "onFailure": "hold""#, failing(1.0));
    assert_eq!(Summary::of(&simulate(&plan, 20, 1)).rolled_back.share, 1.0);
}

/// As if each tick were played: the same figures but for chance.
#[test]
fn nothing_is_lost_by_drawing_only_what_matters() {
    let outage = Outage { from: Duration::from_secs(30), long: Duration::from_secs(20), share: 0.1 };
    for (what, scene) in [
        ("good", Scene::default()),
        ("fails 2%", failing(0.02)),
        ("slow, after 100", Scene { slow_canary: 0.2, break_after: Some(100), ..Scene::default() }),
        ("outage", Scene { outage: Some(outage), ..failing(0.03) }),
    ] {
        let stages = r#"{"ramp": {"steps": ["5%", {"weight": "25%", "minDuration": 20}]}}, {"promote": {}}"#;
        let plan = plan(stages, scene);
        let (times, budget) = (AnswerTimes::new(&plan.scene), Budget::of(MOST_LOOKS));
        let runs = 100;
        let thorough: Vec<Run> =
            (0..runs).map(|run| Player::new(&plan, (&times, &budget), 2, run).thorough().play()).collect();
        let sparse = simulate(&plan, runs as usize, 1);
        type Figure = fn(&Run) -> f64;
        let figures: [(&str, Figure); 4] = [
            ("rolled back", |run| f64::from(run.end == End::RolledBack)),
            ("seconds", |run| run.took.as_secs_f64().ln()),
            ("requests", |run| (run.requests as f64).ln_1p()),
            ("first step", |run| run.steps[0].lasted.as_secs_f64()),
        ];
        for (name, figure) in figures {
            let [(one, one_error), (other, other_error)] = [&thorough, &sparse].map(|runs| mean(runs, figure));
            println!("{what}, {name}: {one:.3} {other:.3}");
            assert!((one - other).abs() <= 3.5 * one_error.hypot(other_error) + 1e-9, "{what}, {name}: {one} {other}");
        }
    }
}

fn mean(runs: &[Run], figure: fn(&Run) -> f64) -> (f64, f64) {
    let count = runs.len() as f64;
    let mean = runs.iter().map(figure).sum::<f64>() / count;
    let variance = runs.iter().map(|run| (figure(run) - mean).powi(2)).sum::<f64>() / count;
    (mean, (variance / count).sqrt())
}

#[test]
fn the_same_seed_gives_the_same_runs_however_many_play_them() {
    let plan = usual(failing(0.05));
    let (times, budget) = (AnswerTimes::new(&plan.scene), Budget::of(MOST_LOOKS));
    let alone: Vec<Run> = (0..20).map(|run| Player::new(&plan, (&times, &budget), 3, run).play()).collect();
    assert_eq!(simulate(&plan, 20, 3), alone);
    assert_ne!(simulate(&plan, 20, 4), alone);
}

#[test]
fn what_would_take_too_long_is_given_up() {
    let budget = Budget::of(u64::MAX);
    let plan =
        usual(Scene { baseline_error: 0.05, canary_error: 0.05, limit: Duration::from_secs(3600), ..Scene::default() });
    let all = within(&budget, &plan, 20, 1).unwrap();
    let taken = budget.taken();
    assert!(taken > 20 * 36_000, "twenty that are looked at ten times a second for an hour: {taken}");
    assert_eq!(within(&Budget::of(taken), &plan, 20, 1), Ok(all));
    assert_eq!(within(&Budget::of(taken - 1), &plan, 20, 1), Err(TooLong));
    let endless = Scene { rps: 1e6, baseline_error: 0.5, canary_error: 0.5, ..Scene::default() };
    assert_eq!(within(&Budget::of(100_000), &usual(endless), 2, 1), Err(TooLong));
}

/// What is drawn for the judge goes by when its evidence starts again.
#[test]
fn it_is_known_when_evidence_starts_again() {
    let plan = usual(Scene::default());
    let times = AnswerTimes::new(&plan.scene);
    let held = Held::of(&plan.weights, "canary@file", "stable@file");
    let weights =
        [("stable@file", 3), ("canary@file", 1)].map(|(version, weight)| (version.to_owned(), Weight(weight)));
    let budget = Budget::of(MOST_LOOKS);
    let mut site = Site::new(&plan.scene, &times, held, seeded(5, 5), Account::of(&budget));
    site.weigh(&weights.into(), "stable@file", "canary@file");
    site.lay(
        Some((Rehearsal::begin(&plan.pipeline.analysis, true, None).unwrap(), Group::All)),
        &plan.pipeline.analysis,
    );
    let mut restarts = 0;
    for until in 1..=600 {
        while site.now() < until * 300_000 {
            site.play(until * 300_000, Wants::default());
        }
        site.look(false);
        if until % 150 == 0 {
            site.next_step();
        }
        let Kept::Compared(rule) = site.rehearsal().unwrap().state().evidence else { panic!("they are compared") };
        assert_eq!(site.since_restart(), rule.since_restart);
        restarts = rule.families[0].unwrap().restarts;
    }
    assert!(restarts > 15, "{restarts}");
}
