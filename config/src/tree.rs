//! What was written, its format aside: a tree of nodes that know their places.
//!
//! Scalars keep their text: which type it is to have is the reader's word (`fields`), as in Traefik, so that `8080`,
//! `"8080"` and a flag's `8080` are the same number.

mod flat;
mod json;
mod piece;
mod positions;
mod split;
mod toml;
mod written;
mod yaml;

pub(crate) use self::{
    flat::Flat,
    json::parse as parse_json,
    piece::{Placed, pieces_mut, take_apart},
    split::parse as parse_yaml_in_pieces,
    toml::parse as parse_toml,
    written::{masked_json, to_json},
    yaml::parse as parse_yaml,
};

use crate::problem::Place;

/// How deep a tree may be.
pub(crate) const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub kind: Kind,
    pub at: Place,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Null,
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// In the order written.
    Mapping(Vec<Entry>),
    /// A mapping whose entries may be shared with other documents.
    Pieces(Vec<Placed>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scalar {
    pub text: String,
    /// A flag without a value: true as a boolean, an empty section, nothing else.
    pub bare: bool,
    /// Not written as a text, where its format tells: a number, true or false perhaps.
    pub literal: bool,
}

/// A key and what it stands for.
pub(crate) type Entry = (Key, Node);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub name: String,
    pub at: Place,
}

impl Node {
    pub fn scalar(text: impl Into<String>, at: Place) -> Self {
        Self { kind: Kind::Scalar(Scalar { text: text.into(), bare: false, literal: false }), at }
    }

    /// What its format has as something other than a text.
    pub fn literal(text: impl Into<String>, at: Place) -> Self {
        Self { kind: Kind::Scalar(Scalar { text: text.into(), bare: false, literal: true }), at }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// What it is, as a message says it.
    pub fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Scalar(_) => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) | Kind::Pieces(_) => "a section",
        }
    }
}
