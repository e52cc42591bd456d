//! Weights of a service's versions: what they were before a rollout, and what they are at a share of the canary's.

use std::collections::BTreeMap;

use rollgate_config::scalar::{Share, Weight};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::text;
use crate::store::Owner;

/// By version, each as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Weights(pub BTreeMap<String, Weight>);

/// What was in force before a rollout touched its service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    /// Of every version: the live ones, or those of the configuration.
    pub weights: Weights,
    /// Who had decided about them. Of [`Owner::None`], restoring means that the configuration decides again.
    #[serde(with = "text")]
    pub owner: Owner,
    /// The canary's brake, if one was on.
    pub brake: Option<BrakeSeen>,
}

/// A brake that a rollout finds on its canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BrakeSeen {
    /// Who has put it on.
    pub by: String,
    /// It was an earlier rollout; its brake is what a new one is meant to take off. Anybody else's is not.
    pub of_rollout: bool,
    /// Why.
    pub reason: Option<String>,
}

impl Before {
    /// Whether a rollout can move users between the two.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self, stable: &str, canary: &str) -> Result<(), String> {
        match &self.owner {
            Owner::None | Owner::Api => {}
            owner @ (Owner::Rollout(_) | Owner::Kubernetes(_)) => {
                return Err(format!("the service's weights are decided by {owner}"));
            }
        }
        for version in [stable, canary] {
            if !self.weights.0.contains_key(version) {
                return Err(format!("{version} is not a version of the service"));
            }
        }
        if self.of_both(stable, canary) == 0 {
            return Err(format!("neither {stable} nor {canary} has weight: there is nothing to move"));
        }
        if self.of(stable) == 0 {
            return Err(format!("{canary} has all users already: exchange `stable` and `canary` for the way back"));
        }
        self.check_brake(canary)
    }

    /// Whether the canary may be judged, whoever decides about its weight.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check_brake(&self, canary: &str) -> Result<(), String> {
        match &self.brake {
            Some(brake) if !brake.of_rollout => {
                let why = brake.reason.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
                Err(format!("{canary} is braked by {}{why}: it has to be released first", brake.by))
            }
            _ => Ok(()),
        }
    }

    /// The canary's share of what both have.
    pub(super) fn share(&self, stable: &str, canary: &str) -> Share {
        let (all, part) = (u128::from(self.of_both(stable, canary)), u128::from(self.of(canary)));
        Share((part * u128::from(Share::ALL.0)).checked_div(all).unwrap_or(0) as u32)
    }

    /// All versions' weights where the canary has this share of what both had. Only these two differ, and their sum does not.
    pub(super) fn at(&self, share: Share, stable: &str, canary: &str) -> Weights {
        let both = self.of_both(stable, canary);
        let whole = u64::from(Share::ALL.0);
        // Rounded, but never to nothing.
        let part = (u128::from(both) * u128::from(share.0) + u128::from(whole / 2)) / u128::from(whole);
        let part = (part as u64).clamp(u64::from(share.0 > 0), both);
        let mut weights = self.weights.clone();
        weights.0.insert(canary.to_owned(), Weight(part));
        weights.0.insert(stable.to_owned(), Weight(both - part));
        weights
    }

    fn of(&self, version: &str) -> u64 {
        self.weights.0.get(version).map_or(0, |weight| weight.0)
    }

    fn of_both(&self, stable: &str, canary: &str) -> u64 {
        self.of(stable).saturating_add(self.of(canary)).min(Weight::MAX.0)
    }
}

impl Serialize for Weights {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(version, weight)| (version, weight.to_string())))
    }
}

impl<'d> Deserialize<'d> for Weights {
    fn deserialize<D: Deserializer<'d>>(from: D) -> Result<Self, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(from)?;
        let weights = texts.into_iter().map(|(version, text)| match text.parse() {
            Ok(weight) => Ok((version, weight)),
            Err(()) => Err(D::Error::custom(format_args!("`{text}` is no weight"))),
        });
        weights.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn before(weights: &[(&str, u64)]) -> Before {
        let weights = weights.iter().map(|(version, weight)| ((*version).to_owned(), Weight(*weight))).collect();
        Before { weights: Weights(weights), owner: Owner::None, brake: None }
    }

    #[test]
    fn the_pair_keeps_its_sum_and_others_their_weight() {
        let before = before(&[("a", 7_000_000), ("b", 1_000_000), ("c", 2_000_000)]);
        assert_eq!(before.share("a", "b"), Share(125_000));
        for (share, stable, canary) in
            [(0, 8_000_000, 0), (10_000, 7_920_000, 80_000), (500_000, 4_000_000, 4_000_000), (1_000_000, 0, 8_000_000)]
        {
            let at = before.at(Share(share), "a", "b").0;
            assert_eq!((at["a"].0, at["b"].0, at["c"].0), (stable, canary, 2_000_000), "{share}");
        }
    }

    #[test]
    fn what_cannot_be_moved_is_said() {
        let told = |before: &Before| before.check("a", "b").unwrap_err();
        let mut owned = before(&[("a", 1), ("b", 1)]);
        assert_eq!(owned.check("a", "b"), Ok(()));
        owned.brake = Some(BrakeSeen { by: "rollout:r0".to_owned(), of_rollout: true, reason: None });
        assert_eq!(owned.check("a", "b"), Ok(()));
        owned.brake = Some(BrakeSeen { by: "ann".to_owned(), of_rollout: false, reason: Some("hot".to_owned()) });
        let braked = told(&owned);
        owned.owner = Owner::Kubernetes("argo".to_owned());
        let all = [braked, told(&owned), told(&before(&[("a", 1)])), told(&before(&[("a", 0), ("b", 0), ("c", 1)]))];
        insta::assert_snapshot!(all.join("\n"));
    }

    proptest! {
        #[test]
        fn a_share_above_nothing_is_never_nothing(a in 0..=Weight::MAX.0, b in 0..=Weight::MAX.0, share in 0..=1_000_000_u32) {
            let before = before(&[("a", a), ("b", b)]);
            let at = before.at(Share(share), "a", "b").0;
            let both = a.saturating_add(b).min(Weight::MAX.0);
            prop_assert_eq!(at["a"].0 + at["b"].0, both);
            prop_assert_eq!(at["b"].0 == 0, share == 0 || both == 0);
        }

        #[test]
        fn weights_are_read_as_they_are_written(a in 0..=Weight::MAX.0, b in 0..=Weight::MAX.0) {
            let before = before(&[("a", a), ("b", b)]);
            let text = serde_json::to_string(&before).unwrap();
            prop_assert_eq!(serde_json::from_str::<Before>(&text).unwrap(), before);
        }
    }
}
