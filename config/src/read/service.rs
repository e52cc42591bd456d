//! `http.services`.

mod failover;
mod health;
mod mirroring;

use url::Url;

use super::{
    affinity::{cohort, sticky},
    router::reference,
    url::to_connect_to,
};
use crate::{
    dynamic::service::{
        HighestRandomWeight, LoadBalancer, Server, Service, ServiceKind, Strategy, Weighted, WeightedChild,
    },
    fields::{Fields, Sink, Value, boolean, quoted, signed_duration, text, weight},
    problem::Located,
    scalar::Weight,
};

const KINDS: [&str; 5] = ["loadBalancer", "weighted", "highestRandomWeight", "failover", "mirroring"];

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Service> {
    let read = value.section(out, |fields| {
        let middlewares = fields.list("middlewares", reference);
        let only = only_kind(fields, KINDS.into_iter(), &[]);
        // All of them are read, for their problems.
        let mut kinds = [
            fields.read("loadBalancer", load_balancer).map(ServiceKind::LoadBalancer),
            fields.read("weighted", weighted).map(ServiceKind::Weighted),
            fields.read("highestRandomWeight", highest_random_weight).map(ServiceKind::HighestRandomWeight),
            fields.read("failover", failover::read).map(ServiceKind::Failover),
            fields.read("mirroring", mirroring::read).map(ServiceKind::Mirroring),
        ];
        let only = only?;
        let kind = KINDS.iter().position(|kind| *kind == only).and_then(|index| kinds[index].take())?;
        Some(Service { at: fields.at.clone(), middlewares, kind })
    });
    read.flatten()
}

/// The one kind that a service or middleware is of; none and several are problems.
pub(super) fn only_kind(
    fields: &mut Fields<'_>,
    known: impl Iterator<Item = &'static str> + Clone,
    other: &[&'static str],
) -> Option<&'static str> {
    let all = known.clone().chain(other.iter().copied());
    let present: Vec<&'static str> = all.filter(|kind| fields.has(kind)).collect();
    match present[..] {
        [only] => return Some(only),
        [] => fields.out.problem(fields.at, fields.path, "is of no known kind", known.collect::<Vec<_>>().join(", ")),
        [..] => fields.out.problem(
            fields.at,
            fields.path,
            format!("is of several kinds: {}", present.join(", ")),
            "exactly one",
        ),
    }
    None
}

fn load_balancer(value: Value<'_>, out: &mut Sink) -> Option<LoadBalancer> {
    value.section(out, |fields| {
        let mut balancer = LoadBalancer { servers: fields.list("servers", server), ..LoadBalancer::default() };
        fields.set("strategy", &mut balancer.strategy, strategy);
        fields.set("passHostHeader", &mut balancer.pass_host_header, boolean);
        fields.set_some("serversTransport", &mut balancer.servers_transport, transport_name);
        fields.within("responseForwarding", |forwarding| {
            forwarding.set_some("flushInterval", &mut balancer.flush_interval, signed_duration);
        });
        balancer.sticky = fields.read("sticky", sticky);
        if balancer.sticky.is_some() && balancer.strategy == Strategy::Hrw {
            let what = "a server that is chosen by the client's address needs no cookie; Traefik has none there";
            fields.problem("sticky", what, "one of sticky and the strategy hrw");
        }
        fields.set_some("healthCheck", &mut balancer.health_check, health::active);
        fields.set_some("passiveHealthCheck", &mut balancer.passive_health_check, health::passive);
        balancer
    })
}

fn server(value: Value<'_>, out: &mut Sink) -> Option<Server> {
    let read = value.section(out, |fields| {
        let url = fields.required("url", as_written(server_url));
        let mut weight_of_server = Weight::ONE;
        fields.set("weight", &mut weight_of_server, weight);
        let mut preserve_path = false;
        fields.set("preservePath", &mut preserve_path, boolean);
        let (url, written) = url?;
        Some(Server { url, written, weight: weight_of_server, preserve_path })
    });
    read.flatten()
}

/// What a decoder reads, and the text that it read.
fn as_written<T>(
    decode: impl FnOnce(Value<'_>, &mut Sink) -> Option<T>,
) -> impl FnOnce(Value<'_>, &mut Sink) -> Option<(T, String)> {
    |value, out| decode(value, out).and_then(|read| Some((read, text(value, out)?)))
}

fn server_url(value: Value<'_>, out: &mut Sink) -> Option<Located<Url>> {
    let more = |url: &Url| (url.query().is_some() || url.fragment().is_some()).then_some("has a query or a fragment");
    to_connect_to(&["http", "https", "h2c"], "like http://host:port; http, https or h2c", more)(value, out)
}

fn strategy(value: Value<'_>, out: &mut Sink) -> Option<Strategy> {
    let name = text(value, out)?;
    match &*name.to_ascii_lowercase() {
        "wrr" | "" => Some(Strategy::Wrr),
        "p2c" => Some(Strategy::P2c),
        "hrw" => Some(Strategy::Hrw),
        "leasttime" => Some(Strategy::LeastTime),
        _ => {
            let allowed = "wrr, p2c, hrw, leasttime";
            out.problem(&value.node.at, value.path, format!("{} is no strategy", quoted(&name)), allowed);
            None
        }
    }
}

/// `default@internal` is the static one, as if nothing was written.
fn transport_name(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    if matches!(&*text(value, out)?, "" | "default@internal") {
        return None;
    }
    reference(value, out)
}

fn weighted(value: Value<'_>, out: &mut Sink) -> Option<Weighted> {
    value.section(out, |fields| {
        let services = children(fields);
        let sticky = fields.read("sticky", sticky);
        fields.ours("cohort");
        let cohort = fields.read("cohort", cohort);
        if sticky.is_some() && cohort.is_some() {
            fields.problem("cohort", "the cookie of sticky would decide against it", "one of sticky and cohort");
        }
        health::of_children(fields);
        Weighted { services, sticky, cohort }
    })
}

fn highest_random_weight(value: Value<'_>, out: &mut Sink) -> Option<HighestRandomWeight> {
    value.section(out, |fields| {
        let services = children(fields);
        health::of_children(fields);
        HighestRandomWeight { services }
    })
}

fn children(fields: &mut Fields<'_>) -> Vec<WeightedChild> {
    let services = fields.list("services", child);
    if services.is_empty() && !fields.has_items("services") {
        fields.problem("services", "a weighted service needs a service", "services: [{name: a, weight: 1}]");
    }
    services
}

fn child(value: Value<'_>, out: &mut Sink) -> Option<WeightedChild> {
    let read = value.section(out, |fields| {
        let name = fields.required("name", as_written(reference));
        let mut weight_of_child = Weight::ONE;
        fields.set("weight", &mut weight_of_child, weight);
        let (name, written) = name?;
        Some(WeightedChild { name, written, weight: weight_of_child })
    });
    read.flatten()
}
