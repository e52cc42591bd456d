//! Which of a load balancer's servers take requests: a state machine of probes, failures and time.
//!
//! ```text
//!                 a good probe
//!   Down <--------------------------> Up <--- failures, a good probe or the window's end ---> Ejected
//!                 a bad probe          ^
//!                                      '--- the first probe, or nobody else is up --- Unproven
//! ```
//!
//! A bad probe is believed: if all servers are down by their probes, none is up. What is only suspected never takes the last
//! one away: a server that was left out for its failures, or that has not been asked yet, is up as soon as no other is.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rollgate_config::dynamic::service::health::PassiveHealthCheck;

use super::failures::Failures;

/// The servers of one load balancer, by their URLs.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<Arc<str>, Member>,
    rules: Rules,
    ejections: u64,
}

/// What is configured.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// Servers are probed.
    pub(super) probed: bool,
    pub(super) passive: Option<PassiveHealthCheck>,
}

#[derive(Debug)]
struct Member {
    /// It has weight: without, it takes no requests anyway and does not count.
    weighted: bool,
    standing: Standing,
    failures: Failures,
}

/// Whether a server takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Up,
    /// It has come to others that are up, and is to be probed first.
    Unproven,
    /// Left out for its failures.
    Ejected {
        since: Instant,
        number: u64,
    },
    /// Its last probe was bad.
    Down,
}

/// A server begins or ceases to take requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) url: Arc<str>,
    pub(super) up: bool,
    pub(super) cause: Cause,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A probe.
    Probe,
    /// Its own answers, or that the time for which they counted is over.
    Answers,
    /// It is new.
    New,
    /// No other is up.
    LastOne,
    /// What is configured.
    Configuration,
}

/// What a failure led to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) changes: Vec<Change>,
    /// The ejection that [`Roster::over`] is to be told of after so long.
    pub(super) ejection: Option<(u64, Duration)>,
}

impl Roster {
    /// Takes over what is configured: the servers, and whether each has weight. Those that stay are what they were.
    pub(super) fn update<'u>(
        &mut self,
        rules: Rules,
        servers: impl Iterator<Item = (&'u Arc<str>, bool)>,
    ) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.members);
        let first = before.is_empty();
        let no_longer_probed = self.rules.probed && !rules.probed;
        let mut were_up: BTreeMap<Arc<str>, Option<bool>> = BTreeMap::new();
        for (url, weighted) in servers {
            if let Some(member) = self.members.get_mut(url) {
                member.weighted |= weighted;
                continue;
            }
            let kept = before.remove(url);
            were_up.insert(url.clone(), kept.as_ref().map(Member::is_up));
            let mut member = kept.unwrap_or_else(|| Member::new(rules.probed && !first));
            member.weighted = weighted;
            member.pardon(rules, no_longer_probed);
            self.members.insert(url.clone(), member);
        }
        self.rules = rules;
        self.settle(&mut Vec::new());
        let changed = self.members.iter().filter_map(|(url, member)| {
            let (up, was_up) = (member.is_up(), were_up.get(url).copied().flatten());
            let cause = if was_up.is_some() { Cause::Configuration } else { Cause::New };
            (up != was_up.unwrap_or(true)).then(|| Change { url: url.clone(), up, cause })
        });
        changed.collect()
    }

    /// A probe that began then was good or bad.
    pub(super) fn probed(&mut self, url: &str, began: Instant, good: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        let Some((url, member)) = get(&mut self.members, url).filter(|_| self.rules.probed) else { return changes };
        let before = member.is_up();
        member.standing = match member.standing {
            // It says nothing about failures that came after it.
            Standing::Ejected { since, .. } if good && began < since => return changes,
            _ if good => Standing::Up,
            _ => Standing::Down,
        };
        if member.is_up() != before {
            member.failures.clear();
            changes.push(Change { url, up: member.is_up(), cause: Cause::Probe });
        }
        self.settle(&mut changes);
        changes
    }

    /// A request to a server failed.
    pub(super) fn failed(&mut self, url: &str, now: Instant) -> Failed {
        let mut failed = Failed::default();
        let Some(passive) = self.rules.passive else { return failed };
        let may_eject = self.may_eject(url, passive.max_ejected_percent);
        let Some((url, member)) = get(&mut self.members, url).filter(|(_, member)| member.is_up()) else {
            return failed;
        };
        let enough = member.failures.add(now, passive.failure_window, passive.max_failed_attempts as usize);
        if enough && may_eject {
            self.ejections += 1;
            member.standing = Standing::Ejected { since: now, number: self.ejections };
            member.failures.clear();
            failed.changes.push(Change { url, up: false, cause: Cause::Answers });
            failed.ejection = Some((self.ejections, passive.failure_window));
        }
        failed
    }

    /// A request to a server went well.
    pub(super) fn succeeded(&mut self, url: &str) {
        if let Some(member) = self.members.get_mut(url) {
            member.failures.clear();
        }
    }

    /// Whether a server has failures that a success would wipe out.
    pub(super) fn is_failing(&self, url: &str) -> bool {
        self.members.get(url).is_some_and(|member| !member.failures.is_empty())
    }

    /// The window of an ejection is over. Where servers are probed, it is a probe that ends it.
    pub(super) fn over(&mut self, url: &str, ejection: u64) -> Vec<Change> {
        let Some((url, member)) = get(&mut self.members, url).filter(|_| !self.rules.probed) else {
            return Vec::new();
        };
        match member.standing {
            Standing::Ejected { number, .. } if number == ejection => {
                member.standing = Standing::Up;
                vec![Change { url, up: true, cause: Cause::Answers }]
            }
            _ => Vec::new(),
        }
    }

    /// Whether one more may be left out: fewer are than the share allows, and another one is up.
    fn may_eject(&self, url: &str, percent: u8) -> bool {
        let weighted = self.members.iter().filter(|(_, member)| member.weighted);
        let (mut all, mut ejected, mut others) = (0, 0, 0);
        for (other, member) in weighted {
            all += 1;
            ejected += usize::from(matches!(member.standing, Standing::Ejected { .. }));
            others += usize::from(member.is_up() && **other != *url);
        }
        let limit = (all * usize::from(percent) / 100).max(1);
        ejected < limit && others > 0
    }

    /// Where no server is up, those that are only suspected are.
    fn settle(&mut self, changes: &mut Vec<Change>) {
        if self.members.values().any(|member| member.weighted && member.is_up()) {
            return;
        }
        for (url, member) in self.members.iter_mut().filter(|(_, member)| member.weighted) {
            if matches!(member.standing, Standing::Unproven | Standing::Ejected { .. }) {
                member.standing = Standing::Up;
                changes.push(Change { url: url.clone(), up: true, cause: Cause::LastOne });
            }
        }
    }
}

impl Member {
    fn new(unproven: bool) -> Self {
        let standing = if unproven { Standing::Unproven } else { Standing::Up };
        Self { weighted: true, standing, failures: Failures::default() }
    }

    fn is_up(&self) -> bool {
        self.standing == Standing::Up
    }

    /// Forgets what nothing would end any more.
    fn pardon(&mut self, rules: Rules, no_longer_probed: bool) {
        let pardoned = match self.standing {
            Standing::Up => false,
            Standing::Unproven | Standing::Down => !rules.probed,
            Standing::Ejected { .. } => rules.passive.is_none() || no_longer_probed,
        };
        if pardoned {
            self.standing = Standing::Up;
        }
        if rules.passive.is_none() {
            self.failures.clear();
        }
    }
}

fn get<'m>(members: &'m mut BTreeMap<Arc<str>, Member>, url: &str) -> Option<(Arc<str>, &'m mut Member)> {
    let (url, _) = members.get_key_value(url)?;
    let url = url.clone();
    let member = members.get_mut(&url)?;
    Some((url, member))
}

#[cfg(test)]
mod tests;
