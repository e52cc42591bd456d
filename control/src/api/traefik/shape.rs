//! How Traefik prints what was written: which keys a section has, how they are spelled, what stands in for one that was not
//! written, and which of them are left out. The tables beside this are those of its own structures (its JSON tags and
//! `SetDefaults`), with Rollgate's keys among them.

mod middlewares;
mod routers;
mod services;

pub(super) use self::{
    middlewares::MIDDLEWARE,
    routers::{ROUTER, TLS},
    services::SERVICE,
};

/// A key of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) or: Or,
    /// It is shown whenever it is there, also as 0, false or nothing.
    pub(super) kept: bool,
}

/// What a key stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// A text that is not shown.
    Secret,
    /// A URL or a part of one.
    Url,
    Boolean,
    Integer,
    /// A weight, which may have decimals.
    Decimal,
    Duration,
    Texts,
    /// Texts that are not shown.
    Secrets,
    /// Names and texts.
    Pairs,
    /// Names of headers that a server is sent, and their values.
    Sent,
    /// Names and whole numbers.
    Numbers,
    Section(&'static [Key]),
    Sections(&'static [Key]),
}

/// What stands in for a key that was not written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Or {
    Nothing,
    Text(&'static str),
    Boolean(bool),
    Integer(i64),
    Milliseconds(i64),
    Texts(&'static [&'static str]),
    /// The section, with what stands in for its keys.
    Section,
}

impl Key {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, or: Or::Nothing, kept: false }
    }

    const fn or(self, or: Or) -> Self {
        Self { or, ..self }
    }

    const fn kept(self) -> Self {
        Self { kept: true, ..self }
    }
}

const fn text(name: &'static str) -> Key {
    Key::new(name, Kind::Text)
}

const fn secret(name: &'static str) -> Key {
    Key::new(name, Kind::Secret)
}

const fn url(name: &'static str) -> Key {
    Key::new(name, Kind::Url)
}

const fn boolean(name: &'static str) -> Key {
    Key::new(name, Kind::Boolean)
}

const fn integer(name: &'static str) -> Key {
    Key::new(name, Kind::Integer)
}

const fn decimal(name: &'static str) -> Key {
    Key::new(name, Kind::Decimal).kept()
}

const fn duration(name: &'static str) -> Key {
    Key::new(name, Kind::Duration)
}

const fn texts(name: &'static str) -> Key {
    Key::new(name, Kind::Texts)
}

const fn secrets(name: &'static str) -> Key {
    Key::new(name, Kind::Secrets)
}

const fn pairs(name: &'static str) -> Key {
    Key::new(name, Kind::Pairs)
}

const fn sent(name: &'static str) -> Key {
    Key::new(name, Kind::Sent)
}

const fn numbers(name: &'static str) -> Key {
    Key::new(name, Kind::Numbers)
}

const fn section(name: &'static str, keys: &'static [Key]) -> Key {
    Key::new(name, Kind::Section(keys))
}

const fn sections(name: &'static str, keys: &'static [Key]) -> Key {
    Key::new(name, Kind::Sections(keys))
}

/// `ipStrategy`, which several share.
const IP_STRATEGY: &[Key] = &[integer("depth"), texts("excludedIPs"), integer("ipv6Subnet").kept()];

#[cfg(test)]
mod tests;
