//! What the issue of rollouts promises, through the whole engine and the judge, from fixed seeds; and that nothing is lost by drawing
//! only what matters.

use rollgate_config::reread_pipeline;

use super::*;

/// Of stages in JSON.
fn plan(stages: &str, scene: Scene) -> Plan {
    let source =
        format!("{{\"service\": \"split\", \"stable\": \"stable\", \"canary\": \"canary\", \"stages\": [{stages}]}}");
    let pipeline = reread_pipeline("simulated@file", &source).unwrap_or_else(|problems| panic!("{problems:?}"));
    let weights = [("stable@file", 100_000_000), ("canary@file", 0)];
    let weights = weights.into_iter().map(|(version, weight)| (version.to_owned(), Weight(weight))).collect();
    Plan { pipeline: Arc::new(pipeline), weights, scene }
}

fn usual(scene: Scene) -> Plan {
    plan(r#"{"ramp": {}}, {"promote": {}}"#, scene)
}

#[test]
fn smoke() {
    for scene in [
        Scene::default(),
        Scene { canary_error: 1.0, ..Scene::default() },
        Scene { canary_error: 0.05, ..Scene::default() },
        Scene { slow_canary: 0.25, ..Scene::default() },
    ] {
        let began = std::time::Instant::now();
        let summary = Summary::of(&simulate(&usual(scene), 200, 1));
        println!("{:?} {summary:#?}", began.elapsed());
    }
    let at5 = plan(r#"{"ramp": {"steps": ["5%"]}}"#, Scene { canary_error: 1.0, ..Scene::default() });
    println!("{:#?}", Summary::of(&simulate(&at5, 10000, 1)).requests);
}
