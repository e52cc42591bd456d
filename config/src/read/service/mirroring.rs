//! `mirroring`.

use std::time::Duration;

use super::health;
use crate::{
    dynamic::service::mirroring::{Mirror, Mirroring},
    fields::{Sink, Value, boolean, integer},
    read::{middleware::bytes_or_any, router::reference},
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Mirroring> {
    let read = value.section(out, |fields| {
        let service = fields.required("service", reference);
        let (mut mirror_body, mut max_body_size, mut timeout) = (true, None, DEFAULT_TIMEOUT);
        fields.set("mirrorBody", &mut mirror_body, boolean);
        fields.set("maxBodySize", &mut max_body_size, bytes_or_any);
        fields.set("timeout", &mut timeout, health::positive);
        fields.ours("timeout");
        let mirrors = fields.list("mirrors", mirror);
        health::of_children(fields);
        Some(Mirroring { service: service?, mirror_body, max_body_size, timeout, mirrors })
    });
    read.flatten()
}

fn mirror(value: Value<'_>, out: &mut Sink) -> Option<Mirror> {
    let read = value.section(out, |fields| {
        let name = fields.required("name", reference);
        let mut percent = 0;
        fields.set("percent", &mut percent, integer(0..=100));
        Some(Mirror { name: name?, percent })
    });
    read.flatten()
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
