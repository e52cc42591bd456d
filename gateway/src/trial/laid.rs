//! A trial as it lies over a weighted service of a snapshot.

use std::sync::Arc;

use rollgate_config::scalar::Share;

use super::{Trial, audience::Audience, strata::Stratum, watched::Watched};
use crate::snapshot::{Child, Weighted};

/// What a draw of the service consults besides the weights.
#[derive(Debug)]
pub(crate) struct Laid {
    pub(crate) rollout: Arc<str>,
    pub(crate) watched: Arc<Watched>,
    /// Which of the children the stable version is.
    pub(crate) stable: usize,
    /// Which the canary is.
    pub(crate) canary: usize,
    /// Where draws by weight are booked; `None`: they are not.
    pub(crate) stratum: Option<Arc<Stratum>>,
    /// Who gets the canary besides; `None`: nobody, or it is braked.
    pub(crate) audience: Option<For>,
    /// The same service without the canary.
    pub(crate) without: Weighted,
}

/// An audience that gets the canary.
#[derive(Debug)]
pub(crate) struct For {
    pub(crate) audience: Arc<Audience>,
    pub(crate) part: Part,
}

/// How many of its requests get it.
#[derive(Debug)]
pub(crate) enum Part {
    /// All; booked where both versions are watched.
    All(Arc<Stratum>),
    /// Those whose random number is below the border, so that the others can be compared with them.
    Some { border: u64, share: Share, stratum: Option<Arc<Stratum>> },
}

impl Laid {
    /// Over a service with these children and their names; `None` where the two are not among them. `without` is compiled where
    /// it is needed.
    pub(crate) fn over<'n>(
        trial: &Trial,
        (names, children): (impl Iterator<Item = &'n str> + Clone, &[Child]),
        is_braked: bool,
        without: impl FnOnce() -> Weighted,
    ) -> Option<Self> {
        let order = trial.order();
        let place = |version: &str| names.clone().position(|name| name == version);
        let (stable, canary) = (place(&order.stable)?, place(&order.canary)?);
        let share = |child: &Child| if child.available { child.weight as f64 } else { 0.0 };
        let others = children.iter().enumerate().filter(|(place, _)| *place != canary).map(|(_, child)| share(child));
        let others: f64 = others.sum();
        let [to_stable, to_canary] = [stable, canary].map(|place| share(&children[place]));
        let (stratum, part) = match trial.audience() {
            None => (trial.stratum(pair(to_canary, to_stable)), None),
            Some((_, None)) => {
                let both = trial.stratum_of_all();
                (Some(both.clone()), Some(Part::All(both)))
            }
            Some((_, Some(drawn))) => {
                // Of those that do not get the canary, stable has its share of what the others have.
                let left = if others > 0.0 { (1.0 - drawn.fraction()) * to_stable / others } else { 0.0 };
                let stratum = trial.stratum(pair(drawn.fraction(), left));
                (None, Some(Part::Some { border: border(drawn), share: drawn, stratum }))
            }
        };
        let audience = trial.audience().zip(part).filter(|_| !is_braked);
        Some(Self {
            rollout: order.rollout.clone(),
            watched: trial.watched().clone(),
            stable,
            canary,
            stratum,
            audience: audience.map(|((audience, _), part)| For { audience: audience.clone(), part }),
            without: without(),
        })
    }
}

/// The canary's share of the draws between the two; `None` where chance has no say.
fn pair(canary: f64, stable: f64) -> Option<f64> {
    (canary > 0.0 && stable > 0.0).then(|| canary / (canary + stable))
}

/// Below it are as many of all 64-bit numbers as the share says.
fn border(share: Share) -> u64 {
    ((u128::from(share.0) << 64) / u128::from(Share::ALL.0)).try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
