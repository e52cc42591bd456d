//! Checks of a rate limit among a million sources, or bare look-ups in an equal table, as many as the second argument says,
//! for instruction counts; see README.md beside this file.

use rollgate_gateway::memory::{Bare, Limiter, Moment};

const SOURCES: u32 = 1_000_000;

fn main() {
    let (what, count) = (std::env::args().nth(1), std::env::args().nth(2));
    // Under `cargo bench` the argument is cargo's own.
    let count: u32 = count.and_then(|count| count.parse().ok()).unwrap_or(1000);
    let sources = (0..count).map(|number| number.wrapping_mul(2_654_435_761) % SOURCES);
    let met = match what.as_deref() {
        Some("bare") => {
            let bare = Bare::new(SOURCES);
            sources.filter(|source| bare.holds(*source)).count()
        }
        Some("locked") => {
            let limiter = Limiter::new(SOURCES, 2);
            sources.filter(|source| limiter.holds(*source)).count()
        }
        _ => {
            let (limiter, now) = (Limiter::new(SOURCES, 2), Moment::now());
            sources.filter(|source| limiter.check(*source, now)).count()
        }
    };
    assert_eq!(met, count as usize);
    println!("{count} met");
}
