#![allow(missing_docs)]
use rollgate_analysis::Restarted;
fn rng(run: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(run.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 77)
}
/// events per canary request
fn play(every: u64, good: u64, rate: f64, r: &mut fastrand::Rng, most: u64) -> Option<u64> {
    let (w, base) = (0.05, 0.01);
    let mut p = Restarted::new();
    let need = 100f64.ln();
    let b = (1.0 - w) * base;
    let mut n = 0;
    loop {
        // stable errors before next canary request
        while r.f64() < b / (b + w) {
            p.add(w, 0, 1);
        }
        n += 1;
        let pc = if n > good { rate } else { base };
        if r.f64() < pc {
            p.add(w, 1, 0);
            if p.ln_e() >= need {
                return Some(n);
            }
        }
        if n % every == 0 {
            p.restart();
        }
        if n > most {
            return None;
        }
    }
}
#[test]
fn exp() {
    for every in [250u64, 100, 50, 25, 10] {
        for rate in [1.0, 0.2, 0.05] {
            for aligned in [true, false] {
                let mut v: Vec<u64> = (0..2000)
                    .filter_map(|run| {
                        let mut r = rng(run);
                        let good = if aligned { 5000 } else { 4875 + r.u64(0..250) };
                        let n = play(every, good, rate, &mut r, u64::MAX).unwrap();
                        (n > good).then(|| n - good)
                    })
                    .collect();
                v.sort();
                println!(
                    "every {every} rate {rate} aligned {aligned}: median {} p95 {} ({})",
                    v[v.len() / 2],
                    v[v.len() * 95 / 100],
                    v.len()
                );
            }
        }
        let f = (0..5000).filter(|run| play(every, 5000, 0.01, &mut rng(*run + 10_000), 5000).is_some()).count();
        let m = {
            let mut v: Vec<u64> = (0..20000).map(|run| play(every, 0, 0.2, &mut rng(run), u64::MAX).unwrap()).collect();
            v.sort();
            (v[10000], v[19000])
        };
        let m5 = {
            let mut v: Vec<u64> = (0..4000).map(|run| play(every, 0, 0.05, &mut rng(run), u64::MAX).unwrap()).collect();
            v.sort();
            (v[2000], v[3800])
        };
        println!("every {every}: false {f}/5000, from start 20%: {m:?} 5%: {m5:?}");
    }
}
