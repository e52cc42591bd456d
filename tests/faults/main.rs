//! Faults of the machine: a full disk, a clock that jumps, no descriptors or memory left, a process that is stopped, an output that
//! nobody reads. None of them costs a request that could have been answered, and all goes on as before when they end.
//!
//! Mounting takes root; the clock is libfaketime's.

#![cfg(test)]

mod clock;
mod descriptors;
mod disk;
mod memory;
mod output;
mod stopped;

use rollgate_testkit::Backend;

/// Entry points `web` and `traefik`, metrics, and one router to `backend`; `more` are root keys.
fn configuration(backend: &Backend, more: &str) -> String {
    format!(
        "entryPoints: {{web: {{address: '127.0.0.1:0'}}, traefik: {{address: '127.0.0.1:0'}}}}
ping: {{}}
metrics: {{prometheus: {{}}}}
{more}
http:
  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}
  services: {{s: {}}}
",
        backend.load_balancer()
    )
}
