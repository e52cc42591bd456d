//! The script that decides on the server, what it is asked and what it answers.

use std::sync::LazyLock;

use redis::{Cmd, Script, Value};

use super::super::bucket::{Decision, Rate, SECOND, duration};

/// By its digest, as it is asked once the server knows it.
pub(super) fn by_digest(key: &[u8], rate: &Rate) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(SCRIPT.get_hash());
    with(command, key, rate)
}

/// By its text, which makes it known.
pub(super) fn by_text(key: &[u8], rate: &Rate) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(TEXT);
    with(command, key, rate)
}

/// What an answer says; `None`: it is none of the script's.
pub(super) fn decision(answer: &Value, rate: &Rate) -> Option<Decision> {
    let Value::Array(parts) = answer else { return None };
    let [Value::Int(taken), Value::Int(seconds), Value::Int(units)] = parts[..] else { return None };
    let missing = u64::try_from(seconds).ok()?.checked_mul(SECOND)?.checked_add(u64::try_from(units).ok()?)?;
    Some(rate.judged(taken == 1, missing))
}

fn with(mut command: Cmd, key: &[u8], rate: &Rate) -> Cmd {
    command.arg(1).arg(key);
    for units in [rate.interval, rate.capacity] {
        command.arg(units / SECOND).arg(units % SECOND);
    }
    command.arg(rate.max_delay).arg(lifetime(rate));
    command
}

/// In milliseconds: longer than an empty bucket takes to fill, after which it is as good as none.
fn lifetime(rate: &Rate) -> u64 {
    (duration(rate.capacity) + SPARE).as_millis() as u64
}

/// Above a held request's time, and what rounding takes.
const SPARE: std::time::Duration = std::time::Duration::from_secs(1);

const TEXT: &str = include_str!("script.lua");

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

#[cfg(test)]
mod tests;
