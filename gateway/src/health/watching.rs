//! Asks one server again and again, for as long as it is to be asked.

use std::time::Instant;

use tokio::sync::watch;

use super::{fault::Fault, probe::Check, schedule};

/// Asks at once, and then as the check says, whatever it says by then. Where what is asked changes, it is asked at once, and
/// what was asked before is not waited for. Ends when nobody gives checks any more.
pub(super) async fn watch<F: Future<Output = Result<(), Fault>>>(
    mut checks: watch::Receiver<Check>,
    ask: impl Fn(Check) -> F,
    tell: impl Fn(Instant, &Result<(), Fault>),
    random: impl Fn() -> u64,
) {
    let mut first = true;
    loop {
        let asked = checks.borrow_and_update().clone();
        let began = now();
        let answer = tokio::select! {
            answer = ask(asked.clone()) => answer,
            other = checks.wait_for(|check| check.config.probe != asked.config.probe) => {
                if other.is_err() {
                    return;
                }
                first = true;
                continue;
            }
        };
        tell(began, &answer);
        let chance = random();
        loop {
            let check = checks.borrow_and_update().config.clone();
            let every = match answer {
                Ok(()) => check.interval,
                Err(_) => check.unhealthy_interval.unwrap_or(check.interval),
            };
            let due = schedule::next(began, every, first, chance);
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {
                    first = false;
                    break;
                }
                changed = checks.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if checks.borrow().config.probe != asked.config.probe {
                        first = true;
                        break;
                    }
                }
            }
        }
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
