//! Whatever an operator writes is read or refused, each problem with its place, and what is read compiles or is refused.

use rollgate_config::{
    Allow, Document, Format,
    dynamic::{Configuration, rollout::Pipeline},
    problem::Problem,
    read_dynamic, read_pipeline, read_static, reread_pipeline, validate_entry_points, validate_pipeline,
};
use rollgate_gateway::memory;

/// The first byte says what the rest is: `y`aml, `t`oml, `j`son, `f`lags (one a line), `e`nvironment (`NAME=value`, one a
/// line).
pub fn configuration(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let (parsed, lines) = match kind {
        b't' => (Document::parse("fuzz.toml", &text, Format::Toml), lines(&text)),
        b'j' => (Document::parse("fuzz.json", &text, Format::Json), lines(&text)),
        b'f' => (Document::from_flags(&text.lines().map(str::to_owned).collect::<Vec<_>>()), 0),
        b'e' => {
            let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            (Document::from_environment(&text.lines().filter_map(pair).collect::<Vec<_>>()), 0)
        }
        _ => (Document::parse("fuzz.yml", &text, Format::Yaml), lines(&text)),
    };
    match parsed {
        Ok(document) => read(document, lines),
        Err(problems) => placed(&problems, lines),
    }
}

fn read(document: Document, lines: usize) {
    let allow = Allow::default();
    let statics = read_static(&document, &allow);
    assert_eq!(statics.value.is_none(), !statics.problems.is_empty(), "a value or problems: {:?}", statics.problems);
    [&statics.problems, &statics.warnings, &statics.extensions].into_iter().for_each(|found| all_placed(found, lines));
    let alone = read_pipeline(&document, "file", &Configuration::default(), &allow);
    assert!(alone.value.is_none(), "a pipeline of services that there are not");
    placed(&alone.problems, lines);
    let dynamic = read_dynamic(&[document], "file", statics.value.as_ref(), &allow);
    assert_eq!(dynamic.value.is_none(), !dynamic.problems.is_empty(), "a value or problems: {:?}", dynamic.problems);
    [&dynamic.problems, &dynamic.warnings, &dynamic.extensions].into_iter().for_each(|found| all_placed(found, lines));
    let (Some(statics), Some(dynamic)) = (statics.value, dynamic.value) else { return };
    for (name, pipeline) in &dynamic.rollouts {
        kept(pipeline);
        assert_eq!(validate_pipeline(name, pipeline, &dynamic), [], "it was read with the same configuration");
    }
    let problems = validate_entry_points(&statics, &dynamic);
    all_placed(&problems, lines);
    if !problems.is_empty() {
        return;
    }
    if let Err(problems) = memory::compile(&statics, &dynamic) {
        placed(&problems, lines);
    }
}

/// What is kept of a pipeline is the same pipeline.
fn kept(pipeline: &Pipeline) {
    let again = match reread_pipeline("kept@file", &pipeline.source) {
        Ok(again) => again,
        Err(problems) => panic!("{:?} cannot be read again: {problems:?}", pipeline.source),
    };
    assert_eq!(again.source, pipeline.source);
    assert_eq!(without_places(&again), without_places(pipeline), "{:?}", pipeline.source);
    assert!(pipeline.shown().starts_with('{'), "{:?}", pipeline.source);
}

fn without_places(pipeline: &Pipeline) -> String {
    let text = format!("{pipeline:?}");
    let mut parts = text.split("at: Place {");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('}').map_or(part, |(_, rest)| rest))
}

/// YAML takes a carriage return for the end of a line too.
fn lines(text: &str) -> usize {
    text.matches(['\n', '\r']).count() + 1
}

/// A refusal says what is wrong, and where.
fn placed(problems: &[Problem], lines: usize) {
    assert!(!problems.is_empty(), "a refusal without a problem");
    all_placed(problems, lines);
}

fn all_placed(problems: &[Problem], lines: usize) {
    for problem in problems {
        let text = problem.to_string();
        assert!(!problem.at.source.is_empty(), "a problem without a source: {text}");
        assert!(!problem.what.is_empty(), "a problem that says nothing: {text}");
        if lines > 0 && problem.at.source.starts_with("fuzz.") {
            // A file that ends too early is wrong on the line after its last one.
            let line = problem.at.line as usize;
            assert!(line >= 1 && line <= lines + 1 && problem.at.column >= 1, "a problem outside the file: {text}");
        }
    }
}
