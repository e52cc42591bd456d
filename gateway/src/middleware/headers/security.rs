//! The fields that tell a browser to be careful, and the check of the host.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use rollgate_config::dynamic::middleware as config;

use super::{Answer, Asked, CompileError, Head, field_name, field_value};

/// The keys about hosts, TLS and browsers.
#[derive(Debug, Clone)]
pub(super) struct Security {
    /// Set on every response.
    always: Box<[Field]>,
    /// Set only if the client is on TLS.
    secure_only: Box<[Field]>,
    /// Empty: any.
    allowed_hosts: Box<[Box<str>]>,
    /// Where a proxy in front says which host was meant; the first that is there counts.
    host_fields: Box<[HeaderName]>,
    /// How a proxy in front says that it ended TLS.
    tls_fields: Box<[Field]>,
}

type Field = (HeaderName, HeaderValue);

impl Security {
    pub(super) fn compile(keys: &config::Headers) -> Result<Self, CompileError> {
        let development = keys.is_development;
        let (mut always, mut secure_only) = (browser_fields(keys)?, Vec::new());
        if keys.sts_seconds > 0 && !development {
            let field = (header::STRICT_TRANSPORT_SECURITY, field_value(&transport_security(keys))?);
            if keys.force_sts_header { &mut always } else { &mut secure_only }.push(field);
        }
        if let Some(pins) = keys.public_key.as_deref().filter(|pins| !pins.is_empty() && !development) {
            secure_only.push((header::PUBLIC_KEY_PINS, field_value(pins)?));
        }
        let hosts = if development { &[][..] } else { &keys.allowed_hosts };
        let host_fields = keys.hosts_proxy_headers.iter().map(|name| field_name(name));
        let tls_fields = keys.ssl_proxy_headers.iter();
        let tls_fields = tls_fields.map(|(name, value)| Ok((field_name(name)?, field_value(value)?)));
        Ok(Self {
            always: always.into(),
            secure_only: secure_only.into(),
            allowed_hosts: hosts.iter().map(|host| host.as_str().into()).collect(),
            host_fields: host_fields.collect::<Result<_, _>>()?,
            tls_fields: tls_fields.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn checks_hosts(&self) -> bool {
        !self.allowed_hosts.is_empty()
    }

    pub(super) fn allows_host(&self, headers: &HeaderMap) -> bool {
        if !self.checks_hosts() {
            return true;
        }
        let told = self.host_fields.iter().filter_map(|name| headers.get(name)).find(|value| !value.is_empty());
        let host = told.or_else(|| headers.get(header::HOST)).map_or(&[][..], |value| value.as_bytes());
        self.allowed_hosts.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(host))
    }

    /// Whether responses depend on [`Self::is_secure`].
    pub(super) fn asks_for_tls(&self) -> bool {
        !self.secure_only.is_empty()
    }

    pub(super) fn is_secure(&self, head: &Head<'_>) -> bool {
        head.tls || self.tls_fields.iter().any(|(name, value)| head.parts.headers.get(name) == Some(value))
    }

    pub(super) fn has_response_half(&self) -> bool {
        !self.always.is_empty() || self.asks_for_tls()
    }

    pub(super) fn response(&self, asked: &Asked, headers: &mut HeaderMap) {
        let secure_only = if asked.secure { &self.secure_only[..] } else { &[] };
        for (name, value) in self.always.iter().chain(secure_only) {
            headers.insert(name, value.clone());
        }
    }
}

/// The answer to a host that is not allowed.
pub(super) fn bad_host() -> Answer {
    Answer::error(StatusCode::INTERNAL_SERVER_ERROR, "Bad Host\n")
}

/// The fields that every response gets.
fn browser_fields(keys: &config::Headers) -> Result<Vec<Field>, CompileError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let flag = |set: bool, text: &str| set.then(|| text.to_owned());
    let frame = given(&keys.custom_frame_options_value).or_else(|| flag(keys.frame_deny, "DENY"));
    let xss = given(&keys.custom_browser_xss_value).or_else(|| flag(keys.browser_xss_filter, "1; mode=block"));
    let fields = [
        (header::X_FRAME_OPTIONS, frame),
        (header::X_CONTENT_TYPE_OPTIONS, flag(keys.content_type_nosniff, "nosniff")),
        (header::X_XSS_PROTECTION, xss),
        (header::CONTENT_SECURITY_POLICY, given(&keys.content_security_policy)),
        (header::CONTENT_SECURITY_POLICY_REPORT_ONLY, given(&keys.content_security_policy_report_only)),
        (header::REFERRER_POLICY, given(&keys.referrer_policy)),
        (PERMISSIONS_POLICY, given(&keys.permissions_policy)),
    ];
    let set = fields.into_iter().filter_map(|(name, text)| Some((name, text?)));
    set.map(|(name, text)| Ok((name, field_value(&text)?))).collect()
}

fn transport_security(keys: &config::Headers) -> String {
    let subdomains = if keys.sts_include_subdomains { "; includeSubDomains" } else { "" };
    let preload = if keys.sts_preload { "; preload" } else { "" };
    format!("max-age={}{subdomains}{preload}", keys.sts_seconds)
}

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
