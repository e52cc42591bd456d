//! The rules as functions from text to complaints.

/// What is wrong with one Rust file; `name` is its path from the root, with `/`.
pub fn rust(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if name.ends_with("/mod.rs") {
        complaints.push(format!("{name}: no mod.rs (foo.rs stands beside the folder foo)"));
    }
    if is_test(name) {
        return complaints;
    }
    let code = without_tests(text);
    let lines = code.lines().filter(|line| is_code(line)).count();
    if lines > LONGEST_FILE {
        complaints.push(format!("{name}: {lines} lines of code without tests (at most {LONGEST_FILE}, better 400)"));
    }
    let crate_name = name.split('/').next().unwrap_or_default();
    for (owner, banned, why) in BANNED {
        if *owner == crate_name {
            complaints.extend(mentions(code, banned).map(|line| format!("{name}:{line}: `{banned}`: {why}")));
        }
    }
    complaints
}

/// Relative links of a Markdown file that lead nowhere.
pub fn markdown(name: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !elsewhere && !exists(path) {
                complaints.push(format!("{name}:{number}: the link `{target}` leads nowhere"));
            }
        }
    }
    complaints
}

/// Lines (1-based) of code that have `banned` as a whole word.
fn mentions<'a>(code: &'a str, banned: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = move |line: &str| {
        line.match_indices(banned).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + banned.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    };
    (1_usize..).zip(code.lines()).filter(move |(_, line)| is_code(line) && found(line)).map(|(number, _)| number)
}

/// The text up to the tests that stand in the file itself; these are its last items.
fn without_tests(text: &str) -> &str {
    let begins = text.match_indices("#[cfg(test)]\n").map(|(at, found)| (at, at + found.len()));
    let mut modules = begins.filter(|(_, after)| {
        let item = text[*after..].lines().next().unwrap_or_default();
        item.starts_with("mod ") && item.ends_with('{')
    });
    modules.next().map_or(text, |(at, _)| &text[..at])
}

fn is_test(name: &str) -> bool {
    let root = name.split('/').next().unwrap_or_default();
    ["tests", "benches", "testkit"].contains(&root)
        || ["/tests/", "/benches/"].iter().any(|folder| name.contains(folder))
        || name.ends_with("/tests.rs")
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// The goal is 400; the air above it is for a change that is split in the next one.
const LONGEST_FILE: usize = 500;

const ONE_WAY: &str = "dependencies point one way: config, analysis <- gateway <- control <- root";
const PURE: &str = "config is pure: text in, values and problems out";

const COUNTS: &str = "analysis is pure: counts in, verdicts out; no clock, no I/O, no randomness";

/// Words that a crate's code may not have: crate, word, why.
const BANNED: &[(&str, &str, &str)] = &[
    ("config", "rollgate_gateway", ONE_WAY),
    ("config", "rollgate_control", ONE_WAY),
    ("config", "tokio", PURE),
    ("config", "std::fs", PURE),
    ("config", "std::env", PURE),
    ("config", "Instant", PURE),
    ("config", "SystemTime", PURE),
    ("analysis", "rollgate_config", ONE_WAY),
    ("analysis", "rollgate_gateway", ONE_WAY),
    ("analysis", "rollgate_control", ONE_WAY),
    ("analysis", "tokio", COUNTS),
    ("analysis", "fastrand", COUNTS),
    ("analysis", "std::fs", COUNTS),
    ("analysis", "std::env", COUNTS),
    ("analysis", "Instant", COUNTS),
    ("analysis", "SystemTime", COUNTS),
    ("gateway", "rollgate_control", ONE_WAY),
];
