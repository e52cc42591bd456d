use serde_json::json;

use super::{super::migrations, *};

fn tables() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::migrate(&mut connection, migrations::STEPS).unwrap();
    connection
}

/// Entry `n` is written at time 10 n.
fn entry(n: i64) -> AuditEntry {
    AuditEntry {
        at: n * 10,
        actor: if n % 2 == 0 { "anna" } else { "berta" }.to_owned(),
        role: "operate".to_owned(),
        address: "127.0.0.1:9".to_owned(),
        action: if n % 3 == 0 { "brake.set" } else { "weights.set" }.to_owned(),
        service: (n % 5 != 0).then(|| "pro@file".to_owned()),
        version: (n % 3 == 0).then(|| "canary@file".to_owned()),
        reason: (n == 7).then(|| "why: 'quoted'".to_owned()),
        from: json!({ "n": n }),
        to: json!(null),
        generation: (n == 7).then_some(3),
        ..AuditEntry::default()
    }
}

fn filled(number: i64) -> Connection {
    let connection = tables();
    for n in 1..=number {
        write(&connection, &entry(n), 1_000).unwrap();
    }
    connection
}

fn ids(page: &AuditPage) -> Vec<u64> {
    page.items.iter().map(|entry| entry.id).collect()
}

/// All pages, and how many there were.
fn all(connection: &Connection, mut asked: AuditQuery, window: u64) -> (Vec<u64>, usize) {
    let mut found = Vec::new();
    for pages in 1.. {
        let page = read(connection, &asked, window).unwrap();
        found.extend(ids(&page));
        match page.next {
            Some(next) => asked.before_id = Some(next),
            None => return (found, pages),
        }
    }
    unreachable!("pages end")
}

#[test]
fn an_entry_is_read_as_it_was_written_and_has_its_place() {
    let connection = filled(7);
    let page = read(&connection, &AuditQuery { limit: 1, ..AuditQuery::default() }, 100).unwrap();
    assert_eq!(page, AuditPage { items: vec![AuditEntry { id: 7, ..entry(7) }], next: Some(7) });
}

#[test]
fn pages_are_newest_first_and_end_where_the_log_does() {
    let connection = filled(10);
    let asked = |limit| AuditQuery { limit, ..AuditQuery::default() };
    let newest_first: Vec<u64> = (1..=10).rev().collect();
    for (limit, pages) in [(1, 10), (3, 4), (5, 2), (10, 1), (1_000_000, 1), (0, 10)] {
        assert_eq!(all(&connection, asked(limit), 100), (newest_first.clone(), pages), "{limit}");
    }
    assert_eq!(read(&tables(), &AuditQuery::default(), 100).unwrap(), AuditPage::default());
    let before_all = AuditQuery { before_id: Some(1), ..AuditQuery::default() };
    assert_eq!(read(&connection, &before_all, 100).unwrap(), AuditPage::default());
}

#[test]
fn every_filter_and_all_together_take_what_they_name() {
    let connection = filled(30);
    let asked = AuditQuery::default();
    let named = |text: &str| Some(text.to_owned());
    let matches = |wanted: &dyn Fn(u64) -> bool| (1..=30).rev().filter(|n| wanted(*n)).collect::<Vec<u64>>();
    type Wanted = fn(u64) -> bool;
    let cases: [(AuditQuery, Wanted); 7] = [
        (AuditQuery { service: named("pro@file"), ..asked.clone() }, |n| n % 5 != 0),
        (AuditQuery { actor: named("anna"), ..asked.clone() }, |n| n % 2 == 0),
        (AuditQuery { action: named("brake.set"), ..asked.clone() }, |n| n % 3 == 0),
        (AuditQuery { since: Some(100), ..asked.clone() }, |n| n >= 10),
        (AuditQuery { until: Some(100), ..asked.clone() }, |n| n < 10),
        (
            AuditQuery {
                service: named("pro@file"),
                actor: named("anna"),
                since: Some(60),
                until: Some(270),
                ..asked.clone()
            },
            |n| n % 5 != 0 && n % 2 == 0 && (6..27).contains(&n),
        ),
        (AuditQuery { service: named("' OR 1 --"), ..asked }, |_| false),
    ];
    for (asked, wanted) in cases {
        for (limit, window) in [(100, 100), (2, 100), (100, 4), (2, 3), (100, 1)] {
            let (found, _) = all(&connection, AuditQuery { limit, ..asked.clone() }, window);
            assert_eq!(found, matches(&wanted), "{asked:?} {limit} {window}");
        }
    }
}

#[test]
fn a_page_looks_at_no_more_than_its_window() {
    let connection = filled(30);
    let asked = AuditQuery { actor: Some("nobody".to_owned()), ..AuditQuery::default() };
    let page = read(&connection, &asked, 10).unwrap();
    assert_eq!(page, AuditPage { items: vec![], next: Some(21) });
    assert_eq!(all(&connection, asked, 10), (vec![], 3));
}

#[test]
fn the_oldest_entries_make_room() {
    let connection = tables();
    for n in 1..=25 {
        write(&connection, &entry(n), 10).unwrap();
    }
    assert_eq!(all(&connection, AuditQuery::default(), 100), ((16..=25).rev().collect(), 1));
}
