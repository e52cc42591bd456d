//! The file's schema. Its version is `user_version`: how many of the steps below have been taken.
//!
//! A step is never changed once it was released; what is to be otherwise is a further one. `fixtures/` has a file for each
//! version, as a process of that time has left it.

use rusqlite::Connection;

use super::StoreError;

/// Each brings a file of the version before to the next one.
pub(super) const STEPS: &[&str] = &[include_str!("migrations/1.sql"), include_str!("migrations/2.sql")];

/// The version that this program reads and writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// `application_id` of a file that is ours: "Rgat".
pub(super) const APPLICATION: i64 = 0x5267_6174;

/// How many steps were taken.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Takes the steps that were not taken, each in a transaction. Two processes may do so at once.
pub(super) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), StoreError> {
    loop {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let taken = version(&transaction)?;
        let Some(step) = usize::try_from(taken).ok().and_then(|taken| steps.get(taken)) else { return Ok(()) };
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", taken + 1)?;
        transaction.commit()?;
    }
}

#[cfg(test)]
mod tests;
