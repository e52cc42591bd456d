//! A scrape of `/metrics`, read.

use std::collections::BTreeMap;

/// The samples of one scrape.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// As it came.
    pub text: String,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads Prometheus' text format. Panics on a line that is none of it.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { text: text.to_owned(), samples: lines.map(sample).collect() }
    }

    /// The sum of every sample of this name that has these labels (and maybe others); 0 without any.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// Whether there is any such sample.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    /// The label names of the first sample of this name, in alphabetical order; empty without any.
    pub fn labels(&self, name: &str) -> Vec<&str> {
        let first = self.samples.iter().find(|sample| sample.name == name);
        first.map(|sample| sample.labels.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The values of every sample of this name whose labels are so.
    pub fn select(&self, name: &str, are: impl Fn(&BTreeMap<String, String>) -> bool) -> Vec<f64> {
        let of_name = self.samples.iter().filter(|sample| sample.name == name);
        let selected = of_name.filter(|sample| are(&sample.labels));
        selected.map(|sample| sample.value).collect()
    }

    /// The values that a label has in the samples of this name.
    pub fn values(&self, name: &str, label: &str) -> Vec<String> {
        let of_name = self.samples.iter().filter(|sample| sample.name == name);
        of_name.filter_map(|sample| sample.labels.get(label).cloned()).collect()
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |sample| {
            let has = |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|is| is == value);
            sample.name == name && labels.iter().all(has)
        })
    }
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let (name, rest) = series.split_once('{').unwrap_or((series, "}"));
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    Sample { name: name.to_owned(), labels: labels(rest.strip_suffix('}').unwrap_or(rest)), value }
}

/// Reads `a="1",b="2"`; escapes within values are left as they are.
fn labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let end = closing_quote(rest);
        labels.insert(name.trim_start_matches(',').to_owned(), rest[..end].to_owned());
        text = rest.get(end + 1..).unwrap_or("");
    }
    labels
}

fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|&(_, character)| {
        let closes = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        closes
    });
    end.map_or(text.len(), |(index, _)| index)
}
