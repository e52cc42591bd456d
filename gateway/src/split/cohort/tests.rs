use proptest::prelude::*;
use rollgate_config::{dynamic::affinity::Cookie, scalar::IpStrategy};

use super::*;
use crate::split::tests::children;

const NAMES: [&str; 5] = ["stable@file", "canary@file", "third@file", "fourth@file", "fifth@file"];

fn by(key: CohortKey, names: &[&'static str]) -> Cohort {
    Cohort::new(&affinity::Cohort { key, salt: None }, "pro@file", "", names.iter().copied())
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

/// A client that comes and, after 100 requests, goes.
struct Client {
    /// Where its key leads.
    in_canary: bool,
    /// It was in the canary once.
    was_there: bool,
    asked: u32,
}

/// The canary's share of the requests, at 10%, in each of 40 windows of 250,000 requests. There are 50,000 clients at a time,
/// each of which asks 100 times and is then replaced by a new one, whose cookie is new. `answers` says whether the canary does.
fn shares_of_the_canary(mut answers: impl FnMut(&mut Client, &mut fastrand::Rng) -> bool) -> Vec<f64> {
    const REQUESTS: u32 = 250_000;
    let cohort = by(CohortKey::Cookie(Cookie::of_cohorts()), &NAMES[..2]);
    let weights = children(&[90, 10]);
    let mut random = fastrand::Rng::with_seed(7);
    // Where its key leads is decided once here, since the key does not change; that it is the same each time is another test.
    let client = |random: &mut fastrand::Rng, asked| {
        let hash = cohort.versions.hash(format!("{:016x}", random.u64(..)).as_bytes());
        let in_canary = cohort.version(&weights, hash, |_| true) == Some(1);
        Client { in_canary, was_there: false, asked }
    };
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..50_000 {
        let asked = random.u32(..100);
        clients.push(client(&mut random, asked));
    }
    let mut window = |_| {
        let mut canary = 0u32;
        for _ in 0..REQUESTS {
            let place = random.usize(..clients.len());
            let asking = &mut clients[place];
            canary += u32::from(answers(asking, &mut random));
            asking.asked += 1;
            if asking.asked >= 100 {
                clients[place] = client(&mut random, 0);
            }
        }
        f64::from(canary) / f64::from(REQUESTS)
    };
    (0..40).map(&mut window).collect()
}

#[test]
fn the_canarys_share_does_not_drift_while_clients_come_and_go() {
    let shares = shares_of_the_canary(|client, _| client.in_canary);
    let (least, most) = (shares.iter().copied().fold(1.0, f64::min), shares.iter().copied().fold(0.0, f64::max));
    println!("between {:.2}% and {:.2}%", least * 100.0, most * 100.0);
    assert!(0.095 < least && most < 0.105, "{shares:?}");
}

/// What a cookie does that is given to whoever is drawn to the canary, while all others are drawn anew each time: the
/// simulation shows it.
#[test]
fn an_affinity_for_the_canary_alone_would_drift_to_nearly_all_requests() {
    let shares = shares_of_the_canary(|client, random| {
        client.was_there |= random.u32(..10) == 0;
        client.was_there
    });
    // A client's requests are with the canary from its first draw there on: 91 of 100 in the mean.
    assert!(shares[0] < 0.6 && shares[39] > 0.85, "{shares:?}");
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
        Cohort::new(&cohort, "pro@file", "", NAMES.into_iter())
    };
    assert_eq!(salted(None).versions.hash(b"key"), by_header(&NAMES).versions.hash(b"key"));
    assert_ne!(salted(None).versions.hash(b"key"), salted(Some("pepper")).versions.hash(b"key"));
}
