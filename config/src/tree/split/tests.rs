use proptest::prelude::*;

use super::*;
use crate::{
    Allow, Document, Format,
    dynamic::Item,
    problem::Place,
    read_dynamic,
    tree::{Entry, Key, take_apart},
};

const SOURCE: &str = "file.yml";

const TEXT: &str = "\
# What there is.
http:
  routers:
    # The first.
    pro:
      rule: Host(`pro.coding`) && PathPrefix(`/`)
      service: stable
      entryPoints:
        - web

    'by header': {rule: \"Host(`a`) && Header(`X-Version`, `b`)\", service: split,
      priority: 7}
    folded:
      rule: >-
        Host(`c`)
        || Host(`d`)
      service: stable
      tls: {}
  services:
    stable:
      loadBalancer:
        servers:
          - url: http://127.0.0.1:1
          - {url: 'http://127.0.0.1:2', weight: 3}
    split:
      weighted: {services: [{name: stable, weight: 99}, {name: canary}]}
    canary:
      loadBalancer:
        servers: []

  middlewares:
    prefix:
      addPrefix:
        prefix: /v1
tls:
  options:
    default: {sniStrict: true}
";

fn whole(text: &str) -> Result<Node, String> {
    yaml::parse(&SOURCE.into(), text).map_err(|problems| format!("{problems:?}"))
}

fn in_pieces(text: &str, before: Option<&Node>) -> Option<Node> {
    parse(&SOURCE.into(), text, before)
}

/// The same tree without pieces.
fn joined(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Mapping(entries) => {
            Kind::Mapping(entries.iter().map(|(key, value)| (key.clone(), joined(value))).collect())
        }
        Kind::Pieces(pieces) => Kind::Mapping(
            pieces.iter().map(|placed| moved_entry(placed.piece.entry.clone(), placed.lines_before)).collect(),
        ),
        other => other.clone(),
    };
    Node { kind, at: node.at.clone() }
}

fn moved_entry((key, value): Entry, lines: u32) -> Entry {
    (Key { at: key.at.moved(lines), ..key }, moved_node(value, lines))
}

fn moved_node(node: Node, lines: u32) -> Node {
    let kind = match node.kind {
        Kind::Sequence(items) => Kind::Sequence(items.into_iter().map(|item| moved_node(item, lines)).collect()),
        Kind::Mapping(entries) => Kind::Mapping(entries.into_iter().map(|entry| moved_entry(entry, lines)).collect()),
        other => other,
    };
    Node { kind, at: node.at.moved(lines) }
}

fn pieces(root: &Node) -> Vec<(String, Placed)> {
    let sections = super::super::piece::sections(root).into_iter();
    let pieces = sections.flat_map(|(_, node)| match &node.kind {
        Kind::Pieces(pieces) => pieces.clone(),
        _ => Vec::new(),
    });
    pieces.map(|placed| (placed.key().name.clone(), placed)).collect()
}

#[test]
fn a_text_in_pieces_is_the_text_as_a_whole() {
    let split = in_pieces(TEXT, None).expect("it can be told apart");
    assert_eq!(joined(&split), whole(TEXT).unwrap());
    let names: Vec<String> = pieces(&split).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["pro", "by header", "folded", "stable", "split", "canary", "prefix"]);
}

#[test]
fn what_is_written_as_before_is_shared_wherever_it_moves_to() {
    let before = in_pieces(TEXT, None).unwrap();
    let text = TEXT
        .replace("    # The first.\n", "    new: {rule: Host(`n`), service: stable}\n    # One.\n")
        .replace("weight: 99", "weight: 98");
    let after = in_pieces(&text, Some(&before)).unwrap();
    assert_eq!(joined(&after), whole(&text).unwrap());
    for (name, placed) in pieces(&after) {
        let known = pieces(&before).into_iter().find(|(known, _)| *known == name);
        let shared = known.is_some_and(|(_, known)| Arc::ptr_eq(&known.piece, &placed.piece));
        assert_eq!(shared, !["new", "split"].contains(&&*name), "{name}");
    }
}

#[test]
fn what_an_entry_does_not_say_by_itself_is_for_the_parser_of_the_whole() {
    for (what, from, to) in [
        ("an anchor in an entry", "loadBalancer:\n        servers: []", "loadBalancer: &a\n        servers: []"),
        ("an anchor around", "http:\n", "http: &h\n"),
        ("an alias", "prefix: /v1", "prefix: *p"),
        ("a tag", "prefix: /v1", "prefix: !!str /v1"),
        ("a merge", "      addPrefix:\n", "      <<: {addPrefix: {prefix: /}}\n      addPrefix:\n"),
        ("quotes over the border", "prefix: /v1\n", "prefix: '/v1\n"),
        ("brackets over the border", "servers: []\n", "servers: [\n    ]\n"),
        ("a tab", "    canary:\n", "    \tcanary:\n"),
        ("other breaks", "    canary:\n", "    canary:\r\n"),
        ("an end within", "prefix: /v1", "prefix: /\0v1"),
        ("a list", "    canary:\n", "    - canary:\n"),
        ("a key in a string", "# What there is.\n", "a: '\n"),
        ("a key in a text", "http:\n", "http: |\n"),
        ("half an indent", "    canary:\n", "   canary:\n"),
        ("a mapping that is open", "    split:\n", "    {split: {}}\n"),
    ] {
        let text = TEXT.replacen(from, to, 1);
        assert_ne!(text, TEXT, "{what}");
        assert!(in_pieces(&text, None).is_none(), "{what}");
    }
    assert!(in_pieces("http: {routers: {}}\n", None).is_none(), "nothing to tell apart");
}

#[test]
fn an_entry_is_nested_no_deeper_than_in_the_whole() {
    let nested =
        |depth: usize| TEXT.replace("servers: []", &format!("servers: {}{}", "[".repeat(depth), "]".repeat(depth)));
    for depth in 50..70 {
        let text = nested(depth);
        assert_eq!(in_pieces(&text, None).is_some(), whole(&text).is_ok(), "{depth}");
    }
}

#[test]
fn a_whole_text_keeps_the_entries_that_are_as_before() {
    let text = r#"{"http": {"routers": {"a": {"rule": "Host(`a`)", "service": "b"}, "c": {"rule": "Host(`c`)", "service": "b"}}}}"#;
    let parse = |before: Option<&Document>, text: &str| {
        Document::parse_after(before, "f.json", text, Format::Json).expect("JSON")
    };
    let before = parse(None, text);
    let after = parse(Some(&before), &text.replace("Host(`c`)", "Host(`d`)"));
    let shared = |place: usize| Arc::ptr_eq(&pieces(&before.root)[place].1.piece, &pieces(&after.root)[place].1.piece);
    assert!(shared(0) && !shared(1));
}

/// A text with pieces of it replaced, one after the other.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, String)>> {
    let piece = prop_oneof![
        4 => "\\PC{0,4}",
        4 => "[\\[\\]{}:,&*!|>#'\"\n\r\t %@`?<.-]{0,5}",
        2 => "\n {0,8}[a-c]{1,2}: ?[a-c|>'\"\\[{]?",
        1 => prop::sample::select(vec![
            "\n".to_owned(), "  ".to_owned(), "    ".to_owned(), "\n    a: |+\n\n".to_owned(), "\n---\n".to_owned(), "\n  routers:\n".to_owned(),
            "\n    canary:\n".to_owned(), "&a ".to_owned(), "*a".to_owned(), "\n    # c\n".to_owned(), "\n  # c\n".to_owned(),
            "\n      rule: >\n        x\n\n\n".to_owned(), "\nhttp:\n".to_owned(), "\n  services:\n".to_owned(),
        ]),
    ];
    let length = prop_oneof![3 => Just(0_usize), 3 => 0_usize..6, 1 => 0_usize..60];
    prop::collection::vec((any::<prop::sample::Index>(), length, piece), 1..5)
}

fn edited(text: &str, (at, length, piece): &(prop::sample::Index, usize, String)) -> String {
    let start = text.floor_char_boundary(at.index(text.len() + 1));
    let end = text.ceil_char_boundary((start + length).min(text.len()));
    format!("{}{piece}{}", &text[..start], &text[end..])
}

/// Everything that reading says, with places as they are in the file.
fn told(document: Result<Document, Vec<crate::problem::Problem>>) -> String {
    let document = match document {
        Ok(document) => document,
        Err(problems) => return format!("{problems:#?}"),
    };
    let mut read = read_dynamic(&[document], "file", None, &Allow::parse("certResolver"));
    let items = read.value.as_mut().map(|configuration| {
        let configuration = std::mem::take(configuration);
        let routers = listed(&configuration.routers, |router| vec![&router.at, &router.rule.at, &router.service.at]);
        (
            routers,
            listed(&configuration.services, |service| vec![&service.at]),
            listed(&configuration.middlewares, |middleware| vec![&middleware.at]),
        )
    });
    format!("{items:#?}\n{read:#?}")
}

type Listed = Vec<(String, Vec<Place>, String)>;

fn listed<T: std::fmt::Debug>(
    items: &std::collections::BTreeMap<Arc<str>, Item<T>>,
    places: impl Fn(&T) -> Vec<&Place>,
) -> Listed {
    let one = |(name, item): (&Arc<str>, &Item<T>)| {
        // Only the places differ in what they count from.
        let value = format!("{:?}", **item);
        let value = value.split("line: ").map(|part| part.trim_start_matches(|c: char| c.is_ascii_digit())).collect();
        (name.to_string(), places(item).into_iter().map(|at| item.place(at)).collect(), value)
    };
    items.iter().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_edited_a_text_in_pieces_is_the_text_as_a_whole(edits in edits()) {
        let mut text = TEXT.to_owned();
        let mut before = in_pieces(&text, None).unwrap();
        for edit in &edits {
            text = edited(&text, edit);
            if let Some(split) = in_pieces(&text, Some(&before)) {
                prop_assert_eq!(Ok(joined(&split)), whole(&text), "{}", text);
                before = split;
            }
        }
    }

    #[test]
    fn whatever_is_edited_it_reads_as_if_it_had_always_been_so(edits in edits()) {
        let mut text = TEXT.to_owned();
        let mut before = Document::parse(SOURCE, &text, Format::Yaml).unwrap();
        for edit in &edits {
            text = edited(&text, edit);
            let document = Document::parse_after(Some(&before), SOURCE, &text, Format::Yaml);
            let fresh = whole(&text).ok().filter(|node| matches!(node.kind, Kind::Mapping(_))).map(|mut root| {
                take_apart(&mut root, None);
                Document { source: SOURCE.into(), root }
            });
            if let (Ok(document), Some(fresh)) = (&document, fresh) {
                before = document.clone();
                // Reads what was remembered from the texts before.
                prop_assert_eq!(told(Ok(document.clone())), told(Ok(fresh)), "{}", text);
            }
        }
    }
}
