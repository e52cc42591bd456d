//! The routes of one entry point, ranked and indexed by host.
//!
//! A route is indexed under hosts if it cannot match without one of them: `&&` needs the hosts of any one part (the
//! fewest are taken), `||` those of all its parts, `!` none. A request merges three lists by rank: its host's, that of
//! `*.` above its first label, and the common one.

use std::{cmp::Reverse, collections::HashMap, sync::Arc};

use foldhash::fast::FixedState;
use rollgate_config::{dynamic::name, rule::Rule, steps::step};
use smallvec::SmallVec;

use super::{
    facts::Facts,
    matcher::{Condition, HostPattern, Test, parent},
};

/// A router's part that decides which requests it takes.
#[derive(Debug, Clone)]
pub struct Route {
    /// Qualified (`name@provider`); breaks ties, and `explain` prints it.
    pub name: String,
    /// The provider's place in the order of precedence: of two routes with one priority, the lower rank is asked first.
    pub provider_rank: u32,
    /// Which requests it takes.
    pub rule: Rule,
    /// The highest is asked first.
    pub priority: i64,
}

/// The routes of one entry point.
///
/// Building costs one sort; finding costs two lookups and a test of each route that could match the host, in order.
#[derive(Debug)]
pub struct Table {
    /// In the order in which they are asked.
    pub(super) ranked: Vec<Ranked>,
    exact: HashMap<Box<str>, Ranks, FixedState>,
    /// By what follows the first label.
    below: HashMap<Box<str>, Ranks, FixedState>,
    common: Vec<usize>,
}

/// Where a route belongs: field by field, the least comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place<'r> {
    priority: Reverse<i64>,
    provider_rank: u32,
    /// How its name begins: mostly that decides, and is at hand, as the name is not.
    begins: [u8; 8],
    /// Without its provider: `a` stands before `a-b`, as `a@file` does not before `a-b@file`.
    name: &'r str,
    given: usize,
}

impl<'r> Place<'r> {
    fn of(given: usize, route: &'r Compiled) -> Self {
        let name = name::bare(&route.name);
        let mut begins = [0; 8];
        begins.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
        Self { priority: Reverse(route.priority), provider_rank: route.provider_rank, begins, name, given }
    }
}

/// A route in its place.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) given: usize,
    pub(super) route: Arc<Compiled>,
}

/// A route whose rule is compiled. It depends on no other, so tables share those that stay.
#[derive(Debug)]
pub struct Compiled {
    pub(super) name: String,
    provider_rank: u32,
    pub(super) text: String,
    pub(super) priority: i64,
    pub(super) condition: Condition,
    /// Being found by host makes the condition's first part true (all of it, unless it is `All`).
    found_means_first: bool,
}

type Ranks = SmallVec<[usize; 2]>;

impl Table {
    /// Compiles, ranks and indexes the routes: priority descending, then provider rank, then name, then the order given.
    pub fn build(routes: Vec<Route>) -> Self {
        let routes: Vec<_> = routes.into_iter().map(|route| Arc::new(Compiled::new(route))).collect();
        Self::of(&routes)
    }

    /// As [`Self::build`], of routes that are compiled already.
    pub fn of(routes: &[Arc<Compiled>]) -> Self {
        let mut order: Vec<Place<'_>> = Vec::with_capacity(routes.len());
        for (given, route) in routes.iter().enumerate() {
            step();
            order.push(Place::of(given, route));
        }
        order.sort_unstable_by(|a, b| {
            step();
            a.cmp(b)
        });
        let mut table = Self {
            ranked: Vec::with_capacity(order.len()),
            exact: HashMap::with_capacity_and_hasher(order.len(), FixedState::default()),
            below: HashMap::default(),
            common: Vec::new(),
        };
        for Place { given, .. } in order {
            step();
            table.push(given, routes[given].clone());
        }
        table.exact.shrink_to_fit();
        table
    }

    /// The route that takes this request, as its index in what [`Self::build`] was given.
    pub fn find(&self, facts: &Facts<'_>) -> Option<usize> {
        let found = self.candidates(facts.host).map(|rank| &self.ranked[rank]).find(|route| route.takes(facts));
        found.map(|route| route.given)
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.ranked.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ranked.is_empty()
    }

    /// The ranks of the routes that could match this host, ascending.
    pub(super) fn candidates(&self, host: &str) -> Candidates<'_> {
        let mut lists = [&[][..], &[][..], &self.common];
        if !host.is_empty() {
            lists[0] = self.exact.get(host).map_or(&[], |ranks| ranks);
            if !self.below.is_empty() {
                lists[1] = parent(host).and_then(|parent| self.below.get(parent)).map_or(&[], |ranks| ranks);
            }
        }
        Candidates(lists)
    }

    fn push(&mut self, given: usize, route: Arc<Compiled>) {
        let rank = self.ranked.len();
        match route.required_hosts() {
            None => self.common.push(rank),
            Some(keys) => {
                for key in keys {
                    let (map, host) = match key {
                        Key::Exact(host) => (&mut self.exact, host),
                        Key::Below(domain) => (&mut self.below, domain),
                    };
                    let ranks = map.entry(host.into()).or_default();
                    if ranks.last() != Some(&rank) {
                        ranks.push(rank);
                    }
                }
            }
        }
        self.ranked.push(Ranked { given, route });
    }
}

impl Compiled {
    /// Parses what the rule names, once.
    pub fn new(route: Route) -> Self {
        let Route { name, provider_rank, rule, priority } = route;
        let mut condition = Condition::compile(&rule.expression);
        move_narrowest_first(&mut condition);
        let mut compiled = Self { name, provider_rank, text: rule.text, priority, condition, found_means_first: false };
        compiled.found_means_first = compiled.required_hosts().is_some() && compiled.first().is_some_and(only_hosts);
        compiled
    }

    /// The part that hosts are taken from.
    fn first(&self) -> Option<&Condition> {
        match &self.condition {
            Condition::All(parts) => parts.first(),
            whole => Some(whole),
        }
    }

    fn required_hosts(&self) -> Option<Vec<Key<'_>>> {
        self.first().and_then(required_hosts)
    }
}

impl std::ops::Deref for Ranked {
    type Target = Compiled;

    fn deref(&self) -> &Compiled {
        &self.route
    }
}

impl Compiled {
    /// Whether it takes a request for which the table named it a candidate.
    fn takes(&self, facts: &Facts<'_>) -> bool {
        match (&self.condition, self.found_means_first) {
            (Condition::All(parts), true) => parts[1..].iter().all(|part| part.holds(facts)),
            (_, true) => true,
            (condition, false) => condition.holds(facts),
        }
    }
}

/// Ranks of up to three lists, merged; one that is in two lists comes once.
pub(super) struct Candidates<'t>([&'t [usize]; 3]);

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let next = self.0.iter().filter_map(|list| list.first()).min().copied()?;
        for list in &mut self.0 {
            if list.first() == Some(&next) {
                *list = &list[1..];
            }
        }
        Some(next)
    }
}

/// A host, or a domain one label above it.
enum Key<'c> {
    Exact(&'c str),
    Below(&'c str),
}

/// The hosts one of which the condition needs; `None` if it may hold for any host.
fn required_hosts(condition: &Condition) -> Option<Vec<Key<'_>>> {
    match condition {
        Condition::Test(Test::Host(HostPattern::Exact(host))) => Some(vec![Key::Exact(host)]),
        Condition::Test(Test::Host(HostPattern::Below(domain))) => Some(vec![Key::Below(domain)]),
        Condition::Test(_) | Condition::Not(_) => None,
        Condition::All(parts) => parts.iter().filter_map(required_hosts).min_by_key(Vec::len),
        Condition::Any(parts) => {
            let sets: Option<Vec<_>> = parts.iter().map(required_hosts).collect();
            sets.map(|sets| sets.into_iter().flatten().collect())
        }
    }
}

/// Whether the condition is nothing but indexable hosts, so that being found under one of them makes it true.
fn only_hosts(condition: &Condition) -> bool {
    match condition {
        Condition::Test(Test::Host(pattern)) => !matches!(pattern, HostPattern::Any),
        Condition::Any(parts) => parts.iter().all(only_hosts),
        _ => false,
    }
}

/// Of the parts of an `&&`, brings the one that needs the fewest hosts to the front.
fn move_narrowest_first(condition: &mut Condition) {
    let Condition::All(parts) = condition else {
        return;
    };
    let widths = parts.iter().enumerate().filter_map(|(at, part)| Some((at, required_hosts(part)?.len())));
    if let Some((narrowest, _)) = widths.min_by_key(|(_, width)| *width) {
        parts[..=narrowest].rotate_right(1);
    }
}
