//! Cross-origin requests: preflights are answered here, other responses get their fields here.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request};
use regex::Regex;
use rollgate_config::dynamic::middleware as config;

use super::{Answer, CompileError, field_value};

/// The `accessControl*` keys and `addVaryHeader`.
#[derive(Debug, Clone)]
pub(super) struct Cors {
    credentials: bool,
    headers: Listed,
    methods: Listed,
    /// Nothing if it would be the wildcard with credentials, which browsers refuse.
    expose: Option<HeaderValue>,
    origins: Box<[HeaderValue]>,
    patterns: Box<[Regex]>,
    max_age: Option<HeaderValue>,
    vary: bool,
}

/// What a preflight is told it may use.
#[derive(Debug, Clone)]
enum Listed {
    Nothing,
    /// What it asked for, since browsers refuse the wildcard with credentials.
    Asked,
    These(HeaderValue),
}

impl Cors {
    /// `None` if no key is set.
    pub(super) fn compile(keys: &config::Headers) -> Result<Option<Self>, CompileError> {
        let credentials = keys.access_control_allow_credentials;
        let expose = &keys.access_control_expose_headers;
        let hidden = expose.is_empty() || (credentials && has_wildcard(expose));
        let origins = keys.access_control_allow_origin_list.iter().map(|origin| field_value(origin));
        let patterns = keys.access_control_allow_origin_list_regex.iter().map(|pattern| pattern.0.clone());
        let cors = Self {
            credentials,
            headers: Listed::compile(&keys.access_control_allow_headers, credentials)?,
            methods: Listed::compile(&keys.access_control_allow_methods, credentials)?,
            expose: if hidden { None } else { Some(field_value(&expose.join(","))?) },
            origins: origins.collect::<Result<_, _>>()?,
            patterns: patterns.collect(),
            max_age: keys.access_control_max_age.map(HeaderValue::from),
            vary: keys.add_vary_header,
        };
        let set = credentials
            || cors.vary
            || cors.max_age.is_some()
            || cors.names_origins()
            || !expose.is_empty()
            || !keys.access_control_allow_headers.is_empty()
            || !keys.access_control_allow_methods.is_empty();
        Ok(set.then_some(cors))
    }

    /// Whether responses depend on the request's `Origin`.
    pub(super) fn names_origins(&self) -> bool {
        !self.origins.is_empty() || !self.patterns.is_empty()
    }

    /// The answer to a preflight: OPTIONS with `Origin` and `Access-Control-Request-Method`.
    pub(super) fn preflight(&self, request: &request::Parts) -> Option<Answer> {
        let field = |name| request.headers.get(name).filter(|value| !value.is_empty());
        if request.method != Method::OPTIONS {
            return None;
        }
        let method = field(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let origin = field(header::ORIGIN)?;
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let mut set = |name, value: Option<&HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        };
        let asked = field(header::ACCESS_CONTROL_REQUEST_HEADERS);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.told(asked));
        set(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.told(Some(method)));
        set(header::ACCESS_CONTROL_MAX_AGE, self.max_age.as_ref());
        self.common(Some(origin), &mut headers);
        Some(Answer { status: StatusCode::OK, headers, body: Bytes::new() })
    }

    /// The fields of any other response.
    pub(super) fn response(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        self.common(origin, headers);
        if self.vary {
            vary_by_origin(headers);
        }
    }

    fn common(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if let Some(allowed) = self.allowed_origin(origin) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
        }
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &self.expose {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    fn allowed_origin<'a>(&'a self, origin: Option<&'a HeaderValue>) -> Option<&'a HeaderValue> {
        let listed = self.origins.iter().find(|item| *item == "*" || Some(*item) == origin);
        if let Some(item) = listed {
            return if item == "*" && self.credentials { origin } else { Some(item) };
        }
        let text = origin?.to_str().ok()?;
        self.patterns.iter().any(|pattern| pattern.is_match(text)).then_some(origin).flatten()
    }
}

impl Listed {
    fn compile(items: &[String], credentials: bool) -> Result<Self, CompileError> {
        Ok(match items {
            [] => Self::Nothing,
            items if credentials && has_wildcard(items) => Self::Asked,
            items => Self::These(field_value(&items.join(","))?),
        })
    }

    fn told<'a>(&'a self, asked: Option<&'a HeaderValue>) -> Option<&'a HeaderValue> {
        match self {
            Self::Nothing => None,
            Self::Asked => asked,
            Self::These(items) => Some(items),
        }
    }
}

fn has_wildcard(items: &[String]) -> bool {
    items.iter().any(|item| item == "*")
}

/// Adds `Origin` to `Vary` unless it is there.
fn vary_by_origin(headers: &mut HeaderMap) {
    let mut names = headers.get_all(header::VARY).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    if names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"origin")) {
        return;
    }
    let joined = match headers.get(header::VARY) {
        Some(line) if !line.is_empty() => HeaderValue::from_bytes(&[line.as_bytes(), b",Origin"].concat()).ok(),
        _ => None,
    };
    let value = joined.unwrap_or(HeaderValue::from_static("Origin"));
    match headers.get_mut(header::VARY) {
        Some(line) => *line = value,
        None => {
            headers.insert(header::VARY, value);
        }
    }
}
