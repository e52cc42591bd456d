//! What a change of a large configuration costs, phase by phase: 10,000 routers and as many services, in one file or in
//! a hundred. Prints each phase in milliseconds: the median of its CPU time, then median and 99th percentile by the clock.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    ops::Sub,
    time::{Duration, Instant},
};

use rollgate_config::{Allow, Document, Format, static_config::Static};
use rollgate_gateway::memory::Publications;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STATIC: &str = "entryPoints: {web: {address: ':0'}, websecure: {address: ':1'}}\n";

fn main() {
    for (name, files) in [("a hundred files", 100), ("one file", 1)] {
        for (change, edit) in CHANGES {
            let mut gateway = Measured::new(files);
            for round in 0..ROUNDS {
                edit(&mut gateway.texts[files / 2], round);
                gateway.apply();
            }
            println!("10,000 routers in {name}, {change}:");
            gateway.report();
        }
    }
    println!("resident: {} MiB", resident() / 1024);
}

/// Name and edit of a file's text.
type Change = (&'static str, fn(&mut String, usize));

const CHANGES: [Change; 4] = [
    ("a weight", |text, round| replace(text, "weight: ", "\n", &format!("{}", round + 1))),
    ("a rule", |text, round| replace(text, "PathPrefix(`/", "`)", &format!("v{round}"))),
    ("one router more", |text, round| {
        let router = format!("  routers:\n    a{round}: {{rule: Host(`a{round}.test`), service: s0}}\n");
        *text = text.replacen("  routers:\n", &router, 1);
    }),
    ("nothing but a comment above", |text, round| *text = format!("# {round}\n{text}")),
];

/// Puts `new` where the text after the middle `before` ends with `after`.
fn replace(text: &mut String, before: &str, after: &str, new: &str) {
    let middle = text.len() / 2;
    let start = text[..middle].rfind(before).or_else(|| text.find(before)).expect("it is there") + before.len();
    let end = start + text[start..].find(after).expect("it ends");
    text.replace_range(start..end, new);
}

/// The control plane's way from texts to a snapshot.
struct Measured {
    statics: Static,
    texts: Vec<String>,
    /// As a provider keeps them: a text that is as before is not parsed again.
    documents: Vec<(String, Document)>,
    publications: Publications,
    phases: BTreeMap<&'static str, Vec<Took>>,
}

impl Measured {
    fn new(files: usize) -> Self {
        let document = Document::parse("static.yml", STATIC, Format::Yaml).expect("YAML");
        let statics = rollgate_config::read_static(&document, &Allow::default()).value.expect("static configuration");
        let texts: Vec<String> = (0..files).map(|file| text(file, ROUTERS / files)).collect();
        let publications = Publications::new(&statics);
        let mut measured = Self { statics, texts, documents: Vec::new(), publications, phases: BTreeMap::new() };
        measured.apply();
        println!("the first time:");
        measured.report();
        measured.phases.clear();
        measured
    }

    fn apply(&mut self) {
        let began = Moment::now();
        for (file, text) in self.texts.iter().enumerate() {
            let before = self.documents.get(file);
            if before.is_some_and(|(before, _)| before == text) {
                continue;
            }
            let name = format!("file{file}.yml");
            let before = before.map(|(_, document)| document);
            let document = Document::parse_after(before, &name, text, Format::Yaml).expect("YAML");
            let known = (text.clone(), document);
            match self.documents.get_mut(file) {
                Some(before) => *before = known,
                None => self.documents.push(known),
            }
        }
        let parsed = Moment::now();
        let documents: Vec<Document> = self.documents.iter().map(|(_, document)| document.clone()).collect();
        let read = rollgate_config::read_dynamic(&documents, "file", Some(&self.statics), &Allow::default());
        let configuration = read.value.unwrap_or_else(|| panic!("{:?}", read.problems));
        drop(documents);
        let read = Moment::now();
        let problems = rollgate_config::validate_entry_points(&self.statics, &configuration);
        assert!(problems.is_empty(), "{problems:?}");
        let validated = Moment::now();
        self.publications.publish(&configuration).expect("it compiles");
        let published = Moment::now();
        drop(configuration);
        let done = Moment::now();
        for (phase, took) in [
            ("1 parse", parsed - began),
            ("2 read, merge, check references", read - parsed),
            ("3 check entry points", validated - read),
            ("4 compile, publish", published - validated),
            ("5 drop the configuration", done - published),
            ("6 all", done - began),
        ] {
            self.phases.entry(phase).or_default().push(took);
        }
    }

    fn report(&mut self) {
        for (phase, took) in &mut self.phases {
            let cpu = at(took.iter().map(|took| took.cpu).collect(), 0.5);
            let [median, most] = [0.5, 0.99].map(|share| at(took.iter().map(|took| took.wall).collect(), share));
            println!("    {phase:<34} {cpu:>8.2} {median:>8.2} {most:>8.2}");
        }
    }
}

fn at(mut took: Vec<Duration>, share: f64) -> f64 {
    took.sort();
    took[((took.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3
}

/// A moment by the wall's clock, and by the time that this thread has had a CPU.
#[derive(Clone, Copy)]
struct Moment {
    wall: Instant,
    cpu: Duration,
}

struct Took {
    wall: Duration,
    cpu: Duration,
}

impl Moment {
    fn now() -> Self {
        let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanoseconds = statistics.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or_default();
        Self { wall: Instant::now(), cpu: Duration::from_nanos(nanoseconds) }
    }
}

impl Sub for Moment {
    type Output = Took;

    fn sub(self, earlier: Self) -> Took {
        Took { wall: self.wall - earlier.wall, cpu: self.cpu - earlier.cpu }
    }
}

/// A file with so many routers and services; every tenth service is a split.
fn text(file: usize, count: usize) -> String {
    let mut text = String::from("http:\n  routers:\n");
    for number in file * count..(file + 1) * count {
        let _ = write!(
            text,
            "    r{number}:\n      rule: Host(`h{number}.coding`) && PathPrefix(`/`)\n      service: s{number}\n      \
             entryPoints:\n        - web\n"
        );
    }
    text.push_str("  services:\n    s0-of-this: {loadBalancer: {servers: []}}\n");
    text = text.replace("s0-of-this", &format!("none{file}"));
    for number in file * count..(file + 1) * count {
        if number % 10 == 9 {
            let _ = write!(
                text,
                "    s{number}:\n      weighted:\n        services:\n          - name: s{}\n            weight: 99\n          \
                 - name: s{}\n            weight: 1\n",
                number - 1,
                number - 2
            );
        } else {
            let _ = write!(
                text,
                "    s{number}:\n      loadBalancer:\n        servers:\n          - url: http://10.{}.{}.7:8080\n",
                number / 250,
                number % 250
            );
        }
    }
    text
}

/// In KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

const ROUTERS: usize = 10_000;
const ROUNDS: usize = 20;
