//! `accessLog`.

use std::collections::BTreeMap;

use crate::{
    fields::{Fields, Sink, Value, boolean, choice, duration, integer, path, status_range},
    static_config::{AccessLog, AccessLogFormat, FieldMode},
};

/// The most lines that may wait to be written.
const MAX_BUFFERED: i64 = 1_000_000;

pub(super) fn read(value: Value<'_>, out: &mut Sink) -> Option<AccessLog> {
    value.section(out, |fields| {
        let mut log = AccessLog::default();
        fields.set_some("filePath", &mut log.file, path);
        let formats = [
            ("common", AccessLogFormat::Common),
            ("genericCLF", AccessLogFormat::GenericClf),
            ("json", AccessLogFormat::Json),
        ];
        fields.set("format", &mut log.format, choice(formats));
        fields.set("bufferingSize", &mut log.buffering_size, |value, out| {
            let lines = integer(0..=MAX_BUFFERED)(value, out)?;
            Some(if lines == 0 { AccessLog::default().buffering_size } else { lines })
        });
        fields.within("filters", |filters| {
            log.status_codes = filters.list("statusCodes", status_range);
            filters.set("retryAttempts", &mut log.retry_attempts, boolean);
            filters.set("minDuration", &mut log.min_duration, duration);
        });
        fields.within("fields", |fields| {
            fields.set("defaultMode", &mut log.fields_default, choice(FIELD_MODES));
            log.fields = modes(fields, str::to_owned);
            fields.within("headers", |headers| {
                headers.set("defaultMode", &mut log.headers_default, choice(HEADER_MODES));
                log.headers = modes(headers, str::to_ascii_lowercase);
            });
            fields.unsupported(&["queryParameters"]);
        });
        fields.set("addInternals", &mut log.add_internals, boolean);
        fields.unsupported(&["otlp"]);
        fields.unsupported_unless("dualOutput", "false");
        log
    })
}

const FIELD_MODES: [(&str, FieldMode); 2] = [("keep", FieldMode::Keep), ("drop", FieldMode::Drop)];

const HEADER_MODES: [(&str, FieldMode); 3] =
    [("keep", FieldMode::Keep), ("drop", FieldMode::Drop), ("redact", FieldMode::Redact)];

fn modes(fields: &mut Fields<'_>, fold: fn(&str) -> String) -> BTreeMap<String, FieldMode> {
    let modes = fields.named("names", |key, value, out| Some((fold(&key.name), choice(HEADER_MODES)(value, out)?)));
    modes.into_iter().collect()
}
