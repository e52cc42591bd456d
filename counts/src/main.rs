//! Requests in memory, client and server included, as many as are asked for: run under callgrind, what one of them takes, to
//! the instruction. `benches/README.md` says how; `cargo xtask counts` holds three of them against what they were.

mod scenario;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().and_then(|name| scenario::of(&name));
    let count = arguments.next().and_then(|count| count.parse().ok());
    let (Some(wanted), Some(count)) = (wanted, count) else {
        eprintln!("rollgate-counts SCENARIO COUNT\nscenarios: {}", scenario::names());
        return ExitCode::from(2);
    };
    println!("{}", wanted.run(count));
    ExitCode::SUCCESS
}
