//! What the counts say: of versions that are drawn, by comparison; of an audience that gets the canary whole, by the promise.

use rollgate_analysis::{
    Answers, Audience, AudienceLook, AudienceVerdict, Cohort, Family, Progress, Rule, Settings, Tally, Unfit, Unit,
    Verdict, sentence,
};
use rollgate_config::dynamic::rollout::analysis::Analysis;

use super::{
    evidence::{Kept, Level, TrialEvidence, TrialVerdict},
    strata::{Counts, Since},
    users::{Met, Users, What},
};

/// By kind of trial.
pub(super) enum Opinion {
    Compared(Box<Compared>),
    Watched(Box<Watched>),
}

/// Chance decides who gets which version.
pub(super) struct Compared {
    rule: Rule,
    /// Users that have met an error, or a slow answer.
    failed: Cohort,
    slowed: Cohort,
    met: Vec<Met>,
}

/// An audience gets the canary.
pub(super) struct Watched {
    audience: Audience,
    total: Answers,
    /// What has come since the last tick.
    tick: Answers,
    last: AudienceLook,
}

impl Opinion {
    pub(super) fn new(
        analysis: &Analysis,
        (compares, by_user): (bool, bool),
        kept: Option<Kept>,
    ) -> Result<Self, Unfit> {
        let settings = settings(analysis, by_user);
        match (compares, kept) {
            (true, kept) => {
                let rule = match kept {
                    None => Rule::new(settings)?,
                    Some(Kept::Compared(state)) => Rule::resume(settings, *state)?,
                    Some(Kept::Watched(_)) => return Err(Unfit::State),
                };
                let [failed, slowed] = [MOST_USERS; 2].map(Cohort::new);
                Ok(Self::Compared(Box::new(Compared { rule, failed, slowed, met: Vec::new() })))
            }
            (false, kept) => {
                let audience = match kept {
                    None => Audience::new(settings)?,
                    Some(Kept::Watched(state)) => Audience::resume(settings, *state)?,
                    Some(Kept::Compared(_)) => return Err(Unfit::State),
                };
                let last = AudienceLook { verdict: AudienceVerdict::Continue, ln_broken: 0.0 };
                let (total, tick) = (Answers { canary: *audience.counted(), ..Answers::default() }, Answers::default());
                Ok(Self::Watched(Box::new(Watched { audience, total, tick, last })))
            }
        }
    }

    /// Takes what has come; whether the evidence has started again, so that latencies may be measured by another threshold.
    pub(super) fn add(&mut self, since: &[Since], users: Option<&Users>) -> bool {
        match self {
            Self::Compared(compared) => compared.add(since, users),
            Self::Watched(watched) => {
                for since in since {
                    let answers = answers(since, false);
                    watched.tick.add(&answers);
                    watched.total.add(&answers);
                }
                false
            }
        }
    }

    /// What follows. An audience is looked at in ticks only: its second of stable's answers has ten of them.
    pub(super) fn look(&mut self, is_tick: bool) -> TrialVerdict {
        match self {
            Self::Compared(compared) => match compared.rule.look().verdict {
                Verdict::Continue => TrialVerdict::Clear,
                Verdict::Hold(_) => TrialVerdict::Hold,
                Verdict::RollBack(_) => TrialVerdict::RollBack,
            },
            Self::Watched(watched) => {
                if is_tick {
                    let Answers { canary, stable } = std::mem::take(&mut watched.tick);
                    watched.last = watched.audience.tick(&canary, &stable);
                }
                match watched.last.verdict {
                    AudienceVerdict::Continue => TrialVerdict::Clear,
                    AudienceVerdict::StableFails => TrialVerdict::Hold,
                    AudienceVerdict::RollBack => TrialVerdict::RollBack,
                }
            }
        }
    }

    /// A step begins.
    pub(super) fn restart(&mut self) {
        match self {
            Self::Compared(compared) => compared.rule.restart(),
            Self::Watched(_) => {}
        }
    }

    /// Whether the canary may have more; `None`: it is no comparison.
    pub(super) fn advance(&self, margin: f64) -> Option<Progress> {
        match self {
            Self::Compared(compared) => Some(compared.rule.advance(margin)),
            Self::Watched(_) => None,
        }
    }

    pub(super) fn kept(&self) -> Kept {
        match self {
            Self::Compared(compared) => Kept::Compared(Box::new(compared.rule.state())),
            Self::Watched(watched) => Kept::Watched(Box::new(watched.audience.state())),
        }
    }

    pub(super) fn total(&self) -> &Answers {
        match self {
            Self::Compared(compared) => compared.rule.total(),
            Self::Watched(watched) => &watched.total,
        }
    }

    /// Of each family, and of the promise.
    pub(super) fn levels(&self) -> (Vec<(Family, Level)>, Option<Level>) {
        match self {
            Self::Compared(compared) => {
                let (rule, look) = (&compared.rule, compared.rule.look());
                let families = Family::ALL.into_iter().zip(look.ln_e);
                let families = families
                    .filter_map(|(family, ln_e)| Some((family, Level { ln_e: ln_e?, needed: rule.needed(family) })));
                (families.collect(), look.ln_broken.map(|ln_e| Level { ln_e, needed: -rule.settings().alpha.ln() }))
            }
            Self::Watched(watched) => {
                let (ln_e, needed) = (watched.last.ln_broken, watched.audience.needed());
                (Vec::new(), Some(Level { ln_e, needed }))
            }
        }
    }

    /// All of it, but for what the judge itself knows.
    pub(super) fn evidence(&self) -> TrialEvidence {
        let (families, broken) = self.levels();
        let (sentence, strata, compared) = match self {
            Self::Compared(compared) => {
                let rule = &compared.rule;
                (sentence::of_look(rule, &rule.look()), rule.strata().to_vec(), Some(rule.settings()))
            }
            Self::Watched(watched) => (sentence::of_audience(&watched.audience, &watched.last), Vec::new(), None),
        };
        let ratio = compared.map(|settings| {
            let family = if settings.unit == Unit::Request { Family::Errors } else { Family::First };
            TrialEvidence::compare(&strata, family, settings.alpha)
        });
        TrialEvidence {
            verdict: TrialVerdict::Clear,
            sentence,
            compared: compared.is_some(),
            total: *self.total(),
            strata,
            families,
            broken,
            ratio: ratio.and_then(|(ratio, _)| ratio),
            interval: ratio.map(|(_, interval)| interval),
            slow_after: None,
            step_requests: 0,
            highest_rate: 0.0,
            warm: true,
        }
    }
}

impl Compared {
    fn add(&mut self, since: &[Since], users: Option<&Users>) -> bool {
        let mut all: Vec<(f64, Answers)> = Vec::with_capacity(since.len());
        for since in since {
            if let Some(w) = since.w {
                all.push((w, answers(since, users.is_some())));
            }
        }
        if let Some(users) = users {
            let mut met = std::mem::take(&mut self.met);
            users.take(&mut met);
            for met in &met {
                let counted = self.count(met);
                let place = all.iter().position(|(w, _)| *w == met.w).unwrap_or_else(|| {
                    all.push((met.w, Answers::default()));
                    all.len() - 1
                });
                let answers = &mut all[place].1;
                if met.by_canary { &mut answers.canary } else { &mut answers.stable }.add(&counted);
            }
            self.met = met;
        }
        // Each has to be added: none may be skipped because one before has started anew.
        all.iter().fold(false, |restarted, (w, answers)| self.rule.add(*w, answers) | restarted)
    }

    /// What a user's answer counts as besides.
    fn count(&mut self, met: &Met) -> Tally {
        match (met.what, met.user) {
            (What::Error, None) => Tally { first: 1, ..Tally::default() },
            (What::Slow, None) => Tally { slow: 1, ..Tally::default() },
            (What::Success, None) => Tally::default(),
            (What::Error, Some(user)) => {
                let counted = self.failed.error(user);
                Tally { first: counted.first.into(), again: counted.again.into(), ..Tally::default() }
            }
            (What::Slow, Some(user)) => {
                self.failed.success(user);
                Tally { slow: self.slowed.error(user).first.into(), ..Tally::default() }
            }
            (What::Success, Some(user)) => {
                self.failed.success(user);
                Tally::default()
            }
        }
    }
}

/// Where users are drawn, slow answers are counted by user elsewhere.
fn answers(since: &Since, by_user: bool) -> Answers {
    let tally = |counts: Counts| Tally {
        requests: counts.requests,
        errors: counts.errors,
        slow: if by_user { 0 } else { counts.slow },
        ..Tally::default()
    };
    Answers { canary: tally(since.canary), stable: tally(since.stable) }
}

fn settings(analysis: &Analysis, by_user: bool) -> Settings {
    Settings {
        alpha: analysis.alpha.fraction(),
        unit: match (by_user, analysis.repeated_errors) {
            (false, _) => Unit::Request,
            (true, false) => Unit::User,
            (true, true) => Unit::UserTwice,
        },
        latency: analysis.latency.map(|latency| latency.margin),
        min_errors: analysis.min_errors,
        promise: Some(analysis.promise.fraction()),
        veto: analysis.veto,
    }
}

/// Of whom a trial remembers that they have met an error, or a slow answer; 2.5 MiB for each of the two.
const MOST_USERS: usize = 1 << 16;
