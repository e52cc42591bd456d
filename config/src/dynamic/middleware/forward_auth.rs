//! `forwardAuth`: another server decides who may pass.

use url::Url;

use super::{ClientTls, Pattern};
use crate::problem::Located;

/// `forwardAuth`. Names of headers are lower-cased and valid.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardAuth {
    /// `address`: scheme http or https, a host, perhaps a path and a query.
    pub address: Located<Url>,
    /// `tls`.
    pub tls: ClientTls,
    /// `trustForwardHeader`; `None` is Traefik's older way, in which some `X-Forwarded-*` are set anew and others stay.
    pub trust_forward_header: Option<bool>,
    /// `authResponseHeaders`: taken from a good answer, in place of the client's own.
    pub auth_response_headers: Vec<String>,
    /// `authResponseHeadersRegex`, on names as Go writes them: `X-Auth-User`.
    pub auth_response_headers_regex: Option<Pattern>,
    /// `authRequestHeaders`: what the server gets to see of the client's headers; empty: all of them.
    pub auth_request_headers: Vec<String>,
    /// `maxResponseBodySize` in bytes.
    pub max_response_body_size: u64,
    /// `addAuthCookiesToResponse`: names of cookies.
    pub add_auth_cookies_to_response: Vec<String>,
    /// `headerField`: the header of the answer that names the user, for the access log.
    pub header_field: Option<String>,
    /// `forwardBody`, false.
    pub forward_body: bool,
    /// `maxBodySize` in bytes.
    pub max_body_size: u64,
    /// `preserveLocationHeader`, false: a relative `Location` is made absolute, by the server's address.
    pub preserve_location_header: bool,
    /// `preserveRequestMethod`, false: it is asked with GET.
    pub preserve_request_method: bool,
    /// `authSigninURL`: where a client goes in place of a 401.
    pub auth_signin_url: Option<String>,
}
