//! `ipAllowList`, and the strategy by which an address counts as the client's.

use crate::{
    dynamic::middleware::MiddlewareKind,
    fields::{Fields, Sink, Value, integer, network},
    scalar::IpStrategy,
};

pub(super) fn ip_allow_list(value: Value<'_>, out: &mut Sink) -> Option<MiddlewareKind> {
    value.section(out, |fields| {
        let source_range = fields.list("sourceRange", network);
        if !fields.has_items("sourceRange") {
            fields.problem("sourceRange", "names no network", "a list of IP addresses and CIDRs");
        }
        let mut strategy = IpStrategy::default();
        fields.within("ipStrategy", |fields| ip_strategy(fields, &mut strategy));
        let mut reject_status = 403;
        fields.set("rejectStatusCode", &mut reject_status, integer(100..=999));
        MiddlewareKind::IpAllowList { source_range, strategy, reject_status }
    })
}

/// `ipStrategy`: a depth or a list of addresses to pass over.
pub(in crate::read) fn ip_strategy(fields: &mut Fields<'_>, strategy: &mut IpStrategy) {
    fields.set("depth", &mut strategy.depth, integer(0..=1_000));
    strategy.excluded_ips = fields.list("excludedIPs", network);
    fields.set_some("ipv6Subnet", &mut strategy.ipv6_subnet, integer(1..=128));
}
