//! Rollouts, as rows.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    KeptRollout, RolloutPage, RolloutQuery, StoreError,
    rows::{signed, unsigned},
};

/// Puts a rollout in place of what is kept under its id. Of those that have ended, the newest `most` stay.
pub(super) fn put(connection: &Connection, rollout: &KeptRollout, most: u64) -> Result<(), StoreError> {
    let KeptRollout { number: _, id, pipeline, service, status, began, ended, state } = rollout;
    connection
        .prepare_cached(
            "INSERT INTO rollouts (id, pipeline, service, status, began, ended, state) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended = excluded.ended, state = excluded.state",
        )?
        .execute(params![id, pipeline, service, status, began, ended, state])?;
    if ended.is_some() {
        connection
            .prepare_cached(
                "DELETE FROM rollouts WHERE ended IS NOT NULL AND number <= \
                 (SELECT number FROM rollouts WHERE ended IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?)",
            )?
            .execute([signed(most)])?;
    }
    Ok(())
}

/// Those that have not ended, by id.
pub(super) fn open(connection: &Connection) -> Result<BTreeMap<String, KeptRollout>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM rollouts WHERE ended IS NULL");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], |row| rollout(row).map(|rollout| (rollout.id.clone(), rollout)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One, by its id.
pub(super) fn get(connection: &Connection, id: &str) -> Result<Option<KeptRollout>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM rollouts WHERE id = ?");
    Ok(connection.prepare_cached(&sql)?.query_row([id], rollout).optional()?)
}

/// A part of all, newest first.
pub(super) fn list(connection: &Connection, asked: &RolloutQuery) -> Result<RolloutPage, StoreError> {
    let RolloutQuery { service, pipeline, status, limit, before } = asked;
    let limit = (*limit).clamp(1, RolloutQuery::MOST);
    let sql = format!(
        "SELECT {COLUMNS} FROM rollouts WHERE number < ?1 AND (?2 IS NULL OR service = ?2) \
         AND (?3 IS NULL OR pipeline = ?3) AND (?4 = '' OR instr(?4, ',' || status || ',') > 0) ORDER BY number DESC \
         LIMIT ?5"
    );
    // No status has a comma in it.
    let status = if status.is_empty() { String::new() } else { format!(",{},", status.join(",")) };
    let values = params![before.map_or(i64::MAX, signed), service, pipeline, status, limit + 1];
    let mut statement = connection.prepare_cached(&sql)?;
    let mut items = statement.query_map(values, rollout)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|last| last.number);
    Ok(RolloutPage { items, next })
}

fn rollout(row: &Row<'_>) -> rusqlite::Result<KeptRollout> {
    Ok(KeptRollout {
        number: row.get(0).map(unsigned)?,
        id: row.get(1)?,
        pipeline: row.get(2)?,
        service: row.get(3)?,
        status: row.get(4)?,
        began: row.get(5)?,
        ended: row.get(6)?,
        state: row.get(7)?,
    })
}

const COLUMNS: &str = "number, id, pipeline, service, status, began, ended, state";

#[cfg(test)]
mod tests {
    use super::{
        super::{Change, Commit, Sqlite, Store as _},
        *,
    };

    fn kept(id: &str, service: &str, ended: Option<i64>) -> KeptRollout {
        KeptRollout {
            number: 0,
            id: id.to_owned(),
            pipeline: "spring@file".to_owned(),
            service: service.to_owned(),
            status: if ended.is_some() { "SUCCEEDED" } else { "RUNNING" }.to_owned(),
            began: 5,
            ended,
            state: format!("{{\"id\": \"{id}\"}}"),
        }
    }

    fn commit(store: &mut Sqlite, rollout: KeptRollout) {
        let changes = vec![Change::PutRollout(Box::new(rollout))];
        store.commit(&Commit { changes, ..Commit::default() }).unwrap();
    }

    #[test]
    fn a_rollout_is_kept_under_its_id_and_only_open_ones_are_loaded() {
        let mut store = Sqlite::in_memory().unwrap();
        commit(&mut store, kept("a", "shop@file", None));
        commit(&mut store, kept("b", "pro@file", None));
        assert_eq!(store.load().unwrap().rollouts.keys().collect::<Vec<_>>(), ["a", "b"]);
        commit(&mut store, kept("a", "shop@file", Some(9)));
        let stored = store.load().unwrap();
        assert_eq!((stored.rollouts.into_keys().collect::<Vec<_>>(), stored.revision), (vec!["b".to_owned()], 3));
        assert_eq!(store.rollout("a").unwrap(), Some(KeptRollout { number: 1, ..kept("a", "shop@file", Some(9)) }));
        assert_eq!(store.rollout("c").unwrap(), None);
    }

    #[test]
    fn the_newest_come_first_page_by_page_and_the_oldest_that_have_ended_go() {
        let mut store = Sqlite::in_memory().unwrap();
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("migrations/2.sql")).unwrap();
        for number in 0..10 {
            let service = if number % 2 == 0 { "pro@file" } else { "shop@file" };
            let ended = (number != 3).then_some(number);
            commit(&mut store, kept(&format!("r{number}"), service, ended));
            put(&connection, &kept(&format!("r{number}"), service, ended), 4).unwrap();
        }
        let asked = RolloutQuery { service: Some("pro@file".to_owned()), limit: 3, ..RolloutQuery::default() };
        let ids = |page: &RolloutPage| page.items.iter().map(|kept| kept.id.clone()).collect::<Vec<_>>();
        let first = store.rollouts(&asked).unwrap();
        assert_eq!((ids(&first), first.next), (vec!["r8".to_owned(), "r6".to_owned(), "r4".to_owned()], Some(5)));
        let second = store.rollouts(&RolloutQuery { before: first.next, ..asked }).unwrap();
        assert_eq!((ids(&second), second.next), (vec!["r2".to_owned(), "r0".to_owned()], None));
        let of = |status: &[&str]| RolloutQuery {
            status: status.iter().map(ToString::to_string).collect(),
            limit: 3,
            ..RolloutQuery::default()
        };
        assert_eq!(ids(&store.rollouts(&of(&["RUNNING"])).unwrap()), ["r3"]);
        assert_eq!(ids(&store.rollouts(&of(&["RUNNING", "SUCCEEDED"])).unwrap()), ["r9", "r8", "r7"]);
        assert_eq!(ids(&store.rollouts(&of(&["RUNN", "FAILED"])).unwrap()), Vec::<String>::new());
        let left = list(&connection, &RolloutQuery::default()).unwrap();
        assert_eq!(ids(&left), ["r9", "r8", "r7", "r6", "r3"], "the one that has not ended is not counted");
    }
}
