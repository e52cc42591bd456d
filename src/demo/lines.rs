//! Without a terminal: the lines to try, then a line each second.

use std::{
    io::{self, Write},
    time::Duration,
};

use rollgate_control::Instance;

use super::{Looks, Tries, numbers::Numbers, story::Story};

/// Prints until told to end, or until nobody reads any more; returns the last look.
pub(super) async fn show(instance: &Instance, tries: &Tries, story: Story, told: impl Future<Output = ()>) -> Numbers {
    let mut out = io::stdout();
    let head: String = tries.lines.iter().map(|line| format!("  {line}\n")).collect();
    let mut read = write!(out, "Rollgate demo. Try:\n{head}").is_ok();
    let mut told = std::pin::pin!(told);
    let mut looks = Looks::new();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    loop {
        let ends = tokio::select! {
            _ = second.tick() => false,
            () = &mut told => true,
        };
        looks.look(instance);
        if ends || !read {
            return looks.window.last;
        }
        read = writeln!(out, "{}; {}", line(&looks), story.caption()).is_ok();
    }
}

fn line(looks: &Looks) -> String {
    let mut text = format!("{:6.0} req/s", looks.window.total_rate());
    for (name, service) in &looks.window.last.services {
        let rate = looks.window.rates.get(name).copied().unwrap_or_default();
        text.push_str(&format!("  {name} {rate:.0}/s"));
        if let (Some(target), Some(share)) = (service.target, looks.window.shares.get(name)) {
            text.push_str(&format!(" ({:.1}% of {:.0}%)", share * 100.0, target * 100.0));
        }
        if let Some(breaker) = service.breaker.as_ref().filter(|breaker| *breaker != "standby") {
            text.push_str(&format!(" {breaker}"));
        }
        if service.errors > 0 {
            text.push_str(&format!(" {} errors", service.errors));
        }
    }
    text
}
