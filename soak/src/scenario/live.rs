//! The time from a rename to the moment at which the last of several connections is answered by the new configuration.
//!
//! Connections are spread over the workers by the kernel; each asks every millisecond for a host that only the new
//! configuration answers.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rollgate_load::{Client, Timer};
use rollgate_testkit::{Backend, Gateway, Launch, configuration};

use crate::{
    figures::{Figures, milliseconds},
    options::Options,
    site::{MARKED, letter, marker, marker_host},
    watch::Conclusion,
};

/// Runs it.
pub async fn run(options: Options) -> Figures {
    let mut figures = Figures::default();
    figures.tell("resolution", "1 ms; the debounce of 25 ms is part of every time");
    let many = options.either(10_000, 500);
    let mut conclusion = Conclusion::default();
    for (routers, files) in [(1, 1), (many, 1), (many, options.either(100, 10))] {
        let gateway = measure(&options, &mut figures, routers, files).await;
        conclusion.look(&gateway, &[]).await;
    }
    conclusion.report(&mut figures);
    figures
}

async fn measure(options: &Options, figures: &mut Figures, routers: usize, files: usize) -> Gateway {
    let changes = options.changes.unwrap_or_else(|| options.either(150, 8));
    let name = match files {
        1 if routers == 1 => "1 router".to_owned(),
        1 => format!("{routers} routers in a file"),
        _ => format!("{routers} routers in {files} files"),
    };
    let backend = letter('s');
    let folder: Vec<File> = (0..files).map(|file| File::new(file, routers / files, &backend)).collect();
    let mut launch = Launch::new(&configuration("providers: {file: {directory: '@DIR@/conf'}}\n"));
    for file in &folder {
        launch = launch.file(&file.path(), &file.text(0));
    }
    let gateway = launch.program(options.binary.to_str().expect("the binary's path is text")).start();
    let mut observers = Vec::new();
    for _ in 0..OBSERVERS {
        observers.push(Client::open(gateway.web()).await.expect("the gateway accepts"));
    }
    let mut times = Histogram::<u64>::new_with_max(60_000_000, 3).expect("three digits of a minute can be kept");
    let mut late = 0_u64;
    for generation in 1..=changes {
        let file = &folder[generation as usize % files];
        match file.rename(&gateway, &mut observers, generation).await {
            Some(time) => times.saturating_record(time.as_micros() as u64),
            None => late += 1,
        }
    }
    figures.none(format!("{name}: changes not live within 5 s"), late);
    let [p50, p99] = [0.5, 0.99].map(|share| times.value_at_quantile(share));
    figures.tell(format!("{name}: rename to live, p50 of {changes}"), milliseconds(p50));
    let figure = format!("{name}: rename to live, p99 of {changes}");
    if options.short {
        figures.tell(figure, milliseconds(p99));
    } else {
        figures.ask(figure, "75 ms: debounce + 50", milliseconds(p99), p99 <= TARGET);
    }
    gateway
}

/// A file with routers that stay and a marker that changes.
struct File {
    marker: String,
    routers: String,
    services: String,
}

impl File {
    fn new(number: usize, routers: usize, backend: &Backend) -> Self {
        let (marker, service) = (format!("live{number}"), format!("service{number}"));
        let mut lines = String::new();
        for router in 0..routers {
            // Writing to a string cannot fail.
            let _ = writeln!(
                lines,
                "    r{number}-{router}: {{rule: 'Host(`r{router}.f{number}.test`) && PathPrefix(`/api`)', service: {service}}}"
            );
        }
        let services = format!("  services:\n    {service}: {}\n", backend.load_balancer());
        Self { marker, routers: lines, services }
    }

    fn path(&self) -> String {
        format!("conf/{}.yml", self.marker)
    }

    fn text(&self, generation: u32) -> String {
        format!("{}{}{}", marker(&self.marker, generation), self.routers, self.services)
    }

    /// Renames a new text into place; how long until the last observer is answered by it, if it is in time.
    async fn rename(&self, gateway: &Gateway, observers: &mut [Client], generation: u32) -> Option<Duration> {
        let path = gateway.directory().join(self.path());
        let beside = path.with_extension("new");
        std::fs::write(&beside, self.text(generation)).expect("a file can be written");
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", marker_host(&self.marker, generation));
        let timer = Timer::default();
        let renamed = Instant::now();
        std::fs::rename(beside, path).expect("a file can be renamed");
        let watching = async {
            // One after the other: what the first waits for, the others have nearly always had too.
            for client in observers {
                while client.exchange(request.as_bytes()).await.expect("the gateway answers").status != MARKED {
                    timer.until(Instant::now() + RESOLUTION).await;
                }
            }
            renamed.elapsed()
        };
        tokio::time::timeout(PATIENCE, watching).await.ok()
    }
}

/// Connections, so that every worker has some of them.
const OBSERVERS: usize = 12;

/// The pause between two questions.
const RESOLUTION: Duration = Duration::from_millis(1);

const PATIENCE: Duration = Duration::from_secs(5);

/// 25 ms of debounce and 50 of work, in microseconds.
const TARGET: u64 = 75_000;
