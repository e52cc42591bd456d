use proptest::prelude::*;

use super::*;

fn urls(count: usize) -> Vec<Arc<str>> {
    (0..count).map(|number| format!("http://{number}").into()).collect()
}

fn passive(attempts: u32, percent: u8) -> PassiveHealthCheck {
    PassiveHealthCheck {
        failure_window: Duration::from_secs(10),
        max_failed_attempts: attempts,
        max_ejected_percent: percent,
    }
}

fn roster(count: usize, probed: bool, passive: Option<PassiveHealthCheck>) -> (Roster, Vec<Arc<str>>) {
    let (mut roster, urls) = (Roster::default(), urls(count));
    assert_eq!(roster.update(Rules { probed, passive }, urls.iter().map(|url| (url, true))), []);
    (roster, urls)
}

fn up(roster: &Roster) -> Vec<&str> {
    roster.members.iter().filter(|(_, member)| member.is_up()).map(|(url, _)| &**url).collect()
}

fn change(url: &Arc<str>, up: bool, cause: Cause) -> Change {
    Change { url: url.clone(), up, cause }
}

#[test]
fn servers_are_up_until_a_probe_says_otherwise() {
    let (mut roster, urls) = roster(2, true, None);
    assert_eq!(up(&roster).len(), 2);
    let now = Instant::now();
    assert_eq!(roster.probed(&urls[0], now, true), []);
    assert_eq!(roster.probed(&urls[0], now, false), [change(&urls[0], false, Cause::Probe)]);
    assert_eq!(roster.probed(&urls[0], now, false), []);
    assert_eq!(roster.probed(&urls[0], now, true), [change(&urls[0], true, Cause::Probe)]);
}

#[test]
fn when_all_probes_are_bad_no_server_is_up() {
    let (mut roster, urls) = roster(2, true, Some(passive(1, 50)));
    urls.iter().for_each(|url| drop(roster.probed(url, Instant::now(), false)));
    assert_eq!(up(&roster), [] as [&str; 0]);
}

#[test]
fn a_newcomer_waits_for_its_first_probe_while_others_are_up() {
    let (mut roster, _) = roster(2, true, None);
    let three = urls(3);
    let rules = roster.rules;
    let changes = roster.update(rules, three.iter().map(|url| (url, true)));
    assert_eq!(changes, [change(&three[2], false, Cause::New)]);
    assert_eq!(roster.probed(&three[2], Instant::now(), true), [change(&three[2], true, Cause::Probe)]);
}

#[test]
fn newcomers_among_themselves_wait_for_nobody() {
    let (mut roster, _) = roster(2, true, None);
    let others: Vec<Arc<str>> = vec!["http://a".into(), "http://b".into()];
    let rules = roster.rules;
    assert_eq!(roster.update(rules, others.iter().map(|url| (url, true))), []);
    assert_eq!(up(&roster), ["http://a", "http://b"]);
}

#[test]
fn a_newcomer_that_is_the_last_hope_is_up() {
    let (mut roster, _) = roster(1, true, None);
    let two = urls(2);
    let rules = roster.rules;
    roster.update(rules, two.iter().map(|url| (url, true)));
    let changes = roster.probed(&two[0], Instant::now(), false);
    assert_eq!(changes, [change(&two[0], false, Cause::Probe), change(&two[1], true, Cause::LastOne)]);
}

#[test]
fn one_failure_leaves_a_server_out_for_the_window() {
    let (mut roster, urls) = roster(2, false, Some(passive(1, 50)));
    let failed = roster.failed(&urls[0], Instant::now());
    assert_eq!(failed.changes, [change(&urls[0], false, Cause::Answers)]);
    assert_eq!(roster.over(&urls[0], failed.ejection.unwrap().0 + 1), [], "of another ejection");
    assert_eq!(roster.over(&urls[0], failed.ejection.unwrap().0), [change(&urls[0], true, Cause::Answers)]);
    assert_eq!(roster.over(&urls[0], failed.ejection.unwrap().0), []);
}

#[test]
fn failures_must_follow_each_other() {
    let (mut roster, urls) = roster(2, false, Some(passive(2, 50)));
    let now = Instant::now();
    assert!(roster.failed(&urls[0], now).changes.is_empty());
    assert!(roster.is_failing(&urls[0]));
    roster.succeeded(&urls[0]);
    assert!(!roster.is_failing(&urls[0]));
    assert!(roster.failed(&urls[0], now).changes.is_empty());
    assert!(!roster.failed(&urls[0], now).changes.is_empty());
}

#[test]
fn only_a_share_is_left_out_and_one_always_stays() {
    for (servers, percent, ejected) in
        [(1, 50, 0), (1, 100, 0), (2, 50, 1), (2, 1, 1), (2, 100, 1), (3, 50, 1), (4, 50, 2), (5, 100, 4), (10, 30, 3)]
    {
        let (mut roster, urls) = roster(servers, false, Some(passive(1, percent)));
        for _ in 0..2 {
            urls.iter().for_each(|url| drop(roster.failed(url, Instant::now())));
        }
        assert_eq!(servers - up(&roster).len(), ejected, "{servers} servers, {percent} percent");
    }
}

#[test]
fn servers_without_weight_do_not_count() {
    let (mut roster, urls) = (Roster::default(), urls(3));
    let rules = Rules { probed: false, passive: Some(passive(1, 100)) };
    roster.update(rules, urls.iter().zip([true, false, true]));
    assert!(!roster.failed(&urls[0], Instant::now()).changes.is_empty());
    assert!(roster.failed(&urls[2], Instant::now()).changes.is_empty(), "the other one takes no requests");
}

#[test]
fn when_the_last_one_goes_down_those_left_out_come_back() {
    let (mut roster, urls) = roster(2, true, Some(passive(1, 50)));
    roster.failed(&urls[0], Instant::now());
    let changes = roster.probed(&urls[1], Instant::now(), false);
    assert_eq!(changes, [change(&urls[1], false, Cause::Probe), change(&urls[0], true, Cause::LastOne)]);
}

#[test]
fn where_servers_are_probed_a_good_probe_ends_an_ejection_and_time_does_not() {
    let (mut roster, urls) = roster(2, true, Some(passive(1, 50)));
    let now = Instant::now();
    let ejection = roster.failed(&urls[0], now).ejection.unwrap().0;
    assert_eq!(roster.over(&urls[0], ejection), []);
    assert_eq!(roster.probed(&urls[0], now - Duration::from_millis(1), true), [], "it was under way before");
    assert_eq!(roster.probed(&urls[0], now, true), [change(&urls[0], true, Cause::Probe)]);
}

#[test]
fn what_is_no_longer_configured_keeps_nobody_out() {
    let (mut roster, urls) = roster(4, true, Some(passive(1, 50)));
    let servers = |urls: &[Arc<str>]| -> Vec<(Arc<str>, bool)> { urls.iter().map(|url| (url.clone(), true)).collect() };
    roster.probed(&urls[0], Instant::now(), false);
    roster.failed(&urls[1], Instant::now());
    let all = servers(&urls);
    let kept = roster.update(roster.rules, all.iter().map(|(url, weighted)| (url, *weighted)));
    assert_eq!(kept, [], "a reload changes nothing");
    assert_eq!(up(&roster).len(), 2);
    let rules = Rules { probed: true, passive: None };
    let changes = roster.update(rules, all.iter().map(|(url, weighted)| (url, *weighted)));
    assert_eq!(changes, [change(&urls[1], true, Cause::Configuration)]);
    let changes = roster.update(Rules::default(), all.iter().map(|(url, weighted)| (url, *weighted)));
    assert_eq!(changes, [change(&urls[0], true, Cause::Configuration)]);
}

#[test]
fn an_ejection_that_no_probe_will_end_ends_with_the_probes() {
    let (mut roster, urls) = roster(2, true, Some(passive(1, 50)));
    roster.failed(&urls[0], Instant::now());
    let rules = Rules { probed: false, ..roster.rules };
    let changes = roster.update(rules, urls.iter().map(|url| (url, true)));
    assert_eq!(changes, [change(&urls[0], true, Cause::Configuration)]);
}

#[test]
fn servers_that_are_gone_are_forgotten() {
    let (mut roster, urls) = roster(3, true, None);
    roster.probed(&urls[0], Instant::now(), false);
    let rules = roster.rules;
    roster.update(rules, urls[1..].iter().map(|url| (url, true)));
    assert_eq!(roster.probed(&urls[0], Instant::now(), true), []);
    let changes = roster.update(rules, urls.iter().map(|url| (url, true)));
    assert_eq!(changes, [change(&urls[0], false, Cause::New)], "it has come back as a new one");
}

/// What may happen to a load balancer.
#[derive(Debug, Clone)]
enum Event {
    Probed {
        server: usize,
        good: bool,
        age: u64,
    },
    Failed(usize),
    Succeeded(usize),
    /// The oldest ejection that has not been told of is over.
    Over,
    /// Other servers, weights and rules.
    Update {
        present: [bool; 6],
        weighted: [bool; 6],
        probed: bool,
        passive: Option<(u32, u8)>,
    },
    Passes(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let passive = prop::option::weighted(0.8, (1u32..4, 1u8..=100));
    let bools = prop::array::uniform6(prop::bool::weighted(0.8));
    prop_oneof![
        4 => (0usize..6, any::<bool>(), 0u64..3).prop_map(|(server, good, age)| Event::Probed { server, good, age }),
        6 => (0usize..6).prop_map(Event::Failed),
        3 => (0usize..6).prop_map(Event::Succeeded),
        2 => Just(Event::Over),
        1 => (bools, bools, any::<bool>(), passive)
            .prop_map(|(present, weighted, probed, passive)| Event::Update { present, weighted, probed, passive }),
        2 => (0u64..12_000).prop_map(Event::Passes),
    ]
}

/// A roster as its surroundings see it: what it has told is all that they know.
struct Model {
    roster: Roster,
    now: Instant,
    up: BTreeMap<Arc<str>, bool>,
    waiting: Vec<(Arc<str>, u64)>,
}

impl Model {
    fn apply(&mut self, event: &Event, urls: &[Arc<str>]) {
        let changes = match event {
            Event::Probed { server, good, age } => {
                let began = self.now.checked_sub(Duration::from_millis(*age)).unwrap_or(self.now);
                self.roster.probed(&urls[*server], began, *good)
            }
            Event::Failed(server) => {
                let failed = self.roster.failed(&urls[*server], self.now);
                self.waiting.extend(failed.ejection.map(|(number, _)| (urls[*server].clone(), number)));
                failed.changes
            }
            Event::Succeeded(server) => {
                self.roster.succeeded(&urls[*server]);
                Vec::new()
            }
            Event::Over if self.waiting.is_empty() => Vec::new(),
            Event::Over => {
                let (url, number) = self.waiting.remove(0);
                self.roster.over(&url, number)
            }
            Event::Update { present, weighted, probed, passive } => {
                let rules = Rules {
                    probed: *probed,
                    passive: passive.map(|(attempts, percent)| self::passive(attempts, percent)),
                };
                let there = urls.iter().zip(weighted).zip(present).filter(|(_, present)| **present);
                let there: Vec<(&Arc<str>, bool)> = there.map(|((url, weighted), _)| (url, *weighted)).collect();
                self.up.retain(|url, _| there.iter().any(|(other, _)| *other == url));
                for (url, _) in &there {
                    self.up.entry((*url).clone()).or_insert(true);
                }
                self.roster.update(rules, there.into_iter())
            }
            Event::Passes(milliseconds) => {
                self.now += Duration::from_millis(*milliseconds);
                Vec::new()
            }
        };
        for change in changes {
            let before = self.up.insert(change.url.clone(), change.up);
            assert_eq!(before, Some(!change.up), "a change that is none: {change:?}");
        }
    }

    fn check(&self) {
        let members = &self.roster.members;
        let told: BTreeMap<Arc<str>, bool> =
            members.iter().map(|(url, member)| (url.clone(), member.is_up())).collect();
        assert_eq!(self.up, told, "all that changed was told");
        let weighted: Vec<&Member> = members.values().filter(|member| member.weighted).collect();
        let down = weighted.iter().filter(|member| member.standing == Standing::Down).count();
        let is_up = weighted.iter().any(|member| member.is_up());
        assert!(is_up || down == weighted.len(), "suspicion alone took the last one: {weighted:?}");
        for member in members.values() {
            let fits = match member.standing {
                Standing::Up => true,
                Standing::Unproven | Standing::Down => self.roster.rules.probed,
                Standing::Ejected { .. } => self.roster.rules.passive.is_some(),
            };
            assert!(fits, "nothing would ever end it: {member:?} under {:?}", self.roster.rules);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_some_server_that_is_not_known_to_be_down_is_up(events in prop::collection::vec(event(), 1..200)) {
        let urls = urls(6);
        let mut model = Model { roster: Roster::default(), now: Instant::now(), up: BTreeMap::new(), waiting: Vec::new() };
        let all = Event::Update { present: [true; 6], weighted: [true; 6], probed: true, passive: Some((1, 50)) };
        for event in std::iter::once(&all).chain(&events) {
            model.apply(event, &urls);
            model.check();
        }
    }
}
