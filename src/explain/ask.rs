//! The command line as a request.

use http::{HeaderMap, HeaderName, HeaderValue};
use rollgate_config::{dynamic::Configuration, static_config::Static};
use rollgate_control::explain::{self, Asked};

use super::ExplainArgs;

/// Reads it; the error says what is wrong with which word.
pub(crate) fn question(
    arguments: &ExplainArgs,
    statics: &Static,
    configuration: &Configuration,
) -> Result<Asked, String> {
    let headers = headers(&arguments.headers)?;
    let method = arguments.method.parse().map_err(|_| format!("{}: not a method", arguments.method))?;
    explain::question((method, &arguments.url, headers), arguments.client, statics, configuration)
}

fn headers(lines: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("{line}: a header is `Name: value`"))?;
        let name: HeaderName = name.trim().parse().map_err(|_| format!("{name}: not a header name"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("{line}: not a header value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}
