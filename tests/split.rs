//! Versions are drawn by weight, independently at random: no client, however periodic, can tell.

#![cfg(test)]

use rollgate_testkit::{Backend, Gateway, load};

const REQUESTS: usize = 100_000;

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: pro.coding\r\n\r\n";

/// A server whose answer's body is one letter.
fn version(letter: char) -> Backend {
    Backend::canned(&letter.to_string(), format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{letter}"))
}

/// `pro.coding` leads to `pro`, whose children are `services`; each version's letter is its service's name.
fn gateway(versions: &[&Backend], services: &str) -> Gateway {
    let leaves = versions.iter().map(|backend| format!("    {}: {}\n", backend.name, backend.load_balancer()));
    Gateway::with(&format!(
        "http:\n  routers:\n    pro: {{rule: 'Host(`pro.coding`)', service: pro}}\n  services:\n{}{services}",
        leaves.collect::<String>()
    ))
}

fn count(drawn: &[u8], letter: char) -> usize {
    drawn.iter().filter(|&&byte| byte == letter as u8).count()
}

/// Pearson's chi-square of these counts against these shares.
fn chi_square(counts: &[usize], shares: &[f64]) -> f64 {
    let total = counts.iter().sum::<usize>() as f64;
    let term = |(&count, &share): (&usize, &f64)| (count as f64 - total * share).powi(2) / (total * share);
    counts.iter().zip(shares).map(term).sum()
}

#[tokio::test]
async fn ninety_to_ten_holds_over_connections_in_parallel() {
    let (stable, canary) = (version('s'), version('c'));
    let gateway = gateway(
        &[&stable, &canary],
        "    pro: {weighted: {services: [{name: s, weight: 90}, {name: c, weight: 10}]}}\n",
    );
    let drawn = load::in_parallel(gateway.web(), ASK, 30_000, 8).await;
    let counts = [count(&drawn, 's'), count(&drawn, 'c')];
    assert_eq!(counts.iter().sum::<usize>(), 30_000, "every request has its version");
    let statistic = chi_square(&counts, &[0.9, 0.1]);
    // 28.374: p = 10^-7 with one degree of freedom.
    assert!(statistic < 28.374, "{counts:?}: chi-square {statistic}");
}

#[tokio::test]
async fn ninety_to_ten_holds_over_a_hundred_thousand_requests_and_in_every_phase_of_any_period() {
    let (stable, canary) = (version('s'), version('c'));
    let gateway = gateway(
        &[&stable, &canary],
        "    pro: {weighted: {services: [{name: s, weight: 90}, {name: c, weight: 10}]}}\n",
    );
    // A fair split fails about one look in five hundred, by the definition of p and of z. So a failed look is followed by
    // a second one at a new sample; both fail with a fair split once in some hundred thousand runs, and always with one
    // that is off.
    let first = complaints(&load::first_bytes(gateway.web(), ASK, REQUESTS).await);
    if !first.is_empty() {
        let second = complaints(&load::first_bytes(gateway.web(), ASK, REQUESTS).await);
        assert!(second.is_empty(), "{first:#?}, and again {second:#?}");
    }
}

/// What is unfair about a sequence of versions: its sum, or a phase of some period.
fn complaints(drawn: &[u8]) -> Vec<String> {
    let canaries = drawn.iter().map(|&byte| u64::from(byte == b'c')).collect::<Vec<_>>();
    let total = canaries.iter().sum::<u64>();
    let mut complaints = Vec::new();
    let statistic = chi_square(&[drawn.len() - total as usize, total as usize], &[0.9, 0.1]);
    println!("{total} canaries of {}: chi-square {statistic:.3} (p = 0.001 at 10.828)", drawn.len());
    // 10.828: p = 0.001 with one degree of freedom.
    if statistic >= 10.828 {
        complaints.push(format!("{total} canaries: chi-square {statistic}"));
    }
    for period in 2..=200 {
        for phase in 0..period {
            let seen = canaries.iter().skip(phase).step_by(period);
            let (length, count) = (seen.len() as u64, seen.sum::<u64>());
            let z = deviate(length, count, 0.1);
            if z.abs() > 5.5 {
                complaints.push(format!("period {period}, phase {phase}: {count} of {length} are canaries, z = {z}"));
            }
        }
    }
    complaints
}

/// How far `count` of `length` is from the share `p`, in standard deviations. The binomial is skewed, so where the plain
/// score is large its exact tail decides: the score that a normal variable would have there.
fn deviate(length: u64, count: u64, p: f64) -> f64 {
    let n = length as f64;
    let plain = (count as f64 - n * p) / (n * p * (1.0 - p)).sqrt();
    if plain.abs() <= 5.5 {
        return plain;
    }
    let tail = if plain > 0.0 { above(length, count, p) } else { above(length, length - count, 1.0 - p) };
    // The normal tail beyond 5.5 is 1.9e-8.
    if tail < 1.9e-8 { plain } else { 5.5_f64.copysign(plain) }
}

/// The probability of `count` or more of `length`, summed from the small end so that nothing cancels.
fn above(length: u64, count: u64, p: f64) -> f64 {
    let odds = (p / (1.0 - p)).ln();
    let mut logarithm = (1.0 - p).ln() * length as f64;
    let mut sum = 0.0;
    for k in 0..=length {
        if k >= count {
            sum += logarithm.exp();
        }
        logarithm += ((length - k) as f64 / (k as f64 + 1.0)).ln() + odds;
    }
    sum
}

#[tokio::test]
async fn weight_zero_receives_nothing() {
    let (stable, canary) = (version('s'), version('c'));
    let gateway =
        gateway(&[&stable, &canary], "    pro: {weighted: {services: [{name: s, weight: 1}, {name: c, weight: 0}]}}\n");
    let drawn = load::in_parallel(gateway.web(), ASK, 2_000, 4).await;
    assert_eq!(count(&drawn, 's'), 2_000);
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_server_of_weight_zero_receives_nothing() {
    let (one, two) = (version('1'), version('2'));
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'Host(`pro.coding`)', service: s}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{}', weight: 0}}, {{url: '{}', weight: 3}}]}}}}}}
",
        one.url(),
        two.url()
    ));
    let drawn = load::first_bytes(gateway.web(), ASK, 200).await;
    assert_eq!(count(&drawn, '2'), 200);
    assert_eq!(one.connections(), 0);
}

#[tokio::test]
async fn servers_share_by_weight_in_turn() {
    let (one, two) = (version('1'), version('2'));
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'Host(`pro.coding`)', service: s}}}}
  services: {{s: {{loadBalancer: {{servers: [{{url: '{}', weight: 1}}, {{url: '{}', weight: 3}}]}}}}}}
",
        one.url(),
        two.url()
    ));
    // One connection stays with one worker, whose turns are exact.
    let drawn = load::first_bytes(gateway.web(), ASK, 400).await;
    assert_eq!(count(&drawn, '1'), 100);
    for turn in drawn.chunks(4) {
        assert_eq!(count(turn, '1'), 1, "{drawn:?}");
    }
}

#[tokio::test]
async fn two_random_choices_reach_every_server() {
    let (one, two) = (version('1'), version('2'));
    let gateway = Gateway::with(&format!(
        "http:
  routers: {{r: {{rule: 'Host(`pro.coding`)', service: s}}}}
  services: {{s: {{loadBalancer: {{strategy: p2c, servers: [{{url: '{}'}}, {{url: '{}'}}]}}}}}}
",
        one.url(),
        two.url()
    ));
    let drawn = load::in_parallel(gateway.web(), ASK, 1_000, 4).await;
    assert!(count(&drawn, '1') > 200 && count(&drawn, '2') > 200, "{} of 1000", count(&drawn, '1'));
}

#[tokio::test]
async fn weights_may_be_decimals() {
    let (a, b, c) = (version('a'), version('b'), version('c'));
    let gateway = gateway(
        &[&a, &b, &c],
        "    pro: {weighted: {services: [{name: a, weight: 0.5}, {name: b, weight: 0.25}, {name: c, weight: 1.25}]}}\n",
    );
    let drawn = load::in_parallel(gateway.web(), ASK, 20_000, 4).await;
    let counts = ['a', 'b', 'c'].map(|letter| count(&drawn, letter));
    let statistic = chi_square(&counts, &[0.25, 0.125, 0.625]);
    // 32.236: p = 10^-7 with two degrees of freedom.
    assert!(statistic < 32.236, "{counts:?}: chi-square {statistic}");
}

#[tokio::test]
async fn all_weights_zero_is_no_available_server() {
    let (a, b) = (version('a'), version('b'));
    let gateway = gateway(&[&a, &b], "    pro: {weighted: {services: [{name: a, weight: 0}, {name: b, weight: 0}]}}\n");
    let reply = gateway.get("http://pro.coding/").await;
    assert_eq!((reply.status, reply.text().as_str()), (503, "no available server\n"));
}

#[tokio::test]
async fn weights_multiply_down_the_tree() {
    let (a, b, c) = (version('a'), version('b'), version('c'));
    let gateway = gateway(
        &[&a, &b, &c],
        "    inner: {weighted: {services: [{name: b, weight: 3}, {name: c, weight: 1}]}}
    middle: {weighted: {services: [{name: inner}]}}
    pro: {weighted: {services: [{name: a, weight: 1}, {name: middle, weight: 1}]}}\n",
    );
    let drawn = load::in_parallel(gateway.web(), ASK, 20_000, 4).await;
    let counts = ['a', 'b', 'c'].map(|letter| count(&drawn, letter));
    let statistic = chi_square(&counts, &[0.5, 0.375, 0.125]);
    assert!(statistic < 18.421, "{counts:?}: chi-square {statistic}");
}

#[tokio::test]
async fn a_version_without_servers_gives_its_share_to_the_others() {
    let stable = version('s');
    let gateway = gateway(
        &[&stable],
        "    none: {loadBalancer: {servers: []}}
    pro: {weighted: {services: [{name: s, weight: 1}, {name: none, weight: 9}]}}\n",
    );
    let drawn = load::first_bytes(gateway.web(), ASK, 300).await;
    assert_eq!(count(&drawn, 's'), 300);
}
