use proptest::prelude::*;

use super::*;

/// A service's cells with this many requests within 0.1 s and this many above 5 s.
fn cells(fast: u64, slow: u64) -> [u64; 6] {
    [fast, 0, 0, 0, slow, fast * 50_000_000 + slow * 9_000_000_000]
}

fn service(owner: u32) -> SeriesId {
    SeriesId::Service { owner, key: 200 }
}

fn labels_of(name: &str) -> impl Fn() -> Vec<String> {
    let labels = [name, "200", "GET", "http"].map(str::to_owned).to_vec();
    move || labels.clone()
}

fn history() -> History {
    History::new(Limits::default(), &[0.1, 0.3, 1.2, 5.0])
}

fn tracks(history: &History, name: Name, service: &str) -> Vec<Track> {
    let mut tracks = Vec::new();
    let told = history.tracks(name, &|looked| Ok::<_, ()>(looked.label("service") == service), &mut |track| {
        tracks.push(track.clone());
        Ok(())
    });
    assert_eq!(told, Ok(()));
    tracks.sort_by(|a, b| a.labels.cmp(&b.labels));
    tracks
}

#[test]
fn a_counter_is_known_at_each_sample() {
    let mut history = history();
    for second in 0..10_u64 {
        history.tick(second as i64 * 1_000);
        history.take(service(1), &cells(second / 2 * 10, second), &labels_of("a@file"));
    }
    let requests = &tracks(&history, Name::ServiceRequests, "a@file")[0];
    assert_eq!(requests.value(9_000), Some(49.0));
    assert_eq!(requests.increase(0, 9_000), Some(49.0));
    assert_eq!(requests.increase(2_000, 3_000), Some(1.0));
    let buckets = tracks(&history, Name::DurationBucket, "a@file");
    let le: Vec<(&str, f64)> = buckets.iter().map(|it| (&*it.labels["le"], it.value(9_000).unwrap())).collect();
    assert_eq!(le, [("+Inf", 49.0), ("0.1", 40.0), ("0.3", 40.0), ("1.2", 40.0), ("5", 40.0)]);
    assert_eq!(tracks(&history, Name::DurationSum, "a@file")[0].value(9_000), Some(83.0));
    assert_eq!(tracks(&history, Name::VersionRequests, "a@file"), []);
}

#[test]
fn what_is_counted_for_the_first_time_rises_from_nothing_and_what_was_there_does_not() {
    let mut history = history();
    history.tick(0);
    history.take(service(1), &cells(100, 0), &labels_of("old@file"));
    history.tick(1_000);
    history.take(service(1), &cells(100, 0), &labels_of("old@file"));
    history.take(service(2), &cells(7, 0), &labels_of("new@file"));
    assert_eq!(tracks(&history, Name::ServiceRequests, "old@file")[0].increase(0, 1_000), Some(0.0));
    let new = &tracks(&history, Name::ServiceRequests, "new@file")[0];
    assert_eq!((new.increase(0, 1_000), new.value(0), new.value(1_000)), (Some(7.0), None, Some(7.0)));
}

#[test]
fn a_name_that_comes_back_goes_on_and_its_counter_has_begun_again() {
    let mut history = history();
    for (second, owner, count) in [(0, 1, 10), (1, 1, 15), (3, 2, 4)] {
        history.tick(second * 1_000);
        history.take(service(owner), &cells(count, 0), &labels_of("a@file"));
    }
    let track = &tracks(&history, Name::ServiceRequests, "a@file")[0];
    assert_eq!((history.len(), track.increase(0, 3_000)), (1, Some(9.0)));
    // Also if it has more than before by the time it is seen.
    history.tick(4_000);
    history.take(service(3), &cells(20, 0), &labels_of("a@file"));
    assert_eq!(tracks(&history, Name::ServiceRequests, "a@file")[0].increase(3_000, 4_000), Some(20.0));
}

#[test]
fn a_name_that_comes_and_goes_takes_no_more_room_each_time() {
    let mut history = history();
    for owner in 0..1_000 {
        history.tick(i64::from(owner) * 1_000);
        history.take(service(owner), &cells(0, 0), &labels_of("a@file"));
        assert_eq!((history.len(), history.by_id.len(), history.by_labels.len()), (1, 1, 1));
    }
}

#[test]
fn whoever_is_told_of_series_may_stop() {
    let mut history = history();
    history.tick(0);
    for owner in 0..3 {
        history.take(service(owner), &cells(1, 0), &labels_of(&format!("{owner}@file")));
    }
    let mut count = 0;
    let told = history.tracks(Name::ServiceRequests, &|_| Ok(true), &mut |_| {
        count += 1;
        if count == 2 { Err("enough") } else { Ok(()) }
    });
    assert_eq!((told, count), (Err("enough"), 2));
    let told = history.tracks(Name::ServiceRequests, &|_| Err("late"), &mut |_| panic!("it is told"));
    assert_eq!(told, Err("late"));
}

#[test]
fn what_nobody_sees_any_more_ends_and_is_forgotten() {
    let mut history = history();
    history.tick(0);
    history.take(service(1), &cells(1, 0), &labels_of("a@file"));
    history.tick(1_000);
    let track = &tracks(&history, Name::ServiceRequests, "a@file")[0];
    assert_eq!((track.value(1_000), track.increase(0, 1_000)), (None, None));
    history.tick(SPAN + 1);
    assert_eq!((history.len(), history.bytes, history.by_id.len(), history.by_labels.len()), (0, 0, 0, 0));
}

#[test]
fn there_is_a_bound_and_the_oldest_goes_first() {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let mut history = History::new(limits, &[0.1, 0.3, 1.2, 5.0]);
    for second in 0..1_200 {
        history.tick(second * 1_000);
        for owner in 0..100 {
            let count = second as u64 * 1_000 + u64::from(owner);
            history.take(service(owner), &cells(count, count), &labels_of(&format!("{owner}@file")));
        }
        history.settle();
        assert!(history.bytes <= limits.bytes, "{} at {second}", history.bytes);
    }
    let (oldest, newest) = history.span().unwrap();
    assert!(oldest > 0 && newest == 1_199_000, "{oldest}");
    let track = &tracks(&history, Name::ServiceRequests, "7@file")[0];
    assert_eq!(track.increase(oldest, newest), Some((newest - oldest) as f64 * 2.0));
}

#[test]
fn whoever_finds_no_room_is_named() {
    let mut history = History::new(Limits { series: 2, ..Limits::default() }, &[]);
    for second in 0..2 {
        history.tick(second * 1_000);
        for owner in 0..3 {
            history.take(service(owner), &[1, 1], &labels_of(&format!("{owner}@file")));
        }
    }
    assert_eq!(history.left_out(0, |_| true), Some("2@file"));
    assert_eq!(history.left_out(0, |service| service == "1@file"), None);
    assert_eq!(history.left_out(1_001, |_| true), None);
}

#[test]
fn a_clock_that_is_put_back_goes_on() {
    let mut history = history();
    for time in [5_000, 4_000, 4_500, 6_000] {
        history.tick(time);
    }
    assert_eq!(history.ticks, [5_000, 5_001, 5_002, 6_000]);
    assert_eq!(
        [4_999, 5_000, 5_999, 9_000].map(|time| history.sampled(time)),
        [None, Some(5_000), Some(5_002), Some(6_000)]
    );
}

#[test]
fn a_clock_that_is_put_back_far_begins_anew() {
    let mut history = history();
    for (now, count) in [(100_000, 1), (101_000, 5)] {
        history.tick(now);
        history.take(service(1), &cells(count, 0), &labels_of("a@file"));
    }
    history.tick(50_000);
    assert_eq!((history.span(), history.len(), history.bytes), (Some((50_000, 50_000)), 0, 0));
    for (now, count) in [(50_000, 6), (51_000, 8)] {
        history.tick(now);
        history.take(service(1), &cells(count, 0), &labels_of("a@file"));
    }
    let track = &tracks(&history, Name::DurationBucket, "a@file")[0];
    assert_eq!((track.increase(50_001, 51_000), &*track.labels["le"]), (Some(2.0), "+Inf"));
}

proptest! {
    /// Windows that follow each other add up: no request is counted twice or not at all.
    #[test]
    fn windows_side_by_side_are_the_whole(
        counts in prop::collection::vec(0..50_u64, 2..200), cut in any::<prop::sample::Index>(),
    ) {
        let mut history = history();
        let mut total = 0;
        for (second, count) in (0..).zip(&counts) {
            total += count;
            history.tick(second * 1_000);
            history.take(service(1), &cells(total, 0), &labels_of("a@file"));
        }
        let track = &tracks(&history, Name::ServiceRequests, "a@file")[0];
        let (end, cut) = ((counts.len() as i64 - 1) * 1_000, cut.index(counts.len()) as i64 * 1_000);
        let parts = track.increase(0, cut).unwrap_or(0.0) + track.increase(cut, end).unwrap_or(0.0);
        prop_assert_eq!(parts, (total - counts[0]) as f64);
    }
}
