//! What is in force, as rows.

use std::collections::BTreeMap;

use rollgate_config::scalar::Weight;
use rusqlite::{Connection, OptionalExtension as _, Row, params, types::Type};

use super::{Brake, Change, LiveWeights, Remembered, StoreError, Stored, rollouts};

/// All of it, as of one moment if `connection` is in a transaction.
pub(super) fn load(connection: &Connection) -> Result<Stored, StoreError> {
    let (live, brakes, documents) = (live(connection)?, brakes(connection)?, documents(connection)?);
    let rollouts = rollouts::open(connection)?;
    Ok(Stored { live, brakes, documents, rollouts, revision: revision(connection)? })
}

/// What `meta` holds.
pub(super) fn revision(connection: &Connection) -> Result<u64, StoreError> {
    Ok(connection.query_row("SELECT revision FROM meta", [], |row| row.get(0).map(unsigned))?)
}

/// What `live` holds.
pub(super) fn live(connection: &Connection) -> Result<BTreeMap<String, LiveWeights>, StoreError> {
    collect(connection, "SELECT service, owner, weights, base, actor, reason, at, revision FROM live", live_weights)
}

/// What `brakes` holds.
pub(super) fn brakes(connection: &Connection) -> Result<BTreeMap<(String, String), Brake>, StoreError> {
    collect(connection, "SELECT service, version, actor, reason, at FROM brakes", brake)
}

/// What `documents` holds.
pub(super) fn documents(connection: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    collect(connection, "SELECT name, text FROM documents", |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Makes one change.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<(), StoreError> {
        connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    };
    match change {
        Change::SetWeights(service, live) => {
            let LiveWeights { owner, weights, base, actor, reason, at, revision } = live;
            run(
                "INSERT OR REPLACE INTO live (service, owner, weights, base, actor, reason, at, revision) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                params![service, owner.to_string(), json(weights), json(base), actor, reason, at, signed(*revision)],
            )
        }
        Change::DropWeights(service) => run("DELETE FROM live WHERE service = ?", params![service]),
        Change::SetBrake(service, Brake { version, actor, reason, at }) => run(
            "INSERT OR REPLACE INTO brakes (service, version, actor, reason, at) VALUES (?, ?, ?, ?, ?)",
            params![service, version, actor, reason, at],
        ),
        Change::ReleaseBrake(service, version) => {
            run("DELETE FROM brakes WHERE service = ? AND version = ?", params![service, version])
        }
        Change::PutDocument(name, text) => {
            run("INSERT OR REPLACE INTO documents (name, text) VALUES (?, ?)", params![name, text])
        }
        Change::DropDocument(name) => run("DELETE FROM documents WHERE name = ?", params![name]),
        Change::PutRollout(rollout) => rollouts::put(connection, rollout, ENDED_ROLLOUTS),
    }
}

/// Counts the revision up, if it is `seen`.
pub(super) fn advance(connection: &Connection, seen: u64) -> Result<(), StoreError> {
    let sql = "UPDATE meta SET revision = revision + 1 WHERE revision = ?";
    match connection.prepare_cached(sql)?.execute([signed(seen)])? {
        0 => Err(StoreError::Stale),
        _ => Ok(()),
    }
}

/// Puts everything into tables that are empty.
pub(super) fn fill(connection: &Connection, stored: &Stored) -> Result<(), StoreError> {
    let weights = stored.live.iter().map(|(service, live)| Change::SetWeights(service.clone(), live.clone()));
    let brakes = stored.brakes.iter().map(|((service, _), brake)| Change::SetBrake(service.clone(), brake.clone()));
    let documents = stored.documents.iter().map(|(name, text)| Change::PutDocument(name.clone(), text.clone()));
    let rollouts = stored.rollouts.values().map(|rollout| Change::PutRollout(Box::new(rollout.clone())));
    for change in weights.chain(brakes).chain(documents).chain(rollouts) {
        apply(connection, &change)?;
    }
    connection.execute("UPDATE meta SET revision = ?", [signed(stored.revision)])?;
    Ok(())
}

/// Keeps an answer. Those that are older by [`KEPT`] go, and those before the newest `most`, where an answer counts once for
/// each [`PART`] of it: an id is that of the one before and so many more, which bounds bytes by the ids alone.
pub(super) fn remember(connection: &Connection, answer: &Remembered, most: u64) -> Result<(), StoreError> {
    let Remembered { key, digest, status, body, at } = answer;
    let parts = signed(body.len().div_ceil(PART).max(1) as u64);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO remembered (id, key, digest, status, body, at) \
             VALUES ((SELECT IFNULL(MAX(id), 0) FROM remembered) + ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![parts, key, digest, status, body, at])?;
    connection
        .prepare_cached("DELETE FROM remembered WHERE at <= ? OR id <= ?")?
        .execute([at.saturating_sub(KEPT), connection.last_insert_rowid().saturating_sub(signed(most))])?;
    Ok(())
}

/// What was kept under a key and is not too old.
pub(super) fn remembered(connection: &Connection, key: &str, now: i64) -> Result<Option<Remembered>, StoreError> {
    let sql = "SELECT key, digest, status, body, at FROM remembered WHERE key = ? AND at > ?";
    let mut found = connection.prepare_cached(sql)?;
    let found = found.query_row(params![key, now.saturating_sub(KEPT)], |row| {
        Ok(Remembered {
            key: row.get(0)?,
            digest: row.get(1)?,
            status: row.get(2)?,
            body: row.get(3)?,
            at: row.get(4)?,
        })
    });
    Ok(found.optional()?)
}

/// What SQLite keeps for a number of ours: its integers have a sign.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Why a column's text is not what was written.
pub(super) fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn collect<K: Ord, V>(
    connection: &Connection,
    sql: &str,
    read: fn(&Row<'_>) -> rusqlite::Result<(K, V)>,
) -> Result<BTreeMap<K, V>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn live_weights(row: &Row<'_>) -> rusqlite::Result<(String, LiveWeights)> {
    let owner: String = row.get(1)?;
    let live = LiveWeights {
        owner: owner.parse().map_err(|error| unreadable(1, error))?,
        weights: weights(row, 2)?,
        base: weights(row, 3)?,
        actor: row.get(4)?,
        reason: row.get(5)?,
        at: row.get(6)?,
        revision: row.get(7).map(unsigned)?,
    };
    Ok((row.get(0)?, live))
}

fn brake(row: &Row<'_>) -> rusqlite::Result<((String, String), Brake)> {
    let brake = Brake { version: row.get(1)?, actor: row.get(2)?, reason: row.get(3)?, at: row.get(4)? };
    Ok(((row.get(0)?, brake.version.clone()), brake))
}

fn json(weights: &BTreeMap<String, Weight>) -> String {
    let millionths = weights.iter().map(|(version, weight)| (version.clone(), weight.0.into()));
    serde_json::Value::Object(millionths.collect()).to_string()
}

fn weights(row: &Row<'_>, column: usize) -> rusqlite::Result<BTreeMap<String, Weight>> {
    let text: String = row.get(column)?;
    let millionths: BTreeMap<String, u64> = serde_json::from_str(&text).map_err(|error| unreadable(column, error))?;
    Ok(millionths.into_iter().map(|(version, weight)| (version, Weight(weight))).collect())
}

/// How many rollouts that have ended are kept.
const ENDED_ROLLOUTS: u64 = 10_000;

/// What an answer may have, in bytes, to count as one: the weights of three or four services.
pub(super) const PART: usize = 2048;

/// How long an answer is kept, in milliseconds.
pub(super) const KEPT: i64 = 24 * 60 * 60 * 1000;
