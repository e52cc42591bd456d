use std::collections::BTreeMap;

use rollgate_config::scalar::Weight;
use serde_json::json;

use super::{
    super::{AuditQuery, Brake, LiveWeights, Owner, Store, Stored, audit, rows, sqlite::Sqlite},
    *,
};

/// What a file of each version holds.
const FIXTURES: &[&str] = &[include_str!("../fixtures/1.sql"), include_str!("../fixtures/2.sql")];

fn schema(connection: &Connection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL";
    let mut statement = connection.prepare(sql).unwrap();
    let mut found: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    found.sort();
    found
}

fn in_memory(sql: &str) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    connection
}

fn weights(canary: u64, stable: u64) -> BTreeMap<String, Weight> {
    [("canary@file", canary), ("stable@file", stable)]
        .map(|(version, millionths)| (version.to_owned(), Weight(millionths)))
        .into()
}

#[test]
fn a_file_of_each_version_is_brought_to_the_newest_and_loses_nothing() {
    let mut new = in_memory("");
    migrate(&mut new, STEPS).unwrap();
    assert_eq!(FIXTURES.len(), STEPS.len(), "every version has its fixture");
    for (version, fixture) in (1..).zip(FIXTURES) {
        let mut old = in_memory(fixture);
        assert_eq!(super::version(&old), Ok(version));
        migrate(&mut old, STEPS).unwrap();
        assert_eq!(super::version(&old), Ok(VERSION));
        assert_eq!(schema(&old), schema(&new), "version {version}");
        let mut found = rows::load(&old).unwrap();
        let rollouts = std::mem::take(&mut found.rollouts);
        assert_eq!(found, expected());
        assert_eq!(rollouts.keys().collect::<Vec<_>>(), if version < 2 { vec![] } else { vec!["r1"] });
        let answer = rows::remembered(&old, "k", 1_795_700_000_000).unwrap().unwrap();
        assert_eq!((answer.digest, answer.status, answer.body.as_str()), ([7; 32], 200, "{}"));
        let page = audit::read(&old, &AuditQuery::default(), 10).unwrap();
        assert_eq!((page.items.len(), page.items[0].id, page.items[0].generation), (1, 3, Some(12)));
        assert_eq!(page.items[0].to, json!({"canary@file": "10.5"}));
    }
}

fn expected() -> Stored {
    let live = LiveWeights {
        owner: Owner::Rollout("spring".to_owned()),
        weights: weights(10_500_000, 89_500_000),
        base: weights(0, 1_000_000),
        actor: "spinnaker".to_owned(),
        reason: None,
        at: 1_795_700_000_000,
        revision: 6,
    };
    let brake = Brake {
        version: "canary@file".to_owned(),
        actor: "anna".to_owned(),
        reason: Some("errors".to_owned()),
        at: 1_795_700_000_001,
    };
    Stored {
        live: [("pro@file".to_owned(), live)].into(),
        brakes: [(("pro@file".to_owned(), "canary@file".to_owned()), brake)].into(),
        documents: [("rest".to_owned(), r#"{"http":{}}"#.to_owned())].into(),
        rollouts: BTreeMap::new(),
        revision: 7,
    }
}

#[test]
fn each_step_is_taken_once_and_one_that_fails_is_not_taken_at_all() {
    let mut connection = in_memory("");
    let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO b VALUES (1)"];
    migrate(&mut connection, &steps[..1]).unwrap();
    assert_eq!((version(&connection), schema(&connection).len()), (Ok(1), 1));
    for _ in 0..2 {
        migrate(&mut connection, &steps).unwrap();
        assert_eq!((version(&connection), schema(&connection).len()), (Ok(2), 2));
    }
    let broken = [steps[0], steps[1], "CREATE TABLE c (x); INSERT INTO nowhere VALUES (1)"];
    let error = migrate(&mut connection, &broken).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert_eq!((version(&connection), schema(&connection).len()), (Ok(2), 2));
}

#[test]
fn what_is_only_in_memory_has_the_same_schema() {
    let mut store = Sqlite::in_memory().unwrap();
    assert_eq!(store.load().unwrap(), Stored::default());
}
