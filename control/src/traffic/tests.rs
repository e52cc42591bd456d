use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rollgate_config::{Allow, Document, Format, scalar::Weight};

use tokio::time::timeout;

use super::*;
use crate::store::{
    AuditEntry, AuditPage, AuditQuery, Commit, Owner, Remembered, RolloutPage, RolloutQuery, Sqlite, Store, Stored,
};

fn configuration(text: &str) -> Arc<Configuration> {
    let text = format!(
        "http:\n  services:\n    a: {{loadBalancer: {{servers: []}}}}\n    b: {{loadBalancer: {{servers: []}}}}\n    c: {{loadBalancer: {{servers: []}}}}\n{text}"
    );
    let document = Document::parse("f.yml", &text, Format::Yaml).unwrap();
    let read = rollgate_config::read_dynamic(&[document], "file", None, &Allow::default());
    Arc::new(read.value.unwrap_or_else(|| panic!("{:?}", read.problems)))
}

fn split(versions: &str) -> Arc<Configuration> {
    configuration(&format!("    split: {{weighted: {{services: [{versions}]}}}}\n"))
}

const EVEN: &str = "{name: a, weight: 1}, {name: b, weight: 1}";

fn weights(of: &[(&str, u64)]) -> BTreeMap<String, Weight> {
    of.iter().map(|(name, weight)| ((*name).to_owned(), Weight(weight * 1_000_000))).collect()
}

fn live(owner: Owner, of: &[(&str, u64)], base: &[(&str, u64)]) -> LiveWeights {
    let (weights, base) = (weights(of), weights(base));
    LiveWeights { owner, weights, base, actor: "ci".to_owned(), reason: None, at: 0, revision: 1 }
}

fn by() -> Actor {
    Actor { name: "ci".into(), role: "operate", address: Some(([127, 0, 0, 1], 1).into()) }
}

fn wish(weighing: Weighing) -> Wish {
    let services = vec![("split".to_owned(), weighing)];
    let (asking, owner) = (Owner::Api, Owner::Api);
    Wish { services, if_match: None, asking, owner, dry_run: false, key: None, reason: None, several: false }
}

/// A store whose disk may be full, or hang.
struct Disk {
    store: Sqlite,
    full: Arc<AtomicBool>,
    hang: Arc<Hang>,
}

/// Commits wait while somebody holds the gate.
#[derive(Default)]
struct Hang {
    gate: Arc<tokio::sync::Mutex<()>>,
    met: Notify,
}

impl Store for Disk {
    fn load(&mut self) -> Result<Stored, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if self.hang.gate.try_lock().is_err() {
            self.hang.met.notify_one();
            drop(self.hang.gate.blocking_lock());
        }
        if self.full.load(Ordering::SeqCst) { Err(StoreError::Full) } else { self.store.commit(commit) }
    }

    fn remembered(&mut self, key: &str, now: i64) -> Result<Option<Remembered>, StoreError> {
        self.store.remembered(key, now)
    }

    fn audit(&mut self, asked: &AuditQuery) -> Result<AuditPage, StoreError> {
        self.store.audit(asked)
    }

    fn rollout(&mut self, id: &str) -> Result<Option<KeptRollout>, StoreError> {
        self.store.rollout(id)
    }

    fn rollouts(&mut self, asked: &RolloutQuery) -> Result<RolloutPage, StoreError> {
        self.store.rollouts(asked)
    }
}

async fn traffic(full: &Arc<AtomicBool>, configuration: Arc<Configuration>) -> Arc<Traffic> {
    traffic_on(Disk { store: Sqlite::in_memory().unwrap(), full: full.clone(), hang: Arc::default() }, configuration)
        .await
}

async fn traffic_on(store: impl Store + 'static, configuration: Arc<Configuration>) -> Arc<Traffic> {
    let store = StoreThread::start(Box::new(store)).unwrap();
    let traffic = Arc::new(Traffic::open(store, Arc::new(Events::new(1, 100))).await.unwrap());
    traffic.state.lock().configuration = configuration;
    let paying = traffic.clone();
    tokio::spawn(async move { paying.pay().await });
    traffic
}

async fn set(traffic: &Traffic, weighing: Weighing) -> Result<Done, Refused> {
    match traffic.weigh(wish(weighing), &by(), |_| String::new()).await? {
        Answer::Done(done) => Ok(done),
        Answer::Again(_) => panic!("there is no key"),
    }
}

fn fitted(live: Option<LiveWeights>, before: &Arc<Configuration>, now: &Configuration) -> settle::Fit {
    let mut state = State { configuration: before.clone(), ..State::default() };
    state.live.extend(live.map(|live| ("split@file".to_owned(), live)));
    settle::fit(&state, now)
}

#[test]
fn live_weights_stay_where_the_names_of_the_versions_do() {
    let even = split(EVEN);
    let of_api = || Some(live(Owner::Api, &[("a@file", 9), ("b@file", 1)], &[("a@file", 1), ("b@file", 1)]));
    let fit = fitted(of_api(), &even, &even);
    assert_eq!((fit.dropped.len(), fit.drifted.len(), fit.over.len()), (0, 0, 1));
    // In another order, and with other weights: they stay, and the difference is told once.
    let drifted = split("{name: b, weight: 5}, {name: a, weight: 1}");
    assert_eq!(fitted(of_api(), &even, &drifted).drifted, ["split@file"]);
    assert_eq!(fitted(of_api(), &drifted, &drifted).drifted, Vec::<String>::new());
    for (now, why) in [
        (split("{name: a, weight: 1}"), "its versions are now a@file, and were a@file, b@file"),
        (split("{name: a}, {name: c}"), "its versions are now a@file, c@file, and were a@file, b@file"),
        (configuration("    split: {loadBalancer: {servers: []}}\n"), "it is no longer a weighted service"),
    ] {
        let fit = fitted(of_api(), &even, &now);
        assert_eq!(fit.dropped, [("split@file".to_owned(), why.to_owned())]);
        assert!(fit.over[0].1.is_nothing());
    }
    // Where the service is gone they wait for it.
    let gone = fitted(of_api(), &even, &configuration(""));
    assert_eq!((gone.dropped.len(), gone.over[0].1.is_nothing()), (0, false));
}

#[tokio::test]
async fn weights_that_somebody_else_decides_about_are_refused_with_his_name() {
    let traffic = traffic(&Arc::default(), split(EVEN)).await;
    for owner in [Owner::Rollout("42".to_owned()), Owner::Kubernetes("argo".to_owned())] {
        let theirs = live(owner.clone(), &[("a@file", 9), ("b@file", 1)], &[("a@file", 1), ("b@file", 1)]);
        traffic.state.lock().live.insert("split@file".to_owned(), theirs);
        for weighing in [Weighing::Reset, Weighing::Some(weights(&[("a", 3)]))] {
            let refused = set(&traffic, weighing).await.unwrap_err();
            assert_eq!(refused, Refused::Owned { service: "split@file".to_owned(), owner: owner.clone() });
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_weights_and_never_a_brake() {
    let full = Arc::new(AtomicBool::new(true));
    let traffic = traffic(&full, split(EVEN)).await;
    let wanted = || Weighing::All(weights(&[("a", 9), ("b", 1)]));
    assert_eq!(set(&traffic, wanted()).await, Err(Refused::Store(StoreError::Full)));
    assert_eq!(traffic.weights("split").unwrap().owner, "none", "nothing has changed");
    let braked = traffic.brake(("split", "b"), None, &by()).await.unwrap();
    assert_eq!((braked.braked, braked.stored), (true, false));
    assert_eq!(traffic.weights("split").unwrap().effective["b@file"], "0", "it is in force all the same");
    assert!(traffic.owing_since().is_some());
    assert_eq!(
        traffic.release(("split", "b"), None, &by()).await,
        Err(Refused::Store(StoreError::Full)),
        "a brake that is in force is not released before that is kept"
    );
    full.store(false, Ordering::SeqCst);
    assert!(traffic.pay_once().await);
    assert!(traffic.owing_since().is_none());
    let stored = traffic.store().load().await.unwrap();
    assert_eq!(stored.brakes.keys().next(), Some(&("split@file".to_owned(), "b@file".to_owned())));
    let audit = traffic.store().audit(AuditQuery::default()).await.unwrap();
    assert_eq!(audit.items[0].action, "brake.set", "nor is it missing in the log");
}

#[tokio::test]
async fn what_a_dry_run_says_would_be_is_what_is_then() {
    let traffic = traffic(&Arc::default(), split(EVEN)).await;
    let wanted = Weighing::Some(weights(&[("b@file", 4)]));
    let would = match traffic.weigh(Wish { dry_run: true, ..wish(wanted.clone()) }, &by(), |_| String::new()).await {
        Ok(Answer::Done(done)) => done,
        other => panic!("{other:?}"),
    };
    assert_eq!(traffic.weights("split").unwrap().owner, "none");
    let is = set(&traffic, wanted).await.unwrap();
    assert_eq!(would.services[0].weights, is.services[0].weights);
    assert_eq!((would.dry_run, is.dry_run, is.changed), (true, false, true));
    assert!(!set(&traffic, Weighing::Some(BTreeMap::new())).await.unwrap().changed, "the same again is no change");
}

#[tokio::test]
async fn an_event_and_an_entry_tell_who_changed_what() {
    let traffic = traffic(&Arc::default(), split(EVEN)).await;
    set(&traffic, Weighing::All(weights(&[("a", 9), ("b", 1)]))).await.unwrap();
    set(&traffic, Weighing::Reset).await.unwrap();
    traffic.brake(("split", "b"), Some("errors".to_owned()), &by()).await.unwrap();
    traffic.release(("split", "b"), None, &by()).await.unwrap();
    let first = crate::events::EventId { epoch: 1, number: 0 };
    let events = traffic.events().after(first, 10).unwrap();
    let told = events.iter().map(|event| {
        let details = serde_json::to_string(&event.details).unwrap();
        format!("{} {:?} {:?} {details}", event.actor, event.kind, event.cause)
    });
    let entries = traffic.store().audit(AuditQuery::default()).await.unwrap().items;
    let entries = entries.iter().rev().map(|entry| {
        let AuditEntry { actor, role, address, action, version, reason, from, to, .. } = entry;
        format!("{actor} {role} {address} {action} {version:?} {reason:?} {from} {to}")
    });
    insta::assert_snapshot!(told.chain(entries).collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn what_the_process_before_still_decides_is_taken_over_and_a_brake_of_this_moment_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let three = split("{name: a, weight: 1}, {name: b, weight: 1}, {name: c, weight: 1}");
        traffic_on(Sqlite::open(folder.path()).unwrap().store, three)
    };
    let (before, after) = (open().await, open().await);
    set(&before, Weighing::Some(weights(&[("a", 9)]))).await.unwrap();
    let braked = after.brake(("split", "b"), None, &by()).await.unwrap();
    assert!(braked.stored);
    let effective = after.weights("split").unwrap().effective;
    assert_eq!((&*effective["a@file"], &*effective["b@file"]), ("9", "0"));
    // What was decided on an older state is refused once.
    let stale = set(&before, Weighing::Some(weights(&[("a", 8)]))).await;
    assert_eq!(stale, Err(Refused::Store(StoreError::Stale)));
    assert_eq!(before.weights("split").unwrap().effective["b@file"], "0");
    set(&before, Weighing::Some(weights(&[("a", 8)]))).await.unwrap();
    after.refresh().await.unwrap();
    assert_eq!(after.weights("split").unwrap().effective["a@file"], "8");
    before.release(("split", "b"), None, &by()).await.unwrap();
    after.refresh().await.unwrap();
    let first = crate::events::EventId { epoch: 1, number: 0 };
    let told = after.events().after(first, 10).unwrap();
    let told: Vec<_> = told.iter().map(|event| (event.kind, &*event.actor, event.cause.is_some())).collect();
    let taken_over = |kind, actor| (kind, actor, true);
    assert_eq!(
        told,
        [
            (EventKind::BrakeSet, "ci", false),
            taken_over(EventKind::WeightsSet, "ci"),
            taken_over(EventKind::WeightsSet, "ci"),
            taken_over(EventKind::BrakeReleased, GATEWAY),
        ]
    );
}

#[tokio::test]
async fn whoever_waits_for_his_turn_is_seen() {
    let traffic = traffic(&Arc::default(), split("{name: a, weight: 1}, {name: b, weight: 1}")).await;
    let laying = traffic.turn_to_lay().await;
    assert!(!traffic.is_awaited());
    let brake = tokio::spawn({
        let traffic = traffic.clone();
        async move { traffic.brake(("split", "b"), None, &by()).await }
    });
    // On one thread this lets it come as far as it can.
    tokio::task::yield_now().await;
    assert!(traffic.is_awaited());
    drop(laying);
    brake.await.unwrap().unwrap();
    assert!(!traffic.is_awaited());
}

/// Weights of which the store has taken the commit, and hangs.
async fn hanging() -> (Arc<Traffic>, tokio::task::JoinHandle<Result<Done, Refused>>, tokio::sync::OwnedMutexGuard<()>) {
    let hang = Arc::new(Hang::default());
    let disk = Disk { store: Sqlite::in_memory().unwrap(), full: Arc::default(), hang: hang.clone() };
    let traffic = traffic_on(disk, split("{name: a, weight: 1}, {name: b, weight: 1}, {name: c, weight: 1}")).await;
    let closed = hang.gate.clone().lock_owned().await;
    let changing = traffic.clone();
    let change = tokio::spawn(async move { set(&changing, Weighing::Some(weights(&[("b", 5)]))).await });
    hang.met.notified().await;
    (traffic, change, closed)
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_no_brake_and_the_change_that_it_held_up_does_not_undo_it() {
    let (traffic, change, closed) = hanging().await;
    let braked = timeout(MOMENT, traffic.brake(("split", "b"), None, &by())).await.expect("it does not wait").unwrap();
    assert_eq!((braked.braked, braked.stored), (true, false));
    assert!(traffic.owing_since().is_some());
    let effective = || traffic.weights("split").unwrap().effective["b@file"].clone();
    assert_eq!((change.is_finished(), effective().as_str()), (false, "0"));
    drop(closed);
    assert!(change.await.unwrap().unwrap().changed);
    assert_eq!((effective().as_str(), &*traffic.weights("split").unwrap().weights["b@file"]), ("0", "5"));
    assert!(traffic.pay_once().await);
    let stored = traffic.store().load().await.unwrap();
    assert_eq!((stored.brakes.len(), stored.live.len()), (1, 1));
    assert!(traffic.brakes()[0].stored);
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_no_configuration_and_weights_that_no_longer_fit_it_are_dropped() {
    let (traffic, change, closed) = hanging().await;
    let two = split("{name: a, weight: 1}, {name: c, weight: 1}");
    let fit = settle::fit(&traffic.state.lock(), &two);
    {
        let _laying = timeout(MOMENT, traffic.turn_to_lay()).await.expect("nobody holds it over a disk");
        traffic.settled(two, fit);
    }
    drop(closed);
    change.await.unwrap().unwrap();
    assert_eq!(traffic.weights("split").unwrap().owner, "none");
    assert!(traffic.pay_once().await);
    assert_eq!(traffic.store().load().await.unwrap().live.len(), 0);
    let actions = traffic.store().audit(AuditQuery::default()).await.unwrap().items;
    let actions: Vec<_> = actions.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["weights.dropped", "weights.set"]);
}

#[tokio::test]
async fn a_brake_that_is_set_again_while_it_is_released_stays() {
    let hang = Arc::new(Hang::default());
    let disk = Disk { store: Sqlite::in_memory().unwrap(), full: Arc::default(), hang: hang.clone() };
    let traffic = traffic_on(disk, split("{name: a, weight: 1}, {name: b, weight: 1}, {name: c, weight: 1}")).await;
    assert!(traffic.brake(("split", "b"), None, &by()).await.unwrap().stored);
    let closed = hang.gate.clone().lock_owned().await;
    let releasing = traffic.clone();
    let release = tokio::spawn(async move { releasing.release(("split", "b"), None, &by()).await });
    hang.met.notified().await;
    // Another one is its own matter.
    assert!(traffic.brake(("split", "c"), None, &by()).await.unwrap().braked);
    let again = traffic.brake(("split", "b"), Some("it fails still".to_owned()), &by()).await.unwrap();
    assert_eq!((again.braked, again.stored), (true, false));
    drop(closed);
    let refused = release.await.unwrap().unwrap_err();
    assert_eq!(refused, Refused::BrakedAgain { service: "split@file".to_owned(), version: "b@file".to_owned() });
    assert!(traffic.pay_once().await);
    let stored = traffic.store().load().await.unwrap();
    let of_b = &stored.brakes[&("split@file".to_owned(), "b@file".to_owned())];
    assert_eq!(of_b.reason.as_deref(), Some("it fails still"));
    assert_eq!(traffic.weights("split").unwrap().effective["b@file"], "0");
}

#[tokio::test]
async fn a_change_waits_for_its_turn_for_so_long_and_is_not_made_later() {
    let (traffic, change, closed) = hanging().await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let late = set(&traffic, Weighing::Some(weights(&[("a", 7)]))).await;
    assert_eq!((late, began.elapsed().as_secs()), (Err(Refused::Store(StoreError::Busy)), 20));
    let _all = traffic.places.try_acquire_many(PLACES as u32).unwrap();
    assert_eq!(set(&traffic, Weighing::Reset).await, Err(Refused::Store(StoreError::Busy)), "no more may wait");
    drop(closed);
    change.await.unwrap().unwrap();
    assert_eq!(traffic.weights("split").unwrap().weights["a@file"], "1");
}

#[tokio::test]
async fn the_same_weights_again_acknowledge_a_drift() {
    let traffic = traffic(&Arc::default(), split(EVEN)).await;
    let wanted = || Weighing::All(weights(&[("a", 9), ("b", 1)]));
    set(&traffic, wanted()).await.unwrap();
    traffic.state.lock().configuration = split("{name: a, weight: 1}, {name: b, weight: 3}");
    assert!(traffic.weights("split").unwrap().drift);
    let done = set(&traffic, wanted()).await.unwrap();
    assert_eq!((done.changed, done.services[0].drift), (true, false));
    assert!(!traffic.weights("split").unwrap().drift);
    assert!(!set(&traffic, wanted()).await.unwrap().changed);
}

/// Less than what anything here waits for that a disk holds up, and enough for a slow machine.
const MOMENT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_document_that_cannot_be_kept_is_not_published_and_another_may_be() {
    let full = Arc::new(AtomicBool::new(true));
    let traffic = traffic(&full, split(EVEN)).await;
    let by = by();
    let put = |text| traffic.publish_document(KeptDocument { name: "rest", text, by: &by }, None, split(EVEN));
    assert_eq!(put("{}").await, Err(NotKept::Store(StoreError::Full)));
    assert_eq!((traffic.document("rest"), traffic.store().load().await.unwrap().documents.len()), (None, 0));
    full.store(false, Ordering::SeqCst);
    for text in ["{}", "{\"http\": {}}"] {
        put(text).await.unwrap();
        let kept = traffic.store().load().await.unwrap();
        assert_eq!((traffic.document("rest").as_deref(), kept.documents["rest"].as_str()), (Some(text), text));
        assert_eq!(kept.revision, traffic.state.lock().revision);
    }
    full.store(true, Ordering::SeqCst);
    assert!(put("{\"tls\": {}}").await.is_err());
    assert_eq!(traffic.document("rest").as_deref(), Some("{\"http\": {}}"));
    let page = traffic.store().audit(AuditQuery::default()).await.unwrap();
    let shown: Vec<(u64, u64)> = page
        .items
        .iter()
        .map(|entry| (entry.from["bytes"].as_u64().unwrap_or_default(), entry.to["bytes"].as_u64().unwrap_or_default()))
        .collect();
    assert_eq!(shown, [(2, 12), (0, 2)], "what was refused is not in it");
    assert_eq!(
        page.items[1].to["sha256"], "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "printf '{{}}' | sha256sum"
    );
}

#[tokio::test]
async fn a_rollout_takes_weights_over_and_hands_them_on_and_nobody_else_changes_them_meanwhile() {
    let traffic = traffic(&Arc::default(), split(EVEN)).await;
    set(&traffic, Weighing::All(weights(&[("a", 9), ("b", 1)]))).await.unwrap();
    let of = |id: &str| Owner::Rollout(id.to_owned());
    let weigh = async |asking: Owner, owner: Owner, weighing: Weighing| {
        traffic.weigh(Wish { asking, owner, ..wish(weighing) }, &by(), |_| String::new()).await.map(|_| ())
    };
    let step = |a, b| Weighing::All(weights(&[("a", a), ("b", b)]));
    weigh(of("r1"), of("r1"), step(95, 5)).await.unwrap();
    assert_eq!(traffic.weights("split").unwrap().owner, "rollout:r1");
    let owned = Err(Refused::Owned { service: "split@file".to_owned(), owner: of("r1") });
    assert_eq!(weigh(Owner::Api, Owner::Api, step(1, 1)).await, owned);
    assert_eq!(weigh(of("r2"), of("r2"), step(1, 1)).await, owned);
    assert_eq!(weigh(Owner::Api, Owner::Api, Weighing::Reset).await, owned);
    // It ends: the weights are the API's from then on, the same or those from before.
    weigh(of("r1"), Owner::Api, step(95, 5)).await.unwrap();
    let view = traffic.weights("split").unwrap();
    assert_eq!((view.owner.as_str(), view.weights["b@file"].as_str()), ("api", "5"));
    weigh(Owner::Api, Owner::Api, step(1, 1)).await.unwrap();
}

#[tokio::test]
async fn a_rollout_is_kept_before_anything_is_done_for_it_and_one_that_has_ended_is_history() {
    let full = Arc::new(AtomicBool::new(true));
    let traffic = traffic(&full, split(EVEN)).await;
    let kept =
        |ended| KeptRollout { id: "r1".to_owned(), service: "split@file".to_owned(), ended, ..KeptRollout::default() };
    assert_eq!(traffic.keep_rollout(kept(None), Vec::new(), None).await, Err(StoreError::Full));
    assert_eq!(traffic.rollouts(), []);
    full.store(false, Ordering::SeqCst);
    let entry = AuditEntry { action: "rollout.started".to_owned(), ..AuditEntry::default() };
    traffic.keep_rollout(kept(None), vec![entry], None).await.unwrap();
    assert_eq!((traffic.rollouts().len(), traffic.store().load().await.unwrap().rollouts.len()), (1, 1));
    assert_eq!(traffic.store().audit(AuditQuery::default()).await.unwrap().items[0].action, "rollout.started");
    traffic.keep_rollout(kept(Some(9)), Vec::new(), None).await.unwrap();
    assert_eq!((traffic.rollouts().len(), traffic.store().load().await.unwrap().rollouts.len()), (0, 0));
    assert_eq!(traffic.store().rollout("r1".to_owned()).await.unwrap().unwrap().ended, Some(9));
}
