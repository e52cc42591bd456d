//! Pipelines: read from the configuration, by themselves, and from what was kept of them.

use rollgate_config::{
    Allow, Document, Format, dynamic::Configuration, problem::Problem, read_dynamic, reread_pipeline,
};

fn document(name: &str, text: &str) -> Document {
    let format = Format::of(name).expect("a name with an extension");
    Document::parse(name, text, format).unwrap_or_else(|problems| panic!("{}", listed(&problems)))
}

fn configuration(text: &str) -> Configuration {
    let read = read_dynamic(&[document("a.yml", text)], "file", None, &Allow::default());
    read.value.unwrap_or_else(|| panic!("{}", listed(&read.problems)))
}

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn what_is_kept_is_read_again() {
    let read = configuration(
        "http: {services: {pro: {weighted: {services: [{name: old}, {name: new}]}}, old: {loadBalancer: {}}, \
         new: {loadBalancer: {}}}}\n\
         rollouts: {r: {service: pro, stable: old, canary: new, stages: [{ramp: {}}, {promote: {}}]}}\n",
    );
    let pipeline = &read.rollouts["r@file"];
    let again = reread_pipeline("r@file", &pipeline.source).unwrap_or_else(|problems| panic!("{}", listed(&problems)));
    assert_eq!((again.service.value.as_str(), again.stages[1].name.as_str()), ("pro@file", "promote"));
    assert_eq!(again.source, pipeline.source);
}
