use super::rules::{markdown, rust};

#[test]
fn a_long_file_is_a_complaint_and_its_tests_do_not_count() {
    let code = "fn a() {}\n".repeat(500);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn b() {}\n".repeat(300));
    assert!(rust("gateway/src/long.rs", &format!("{code}{tests}")).is_empty());
    assert_eq!(rust("gateway/src/long.rs", &format!("{code}fn c() {{}}\n{tests}")).len(), 1);
}

#[test]
fn comments_and_blank_lines_are_no_code() {
    let text = "// why\n\n".repeat(600);
    assert!(rust("gateway/src/commented.rs", &text).is_empty());
}

#[test]
fn code_after_a_declared_tests_file_still_counts() {
    let text = format!("#[cfg(test)]\nmod tests;\n{}", "fn a() {}\n".repeat(501));
    assert_eq!(rust("gateway/src/long.rs", &text).len(), 1);
}

#[test]
fn dependencies_point_one_way() {
    let complaints = rust("gateway/src/lib.rs", "use std::fmt;\nuse rollgate_control::Reconciler;\n");
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].starts_with("gateway/src/lib.rs:2:"), "{complaints:?}");
    assert!(rust("control/src/lib.rs", "use rollgate_gateway::publish;\n").is_empty());
}

#[test]
fn config_has_no_clock_and_no_files_but_may_speak_of_them() {
    assert_eq!(rust("config/src/a.rs", "let now = Instant::now();\n").len(), 1);
    assert_eq!(rust("config/src/a.rs", "use std::fs::read;\n").len(), 1);
    assert!(rust("config/src/a.rs", "// no tokio here\nlet tokios = 1;\n").is_empty());
}

#[test]
fn analysis_has_no_clock_no_chance_and_no_other_crate_of_ours() {
    for line in ["let now = Instant::now();\n", "fastrand::f64();\n", "use rollgate_gateway::Split;\n"] {
        assert_eq!(rust("analysis/src/rule.rs", line).len(), 1, "{line}");
    }
    assert!(rust("analysis/tests/figures/world.rs", "fastrand::f64();\n").is_empty());
    assert!(rust("gateway/src/brake.rs", "use rollgate_analysis::Rule;\n").is_empty());
}

#[test]
fn mod_rs_is_a_complaint() {
    assert_eq!(rust("gateway/src/router/mod.rs", "").len(), 1);
}

#[test]
fn only_relative_links_that_lead_nowhere_are_complaints() {
    let text = "[a](here.md) [b](gone.md#part)\n[c](https://example.com) [d](#below) [e](here.md#part)\n";
    let complaints = markdown("README.md", text, |target| target == "here.md");
    assert_eq!(complaints, ["README.md:1: the link `gone.md#part` leads nowhere"]);
}
