use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::mpsc::{Sender, channel},
    time::{SystemTime, UNIX_EPOCH},
};

use http::{HeaderName, HeaderValue, Method, Version};
use jiff::tz::Offset;
use rollgate_config::static_config::{AccessLogFormat, FieldMode};

use super::*;
use crate::metrics::TlsLabels;

const LIMIT: Duration = Duration::from_secs(10);

fn config(format: AccessLogFormat) -> Config {
    Config {
        file: None,
        format,
        buffering_size: 0,
        status_codes: Vec::new(),
        retry_attempts: false,
        min_duration: Duration::ZERO,
        fields_default: FieldMode::Keep,
        fields: Default::default(),
        headers_default: FieldMode::Drop,
        headers: Default::default(),
        add_internals: false,
    }
}

fn modes(names: &[(&str, FieldMode)]) -> std::collections::BTreeMap<String, FieldMode> {
    names.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect()
}

/// A request that a router led to a server.
fn full() -> Record {
    Record {
        start: start(),
        duration: Duration::from_micros(12_345),
        entry_point: "websecure".into(),
        router: Some("pro@file".into()),
        service: Some("stable@file".into()),
        server_url: Some("http://10.0.0.1:8080".into()),
        server_address: Some("10.0.0.1:8080".into()),
        client: "192.0.2.9:4711".parse::<SocketAddr>().unwrap(),
        forwarded_for: None,
        username: Some("alice".into()),
        host: Some(HeaderValue::from_static("pro.coding:8443")),
        method: Some(Method::GET),
        path: Some("/search?q=a%20b".parse().unwrap()),
        version: Some(Version::HTTP_2),
        tls: Some(TlsLabels { version: "1.3", cipher: "TLS_AES_128_GCM_SHA256" }),
        tls_subject: Some("CN=client".into()),
        retries: 1,
        request_bytes: 7,
        origin: Some(Origin { status: 201, duration: Duration::from_millis(12), bytes: 4_000 }),
        status: 200,
        bytes: 1_000,
        request_headers: Headers::new(),
        origin_headers: Headers::new(),
        downstream_headers: Headers::new(),
    }
}

/// A request that was refused before its head was understood.
fn refused() -> Record {
    Record {
        router: None,
        service: None,
        server_url: None,
        server_address: None,
        username: None,
        host: None,
        method: None,
        path: None,
        version: None,
        tls: None,
        tls_subject: None,
        retries: 0,
        request_bytes: 0,
        origin: None,
        status: 400,
        bytes: 0,
        ..full()
    }
}

/// 2025-07-01 22:30:05.123456 UTC.
fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_751_409_005_123_456)
}

/// What a thread writes.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<u8>>>);

impl Write for Shown {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of `records` in a zone two hours east of UTC.
fn written(config: &Config, records: impl IntoIterator<Item = Record>) -> String {
    let shown = Shown::default();
    let output = Output::Stream(Box::new(shown.clone()));
    let zone = TimeZone::fixed(Offset::constant(2));
    let log = AccessLog::with_output(config, Arc::default(), output, zone).unwrap();
    for record in records {
        log.write(Box::new(record));
    }
    assert!(log.close(LIMIT));
    let bytes = shown.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

/// What the log keeps of some headers, for a record.
fn with_headers(config: &Config) -> Record {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("user-agent", "curl/8.5"),
        ("authorization", "Bearer secret"),
        ("referer", "https://a.example/\"x\""),
        ("x-many", "1"),
        ("x-many", "2"),
    ] {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let policy = HeaderPolicy::new(config);
    Record {
        request_headers: policy.of_request(&headers),
        origin_headers: policy.of_response(&headers),
        downstream_headers: policy.of_response(&headers),
        ..full()
    }
}

#[test]
fn lines_in_every_format() {
    for format in [AccessLogFormat::Common, AccessLogFormat::GenericClf, AccessLogFormat::Json] {
        let mut config = config(format);
        config.headers_default = FieldMode::Keep;
        config.headers = modes(&[("authorization", FieldMode::Redact)]);
        let forwarded = Record { forwarded_for: Some(HeaderValue::from_static("198.51.100.7, 10.0.0.1")), ..full() };
        let lines = written(&config, [full(), refused(), forwarded, with_headers(&config)]);
        insta::assert_snapshot!(format!("{format:?}").to_lowercase(), lines);
    }
}

#[test]
fn every_json_line_is_an_object_with_sorted_keys() {
    let mut config = config(AccessLogFormat::Json);
    config.headers_default = FieldMode::Keep;
    for line in written(&config, [full(), refused(), with_headers(&config)]).lines() {
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let at: Vec<usize> = object.keys().map(|key| line.find(&format!("\"{key}\":")).unwrap()).collect();
        assert!(at.is_sorted(), "{line}");
    }
}

#[test]
fn fields_can_be_dropped() {
    let mut dropping = config(AccessLogFormat::Common);
    dropping.fields =
        modes(&[("StartUTC", FieldMode::Drop), ("clientusername", FieldMode::Drop), ("RequestPath", FieldMode::Drop)]);
    assert_eq!(
        written(&dropping, [full()]),
        "192.0.2.9 - - [02/Jul/2025:00:30:05 +0200] \"GET - HTTP/2.0\" 200 1000 \"-\" \"-\" 1 \"pro@file\" \"http://10.0.0.1:8080\" 12ms\n"
    );
    let mut nothing = config(AccessLogFormat::Common);
    nothing.fields_default = FieldMode::Drop;
    assert_eq!(written(&nothing, [full()]), "- - - [-] \"- - -\" - - \"-\" \"-\" - \"-\" \"-\" 0ms\n");
    let mut few = config(AccessLogFormat::Json);
    few.fields_default = FieldMode::Drop;
    few.fields = modes(&[("RouterName", FieldMode::Keep), ("StartLocal", FieldMode::Keep)]);
    assert_eq!(
        written(&few, [full()]),
        "{\"RouterName\":\"pro@file\",\"StartLocal\":\"2025-07-02T00:30:05.123456+02:00\",\"level\":\"info\",\"msg\":\"\",\"time\":\"2025-07-02T00:30:05+02:00\"}\n"
    );
}

#[test]
fn headers_are_kept_dropped_or_redacted_before_they_wait() {
    let mut config = config(AccessLogFormat::Json);
    config.headers = modes(&[("authorization", FieldMode::Redact), ("x-many", FieldMode::Keep)]);
    let kept = |record: Record| -> Vec<String> {
        record.request_headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect()
    };
    assert_eq!(kept(with_headers(&config)), ["authorization=REDACTED", "x-many=1", "x-many=2"]);
    config.headers_default = FieldMode::Redact;
    let mut redacted = kept(with_headers(&config));
    redacted.sort();
    assert_eq!(redacted, ["authorization=REDACTED", "referer=REDACTED", "user-agent=REDACTED", "x-many=1", "x-many=2"]);
    config.format = AccessLogFormat::Common;
    assert_eq!(kept(with_headers(&config)), ["referer=REDACTED", "user-agent=REDACTED"]);
}

#[test]
fn nothing_a_client_sends_ends_a_line() {
    let bytes: Vec<u8> = (0..=255).chain("\u{85}\u{2028}\u{2029}é€\u{202e}".bytes()).collect();
    let mut escaped = Vec::new();
    text::escape(&mut escaped, &bytes);
    assert!(escaped.iter().all(|byte| (b' '..=b'~').contains(byte)));
    let mut json = Vec::new();
    text::json_string(&mut json, &bytes);
    let string = std::str::from_utf8(&json).unwrap();
    assert!(!string.contains(|character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')));
    let read: String = serde_json::from_str(string).unwrap();
    assert_eq!(read, String::from_utf8_lossy(&bytes));

    let hostile = HeaderValue::from_bytes(b"1.2.3.4\t\" 200 \x85\xff\\").unwrap();
    let record = || Record { forwarded_for: Some(hostile.clone()), username: Some("a\nb\" [x]".into()), ..full() };
    let table = [
        (AccessLogFormat::GenericClf, r#"1.2.3.4\x09\" 200 \x85\xff\\ - a\x0ab\" [x] [01/Jul"#),
        (
            AccessLogFormat::Json,
            r#""ClientHost":"1.2.3.4\u0009\" 200 ��\\","ClientPort":"4711","ClientUsername":"a\u000ab\" [x]","#,
        ),
    ];
    for (format, expected) in table {
        let line = written(&config(format), [record()]);
        assert!(line.contains(expected), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn host_and_port_are_told_apart() {
    let table = [
        ("a.example", "a.example", "-"),
        ("a.example:80", "a.example", "80"),
        ("[2001:db8::1]:80", "2001:db8::1", "80"),
        ("2001:db8::1", "2001:db8::1", "-"),
        (":80", "-", "80"),
        ("a.example:", "a.example", "-"),
    ];
    for (host, name, port) in table {
        let record = Record { host: Some(host.parse().unwrap()), ..full() };
        let object: serde_json::Value =
            serde_json::from_str(&written(&config(AccessLogFormat::Json), [record])).unwrap();
        assert_eq!((&object["RequestHost"], &object["RequestPort"]), (&name.into(), &port.into()), "{host}");
    }
}

#[test]
fn filters_keep_what_any_of_them_keeps() {
    let mut config = config(AccessLogFormat::Common);
    let kept = |config: &Config, status, milliseconds, retries| {
        Filters::new(config).keep(status, Duration::from_millis(milliseconds), retries)
    };
    assert!(kept(&config, 200, 0, 0));
    config.status_codes = vec![(404, 404), (500, 599)];
    for (status, expected) in [(200, false), (404, true), (405, false), (500, true), (599, true)] {
        assert_eq!(kept(&config, status, 10, 1), expected, "{status}");
    }
    config.retry_attempts = true;
    config.min_duration = Duration::from_millis(5);
    for (status, milliseconds, retries, expected) in
        [(200, 5, 0, false), (200, 6, 0, true), (200, 1, 1, true), (404, 1, 0, true)]
    {
        assert_eq!(kept(&config, status, milliseconds, retries), expected, "{status} {milliseconds} {retries}");
    }
}

/// Lets the thread begin one write, then holds it until the test lets go.
struct Held {
    begun: Sender<()>,
    released: Receiver<()>,
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.begun.send(());
        let _ = self.released.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_queue_loses_and_counts_lines_and_makes_nobody_wait() {
    let (begun, has_begun) = channel();
    let (release, released) = channel();
    let mut config = config(AccessLogFormat::Common);
    config.buffering_size = 5;
    let dropped = Arc::new(AtomicU64::new(0));
    let output = Output::Stream(Box::new(Held { begun, released }));
    let log = AccessLog::with_output(&config, Arc::clone(&dropped), output, TimeZone::UTC).unwrap();
    log.write(Box::new(full()));
    has_begun.recv().unwrap();
    for _ in 0..8 {
        log.write(Box::new(full()));
    }
    assert_eq!(dropped.load(Relaxed), 3);
    assert!(!log.close(Duration::from_millis(1)), "the thread is held");
    drop(release);
    assert!(log.close(LIMIT));
    log.write(Box::new(full()));
    assert_eq!(dropped.load(Relaxed), 4, "after the end lines are lost too");
}

/// A folder of its own, removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("rollgate-access-log-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(path: &std::path::Path) -> Vec<String> {
    let mut text = String::new();
    std::fs::File::open(path).unwrap().read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn after_a_rename_and_reopen_lines_go_to_a_new_file() {
    let folder = Folder::new("reopen");
    let path = folder.0.join("deep/access.log");
    let renamed = folder.0.join("deep/access.log.1");
    let mut config = config(AccessLogFormat::GenericClf);
    config.file = Some(path.clone());
    let log = AccessLog::start(&config, Arc::default()).unwrap();
    log.write(Box::new(full()));
    log.write(Box::new(full()));
    std::fs::rename(&path, &renamed).unwrap();
    log.reopen();
    log.write(Box::new(full()));
    assert!(log.close(LIMIT));
    assert_eq!((read(&renamed).len(), read(&path).len()), (2, 1));

    let log = AccessLog::start(&config, Arc::default()).unwrap();
    log.write(Box::new(full()));
    assert!(log.close(LIMIT));
    assert_eq!(read(&path).len(), 2, "a file that is there is continued");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let mut config = config(AccessLogFormat::Common);
    config.file = Some("/dev/null/access.log".into());
    assert!(AccessLog::start(&config, Arc::default()).is_err());
}

/// A disk that takes some bytes and is full then, until it is not.
struct Disk {
    room: Arc<AtomicU64>,
    taken: Shown,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.load(Relaxed) as usize;
        let fits = room.min(bytes.len());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.store((room - fits) as u64, Relaxed);
        self.taken.write(&bytes[..fits])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_loses_and_counts_lines_and_a_torn_line_is_ended() {
    let line = written(&config(AccessLogFormat::GenericClf), [full()]);
    let (room, taken) = (Arc::new(AtomicU64::new(line.len() as u64 + 10)), Shown::default());
    let dropped = Arc::new(AtomicU64::new(0));
    let (_, receiver) = sync_channel(1);
    let mut writer = Writer::new(
        receiver,
        Output::Stream(Box::new(Disk { room: Arc::clone(&room), taken: taken.clone() })),
        AccessLogFormat::GenericClf,
        Fields::new(FieldMode::Keep, &Default::default()),
        TimeZone::UTC,
        Arc::clone(&dropped),
        Arc::default(),
    );
    let mut write = |lines: usize| {
        (0..lines).for_each(|_| writer.take(Message::Line(Box::new(full()))));
        writer.write();
    };
    write(3);
    assert_eq!(dropped.load(Relaxed), 2);
    write(1);
    assert_eq!(dropped.load(Relaxed), 3);
    room.store(10_000, Relaxed);
    write(1);
    assert_eq!(dropped.load(Relaxed), 3);
    let text = String::from_utf8(taken.0.lock().clone()).unwrap();
    assert_eq!(text, format!("{line}{}\n{line}", &line[..10]));
}
