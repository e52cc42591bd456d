//! `failover`.

use super::health;
use crate::{
    dynamic::service::failover::{Failover, FailoverErrors},
    fields::{Sink, Value, status_range},
    read::{middleware::bytes_or_any, router::reference},
    scalar::StatusRanges,
};

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Failover> {
    let read = value.section(out, |fields| {
        let service = fields.required("service", reference);
        let fallback = fields.required("fallback", reference);
        let errors = fields.read("errors", errors).filter(|errors| !errors.status.0.is_empty());
        health::of_children(fields);
        Some(Failover { service: service?, fallback: fallback?, errors })
    });
    read.flatten()
}

fn errors(value: Value<'_>, out: &mut Sink) -> Option<FailoverErrors> {
    value.section(out, |fields| {
        let status = StatusRanges(fields.list("status", status_range));
        let mut max_request_body_bytes = None;
        fields.set("maxRequestBodyBytes", &mut max_request_body_bytes, bytes_or_any);
        FailoverErrors { status, max_request_body_bytes }
    })
}
