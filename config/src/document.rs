//! One source of configuration, parsed: a file, the command line or the environment.

use std::sync::Arc;

use crate::{
    problem::{Place, Problem},
    steps::{large_step, step},
    tree::{
        Flat, Key, Kind, Node, parse_json, parse_toml, parse_yaml, parse_yaml_in_pieces, pieces_mut, take_apart,
        to_json,
    },
};

/// How large a file may be.
const MAX_BYTES: usize = 64 << 20;

/// The root keys of the dynamic configuration.
pub(crate) const DYNAMIC_ROOTS: [&str; 5] = ["http", "tcp", "udp", "tls", "rollouts"];

/// The root keys of the static configuration.
pub(crate) const STATIC_ROOTS: [&str; 19] = [
    "global",
    "entryPoints",
    "providers",
    "api",
    "ping",
    "limits",
    "metrics",
    "log",
    "accessLog",
    "tracing",
    "serversTransport",
    "resolver",
    "tcpServersTransport",
    "certificatesResolvers",
    "hostResolver",
    "experimental",
    "spiffe",
    "ocsp",
    "core",
];

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.yml`, `.yaml`
    Yaml,
    /// `.toml`
    Toml,
    /// `.json`
    Json,
}

impl Format {
    /// By the extension of a file's name, whatever its case.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit(['/', '\\']).next()?;
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "yml" | "yaml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// One source, parsed and not yet typed.
#[derive(Debug, Clone)]
pub struct Document {
    pub(crate) source: Arc<str>,
    pub(crate) root: Node,
}

impl Document {
    /// Reads a file's text. `source` is the name that problems carry.
    ///
    /// # Errors
    /// All that keeps the text from being a tree: its syntax, its size, no content at all, Go templates.
    pub fn parse(source: &str, text: &str, format: Format) -> Result<Self, Vec<Problem>> {
        Self::parse_after(None, source, text, format)
    }

    /// As [`Self::parse`], and with the same result: routers, services and middlewares that are written as they were in
    /// `before` are shared with it, and neither parsed nor read again. `before` is what the source held earlier.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_after(before: Option<&Self>, source: &str, text: &str, format: Format) -> Result<Self, Vec<Problem>> {
        let before = before.filter(|before| *before.source == *source);
        let source: Arc<str> = before.map_or_else(|| source.into(), |before| before.source.clone());
        let before = before.map(|before| &before.root);
        let start = Place { source: source.clone(), line: 1, column: 1 };
        let refuse = |at: &Place, what: &str, allowed: &str| Err(vec![Problem::new(at, "", what, allowed)]);
        if text.len() > MAX_BYTES {
            return refuse(&start, "is too large", "at most 64 MiB");
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        large_step();
        if let Some((line, column)) = template(text) {
            let at = Place { source, line, column };
            return refuse(&at, "holds a Go template ({{), which is not supported yet", "");
        }
        large_step();
        let mut root = match format {
            Format::Yaml => match parse_yaml_in_pieces(&source, text, before) {
                Some(root) => Ok(root),
                None => parse_yaml(&source, text),
            },
            Format::Toml => parse_toml(&source, text),
            Format::Json => parse_json(&source, text),
        }?;
        match &root.kind {
            Kind::Null => refuse(&start, "is empty", "{} where nothing is meant to be configured"),
            Kind::Mapping(entries) if entries.is_empty() && format == Format::Toml => refuse(&start, "is empty", ""),
            Kind::Mapping(_) => {
                take_apart(&mut root, before);
                Ok(Self { source, root })
            }
            _ => refuse(&root.at, &format!("holds {} at its root", root.noun()), "a section"),
        }
    }

    /// Reads Traefik's flags: `--entryPoints.web.address=:80`, `--ping`, `--a.b[0].c=x`. A flag without `=` takes the next
    /// argument if that does not begin with `-`.
    ///
    /// # Errors
    /// Arguments that are no flags, and a value given to a section that has keys of its own.
    pub fn from_flags(args: &[String]) -> Result<Self, Vec<Problem>> {
        let mut flat = Flat::default();
        let mut args = args.iter().peekable();
        while let Some(arg) = args.next() {
            let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|flag| !flag.is_empty())
            else {
                let shown = if arg.is_empty() { "\"\"" } else { arg };
                flat.problems.push(Problem::new(&Place::whole(shown), "", "is no flag", "--key.key=value"));
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, args.next_if(|next| !next.starts_with('-')).map(String::as_str)),
            };
            let at = Place::whole(&format!("--{name}"));
            flat.set(&steps_of_flag(name), value, &at);
        }
        Self::of_flat(flat, "flags")
    }

    /// Reads `TRAEFIK_*` variables: `TRAEFIK_ENTRYPOINTS_WEB_ADDRESS=:80`. Other variables, `TRAEFIK_CONFIGFILE` and those that
    /// Kubernetes makes for a service called traefik are left alone.
    ///
    /// # Errors
    /// A value given to a section that has keys of its own.
    pub fn from_environment(vars: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let mut flat = Flat::default();
        for (name, value) in vars {
            let Some(key) = name.to_ascii_uppercase().strip_prefix("TRAEFIK_").map(str::to_ascii_lowercase) else {
                continue;
            };
            let steps: Vec<String> = key.split('_').map(str::to_owned).collect();
            if key != "configfile" && !is_of_a_kubernetes_service(&steps) {
                flat.set(&steps, Some(value), &Place::whole(name));
            }
        }
        Self::of_flat(flat, "environment")
    }

    fn of_flat(flat: Flat, source: &str) -> Result<Self, Vec<Problem>> {
        let document = Self { source: source.into(), root: flat.finish(source)? };
        let dynamic = document.roots().filter(|(name, _)| is_one_of(&DYNAMIC_ROOTS, name));
        let problems: Vec<Problem> = dynamic
            .map(|(name, at)| {
                Problem::new(at, name, "is dynamic configuration", "routers, services and the like stand in files")
            })
            .collect();
        if problems.is_empty() { Ok(document) } else { Err(problems) }
    }

    /// Whether it holds static configuration.
    pub fn has_static(&self) -> bool {
        self.roots().any(|(name, _)| is_one_of(&STATIC_ROOTS, name))
    }

    /// Whether it holds dynamic configuration.
    pub fn has_dynamic(&self) -> bool {
        self.roots().any(|(name, _)| is_one_of(&DYNAMIC_ROOTS, name))
    }

    /// The static root keys that it holds, as written, for a caller whose document may only hold dynamic ones.
    pub fn static_roots(&self) -> Vec<(String, Place)> {
        self.roots()
            .filter(|(name, _)| is_one_of(&STATIC_ROOTS, name))
            .map(|(name, at)| (name.to_owned(), at.clone()))
            .collect()
    }

    /// The static configuration that documents hold together, as one document; a root key in two of them stays a problem of
    /// `read_static`.
    pub fn of_statics(documents: &[Self]) -> Self {
        let source: Arc<str> = documents.first().map_or_else(|| "nothing".into(), |document| document.source.clone());
        let roots = documents.iter().filter_map(|document| match &document.root.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        });
        let statics = roots.flatten().filter(|(key, _)| is_one_of(&STATIC_ROOTS, &key.name));
        let at = Place { source: source.clone(), line: 1, column: 1 };
        Self { root: Node { kind: Kind::Mapping(statics.cloned().collect()), at }, source }
    }

    /// The same in JSON, compact and in the order written, for whoever takes nothing else; `None` if that is longer than `limit`
    /// bytes. A text stays a text and a number a number, digit by digit.
    pub fn to_json(&self, limit: usize) -> Option<String> {
        to_json(&self.root, &[], limit)
    }

    /// Gives a root key a text where it has nothing.
    pub fn set_missing(&mut self, key: &str, text: &str) {
        let at = self.root.at.clone();
        if let Kind::Mapping(entries) = &mut self.root.kind
            && !entries.iter().any(|(known, _)| known.name.eq_ignore_ascii_case(key))
        {
            entries.push((Key { name: key.to_owned(), at: at.clone() }, Node::scalar(text, at)));
        }
    }

    /// Changes the texts at a path of keys, in which `*` is each item of a list. What is no text there, or nothing, stays.
    ///
    /// # Errors
    /// The first that `change` has.
    pub fn change_texts<E>(
        &mut self,
        path: &[&str],
        change: &impl Fn(&str) -> Result<Option<String>, E>,
    ) -> Result<(), E> {
        change_texts(&mut self.root, path, change)
    }

    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    fn roots(&self) -> impl Iterator<Item = (&str, &Place)> {
        let entries: &[_] = match &self.root.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        };
        entries.iter().map(|(key, _)| (&*key.name, &key.at))
    }
}

/// In steps.
impl Drop for Document {
    fn drop(&mut self) {
        for pieces in pieces_mut(&mut self.root) {
            pieces.drain(..).for_each(|_| step());
        }
    }
}

fn change_texts<E>(
    node: &mut Node,
    path: &[&str],
    change: &impl Fn(&str) -> Result<Option<String>, E>,
) -> Result<(), E> {
    match (path, &mut node.kind) {
        ([], Kind::Scalar(scalar)) if !scalar.literal => {
            if let Some(text) = change(&scalar.text)? {
                scalar.text = text;
            }
        }
        (["*", rest @ ..], Kind::Sequence(items)) => {
            items.iter_mut().try_for_each(|item| change_texts(item, rest, change))?;
        }
        ([key, rest @ ..], Kind::Mapping(entries)) => {
            let named = entries.iter_mut().filter(|(known, _)| known.name.eq_ignore_ascii_case(key));
            named.into_iter().try_for_each(|(_, value)| change_texts(value, rest, change))?;
        }
        _ => {}
    }
    Ok(())
}

/// Whether a key is one of some, its case aside.
pub(crate) fn is_one_of(keys: &[&str], name: &str) -> bool {
    keys.iter().any(|key| key.eq_ignore_ascii_case(name))
}

/// Where the first `{{` stands, lines that are comments aside.
fn template(text: &str) -> Option<(u32, u32)> {
    if !text.contains("{{") {
        return None;
    }
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim_start().starts_with('#'));
    lines.filter_map(|(line, number)| Some((number, line.find("{{")?, line))).next().map(|(number, at, line)| {
        let column = line[..at].chars().count() + 1;
        (number, u32::try_from(column).unwrap_or(u32::MAX))
    })
}

/// `a.b[0].c` is a, b, 0, c.
fn steps_of_flag(name: &str) -> Vec<String> {
    let mut steps = Vec::new();
    for step in name.split('.') {
        let (key, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
            Some((key, index)) => (key, Some(index)),
            None => (step, None),
        };
        steps.push(key.to_owned());
        steps.extend(index.map(str::to_owned));
    }
    steps
}

/// `..._SERVICE_HOST`, `..._SERVICE_PORT[_NAME]`, `..._PORT`, `..._PORT_80_TCP[_ADDR]`: no static key has one of these as a step.
fn is_of_a_kubernetes_service(steps: &[String]) -> bool {
    let service = steps.windows(2).any(|pair| pair[0] == "service" && matches!(&*pair[1], "host" | "port"));
    let port = steps.windows(3).any(|three| {
        three[0] == "port"
            && three[1].bytes().all(|byte| byte.is_ascii_digit())
            && matches!(&*three[2], "tcp" | "udp" | "sctp")
    });
    service || port || steps.last().is_some_and(|last| last == "port")
}
