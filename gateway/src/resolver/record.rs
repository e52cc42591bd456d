//! What the outcomes of a name's lookups mean: which addresses it has, and when to ask again.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use rollgate_config::static_config::Resolver;

use super::ABSENT_HOLD;

/// What came of a lookup.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// Addresses, sorted, and how long they hold.
    Found { addresses: Vec<IpAddr>, ttl: Duration },
    /// There is no such name, or it has no address.
    Absent(String),
    /// Nobody answered, or the answer was an error.
    Failed(String),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Found { .. } => f.write_str("found"),
            Self::Absent(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

/// A name's addresses as they stand.
#[derive(Debug)]
pub(super) struct Record {
    addresses: Arc<[IpAddr]>,
    settled: bool,
    failing: bool,
    absent_since: Option<Instant>,
}

impl Default for Record {
    fn default() -> Self {
        Self { addresses: [].into(), settled: false, failing: false, absent_since: None }
    }
}

impl Record {
    pub(super) fn addresses(&self) -> Arc<[IpAddr]> {
        self.addresses.clone()
    }

    /// The last lookup gave no addresses.
    pub(super) fn is_failing(&self) -> bool {
        self.failing
    }

    /// Takes an outcome; returns whether there is something to tell, and after what time to ask again.
    ///
    /// The last good addresses stay while lookups fail, for ever: a name server that is down says nothing about the
    /// servers. They also outlive `ABSENT_HOLD` of answers that there is no such name.
    pub(super) fn take(&mut self, outcome: &Outcome, now: Instant, config: &Resolver) -> (bool, Duration) {
        let first = !std::mem::replace(&mut self.settled, true);
        self.failing = !matches!(outcome, Outcome::Found { .. });
        match outcome {
            Outcome::Found { addresses, ttl } => {
                self.absent_since = None;
                let changed = **addresses != *self.addresses;
                if changed {
                    self.addresses = addresses.as_slice().into();
                }
                (changed || first, (*ttl).clamp(config.min_ttl, config.max_ttl))
            }
            Outcome::Absent(_) => {
                let since = *self.absent_since.get_or_insert(now);
                let gone = !self.addresses.is_empty() && now.duration_since(since) >= ABSENT_HOLD;
                if gone {
                    self.addresses = [].into();
                }
                (gone || first, config.negative_ttl)
            }
            // Says nothing about whether the name is there.
            Outcome::Failed(_) => (first, config.negative_ttl),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Resolver {
        Resolver::default()
    }

    fn found(last: u8, ttl: u64) -> Outcome {
        Outcome::Found { addresses: vec![[10, 0, 0, last].into()], ttl: Duration::from_secs(ttl) }
    }

    fn absent() -> Outcome {
        Outcome::Absent("no such name".into())
    }

    fn failed() -> Outcome {
        Outcome::Failed("nobody answers".into())
    }

    #[test]
    fn the_ttl_is_bounded_on_both_sides() {
        let (config, now) = (config(), Instant::now());
        for (ttl, wait) in [(0, 1), (1, 1), (30, 30), (86_400, 300)] {
            let (_, waits) = Record::default().take(&found(1, ttl), now, &config);
            assert_eq!(waits, Duration::from_secs(wait), "{ttl}");
        }
        assert_eq!(Record::default().take(&absent(), now, &config).1, config.negative_ttl);
        assert_eq!(Record::default().take(&failed(), now, &config).1, config.negative_ttl);
    }

    #[test]
    fn only_what_is_new_is_told() {
        let (config, now, mut record) = (config(), Instant::now(), Record::default());
        assert!(record.take(&failed(), now, &config).0, "whoever waits learns that there is nothing");
        assert!(!record.take(&failed(), now, &config).0);
        assert!(record.take(&found(1, 5), now, &config).0);
        assert!(!record.take(&found(1, 9), now, &config).0);
        assert!(record.take(&found(2, 5), now, &config).0);
        assert_eq!(*record.addresses(), [IpAddr::from([10, 0, 0, 2])]);
    }

    #[test]
    fn failures_never_take_the_last_good_addresses() {
        let (config, now, mut record) = (config(), Instant::now(), Record::default());
        record.take(&found(1, 5), now, &config);
        let later = now + Duration::from_secs(1_000_000);
        assert!(!record.take(&failed(), later, &config).0);
        assert!(record.is_failing());
        assert_eq!(record.addresses().len(), 1);
    }

    #[test]
    fn a_name_that_is_gone_is_believed_after_a_while() {
        let (config, now, mut record) = (config(), Instant::now(), Record::default());
        record.take(&found(1, 5), now, &config);
        assert!(!record.take(&absent(), now, &config).0);
        let almost = now + ABSENT_HOLD - Duration::from_millis(1);
        assert!(!record.take(&absent(), almost, &config).0);
        assert!(record.take(&absent(), now + ABSENT_HOLD, &config).0);
        assert_eq!(record.addresses().len(), 0);
        // An answer in between begins the while anew.
        record.take(&found(1, 5), now, &config);
        record.take(&absent(), now, &config);
        record.take(&found(1, 5), almost, &config);
        assert!(!record.take(&absent(), now + ABSENT_HOLD, &config).0);
    }
}
