//! docs/pipelines.md against what the readers ask for: every key of a pipeline is in one row, every row is about a key that there
//! is.

use std::collections::{BTreeMap, BTreeSet};

use rollgate_config::schema;

const TABLE: &str = include_str!("../../docs/pipelines.md");

/// The keys that rows are about, and their lines; a section's heading says what they stand below.
fn rows(text: &str) -> Vec<(String, usize)> {
    let mut rows = Vec::new();
    let mut below: Option<String> = None;
    for (line, text) in (1..).zip(text.lines()) {
        if let Some(title) = text.strip_prefix("## ").or_else(|| text.strip_prefix("### ")) {
            below = match title.trim_matches('`') {
                "rollouts.NAME" => Some(String::new()),
                "analysis" => Some("analysis.".to_owned()),
                "stages" => Some("stages[].".to_owned()),
                kind if title.starts_with('`') => Some(format!("stages[].{kind}.")),
                _ => None,
            };
        }
        let key = text.strip_prefix("| `").and_then(|rest| rest.split_once("` | ")).map(|(key, _)| key);
        if let (Some(below), Some(key)) = (&below, key) {
            rows.push((format!("{below}{key}"), line));
        }
    }
    rows
}

/// Everything in which a text differs from the keys that there are.
fn differences(text: &str, keys: &BTreeSet<String>) -> Vec<String> {
    let rows = rows(text);
    let is_below = |key: &str, above: &str| key.strip_prefix(above).is_some_and(|rest| rest.starts_with(['.', '[']));
    let mut complaints = Vec::new();
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, line) in &rows {
        if let Some(before) = lines.insert(key, *line) {
            complaints.push(format!("docs/pipelines.md:{line}: `{key}` is in line {before} already"));
        }
        if !keys.iter().any(|known| known == key || is_below(known, key)) {
            complaints.push(format!("docs/pipelines.md:{line}: no reader knows `{key}`"));
        }
    }
    // What is read by the same reader is described once.
    let described = |key: &str| key.replace("onFailure[]", "stages[]").replace("deploy.webhook.", "webhook.");
    let missing = keys.iter().filter(|key| !lines.contains_key(&*described(key)));
    complaints.extend(missing.map(|key| format!("docs/pipelines.md has no row for `{key}`")));
    complaints
}

/// The keys of a pipeline.
fn keys() -> BTreeSet<String> {
    schema().into_iter().filter_map(|(key, _)| Some(key.strip_prefix("rollouts.N.")?.to_owned())).collect()
}

#[test]
fn every_key_has_a_row_and_every_row_its_key() {
    let differences = differences(TABLE, &keys());
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}

#[test]
fn a_text_that_differs_is_told_where() {
    let keys = ["service", "analysis.alpha", "stages[].job.command", "stages[].wait.duration"];
    let keys: BTreeSet<String> = keys.map(str::to_owned).into();
    let right = "### `rollouts.NAME`\n| `service` | | |\n| `stages` | | |\n### `analysis`\n| `alpha` | | |\n### `job`\n\
                 | `command` | | |\n### `wait`\n| `duration` | | |\n## Other\n| `anything` | | |\n";
    assert_eq!(differences(right, &keys), [""; 0]);
    assert_eq!(
        differences(&right.replace("`command`", "`comand`"), &keys),
        [
            "docs/pipelines.md:7: no reader knows `stages[].job.comand`",
            "docs/pipelines.md has no row for `stages[].job.command`"
        ]
    );
    assert_eq!(
        differences(&right.replace("`stages`", "`service`"), &keys),
        ["docs/pipelines.md:3: `service` is in line 2 already"]
    );
}
