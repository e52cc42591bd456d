//! A rollout whose pipeline is sent along, and what makes it safe to send such a request, or an action, again.

use rollgate_testkit::{Admin, Told};
use serde_json::{Value, json};

use crate::site::{Site, until};

fn definition(stages: Value) -> Value {
    json!({"service": "pro", "stable": "k8s-flask", "canary": "k8s-flask-canary", "stages": stages})
}

async fn begin(admin: &Admin, body: Value) -> Told {
    admin.change("POST", "/rollouts", &body).await
}

#[tokio::test]
async fn a_definition_is_run_and_is_no_pipeline() {
    let site = Site::new("operate");
    let (_gateway, admin) = site.start("");
    let begun = begin(&admin, json!({"id": "x-1", "definition": definition(json!([{"promote": {}}]))})).await;
    assert_eq!(begun.status, 201, "{}", begun.reply.text());
    assert_eq!((&begun.body["id"], &begun.body["pipeline"]), (&json!("x-1"), &json!("x-1@inline")));
    let url = begun.body["statusUrl"].as_str().expect("it is text");
    assert!(url.starts_with("http://") && url.ends_with("/api/v1/rollouts/x-1"), "{url}");
    until(&admin, "x-1", "it has ended", |seen| seen["status"] == "SUCCEEDED").await;
    assert_eq!(admin.get("/pipelines").await.ok()["items"], json!([]));
    let mut named = definition(json!([{"wait": "1h"}]));
    named["name"] = json!("mine");
    let begun = begin(&admin, json!({"definition": named})).await;
    assert_eq!(begun.body["pipeline"], "mine@inline", "{}", begun.reply.text());
    assert!(begun.body["id"].as_str().is_some_and(|id| id.starts_with("mine-")), "{}", begun.body);
}

#[tokio::test]
async fn what_cannot_begin_says_why() {
    let site = Site::new("operate");
    let (_gateway, admin) = site.start("");
    let promote = || definition(json!([{"promote": {}}]));
    let refused = async |body: Value| {
        let told = begin(&admin, body).await;
        let (status, code) = told.problem();
        format!("{status} {code} {}: {}", told.body["field"], told.body["detail"])
    };
    let mut all = Vec::new();
    all.push(refused(json!({})).await);
    all.push(refused(json!({"pipeline": "release", "definition": promote()})).await);
    all.push(refused(json!({"definition": definition(json!([{"ramp": {"steps": ["70%"]}}]))})).await);
    all.push(refused(json!({"definition": []})).await);
    for id in ["", "a/b", "a.b", &"x".repeat(101)] {
        all.push(refused(json!({"id": id, "definition": promote()})).await);
    }
    all.push(refused(json!({"build": "x".repeat(256), "definition": promote()})).await);
    all.push(refused(json!({"after": "nobody", "definition": promote()})).await);
    begin(&admin, json!({"id": "x-1", "build": "1", "definition": promote()})).await;
    until(&admin, "x-1", "it has ended", |seen| seen["status"] == "SUCCEEDED").await;
    all.push(refused(json!({"id": "x-1", "definition": promote()})).await);
    all.push(refused(json!({"after": "x-1", "build": "2", "definition": promote()})).await);
    let mut back = promote();
    (back["stable"], back["canary"]) = (json!("k8s-flask-canary"), json!("k8s-flask"));
    all.push(refused(json!({"after": "x-1", "definition": back})).await);
    insta::assert_snapshot!(all.join("\n"));
}

#[tokio::test]
async fn whoever_may_only_move_traffic_sends_no_commands() {
    let operator = Site::new("operate");
    let (_gateway, admin) = operator.start("");
    let webhook = json!({"webhook": {"url": "http://127.0.0.1:1/"}});
    let with_command = json!({"deploy": {"command": ["true"]}});
    let mut after = definition(json!([{"wait": "1h"}]));
    after["onFailure"] = json!([webhook]);
    let definitions = [
        definition(json!([{"job": {"command": ["true"]}}])),
        definition(json!([webhook])),
        definition(json!([with_command])),
        definition(json!([{"promote": {"writeBack": "/etc/passwd.yml"}}])),
        after,
    ];
    for definition in &definitions {
        let told = begin(&admin, json!({"definition": definition})).await;
        assert_eq!(told.problem(), (403, "forbidden"), "{definition}");
    }
    assert_eq!(admin.get("/rollouts").await.ok()["items"], json!([]), "nothing was begun");
    let harmless = definition(json!([{"deploy": {"healthy": 1}}, {"approve": {}}, {"wait": "1h"}]));
    assert_eq!(begin(&admin, json!({"definition": harmless})).await.status, 201);

    let administrator = Site::new("admin");
    let (_gateway, admin) = administrator.start("");
    let told = begin(&admin, json!({"id": "x-1", "definition": definitions[0]})).await;
    assert_eq!(told.status, 201, "{}", told.reply.text());
    until(&admin, "x-1", "it has ended", |seen| seen["status"] == "SUCCEEDED").await;
}

#[tokio::test]
async fn an_action_that_is_sent_again_is_done_once() {
    let site = Site::new("operate");
    let (_gateway, admin) = site.start("");
    let stages = json!([{"approve": {}}, {"name": "second", "approve": {}}]);
    begin(&admin, json!({"id": "x-1", "definition": definition(stages)})).await;
    until(&admin, "x-1", "somebody is asked", |seen| seen["status"] == "WAITING").await;
    let approve = async |body: Value| admin.change("POST", "/rollouts/x-1/approve", &body).await;
    // Many at once: one of them is the first.
    let all = (0..40).map(|_| {
        let admin = admin.clone();
        tokio::spawn(async move {
            let body = json!({"idempotencyKey": "a"});
            loop {
                let told = admin.change("POST", "/rollouts/x-1/approve", &body).await;
                // The store takes so many at once: who is not taken asks again.
                if told.status != 503 {
                    return told;
                }
            }
        })
    });
    let mut answers = Vec::new();
    for answer in all.collect::<Vec<_>>() {
        answers.push(answer.await.expect("it is answered"));
    }
    until(&admin, "x-1", "he is asked again", |seen| seen["stage"] == "second" && seen["status"] == "WAITING").await;
    answers.push(approve(json!({"idempotencyKey": "a"})).await);
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (200, &answers[0].body), "{}", answer.reply.text());
    }
    let seen = admin.get("/rollouts/x-1").await.ok();
    assert_eq!((&seen["stage"], &seen["status"]), (&json!("second"), &json!("WAITING")), "{seen:#}");
    assert_eq!(approve(json!({"idempotencyKey": "a", "reason": "x"})).await.problem(), (422, "idempotency-mismatch"));
    assert_eq!(approve(json!({"idempotencyKey": "b"})).await.status, 200);
    assert_eq!(approve(json!({})).await.problem(), (409, "not-possible"));
}

#[tokio::test]
async fn the_same_request_twice_at_once_begins_one_rollout() {
    let site = Site::new("operate");
    let (_gateway, admin) = site.start("");
    let body = json!({"idempotencyKey": "a", "definition": definition(json!([{"wait": "1h"}]))});
    let all = tokio::join!(begin(&admin, body.clone()), begin(&admin, body.clone()), begin(&admin, body));
    for told in [&all.0, &all.1, &all.2] {
        assert_eq!((told.status, &told.body["id"]), (201, &all.0.body["id"]), "{}", told.reply.text());
    }
    assert_eq!(admin.get("/rollouts").await.ok()["items"].as_array().map(Vec::len), Some(1));
}
