//! `rollgate simulate PIPELINE...`: what a pipeline would do with a canary that is so good or so bad, many times over, before it is
//! let at users.
//!
//! ```text
//! pipelines (files, configuration) -> series (each combination) -> rollgate_control's simulation -> show | json | plot
//! ```

mod json;
mod numbers;
mod pipelines;
mod plot;
mod series;
mod show;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use rollgate_config::scalar::Share;
use rollgate_control::rollout::simulation::{Drift, Outage};

use self::series::Series;
use crate::{admin::colours_are_wanted, statics::Failure};

/// The command line of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct SimulateArgs {
    /// Files with a pipeline each, as the admin API takes it (YAML, TOML or JSON); or names of pipelines in the configuration
    #[arg(required = true, value_name = "PIPELINE")]
    pipelines: Vec<String>,
    /// The configuration that `run` would be given; without it nobody looks whether what a pipeline refers to is there
    #[arg(long, short, value_name = "FILE", alias = "configFile")]
    config: Option<PathBuf>,
    /// The share of stable's requests that fail
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = share)]
    baseline_error: Share,
    /// The share of the canary's requests that fail, or several. One that is as good as stable is always played too
    #[arg(long, value_name = "SHARE,...", default_value = "5%", value_delimiter = ',', value_parser = share)]
    canary_error: Vec<Share>,
    /// Requests a second to the service, or several
    #[arg(long, value_name = "N,...", default_value = "100", value_delimiter = ',', value_parser = rate)]
    rps: Vec<f64>,
    /// Instead of the pipeline's `analysis.alpha`, or several
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',', value_parser = alpha)]
    alpha: Vec<Share>,
    /// The share of the requests that the audience of an `abTest` sends
    #[arg(long, value_name = "SHARE", value_parser = share)]
    audience: Option<Share>,
    /// How long answers take: half of them no longer than the first time, 95 of 100 no longer than the second
    #[arg(long, value_name = "TIME,TIME", default_value = "50ms,150ms", value_parser = latency)]
    latency: (Duration, Duration),
    /// The share of stable's answers that take longer than the second time
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    slow_baseline: Share,
    /// The canary's [default: as stable's]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    slow_canary: Option<Share>,
    /// Something that both versions need: after FROM this share of all requests fails for FOR, `60s,20s,30%`
    #[arg(long, value_name = "FROM,FOR,SHARE", value_parser = outage)]
    outage: Option<Outage>,
    /// Stable's errors become SHARE in the course of OVER, and the canary's stay as many times as many, `3%,10m`
    #[arg(long, value_name = "SHARE,OVER", value_parser = drift)]
    drift: Option<Drift>,
    /// So many requests of the canary are as good as stable's; only then it fails
    #[arg(long, value_name = "N")]
    break_after: Option<u64>,
    /// How long a rollout is waited for, from the canary's first request
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = limit)]
    limit: Duration,
    /// Rollouts of each kind
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// The same seed gives the same output, to the byte
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Keys that Traefik knows and Rollgate does not only warn
    #[arg(long, value_name = "KEY,...", default_value = "")]
    allow_unsupported: String,
    /// For scripts
    #[arg(long)]
    json: bool,
    /// Draws it too: FILE.svg, or FILE.png
    #[arg(long, value_name = "FILE", value_parser = picture)]
    plot: Option<PathBuf>,
}

/// Exit code 0 if it was played, 1 if a pipeline or the configuration is wrong, 2 for wrong usage or a file that is no good.
pub(crate) fn run(arguments: &SimulateArgs) -> ExitCode {
    match play(arguments) {
        Ok(text) => {
            // Whoever reads it may have seen enough.
            drop(io::stdout().write_all(text.as_bytes()));
            ExitCode::SUCCESS
        }
        Err(Failure::Usage(what)) => {
            eprintln!("rollgate simulate: {what}");
            ExitCode::from(2)
        }
        Err(Failure::Problems(problems)) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &SimulateArgs) -> Result<String, Failure> {
    let found = pipelines::read(arguments)?;
    let mut all = Series::all(arguments, &found)?;
    if let Some(file) = &arguments.plot {
        has_a_place(file)?;
    }
    for series in &mut all {
        series.play(arguments.runs as usize, arguments.seed)?;
    }
    if let Some(file) = &arguments.plot {
        let drawing = plot::draw(arguments, &all);
        let is_png = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        let bytes = if is_png { plot::png(&drawing) } else { plot::svg(&drawing).into_bytes() };
        fs::write(file, bytes).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    }
    Ok(match arguments.json {
        true => format!("{:#}\n", json::of(arguments, &all)),
        false => show::text(arguments, &all, colours_are_wanted()),
    })
}

/// So that nobody waits for a picture that cannot be written.
fn has_a_place(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or_else(|| Path::new("."));
    match () {
        () if file.is_dir() => Err(Failure::Usage(format!("--plot: {} is a folder", file.display()))),
        () if !folder.is_dir() => Err(Failure::Usage(format!("--plot: there is no folder {}", folder.display()))),
        () => Ok(()),
    }
}

fn share(text: &str) -> Result<Share, String> {
    text.trim().parse().map_err(|()| format!("`{text}` is no share, like 5%, 0.5% or 0.05"))
}

fn alpha(text: &str) -> Result<Share, String> {
    let alpha = share(text)?;
    if alpha.0 > 0 && alpha.0 <= MOST_ALPHA { Ok(alpha) } else { Err("alpha is above 0 and at most 20%".to_owned()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.trim().parse::<f64>().ok().filter(|rate| (0.001..=1e6).contains(rate));
    rate.ok_or_else(|| "a rate is from 0.001 to 1000000".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let time = text.trim().parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    let time = time.ok_or_else(|| format!("`{text}` is no time, like 500ms, 20s, 1m30s or 24h"))?;
    if time <= LONGEST { Ok(time) } else { Err(format!("`{text}` is more than 366 days, 8784h")) }
}

/// One in which something can happen.
fn limit(text: &str) -> Result<Duration, String> {
    let limit = time(text)?;
    if limit >= SHORTEST { Ok(limit) } else { Err("it is 1s at least".to_owned()) }
}

fn latency(text: &str) -> Result<(Duration, Duration), String> {
    let [median, p95] = parts(text, "50ms,150ms")?;
    let (median, p95) = (time(median)?, time(p95)?);
    if Duration::from_micros(1) <= median && median <= p95 {
        Ok((median, p95))
    } else {
        Err("the first time is at least 1us, and the second is not below it".to_owned())
    }
}

fn outage(text: &str) -> Result<Outage, String> {
    let [from, long, failing] = parts(text, "60s,20s,30%")?;
    Ok(Outage { from: time(from)?, long: time(long)?, share: share(failing)?.fraction() })
}

fn drift(text: &str) -> Result<Drift, String> {
    let [to, over] = parts(text, "3%,10m")?;
    Ok(Drift { to: share(to)?.fraction(), over: time(over)? })
}

fn picture(text: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(text);
    let extension = file.extension().map(|extension| extension.to_ascii_lowercase());
    match extension.as_ref().and_then(|extension| extension.to_str()) {
        Some("svg" | "png") => Ok(file),
        _ => Err("its name ends in .svg or .png".to_owned()),
    }
}

/// So many, with commas between.
fn parts<'t, const N: usize>(text: &'t str, example: &str) -> Result<[&'t str; N], String> {
    let parts: Vec<&str> = text.split(',').collect();
    parts.try_into().map_err(|_| format!("there are {N} parts with commas between, like {example}"))
}

/// A pipeline's own bound.
const MOST_ALPHA: u32 = 200_000;
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
const SHORTEST: Duration = Duration::from_secs(1);

const AFTER: &str = "\
The engine and the judge are the real ones, the clock is not. job, deploy, approve and webhook take no time, wait takes its own. \
Requests come at random, each is drawn for itself and answered at once: while the deciding answers are under way, a canary gets \
requests besides, its weight times --rps times what an answer takes.

Exit codes: 0 played; 1 a pipeline or the configuration is wrong; 2 wrong usage, or a file that is no good.";
