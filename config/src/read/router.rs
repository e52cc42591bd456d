//! `http.routers`, and what entry points share with them.

use super::statics::entry_point_name;
use crate::{
    dynamic::router::{Router, RouterTimeouts, RouterTls},
    fields::{Sink, Value, boolean, duration, integer, located_text, text},
    problem::{Located, Place},
    rule::{Expression, Rule},
};

/// Priorities above are kept for what the gateway adds itself.
const MAX_PRIORITY: i64 = i64::MAX - 1000;

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<Router> {
    value.section(out, |fields| {
        let entry_points = fields.list("entryPoints", entry_point_name);
        let rule = fields.required("rule", rule);
        let priority = fields.read("priority", integer(i64::MIN..=MAX_PRIORITY)).unwrap_or(0);
        let middlewares = fields.list("middlewares", reference);
        let service = fields.required("service", reference);
        let tls = fields.read("tls", tls);
        let (mut access_logs, mut metrics) = (None, None);
        fields.within("observability", |observability| {
            access_logs = observability.read("accessLogs", boolean);
            metrics = observability.read("metrics", boolean);
            observability.inert(&["tracing", "traceVerbosity"]);
        });
        let mut timeouts = RouterTimeouts::default();
        fields.within("timeouts", |fields| {
            fields.set("request", &mut timeouts.request, duration);
            fields.set("backendRequest", &mut timeouts.backend_request, duration);
        });
        fields.ours("timeouts");
        fields.unsupported_unless("ruleSyntax", "v3");
        fields.unsupported(&["parentRefs"]);
        // What is missing or wrong is a problem already; the references are checked all the same.
        let (rule, service) =
            (rule.unwrap_or_else(|| no_rule(fields.at)), service.unwrap_or_else(|| no_service(fields.at)));
        let priority =
            if priority == 0 { i64::try_from(rule.value.text.len()).unwrap_or(MAX_PRIORITY) } else { priority };
        let at = fields.at.clone();
        Router { at, entry_points, rule, priority, middlewares, service, tls, access_logs, metrics, timeouts }
    })
}

fn no_rule(at: &Place) -> Located<Rule> {
    Located { value: Rule { text: String::new(), expression: Expression::Or(Vec::new()) }, at: at.clone() }
}

fn no_service(at: &Place) -> Located<String> {
    Located { value: "noop@internal".to_owned(), at: at.clone() }
}

fn rule(value: Value<'_>, out: &mut Sink) -> Option<Located<Rule>> {
    let text = text(value, out)?;
    match Rule::parse(&text) {
        Ok(rule) => Some(Located { value: rule, at: value.node.at.clone() }),
        Err(error) => {
            out.syntax(&value.node.at, value.path, &text, &error);
            None
        }
    }
}

/// A name that refers to something, qualified.
pub(super) fn reference(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    let name = located_text(value, out)?;
    Some(Located { value: out.qualified(name.value.trim()), at: name.at })
}

/// `tls` of a router or an entry point.
pub(super) fn tls(value: Value<'_>, out: &mut Sink) -> Option<RouterTls> {
    value.section(out, |fields| {
        let options = fields.read("options", options_name);
        let domains = fields.list("domains", |value, out| {
            value.section(out, |domain| {
                let main = domain.read("main", text);
                let names = main.into_iter().chain(domain.list("sans", text));
                names.map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>()
            })
        });
        fields.unsupported_unless("certResolver", "");
        RouterTls { options, domains: domains.into_iter().flatten().collect() }
    })
}

/// The name of TLS options; `default`, which an empty name is too, is one for all providers.
fn options_name(value: Value<'_>, out: &mut Sink) -> Option<Located<String>> {
    let name = text(value, out)?;
    let value_at = || value.node.at.clone();
    match &*name {
        "" => None,
        "default" => Some(Located { value: name, at: value_at() }),
        _ => Some(Located { value: out.qualified(&name), at: value_at() }),
    }
}
