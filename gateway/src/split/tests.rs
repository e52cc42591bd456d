use http::HeaderName;
use rollgate_config::dynamic::affinity::{self, CohortKey, Cookie};

use super::*;
use crate::{metrics::Metrics, snapshot::ServiceIndex, sticky::Member};

/// A version with servers.
pub(crate) fn child(weight: u64) -> Child {
    children(&[weight]).remove(0)
}

/// Versions with servers, each its own service.
pub(crate) fn children(weights: &[u64]) -> Vec<Child> {
    let metrics = Metrics::new(None).unwrap();
    let child = |(place, weight): (usize, &u64)| Child {
        service: ServiceIndex(place as u32),
        weight: *weight,
        available: true,
        version: metrics.version_id("split", &place.to_string()),
    };
    weights.iter().enumerate().map(child).collect()
}

fn weighted(weights: &[u64], affinity: Option<Affinity>) -> Weighted {
    let children = children(weights);
    let id = Metrics::new(None).unwrap().service_id("split");
    Weighted {
        draw: Draw::new(&children),
        children: children.into(),
        affinity: affinity.map(Into::into),
        id,
        trial: None,
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn sticky(weights: &[u64], drain: bool) -> Weighted {
    let cookie = Cookie { name: "at".to_owned(), ..Cookie::of_sessions() };
    let members = NAMES.iter().zip(weights).map(|(name, weight)| Member { name, weight: *weight, braked: false });
    let sticky = Sticky::new(&affinity::Sticky { cookie, drain }, "split@file", members);
    weighted(weights, Some(Affinity::Sticky(sticky)))
}

fn by_cookie(weights: &[u64]) -> Weighted {
    let cookie = Cookie { name: "user".to_owned(), ..Cookie::of_cohorts() };
    let cohort = affinity::Cohort { key: CohortKey::Cookie(cookie), salt: None };
    weighted(
        weights,
        Some(Affinity::Cohort(Cohort::new(&cohort, "split@file", "", NAMES.into_iter().take(weights.len())))),
    )
}

fn by_header(weights: &[u64]) -> Weighted {
    let cohort = affinity::Cohort { key: CohortKey::Header("x-user".to_owned()), salt: None };
    weighted(
        weights,
        Some(Affinity::Cohort(Cohort::new(&cohort, "split@file", "", NAMES.into_iter().take(weights.len())))),
    )
}

/// A choice while all is well.
fn calm(weighted: &Weighted, lines: &[(&'static str, &str)], random: u64) -> Option<Chosen> {
    ask(weighted, lines, random, None)
}

/// A choice while the versions `gone` are not available; `None`: while all is well.
fn ask(weighted: &Weighted, lines: &[(&'static str, &str)], random: u64, gone: Option<&[u32]>) -> Option<Chosen> {
    let lines = lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let headers: HeaderMap = lines.collect();
    let asking = Asking { headers: &headers, client: [10, 0, 0, 1].into(), troubles: gone.is_some() };
    choose(weighted, &asking, &mut || random, |child| {
        !gone.expect("nobody asks while all is well").contains(&child.service.0)
    })
}

/// The pair of a `Set-Cookie` line.
fn given(chosen: &Chosen) -> String {
    let line = chosen.cookie.as_ref().expect("a cookie is given").to_str().unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[test]
fn without_a_key_versions_are_drawn_and_nothing_is_counted() {
    let plain = weighted(&[90, 10], None);
    let drawn = |version| Some(Chosen { version, cookie: None, assignment: None, by: By::Chance });
    assert_eq!(calm(&plain, &[], 0), drawn(0));
    assert_eq!(calm(&plain, &[], u64::MAX), drawn(1));
    assert_eq!(ask(&plain, &[], u64::MAX, Some(&[])), drawn(1));
    assert_eq!(ask(&plain, &[], u64::MAX, Some(&[1])), drawn(0));
    // None is available: as if all were.
    assert_eq!(ask(&plain, &[], u64::MAX, Some(&[0, 1])), drawn(1));
    assert_eq!(calm(&weighted(&[0, 0], None), &[], 0), None);
}

#[test]
fn a_sticky_client_comes_back_until_its_version_is_gone() {
    let split = sticky(&[50, 50], false);
    let first = calm(&split, &[], u64::MAX).unwrap();
    assert_eq!((first.version, first.assignment), (1, Some(Assignment::Issued)));
    let cookie = given(&first);
    let back = calm(&split, &[("cookie", &cookie)], 0).unwrap();
    assert_eq!(back, Chosen::new(1, Assignment::Kept, By::Cookie));
    let moved = ask(&split, &[("cookie", &cookie)], u64::MAX, Some(&[1])).unwrap();
    assert_eq!((moved.version, moved.assignment), (0, Some(Assignment::Lost)));
    assert_ne!(given(&moved), cookie);
    let unknown = calm(&split, &[("cookie", "at=nobody")], 0).unwrap();
    assert_eq!((unknown.version, unknown.assignment), (0, Some(Assignment::Lost)));
}

#[test]
fn an_old_cookie_is_good_and_rewritten() {
    let chosen = calm(&sticky(&[50, 50], false), &[("cookie", "at=b")], 0).unwrap();
    assert_eq!((chosen.version, chosen.assignment), (1, Some(Assignment::Kept)));
    assert!(given(&chosen).len() == "at=".len() + 16);
}

#[test]
fn weight_0_keeps_its_clients_only_where_it_drains() {
    let cookie = given(&calm(&sticky(&[50, 50], false), &[], u64::MAX).unwrap());
    let cut = calm(&sticky(&[50, 0], false), &[("cookie", &cookie)], 0).unwrap();
    assert_eq!((cut.version, cut.assignment), (0, Some(Assignment::Lost)));
    let drained = calm(&sticky(&[50, 0], true), &[("cookie", &cookie)], 0).unwrap();
    assert_eq!(drained, Chosen::new(1, Assignment::Kept, By::Cookie));
    // Nobody else comes there.
    assert_eq!(calm(&sticky(&[50, 0], true), &[], u64::MAX).unwrap().version, 0);
    let gone = ask(&sticky(&[50, 0], true), &[("cookie", &cookie)], 0, Some(&[1])).unwrap();
    assert_eq!((gone.version, gone.assignment), (0, Some(Assignment::Lost)));
}

#[test]
fn a_cohorts_cookie_names_a_client_and_not_a_version() {
    let split = by_cookie(&[50, 50]);
    let first = calm(&split, &[], 0xabc).unwrap();
    assert_eq!(first.assignment, Some(Assignment::Issued));
    let cookie = given(&first);
    assert_eq!(cookie, "user=0000000000000abc");
    let back = calm(&split, &[("cookie", &cookie)], 0xdef).unwrap();
    assert_eq!((back.version, back.assignment, back.cookie.clone()), (first.version, Some(Assignment::Kept), None));
    assert!(matches!(back.by, By::Key(_)));
    // The same cookie leads to the other version when the weights say so.
    let other = if first.version == 0 { [0, 100] } else { [100, 0] };
    let moved = calm(&by_cookie(&other), &[("cookie", &cookie)], 0).unwrap();
    assert_eq!(moved, Chosen::new(1 - first.version, Assignment::Kept, back.by));
}

#[test]
fn without_its_key_a_request_is_drawn() {
    let split = by_header(&[90, 10]);
    assert_eq!(calm(&split, &[], u64::MAX), Some(Chosen::new(1, Assignment::Keyless, By::Chance)));
    assert_eq!(calm(&split, &[], 0), Some(Chosen::new(0, Assignment::Keyless, By::Chance)));
    assert_eq!(ask(&split, &[], u64::MAX, Some(&[1])), Some(Chosen::new(0, Assignment::Keyless, By::Chance)));
}

#[test]
fn only_the_clients_of_a_version_that_is_gone_move_and_they_come_back() {
    let split = by_header(&[40, 30, 30]);
    let mut moved = 0;
    for user in 0..300 {
        let user = user.to_string();
        let lines = [("x-user", user.as_str())];
        let home = calm(&split, &lines, 0).unwrap();
        assert_eq!(home.assignment, Some(Assignment::Kept));
        let meanwhile = ask(&split, &lines, 0, Some(&[1])).unwrap();
        if home.version == 1 {
            moved += 1;
            assert_ne!(meanwhile.version, 1);
            assert_eq!(meanwhile.assignment, Some(Assignment::Lost));
        } else {
            assert_eq!(meanwhile, home);
        }
        assert_eq!(ask(&split, &lines, 0, Some(&[])), Some(home));
        // None is available: as if all were.
        assert_eq!(ask(&split, &lines, 0, Some(&[0, 1, 2])), calm(&split, &lines, 0));
    }
    assert!((60..120).contains(&moved), "{moved}");
}
