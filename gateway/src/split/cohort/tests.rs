use proptest::prelude::*;
use rollgate_config::{dynamic::affinity::Cookie, scalar::IpStrategy};

use super::*;
use crate::split::tests::children;

const NAMES: [&str; 5] = ["stable@file", "canary@file", "third@file", "fourth@file", "fifth@file"];

fn by(key: CohortKey, names: &[&'static str]) -> Cohort {
    Cohort::new(&affinity::Cohort { key, salt: None }, "pro@file", names.iter().copied())
}

fn by_header(names: &[&'static str]) -> Cohort {
    by(CohortKey::Header("x-user".to_owned()), names)
}

proptest! {
    #[test]
    fn an_unavailable_version_gives_its_clients_to_their_next_and_takes_them_back(
        weights in prop::collection::vec(1u64..1_000_000, 2..=5),
        gone in 0usize..5,
        key: u64,
    ) {
        let gone = gone % weights.len();
        let cohort = by_header(&NAMES[..weights.len()]);
        let children = children(&weights);
        let home = cohort.version(&children, key, |_| true).unwrap();
        let meanwhile = cohort.version(&children, key, |index| index != gone).unwrap();
        prop_assert_ne!(meanwhile, gone);
        prop_assert!(meanwhile == home || home == gone);
        prop_assert_eq!(cohort.version(&children, key, |_| false), None);
    }
}

/// 50,000 clients at a time, each of which asks 100 times and is then replaced by a new one, whose cookie is new. What fools
/// other affinities, that a client who was once in the canary stays there while its share is drawn anew for the rest, would
/// show as drift.
#[test]
fn the_canarys_share_does_not_drift_while_clients_come_and_go() {
    let cohort = by(CohortKey::Cookie(Cookie::of_cohorts()), &NAMES[..2]);
    let weights = children(&[90, 10]);
    let mut random = fastrand::Rng::with_seed(7);
    let in_canary = |key: u64| {
        let hash = cohort.versions.hash(format!("{key:016x}").as_bytes());
        cohort.version(&weights, hash, |_| true) == Some(1)
    };
    // Its version is decided once here, since its key does not change; that it is the same each time is another test.
    let mut clients: Vec<(bool, u32)> = (0..50_000).map(|_| (in_canary(random.u64(..)), random.u32(..100))).collect();
    for window in 0..40 {
        let mut canary = 0u32;
        for _ in 0..250_000 {
            let place = random.usize(..clients.len());
            let (is_canary, asked) = &mut clients[place];
            canary += u32::from(*is_canary);
            *asked += 1;
            if *asked >= 100 {
                clients[place] = (in_canary(random.u64(..)), 0);
            }
        }
        let share = f64::from(canary) / 250_000.0;
        assert!((share - 0.1).abs() < 0.005, "window {window}: {share}");
    }
}

#[test]
fn keys_are_where_they_are_configured_to_be() {
    let headers = |lines: &[(&'static str, &'static str)]| -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    };
    let client = "10.0.0.1".parse().unwrap();
    let ask = |cohort: &Cohort, lines: &[_]| cohort.key(&headers(lines), client, || 0xabc);

    let header = by_header(&NAMES);
    assert_eq!(ask(&header, &[("x-user", "eve")]), Key::Sent(header.versions.hash(b"eve")));
    assert_eq!(ask(&header, &[("x-user", "")]), Key::Missing);
    assert_eq!(ask(&header, &[]), Key::Missing);

    let cookie = Cookie { name: "id".to_owned(), ..Cookie::of_cohorts() };
    let cookie = by(CohortKey::Cookie(cookie), &NAMES);
    assert_eq!(ask(&cookie, &[("cookie", "a=b; id=17")]), Key::Sent(cookie.versions.hash(b"17")));
    let line = HeaderValue::from_static("id=0000000000000abc; Path=/; Max-Age=2592000");
    let issued = Key::Issued(cookie.versions.hash(b"0000000000000abc"), line);
    assert_eq!(ask(&cookie, &[]), issued);
    assert_eq!(ask(&cookie, &[("cookie", "id=")]), issued);

    let peer = by(CohortKey::ClientIp(IpStrategy::default()), &NAMES);
    assert_eq!(ask(&peer, &[]), Key::Sent(peer.versions.hash(&[10, 0, 0, 1])));
    let depth = IpStrategy { depth: 1, ..IpStrategy::default() };
    let forwarded = by(CohortKey::ClientIp(depth), &NAMES);
    assert_eq!(
        ask(&forwarded, &[("x-forwarded-for", "192.0.2.7")]),
        Key::Sent(forwarded.versions.hash(&[192, 0, 2, 7]))
    );
    assert_eq!(ask(&forwarded, &[]), Key::Missing);
}

#[test]
fn a_salt_gives_clients_another_order() {
    let salted = |salt: Option<&str>| {
        let cohort = affinity::Cohort { key: CohortKey::Header("x".to_owned()), salt: salt.map(str::to_owned) };
        Cohort::new(&cohort, "pro@file", NAMES.into_iter())
    };
    assert_eq!(salted(None).versions.hash(b"key"), by_header(&NAMES).versions.hash(b"key"));
    assert_ne!(salted(None).versions.hash(b"key"), salted(Some("pepper")).versions.hash(b"key"));
}
