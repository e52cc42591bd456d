//! Flagger's hooks, and what each makes of what is found.

use crate::rollout::Decision;

/// What Flagger asks, or tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    /// May a new canary begin? Asked at every interval until it may, before it has servers.
    ConfirmRollout,
    /// May it have its first users? Asked as long as it has none; a no counts as a failed check.
    PreRollout,
    /// Is it well? Asked at every interval while it has users; a no counts as a failed check.
    Rollout,
    /// May it have more? Asked at every interval, also when it has nothing yet.
    ConfirmTrafficIncrease,
    /// May it have all? Asked at every interval once it has as much as it may have before.
    ConfirmPromotion,
    /// It has ended.
    PostRollout,
    /// Is it to be taken back? Asked at every interval, also before `PreRollout`.
    Rollback,
    /// Something has happened.
    Event,
}

/// What is found of a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) decision: Decision,
    pub(super) reason: String,
    /// It has nothing yet, and would be judged.
    pub(super) may_begin: bool,
}

impl Hook {
    /// As it is called in a Canary.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "confirm-rollout" => Self::ConfirmRollout,
            "pre-rollout" => Self::PreRollout,
            "rollout" => Self::Rollout,
            "confirm-traffic-increase" => Self::ConfirmTrafficIncrease,
            "confirm-promotion" => Self::ConfirmPromotion,
            "post-rollout" => Self::PostRollout,
            "rollback" => Self::Rollback,
            "event" => Self::Event,
            _ => return None,
        })
    }

    /// Yes, or no; and why.
    pub(super) fn answer(self, Found { decision, reason, may_begin }: Found) -> Result<String, String> {
        match (self, decision) {
            (Self::Rollback, Decision::Fail) => Ok(reason),
            (Self::Rollback, Decision::Pass | Decision::Hold) => Err(format!("it stays: {reason}")),
            (_, Decision::Fail) => Err(reason),
            // Few requests are no failure, and neither is that nobody judges.
            (Self::Rollout, Decision::Pass | Decision::Hold) => Ok(reason),
            // Nothing can be known of what has had nothing.
            (Self::ConfirmTrafficIncrease, Decision::Hold) if may_begin => {
                Ok("it may have its first users: they are judged".to_owned())
            }
            (_, Decision::Pass) => Ok(reason),
            (_, Decision::Hold) => Err(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_makes_its_own_of_what_is_found() {
        let found = [
            ("pass", Decision::Pass, false),
            ("hold", Decision::Hold, false),
            ("nothing", Decision::Hold, true),
            ("fail", Decision::Fail, false),
            ("fail at nothing", Decision::Fail, true),
        ];
        let yes = |hook: &str| {
            let hook = Hook::named(hook).expect("it is one");
            let is_yes = |(reason, decision, may_begin): &(&str, Decision, bool)| {
                let found = Found { decision: *decision, reason: (*reason).to_owned(), may_begin: *may_begin };
                hook.answer(found).is_ok()
            };
            found.iter().filter(|found| is_yes(found)).map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(yes("rollout"), "pass, hold, nothing");
        assert_eq!(yes("confirm-traffic-increase"), "pass, nothing");
        assert_eq!(yes("confirm-promotion"), "pass");
        assert_eq!(yes("rollback"), "fail, fail at nothing");
        assert_eq!(Hook::named("gate"), None);
    }

    #[test]
    fn an_answer_says_why() {
        let found = |decision| Found { decision, reason: "both versions fail".to_owned(), may_begin: false };
        assert_eq!(Hook::Rollout.answer(found(Decision::Fail)), Err("both versions fail".to_owned()));
        assert_eq!(Hook::Rollback.answer(found(Decision::Hold)), Err("it stays: both versions fail".to_owned()));
        assert_eq!(Hook::ConfirmPromotion.answer(found(Decision::Hold)), Err("both versions fail".to_owned()));
    }
}
