//! The format `json`: one object a line with Traefik's keys, sorted as Traefik sorts them.

use std::time::Duration;

use http::HeaderValue;
use jiff::{Timestamp, tz::TimeZone};

use super::{
    record::{Field, Fields, Headers, Record},
    text::{json_string, rfc3339, write},
};

/// Formats lines.
pub(super) struct Json {
    fields: Fields,
    zone: TimeZone,
}

impl Json {
    pub(super) fn new(fields: Fields, zone: TimeZone) -> Self {
        Self { fields, zone }
    }

    /// Appends one line.
    pub(super) fn format(&self, line: &mut Vec<u8>, record: &Record, count: u64) {
        let start = Timestamp::try_from(record.start).unwrap_or_default();
        let mut object = Object { line, fields: self.fields, is_empty: true };
        object.line.push(b'{');
        client(&mut object, record);
        answer(&mut object, record);
        request(&mut object, record, count);
        service(&mut object, record);
        object.time(Field::StartLocal, start, &self.zone);
        object.time(Field::StartUtc, start, &TimeZone::UTC);
        if let Some(tls) = record.tls {
            object.text(Field::TlsCipher, tls.cipher.as_bytes());
            object.some_text(Field::TlsClientSubject, record.tls_subject.as_deref());
            object.text(Field::TlsVersion, tls.version.as_bytes());
        }
        object.headers("downstream_", &record.downstream_headers);
        object.text(Field::EntryPointName, record.entry_point.as_bytes());
        object.key("level");
        object.line.extend_from_slice(b"\"info\"");
        object.key("msg");
        object.line.extend_from_slice(b"\"\"");
        object.headers("origin_", &record.origin_headers);
        object.headers("request_", &record.request_headers);
        object.key("time");
        self.end(object.line, start, record.duration);
        object.line.extend_from_slice(b"}\n");
    }

    /// When the request ended, in whole seconds.
    fn end(&self, line: &mut Vec<u8>, start: Timestamp, duration: Duration) {
        let end = start.checked_add(duration).unwrap_or(start);
        let end = Timestamp::from_second(end.as_second()).unwrap_or(end);
        line.push(b'"');
        rfc3339(line, end, &self.zone);
        line.push(b'"');
    }
}

fn client(object: &mut Object<'_>, record: &Record) {
    let address = record.client.to_string();
    object.text(Field::ClientAddr, address.as_bytes());
    match &record.forwarded_for {
        Some(value) if !value.is_empty() => object.text(Field::ClientHost, value.as_bytes()),
        _ => object.text(Field::ClientHost, record.client.ip().to_string().as_bytes()),
    }
    object.text(Field::ClientPort, record.client.port().to_string().as_bytes());
    object.text(Field::ClientUsername, record.username.as_deref().unwrap_or("-").as_bytes());
}

fn answer(object: &mut Object<'_>, record: &Record) {
    object.number(Field::DownstreamContentSize, record.bytes);
    object.number(Field::DownstreamStatus, record.status.into());
    object.number(Field::Duration, nanoseconds(record.duration));
    let Some(origin) = record.origin else {
        object.number(Field::Overhead, nanoseconds(record.duration));
        return;
    };
    if origin.bytes != record.bytes && record.bytes != 0 {
        object
            .field(Field::GzipRatio, |line| write(line, format_args!("{}", origin.bytes as f64 / record.bytes as f64)));
    }
    object.number(Field::OriginContentSize, origin.bytes);
    object.number(Field::OriginDuration, nanoseconds(origin.duration));
    object.number(Field::OriginStatus, origin.status.into());
    object.number(Field::Overhead, nanoseconds(record.duration.saturating_sub(origin.duration)));
}

fn request(object: &mut Object<'_>, record: &Record, count: u64) {
    let host = record.host.as_ref().map(HeaderValue::as_bytes).filter(|host| !host.is_empty());
    if let Some(host) = host {
        object.text(Field::RequestAddr, host);
    }
    object.number(Field::RequestContentSize, record.request_bytes);
    object.number(Field::RequestCount, count);
    let (name, port) = host.map(split_port).unzip();
    if let Some(name) = name {
        object.text(Field::RequestHost, name);
    }
    if let Some(method) = &record.method {
        object.text(Field::RequestMethod, method.as_str().as_bytes());
    }
    if let Some(path) = &record.path {
        object.text(Field::RequestPath, path.as_str().as_bytes());
    }
    if let Some(port) = port {
        object.text(Field::RequestPort, port);
    }
    if let Some(version) = record.version {
        object.text(Field::RequestProtocol, format!("{version:?}").as_bytes());
    }
    object.text(Field::RequestScheme, if record.tls.is_some() { b"https" } else { b"http" });
    object.number(Field::RetryAttempts, record.retries.into());
}

fn service(object: &mut Object<'_>, record: &Record) {
    object.some_text(Field::RouterName, record.router.as_deref());
    object.some_text(Field::ServiceAddr, record.server_address.as_deref());
    object.some_text(Field::ServiceName, record.service.as_deref());
    object.some_text(Field::ServiceUrl, record.server_url.as_deref());
}

/// An object under way.
struct Object<'a> {
    line: &'a mut Vec<u8>,
    fields: Fields,
    is_empty: bool,
}

impl Object<'_> {
    fn field(&mut self, field: Field, value: impl FnOnce(&mut Vec<u8>)) {
        if self.fields.keep(field) {
            self.key(field.name());
            value(self.line);
        }
    }

    fn text(&mut self, field: Field, value: &[u8]) {
        self.field(field, |line| json_string(line, value));
    }

    fn some_text(&mut self, field: Field, value: Option<&str>) {
        if let Some(value) = value {
            self.text(field, value.as_bytes());
        }
    }

    fn number(&mut self, field: Field, value: u64) {
        self.field(field, |line| write(line, format_args!("{value}")));
    }

    fn time(&mut self, field: Field, time: Timestamp, zone: &TimeZone) {
        self.field(field, |line| {
            line.push(b'"');
            rfc3339(line, time, zone);
            line.push(b'"');
        });
    }

    /// `prefix_Name` for each header, sorted; the lines of one name are joined by a comma.
    fn headers(&mut self, prefix: &str, headers: &Headers) {
        let mut sorted: Vec<_> = headers.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        for lines in sorted.chunk_by(|(a, _), (b, _)| a == b) {
            self.key(&format!("{prefix}{}", canonical(lines[0].0.as_str())));
            let values: Vec<&[u8]> = lines.iter().map(|(_, value)| value.as_bytes()).collect();
            json_string(self.line, &values.join(&b','));
        }
    }

    fn key(&mut self, key: &str) {
        if !self.is_empty {
            self.line.push(b',');
        }
        self.is_empty = false;
        json_string(self.line, key.as_bytes());
        self.line.push(b':');
    }
}

/// The host and the port of `host:port`; each `-` if it is not there.
fn split_port(address: &[u8]) -> (&[u8], &[u8]) {
    let colon = address.iter().rposition(|byte| *byte == b':');
    let Some((host, port)) = colon.map(|colon| (&address[..colon], &address[colon + 1..])) else {
        return (address, b"-");
    };
    let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
    match bare {
        None if host.contains(&b':') => (address, b"-"),
        bare => (or_dash(bare.unwrap_or(host)), or_dash(port)),
    }
}

fn or_dash(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"-" } else { text }
}

/// A header's name with the first letter of each word as a capital.
fn canonical(name: &str) -> String {
    let mut at_start = true;
    name.chars()
        .map(|letter| {
            let written = if at_start { letter.to_ascii_uppercase() } else { letter };
            at_start = letter == '-';
            written
        })
        .collect()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
