//! What a trial makes of a request.

use std::net::IpAddr;

use http::HeaderMap;

use super::drawn_share;
use crate::{
    snapshot::{Snapshot, Weighted},
    trial::{Part, Sight},
};

/// A rollout whose canary is judged here.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// The rollout's id.
    pub rollout: String,
    /// The canary's qualified name.
    pub canary: String,
    /// Its judge has stopped the canary: nothing goes there.
    pub braked: bool,
    /// Who gets the canary, whatever its weight is; `None`: nobody.
    pub audience: Option<Belonging>,
}

/// An audience, and whether the request belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Belonging {
    /// Who it is: `header x-beta = 1 or true, or client in 10.0.0.0/8`.
    pub who: String,
    /// The request does.
    pub belongs: bool,
    /// The share of its requests, 0 to 1, that gets the canary.
    pub share: f64,
}

impl Judging {
    /// Of a weighted service.
    pub(super) fn of(
        snapshot: &Snapshot,
        weighted: &Weighted,
        (headers, query, client): (&HeaderMap, &str, IpAddr),
    ) -> Option<Self> {
        let laid = weighted.trial.as_ref()?;
        let sight = Sight { headers, query, client };
        let audience = laid.audience.as_ref().map(|audience| Belonging {
            who: audience.audience.to_string(),
            belongs: audience.audience.holds(&sight),
            share: match &audience.part {
                Part::All(_) => 1.0,
                Part::Some { share, .. } => share.fraction(),
            },
        });
        let canary = snapshot.services.at(weighted.children[laid.canary].service).name.to_string();
        Some(Self { rollout: laid.rollout.to_string(), canary, braked: laid.watched.is_braked(), audience })
    }

    /// Each version's share of requests like this one, 0 to 1.
    pub(super) fn shares(&self, weighted: &Weighted) -> Vec<f64> {
        let Some(laid) = &weighted.trial else { return drawn_share(weighted) };
        if self.braked {
            return drawn_share(&laid.without);
        }
        let canary = &weighted.children[laid.canary];
        match &self.audience {
            Some(audience) if audience.belongs && canary.available => {
                let mut shares = drawn_share(&laid.without);
                shares.iter_mut().for_each(|share| *share *= 1.0 - audience.share);
                shares[laid.canary] = audience.share;
                shares
            }
            _ => drawn_share(weighted),
        }
    }
}
