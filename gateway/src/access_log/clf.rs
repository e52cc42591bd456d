//! The formats `common` and `genericCLF`: the second is the first without its end.

use jiff::{Timestamp, tz::TimeZone};

use super::{
    record::{Field, Fields, Record},
    text::{ClfClock, escape, write},
};

/// Formats lines of both kinds.
pub(super) struct Clf {
    fields: Fields,
    clock: ClfClock,
    /// With the count, router, server and duration that Traefik adds.
    is_extended: bool,
}

impl Clf {
    pub(super) fn new(fields: Fields, zone: TimeZone, is_extended: bool) -> Self {
        // Both times are in a record; UTC comes first unless it is dropped.
        let zone = if fields.keep(Field::StartUtc) { TimeZone::UTC } else { zone };
        Self { fields, clock: ClfClock::new(zone), is_extended }
    }

    /// Appends one line.
    pub(super) fn format(&mut self, line: &mut Vec<u8>, record: &Record, count: u64) {
        self.client(line, record);
        line.extend_from_slice(b" - ");
        self.text(line, Field::ClientUsername, record.username.as_deref().map(str::as_bytes));
        line.extend_from_slice(b" [");
        if self.fields.keep(Field::StartUtc) || self.fields.keep(Field::StartLocal) {
            line.extend_from_slice(self.clock.text(Timestamp::try_from(record.start).unwrap_or_default()).as_bytes());
        } else {
            line.push(b'-');
        }
        line.extend_from_slice(b"] \"");
        self.text(line, Field::RequestMethod, record.method.as_ref().map(|method| method.as_str().as_bytes()));
        line.push(b' ');
        self.text(line, Field::RequestPath, record.path.as_ref().map(|path| path.as_str().as_bytes()));
        line.push(b' ');
        match record.version {
            Some(version) if self.fields.keep(Field::RequestProtocol) => write(line, format_args!("{version:?}")),
            _ => line.push(b'-'),
        }
        line.extend_from_slice(b"\" ");
        self.number(line, Field::DownstreamStatus, record.status.into());
        line.push(b' ');
        self.number(line, Field::DownstreamContentSize, record.bytes);
        self.header(line, record, "referer");
        self.header(line, record, "user-agent");
        if self.is_extended {
            self.extension(line, record, count);
        }
        line.push(b'\n');
    }

    fn extension(&self, line: &mut Vec<u8>, record: &Record, count: u64) {
        line.push(b' ');
        self.number(line, Field::RequestCount, count);
        self.quoted(line, Field::RouterName, record.router.as_deref());
        self.quoted(line, Field::ServiceUrl, record.server_url.as_deref());
        let milliseconds = if self.fields.keep(Field::Duration) { record.duration.as_millis() } else { 0 };
        write(line, format_args!(" {milliseconds}ms"));
    }

    fn client(&self, line: &mut Vec<u8>, record: &Record) {
        match &record.forwarded_for {
            _ if !self.fields.keep(Field::ClientHost) => line.push(b'-'),
            Some(value) if !value.is_empty() => escape(line, value.as_bytes()),
            _ => write(line, format_args!("{}", record.client.ip())),
        }
    }

    fn text(&self, line: &mut Vec<u8>, field: Field, value: Option<&[u8]>) {
        match value {
            Some(value) if !value.is_empty() && self.fields.keep(field) => escape(line, value),
            _ => line.push(b'-'),
        }
    }

    fn number(&self, line: &mut Vec<u8>, field: Field, value: u64) {
        if self.fields.keep(field) {
            write(line, format_args!("{value}"));
        } else {
            line.push(b'-');
        }
    }

    /// A space and the value in quotes.
    fn quoted(&self, line: &mut Vec<u8>, field: Field, value: Option<&str>) {
        line.extend_from_slice(b" \"");
        self.text(line, field, value.map(str::as_bytes));
        line.push(b'"');
    }

    /// A space and all lines of a header in quotes.
    fn header(&self, line: &mut Vec<u8>, record: &Record, name: &str) {
        line.extend_from_slice(b" \"");
        let start = line.len();
        for (_, value) in record.request_headers.iter().filter(|(known, _)| known == name) {
            if line.len() > start {
                line.push(b',');
            }
            escape(line, value.as_bytes());
        }
        if line.len() == start {
            line.push(b'-');
        }
        line.push(b'"');
    }
}
