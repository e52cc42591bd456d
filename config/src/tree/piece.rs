//! An entry of a long section (a router, a service, a middleware) by itself, so that what is written as before is
//! neither parsed nor read again.
//!
//! A piece is shared by every document in which it stands. Its places count from its own first line, so that it stays
//! the same when lines above it come and go; what it was read as is kept with it.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use super::{Entry, Key, Kind, Node};
use crate::problem::Place;

/// One entry and what is known of it.
#[derive(Debug)]
pub(crate) struct Piece {
    /// All that the entry depends on, its source aside; empty where it was not parsed by itself.
    pub text: Box<str>,
    pub entry: Entry,
    /// How many nodes parsing it came to.
    pub nodes: usize,
    /// What it was first read as.
    pub read: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// A piece in its place in a document.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub piece: Arc<Piece>,
    /// How many lines stand before those that its places count.
    pub lines_before: u32,
}

impl Placed {
    /// Of an entry whose places count from the document's first line.
    pub fn whole(entry: Entry) -> Self {
        let piece = Piece { text: "".into(), entry, nodes: 0, read: OnceLock::new() };
        Self { piece: Arc::new(piece), lines_before: 0 }
    }

    pub fn key(&self) -> &Key {
        &self.piece.entry.0
    }

    /// Where its key stands.
    pub fn at(&self) -> Place {
        self.key().at.moved(self.lines_before)
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.lines_before == other.lines_before && self.piece.entry == other.piece.entry
    }
}

/// The pieces that a section had before.
pub(super) struct Known<'b> {
    pieces: &'b [Placed],
    /// Most likely the next one.
    next: usize,
    key: fn(&Piece) -> &str,
    by_key: Option<HashMap<&'b str, usize>>,
}

impl<'b> Known<'b> {
    /// Of the section of this name; `key` tells pieces apart.
    pub fn of(root: Option<&'b Node>, section: &str, key: fn(&Piece) -> &str) -> Self {
        let found = root.into_iter().flat_map(sections).find(|(name, _)| name.name.eq_ignore_ascii_case(section));
        let pieces = match found {
            Some((_, Node { kind: Kind::Pieces(pieces), .. })) => pieces,
            _ => &[][..],
        };
        Self { pieces, next: 0, key, by_key: None }
    }

    /// The one with this key, if it `is` the same otherwise too.
    pub fn take(&mut self, key: &str, is: impl Fn(&Piece) -> bool) -> Option<Arc<Piece>> {
        let is_at = |place: &usize| self.pieces.get(*place).is_some_and(|placed| is(&placed.piece));
        let mut place = [self.next, self.next + 1].into_iter().find(is_at);
        if place.is_none() {
            let all = self.pieces.iter().enumerate().map(|(place, placed)| ((self.key)(&placed.piece), place));
            place = self.by_key.get_or_insert_with(|| all.collect()).get(key).copied().filter(is_at);
        }
        self.next = place.unwrap_or(self.next) + 1;
        Some(self.pieces[place?].piece.clone())
    }
}

/// Makes pieces of the long sections of a tree that was parsed as a whole; those that were there before are kept.
pub(crate) fn take_apart(root: &mut Node, before: Option<&Node>) {
    for (key, node) in sections_mut(root) {
        let Kind::Mapping(entries) = &mut node.kind else { continue };
        let mut known = Known::of(before, &key.name, |piece| &piece.entry.0.name);
        let placed = std::mem::take(entries).into_iter().map(|entry| {
            let same = known.take(&entry.0.name, |piece| piece.text.is_empty() && piece.entry == entry);
            same.map_or_else(|| Placed::whole(entry), |piece| Placed { piece, lines_before: 0 })
        });
        node.kind = Kind::Pieces(placed.collect());
    }
}

/// The sections that may be long.
pub(super) fn sections(root: &Node) -> Vec<(&Key, &Node)> {
    let below = entries(root).iter().filter(|(key, _)| is_http(key)).flat_map(|(_, http)| entries(http));
    below.filter(|(key, _)| is_section(&key.name)).map(|(key, node)| (key, node)).collect()
}

/// What stands in them.
pub(crate) fn pieces_mut(root: &mut Node) -> impl Iterator<Item = &mut Vec<Placed>> {
    sections_mut(root).into_iter().filter_map(|(_, node)| match &mut node.kind {
        Kind::Pieces(pieces) => Some(pieces),
        _ => None,
    })
}

pub(super) fn sections_mut(root: &mut Node) -> Vec<(&Key, &mut Node)> {
    let mut sections = Vec::new();
    for (_, http) in entries_mut(root).iter_mut().filter(|(key, _)| is_http(key)) {
        let found = entries_mut(http).iter_mut().filter(|(key, _)| is_section(&key.name));
        sections.extend(found.map(|(key, node)| (&*key, node)));
    }
    sections
}

/// Whether entries of a section of this name below `http` are pieces.
pub(super) fn is_section(name: &str) -> bool {
    ["routers", "services", "middlewares"].iter().any(|section| section.eq_ignore_ascii_case(name))
}

fn is_http(key: &Key) -> bool {
    key.name.eq_ignore_ascii_case("http")
}

fn entries(node: &Node) -> &[Entry] {
    match &node.kind {
        Kind::Mapping(entries) => entries,
        _ => &[],
    }
}

fn entries_mut(node: &mut Node) -> &mut [Entry] {
    match &mut node.kind {
        Kind::Mapping(entries) => entries,
        _ => &mut [],
    }
}
