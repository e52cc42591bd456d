//! YAML by a parser of events: anchors, aliases and merge keys, the expansion bounded.

use std::{collections::HashMap, sync::Arc};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::{Entry, Key, Kind, MAX_DEPTH, Node, positions::number};
use crate::{
    problem::{Place, Problem},
    steps::step,
};

/// How many nodes a file may come to, aliases expanded.
pub(super) const MAX_NODES: usize = 1_000_000;

/// Reads one YAML document.
pub(crate) fn parse(source: &Arc<str>, text: &str) -> Result<Node, Vec<Problem>> {
    let mut builder = Builder::new(source, 0);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, &builder.place(span.start)).map_err(|problem| vec![problem])?,
            Err(error) => {
                let at = builder.place(*error.marker());
                return Err(vec![Problem::new(&at, "", format!("is not valid YAML: {}", error.info()), "")]);
            }
        }
    }
    let start = Place { source: source.clone(), line: 1, column: 1 };
    Ok(builder.root.unwrap_or(Node { kind: Kind::Null, at: start }))
}

/// Reads a text that may be a part of a document, so many levels `above` it, and counts its nodes. `None` if anything is
/// wrong with it, and where it names something or uses what was named: then it is no whole by itself.
pub(super) fn parse_plain(source: &Arc<str>, text: &str, above: usize) -> Option<(Node, usize)> {
    let mut builder = Builder::new(source, above);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.ok()?;
        let depends = match &event {
            // A block of nothing ends where the next token begins.
            Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, ..) if text.trim().is_empty() => true,
            Event::Scalar(_, _, anchor, tag) => *anchor > 0 || tag.is_some(),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => *anchor > 0 || tag.is_some(),
            Event::Alias(_) => true,
            _ => false,
        };
        let at = builder.place(span.start);
        builder.take(event, &at).ok()?;
        if depends || builder.merges() {
            return None;
        }
    }
    Some((builder.root?, builder.nodes))
}

struct Builder<'s> {
    source: &'s Arc<str>,
    /// Levels that are not open here.
    above: usize,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
}

/// A collection whose end has not come yet.
struct Open {
    at: Place,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, merges: Vec<Node>, key: Option<PendingKey> },
}

enum PendingKey {
    Named(Key),
    Merge,
}

struct Anchored {
    node: Node,
    size: usize,
    depth: usize,
}

impl<'s> Builder<'s> {
    fn new(source: &'s Arc<str>, above: usize) -> Self {
        Self { source, above, open: Vec::new(), root: None, anchors: HashMap::new(), nodes: 0 }
    }

    fn place(&self, marker: Marker) -> Place {
        Place { source: self.source.clone(), line: number(marker.line()), column: number(marker.col() + 1) }
    }

    fn take(&mut self, event: Event<'_>, at: &Place) -> Result<(), Problem> {
        step();
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(refusal(at, "holds a second YAML document", "one a file"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(text.into_owned(), style, anchor, tag.as_deref(), at)
            }
            Event::SequenceStart(anchor, tag) => self.begin(Content::Sequence(Vec::new()), anchor, tag.as_deref(), at),
            Event::MappingStart(anchor, tag) => {
                let content = Content::Mapping { entries: Vec::new(), merges: Vec::new(), key: None };
                self.begin(content, anchor, tag.as_deref(), at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, at),
            _ => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: &Place,
    ) -> Result<(), Problem> {
        refuse_own_tags(tag, at)?;
        self.count(1, at)?;
        let plain = style == ScalarStyle::Plain && tag.is_none();
        if plain && text == "<<" && self.expects_key() {
            self.set_key(PendingKey::Merge);
            return Ok(());
        }
        let null = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") && !self.expects_key();
        let node = match (null, plain) {
            (true, _) => Node { kind: Kind::Null, at: at.clone() },
            (false, true) => Node::literal(text, at.clone()),
            (false, false) => Node::scalar(text, at.clone()),
        };
        self.remember(anchor, &node)?;
        self.add(node)
    }

    fn begin(&mut self, content: Content, anchor: usize, tag: Option<&Tag>, at: &Place) -> Result<(), Problem> {
        refuse_own_tags(tag, at)?;
        self.count(1, at)?;
        if self.expects_key() {
            return Err(refusal(at, "is a key that is a list or a section", "a plain word"));
        }
        if self.above + self.open.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.open.push(Open { at: at.clone(), anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(Open { at, anchor, content }) = self.open.pop() else {
            return Ok(());
        };
        let kind = match content {
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping { entries, merges, .. } => Kind::Mapping(self.merge(entries, merges)?),
        };
        let node = Node { kind, at };
        self.remember(anchor, &node)?;
        self.add(node)
    }

    /// An alias to a node that is still open refers to itself: it is not remembered yet.
    fn alias(&mut self, anchor: usize, at: &Place) -> Result<(), Problem> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(refusal(at, "is an alias to a value that holds the alias itself", ""));
        };
        let (size, depth) = (anchored.size, anchored.depth);
        if self.above + self.open.len() + depth > MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.count(size, at)?;
        let node = self.anchors[&anchor].node.clone();
        self.add(node)
    }

    /// Puts what `<<` brings below what is written out; of several, the earlier wins.
    fn merge(&mut self, mut entries: Vec<Entry>, merges: Vec<Node>) -> Result<Vec<Entry>, Problem> {
        if merges.is_empty() {
            return Ok(entries);
        }
        let mut present: std::collections::HashSet<String> = entries.iter().map(|(key, _)| key.name.clone()).collect();
        for merged in merges {
            let mappings = match merged.kind {
                Kind::Sequence(items) => items,
                _ => vec![merged],
            };
            for mapping in mappings {
                let Kind::Mapping(more) = mapping.kind else {
                    return Err(refusal(
                        &mapping.at,
                        "is merged by << and is no section",
                        "a section or a list of sections",
                    ));
                };
                entries.extend(more.into_iter().filter(|(key, _)| present.insert(key.name.clone())));
            }
        }
        Ok(entries)
    }

    fn add(&mut self, node: Node) -> Result<(), Problem> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::Sequence(items)) => items.push(node),
            Some(Content::Mapping { entries, merges, key }) => match key.take() {
                Some(PendingKey::Named(name)) => entries.push((name, node)),
                Some(PendingKey::Merge) => merges.push(node),
                None => {
                    let Kind::Scalar(scalar) = node.kind else {
                        return Err(refusal(&node.at, "is a key that is a list or a section", "a plain word"));
                    };
                    *key = Some(PendingKey::Named(Key { name: scalar.text, at: node.at }));
                }
            },
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { key: None, .. }, .. }))
    }

    /// Whether what comes is merged by `<<`.
    fn merges(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Mapping { key: Some(PendingKey::Merge), .. }, .. }))
    }

    fn set_key(&mut self, pending: PendingKey) {
        if let Some(Open { content: Content::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(pending);
        }
    }

    /// Keeps a copy of what has an anchor; the copy counts, since anchors may nest.
    fn remember(&mut self, anchor: usize, node: &Node) -> Result<(), Problem> {
        if anchor > 0 {
            let (size, depth) = measure(node);
            self.count(size, &node.at)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, depth });
        }
        Ok(())
    }

    fn count(&mut self, more: usize, at: &Place) -> Result<(), Problem> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err(refusal(at, "comes to too many values", format!("at most {MAX_NODES}, aliases expanded")));
        }
        Ok(())
    }
}

/// How many nodes a tree has and how deep it is.
fn measure(node: &Node) -> (usize, usize) {
    let children: Box<dyn Iterator<Item = &Node>> = match &node.kind {
        Kind::Null | Kind::Scalar(_) => return (1, 0),
        Kind::Sequence(items) => Box::new(items.iter()),
        Kind::Mapping(entries) => Box::new(entries.iter().map(|(_, value)| value)),
        Kind::Pieces(pieces) => Box::new(pieces.iter().map(|placed| &placed.piece.entry.1)),
    };
    let (size, depth) =
        children.map(measure).fold((1, 0), |(size, depth), (more, below)| (size + more, depth.max(below)));
    (size, depth + 1)
}

fn refuse_own_tags(tag: Option<&Tag>, at: &Place) -> Result<(), Problem> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => {
            Err(refusal(at, format!("has the YAML tag {tag}"), "no tags but !!str and its like"))
        }
        _ => Ok(()),
    }
}

fn too_deep(at: &Place) -> Problem {
    refusal(at, "is nested too deeply", format!("at most {MAX_DEPTH} levels"))
}

fn refusal(at: &Place, what: impl Into<String>, allowed: impl Into<String>) -> Problem {
    Problem::new(at, "", what, allowed)
}
