//! The query of a list: what is kept of it.

use url::form_urlencoded;

/// The parameters, in their order.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// A parameter's first value; empty without one.
    pub(super) fn first(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// What something has to be to stay in a list. Empty is anything.
#[derive(Debug)]
pub(super) struct Criterion<'q> {
    search: String,
    status: &'q str,
    service: &'q str,
    middleware: &'q str,
}

impl<'q> Criterion<'q> {
    pub(super) fn of(query: &'q Query) -> Self {
        Self {
            search: query.first("search").to_lowercase(),
            status: query.first("status"),
            service: query.first("serviceName"),
            middleware: query.first("middlewareName"),
        }
    }

    /// Whether the status is the one, and one of the texts holds what is sought.
    pub(super) fn keeps(&self, status: &str, texts: &[&str]) -> bool {
        (self.status.is_empty() || self.status.eq_ignore_ascii_case(status))
            && (self.search.is_empty() || texts.iter().any(|text| text.to_lowercase().contains(&self.search)))
    }

    /// Whether it is a router's service, by the name that the router writes.
    pub(super) fn is_service(&self, written: &str) -> bool {
        let wanted =
            if written.contains('@') { self.service } else { self.service.split('@').next().unwrap_or_default() };
        self.service.is_empty() || wanted == written
    }

    /// Whether it is one of a router's middlewares, by their qualified names.
    pub(super) fn is_among<'m>(&self, mut middlewares: impl Iterator<Item = &'m str>) -> bool {
        self.middleware.is_empty() || middlewares.any(|middleware| middleware == self.middleware)
    }
}
