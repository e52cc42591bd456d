//! A verdict in one sentence, with the numbers that it rests on.

use std::fmt;

use crate::{
    advance::BETA,
    audience::{Audience, AudienceLook, AudienceVerdict},
    counts::{Answers, Tally},
    family::Family,
    ratio,
    rule::{Advance, Hold, Look, Progress, Rule, SUSPICION, Verdict},
    segment::Segment,
};

/// What a look at the rule found.
pub fn of_look(rule: &Rule, look: &Look) -> String {
    match look.verdict {
        Verdict::Continue => going_on(rule, look),
        Verdict::RollBack(family) => {
            let reached = Against(ln_e_of(look, family), rule.needed(family));
            format!("{}; E = {reached}", comparison(rule, family))
        }
        Verdict::Hold(hold) => held(rule, look, hold),
    }
}

/// Whether the canary may have more than it has, at a margin.
pub fn of_progress(rule: &Rule, margin: f64, progress: &Progress) -> String {
    let enough = -BETA.ln();
    let Tally { requests, errors, .. } = rule.total().canary;
    match progress.answer {
        Advance::NotInferior => {
            let reached = Against(progress.ln_not_inferior, enough);
            format!("canary fails less than {margin} times as often as stable: {}; E = {reached}", all_counts(rule))
        }
        Advance::PromiseKept => {
            let reached = Against(progress.ln_kept.unwrap_or(0.0), enough);
            let promise = Percent(rule.settings().promise.unwrap_or(0.0));
            let (errors, requests) = (Count(errors), Count(requests));
            format!("canary keeps the promise of {promise}: {errors} of {requests} failed; E = {reached}")
        }
        Advance::Verdict(_) => of_look(rule, &rule.look()),
        Advance::Suspicion(family) => {
            let reached = Against(ln_e_of(&rule.look(), family), SUSPICION.ln());
            format!("held: {}, which is not certain yet; E = {reached}", comparison(rule, family))
        }
        Advance::TooLittle => {
            let ratio = Against(progress.ln_not_inferior, enough);
            let promise = match (progress.ln_kept, rule.settings().promise) {
                (Some(ln_kept), Some(p0)) => {
                    format!("; for a kept promise of {}, E = {}", Percent(p0), Against(ln_kept, enough))
                }
                _ => String::new(),
            };
            let counts = all_counts(rule);
            format!("not enough evidence yet: {counts}; for less than {margin} times as often, E = {ratio}{promise}")
        }
    }
}

/// What a tick of an audience found.
pub fn of_audience(audience: &Audience, look: &AudienceLook) -> String {
    let promise = Percent(audience.settings().promise.unwrap_or(0.0));
    let Tally { requests, errors, .. } = *audience.counted();
    let failed = format!("{} of {} failed", Count(errors), Count(requests));
    let reached = Against(look.ln_broken, audience.needed());
    match look.verdict {
        AudienceVerdict::RollBack => {
            format!("canary breaks the promise of {promise}: {failed}; E = {reached}; {NO_COMPARISON}")
        }
        AudienceVerdict::StableFails => {
            let left_out = Count(audience.left_out());
            format!(
                "stable breaks the promise of {promise} too: {left_out} requests of canary left out; {NO_COMPARISON}"
            )
        }
        AudienceVerdict::Continue => {
            format!("canary: {failed}; that it breaks the promise of {promise}, E = {reached}; {NO_COMPARISON}")
        }
    }
}

fn going_on(rule: &Rule, look: &Look) -> String {
    let reached = between(rule, look);
    let few = reached.0 >= reached.1;
    let why = if few { ", but too few errors of canary to decide" } else { "" };
    format!("nothing against canary: {}; E = {reached}{why}", all_counts(rule))
}

fn held(rule: &Rule, look: &Look, hold: Hold) -> String {
    let promise = Percent(rule.settings().promise.unwrap_or(0.0));
    let recent = rule.promised().map_or_else(Answers::default, |promised| promised.recent());
    let lately = format!("lately {}", of_requests(Family::Errors, &recent));
    let between = between(rule, look);
    match hold {
        Hold::BothFail => {
            format!("held: both versions fail more than the promised {promise}: {lately}; between them E = {between}")
        }
        Hold::PromiseBroken => format!(
            "held: canary fails more than the promised {promise}, and it is not clear yet whether stable does too: \
             {lately}; between them E = {between}"
        ),
        Hold::Vetoed(family) => {
            let reached = Against(ln_e_of(look, family), rule.needed(family));
            format!("held: {}, but it keeps the promise of {promise}; E = {reached}", comparison(rule, family))
        }
    }
}

/// "canary fails 6.1 times as often: 8 of 160 against 25 of 3,040".
fn comparison(rule: &Rule, family: Family) -> String {
    let counts = counts(rule, family);
    let verb = match family {
        Family::Errors => "fails",
        Family::First => "fails for users",
        Family::Again => "fails again for users",
        Family::Slow => "is slow",
    };
    let passed = match rule.settings().latency {
        Some(margin) if family == Family::Slow && margin > 1.0 => format!(", where {margin} times are let pass"),
        _ => String::new(),
    };
    match times(rule, family) {
        Some(times) => format!("canary {verb} {} times as often{passed}: {counts}", Times(times)),
        None => format!("canary {verb} and stable does not: {counts}"),
    }
}

/// How many times as often. By requests it is what the counts beside it show; by users, whose number is not counted,
/// it goes by the weights.
fn times(rule: &Rule, family: Family) -> Option<f64> {
    if by_requests(rule, family) {
        return ratio::seen(rule.strata(), family);
    }
    let segments: Vec<Segment> = rule.strata().iter().map(|stratum| stratum.segment(family)).collect();
    let of_stable = family.count(&rule.total().stable);
    if of_stable > 0 { ratio::estimate(&segments) } else { None }
}

fn all_counts(rule: &Rule) -> String {
    counts(rule, rule.errors())
}

fn counts(rule: &Rule, family: Family) -> String {
    if by_requests(rule, family) {
        return of_requests(family, rule.total());
    }
    let Answers { canary, stable } = rule.total();
    let [of_canary, of_stable] = [canary, stable].map(|tally| Count(family.count(tally)));
    let [requests, others] = [canary, stable].map(|tally| Count(tally.requests));
    format!("{of_canary} users in {requests} requests against {of_stable} in {others}")
}

fn of_requests(family: Family, Answers { canary, stable }: &Answers) -> String {
    let of = |tally: &Tally| format!("{} of {}", Count(family.count(tally)), Count(tally.requests));
    format!("{} against {}", of(canary), of(stable))
}

fn by_requests(rule: &Rule, family: Family) -> bool {
    match family {
        Family::Errors => true,
        Family::First | Family::Again => false,
        Family::Slow => rule.errors() == Family::Errors,
    }
}

/// The evidence of errors, and what is needed.
fn between(rule: &Rule, look: &Look) -> Against {
    let family = rule.errors();
    Against(ln_e_of(look, family), rule.needed(family))
}

fn ln_e_of(look: &Look, family: Family) -> f64 {
    let found = Family::ALL.into_iter().zip(look.ln_e).find(|(other, _)| *other == family);
    found.and_then(|(_, ln_e)| ln_e).unwrap_or(0.0)
}

/// "222 >= 100" or "3.1 < 100": what was reached and what is needed, as logarithms.
struct Against(f64, f64);

/// A number that may be small or beyond all measure, by its logarithm.
struct Exp(f64);

/// A whole number with commas.
struct Count(u64);

/// How many times, with one digit after the point where that says something.
struct Times(f64);

/// A probability in per cent.
struct Percent(f64);

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(reached, needed) = *self;
        let [shown, limit] = [reached, needed].map(|ln| Exp(ln).to_string());
        match (reached >= needed, shown == limit) {
            (true, _) => write!(f, "{shown} >= {limit}"),
            (false, true) => write!(f, "just below {limit}"),
            (false, false) => write!(f, "{shown} < {limit}"),
        }
    }
}

impl fmt::Display for Exp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = self.0.exp();
        if e > MOST {
            write!(f, "over {}", Count(MOST as u64))
        } else if e < 0.05 {
            f.write_str("0")
        } else {
            Times(e).fmt(f)
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round();
        if tenths < 100.0 { write!(f, "{}", tenths / 10.0) } else { Count(self.0.round() as u64).fmt(f) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the tail that a product of binary fractions has: 0.3%, not 0.30000000000000004%.
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

/// What is said with every verdict on an audience.
const NO_COMPARISON: &str = "no comparison, its clients are chosen and not drawn";

/// Beyond it, nobody needs the digits.
const MOST: f64 = 1_000_000.0;

#[cfg(test)]
mod tests;
