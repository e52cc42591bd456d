//! docs/traefik.md against what the readers ask for: every key is in one row, every row is about a key that there is, and
//! what the row calls it is what becomes of it.

use std::collections::BTreeMap;

use rollgate_config::{Use, schema};

const TABLE: &str = include_str!("../../docs/traefik.md");

/// Every key of Traefik's (3.7) for routers, services, transports and middlewares, `N` and `[]` as in the table.
const TRAEFIK: &str = include_str!("fixtures/traefik_keys.txt");

/// The sections whose rows are about keys, and what their keys begin with unless it is a root key.
const SECTIONS: [(&str, &str); 6] = [
    ("Static", ""),
    ("Dynamic: routers", ""),
    ("Dynamic: services", "http.services.N."),
    ("Dynamic: middlewares", "http.middlewares.N."),
    ("Dynamic: TLS, TCP, UDP", ""),
    ("Dynamic: rollouts", ""),
];

/// A key in a row.
#[derive(Debug)]
struct Named {
    line: usize,
    /// Without `.*`.
    key: String,
    /// `.*`: all that is below it.
    below: bool,
    verdict: String,
}

/// The rows of the sections about keys; each complaint begins with its line.
fn rows(text: &str, roots: &[&str]) -> Result<Vec<Named>, Vec<String>> {
    let (mut named, mut complaints) = (Vec::new(), Vec::new());
    let mut section: Option<&str> = None;
    for (line, text) in (1..).zip(text.lines()) {
        if let Some(title) = text.strip_prefix("## ") {
            section = SECTIONS.iter().find(|(known, _)| *known == title).map(|(_, prefix)| *prefix);
        }
        let Some(prefix) = section.filter(|_| text.starts_with("| `")) else { continue };
        match row(line, text, prefix, roots) {
            Ok(keys) => named.extend(keys),
            Err(what) => complaints.push(format!("docs/traefik.md:{line}: {what}")),
        }
    }
    if complaints.is_empty() { Ok(named) } else { Err(complaints) }
}

/// `` | `a.b`, `.c`, `d.*` | same | words | ``
fn row(line: usize, text: &str, prefix: &str, roots: &[&str]) -> Result<Vec<Named>, String> {
    let cells: Vec<&str> = text.trim_matches('|').split(" | ").map(|cell| cell.trim_matches([' ', '|'])).collect();
    let [keys, verdict, ..] = cells[..] else { return Err("a row has three cells".to_owned()) };
    if !["same", "fixed", "ours", "inert", "refused"].contains(&verdict) {
        return Err(format!("{verdict:?} is none of same, fixed, ours, inert, refused"));
    }
    let mut first_parent = None;
    let mut named = Vec::new();
    for cell in keys.split(", ") {
        let key = cell.strip_prefix('`').and_then(|key| key.strip_suffix('`'));
        let Some(key) = key.filter(|key| !key.contains('`')) else {
            return Err(format!("{cell:?} is no key in backticks; keys are divided by a comma and a blank"));
        };
        let (key, below) = key.strip_suffix(".*").map_or((key, false), |key| (key, true));
        let key = match (key.strip_prefix('.'), &first_parent) {
            (Some(rest), Some(parent)) => format!("{parent}{rest}"),
            (Some(_), None) => return Err("the first key of a row is a whole one".to_owned()),
            (None, _) if roots.contains(&key.split(['.', '[']).next().unwrap_or_default()) => key.to_owned(),
            (None, _) => format!("{prefix}{key}"),
        };
        let parent = key.rfind('.').map_or_else(String::new, |at| key[..=at].to_owned());
        first_parent.get_or_insert(parent);
        named.push(Named { line, key, below, verdict: verdict.to_owned() });
    }
    Ok(named)
}

/// Whether a key stands below another.
fn is_below(key: &str, above: &str) -> bool {
    key.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// What a row may call a key that this becomes of.
fn fits(is: Use, verdict: &str) -> bool {
    match is {
        Use::Inert => verdict == "inert",
        Use::Refused => verdict == "refused",
        Use::Ours => verdict == "ours",
        // What is inert may be read all the same: a wrong value of it is a problem.
        Use::Read => verdict != "refused",
    }
}

/// Everything in which a table differs from a schema.
fn differences(table: &str, schema: &[(String, Use)]) -> Vec<String> {
    let roots: Vec<&str> = schema.iter().map(|(key, _)| key.split(['.', '[']).next().unwrap_or_default()).collect();
    let named = match rows(table, &roots) {
        Ok(named) => named,
        Err(complaints) => return complaints,
    };
    let mut complaints = Vec::new();
    let mut explicit: BTreeMap<&str, &Named> = BTreeMap::new();
    for row in named.iter().filter(|row| !row.below) {
        if let Some(before) = explicit.insert(&row.key, row) {
            complaints.push(format!("docs/traefik.md:{}: `{}` is in line {} already", row.line, row.key, before.line));
        }
    }
    for row in &named {
        let is_there = |(key, _): &(String, Use)| (!row.below && *key == row.key) || is_below(key, &row.key);
        if !schema.iter().any(is_there) {
            complaints.push(format!("docs/traefik.md:{}: no reader knows `{}`", row.line, row.key));
        }
    }
    for (key, is) in schema {
        let below = || named.iter().filter(|row| row.below && is_below(key, &row.key)).max_by_key(|row| row.key.len());
        match explicit.get(&**key).copied().or_else(below) {
            None => complaints.push(format!("docs/traefik.md has no row for `{key}` ({is:?})")),
            Some(row) if !fits(*is, &row.verdict) => complaints
                .push(format!("docs/traefik.md:{}: `{key}` is called {} and is {is:?}", row.line, row.verdict)),
            Some(_) => {}
        }
    }
    complaints
}

#[test]
fn the_table_has_every_key_once_and_calls_it_what_it_is() {
    let differences = differences(TABLE, &schema());
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}

#[test]
fn no_key_of_traefiks_is_unknown() {
    let schema = schema();
    // A key is known by itself, by what is below it, or with the section that is refused as a whole.
    let is_known = |key: &str| {
        schema
            .iter()
            .any(|(known, is)| known == key || is_below(known, key) || (*is == Use::Refused && is_below(key, known)))
    };
    let unknown: Vec<&str> = TRAEFIK.lines().filter(|key| !is_known(key)).collect();
    assert_eq!(unknown, [""; 0]);
    assert!(!is_known("http.middlewares.N.retry.none"));
}

#[test]
fn a_table_that_differs_is_told_where() {
    let schema: Vec<(String, Use)> = [
        ("http.routers.N.rule", Use::Read),
        ("http.routers.N.tls.domains[].main", Use::Read),
        ("http.routers.N.tls.options", Use::Read),
        ("http.services.N.udp", Use::Refused),
        ("log.noColor", Use::Inert),
        ("resolver.hosts", Use::Ours),
    ]
    .map(|(key, is)| (key.to_owned(), is))
    .to_vec();
    let told = |rows: &str| differences(rows, &schema);
    let right = "## Static\n| `log.noColor` | inert | |\n| `resolver.*` | ours | |\n## Dynamic: routers\n\
                 | `http.routers.N.rule`, `.tls.*` | same | |\n| `http.routers.N.tls.options` | fixed | words |\n\
                 ## Dynamic: services\n| `udp` | refused | |\n## Behaviour\n| `anything` | goes | |\n";
    assert_eq!(told(right), [""; 0]);
    let missing = right.replace("| `http.routers.N.rule`, `.tls.*` | same | |\n", "");
    assert_eq!(
        told(&missing),
        [
            "docs/traefik.md has no row for `http.routers.N.rule` (Read)",
            "docs/traefik.md has no row for `http.routers.N.tls.domains[].main` (Read)"
        ]
    );
    assert_eq!(
        told(&right.replace("`resolver.*`", "`resolver.hosts`, `.host`")),
        ["docs/traefik.md:3: no reader knows `resolver.host`"]
    );
    assert_eq!(
        told(&right.replace("| inert |", "| same |")),
        ["docs/traefik.md:2: `log.noColor` is called same and is Inert"]
    );
    assert_eq!(
        told(&right.replace("`http.routers.N.rule`,", "`http.routers.N.rule`, `.tls.options`,")),
        ["docs/traefik.md:6: `http.routers.N.tls.options` is in line 5 already"]
    );
    for (from, to, what) in [
        ("| inert |", "| nothing |", "2: \"nothing\" is none of same, fixed, ours, inert, refused"),
        (
            "`, `.tls",
            "` and `.tls",
            "5: \"`http.routers.N.rule` and `.tls.*`\" is no key in backticks; keys are divided by a comma and a blank",
        ),
        ("| `log.", "| `.", "2: the first key of a row is a whole one"),
    ] {
        assert_eq!(told(&right.replace(from, to)), [format!("docs/traefik.md:{what}")]);
    }
}
