//! The audit log, as rows.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;

use super::{
    AuditEntry, AuditPage, AuditQuery, StoreError,
    rows::{signed, unreadable, unsigned},
};

/// Writes an entry. Those beyond the newest `most` go.
pub(super) fn write(connection: &Connection, entry: &AuditEntry, most: u64) -> Result<(), StoreError> {
    let AuditEntry { id: _, at, actor, role, address, action, service, version, reason, from, to, generation } = entry;
    connection
        .prepare_cached(
            "INSERT INTO audit (at, actor, role, address, action, service, version, reason, was, became, generation) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            at,
            actor,
            role,
            address,
            action,
            service,
            version,
            reason,
            from.to_string(),
            to.to_string(),
            generation.map(signed)
        ])?;
    connection
        .prepare_cached("DELETE FROM audit WHERE id <= ?")?
        .execute([connection.last_insert_rowid().saturating_sub(signed(most))])?;
    Ok(())
}

/// A page that looks at no more than `window` entries: however much is in the log and whatever is asked for, it takes no
/// longer than that.
pub(super) fn read(connection: &Connection, asked: &AuditQuery, window: u64) -> Result<AuditPage, StoreError> {
    let AuditQuery { service, actor, action, since, until, limit, before_id } = asked;
    let limit = (*limit).clamp(1, AuditQuery::MOST) as usize;
    let before = before_id.map_or(i64::MAX, signed);
    let end = |sql: &str| -> Result<Option<i64>, StoreError> {
        Ok(connection.prepare_cached(sql)?.query_row([before], |row| row.get(0)).optional()?)
    };
    let Some(newest) = end("SELECT id FROM audit WHERE id < ? ORDER BY id DESC LIMIT 1")? else {
        return Ok(AuditPage::default());
    };
    let bottom = newest.saturating_sub(signed(window.saturating_sub(1)));
    let mut statement = connection.prepare_cached(
        "SELECT id, at, actor, role, address, action, service, version, reason, was, became, generation FROM audit \
         WHERE id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR service = ?3) AND (?4 IS NULL OR actor = ?4) \
         AND (?5 IS NULL OR action = ?5) AND (?6 IS NULL OR at >= ?6) AND (?7 IS NULL OR at < ?7) \
         ORDER BY id DESC LIMIT ?8",
    )?;
    let values = params![bottom, newest, service, actor, action, since, until, signed(limit as u64)];
    let items = statement.query_map(values, entry)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let seen = match items.last() {
        Some(last) if items.len() == limit => signed(last.id),
        _ => bottom,
    };
    let more = connection.prepare_cached("SELECT 1 FROM audit WHERE id < ? LIMIT 1")?.exists([seen])?;
    Ok(AuditPage { items, next: more.then(|| unsigned(seen)) })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let value = |column: usize| -> rusqlite::Result<Value> {
        serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| unreadable(column, error))
    };
    Ok(AuditEntry {
        id: unsigned(row.get(0)?),
        at: row.get(1)?,
        actor: row.get(2)?,
        role: row.get(3)?,
        address: row.get(4)?,
        action: row.get(5)?,
        service: row.get(6)?,
        version: row.get(7)?,
        reason: row.get(8)?,
        from: value(9)?,
        to: value(10)?,
        generation: row.get::<_, Option<i64>>(11)?.map(unsigned),
    })
}

#[cfg(test)]
mod tests;
