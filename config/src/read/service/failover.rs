//! `failover`.

use super::health;
use crate::{
    dynamic::service::failover::Failover,
    fields::{Sink, Value},
    read::router::reference,
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Failover> {
    let read = value.section(out, |fields| {
        let service = fields.required("service", reference);
        let fallback = fields.required("fallback", reference);
        health::of_children(fields);
        fields.unsupported(&["errors"]);
        Some(Failover { service: service?, fallback: fallback?, errors: None })
    });
    read.flatten()
}
