//! A client's bytes as an attacker would write them: requests with one thing odd, put together from parts.

use std::io::Write as _;

use arbitrary::{Arbitrary, Unstructured};

/// What is sent on one connection.
#[derive(Debug, Arbitrary)]
struct Script {
    parts: Vec<Part>,
    splits: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
enum Part {
    Request(Request),
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct Request {
    method: u8,
    target: u8,
    version: u8,
    fields: Vec<Field>,
    body: Body,
    /// A line in so many ends oddly.
    odd_line: Option<(u8, u8)>,
}

#[derive(Debug, Arbitrary)]
enum Field {
    Host(u8),
    Length(u8),
    Coding(u8),
    Connection(u8),
    Other(u8),
    Name { name: u8, space: u8, value: u8 },
}

#[derive(Debug, Arbitrary)]
enum Body {
    None,
    Bytes(Vec<u8>),
    Chunks(Vec<Chunk>, u8),
    /// A request inside: the next one, or a part of this one.
    Smuggled(u8),
}

#[derive(Debug, Arbitrary)]
struct Chunk {
    data: Vec<u8>,
    size: u8,
    end: u8,
}

/// The bytes, and after how many of them the client pauses.
pub(crate) fn script(data: &[u8]) -> Option<(Vec<u8>, Vec<usize>)> {
    let script = Script::arbitrary_take_rest(Unstructured::new(data)).ok()?;
    let mut bytes = Vec::new();
    for part in &script.parts {
        match part {
            Part::Request(request) => request.write(&mut bytes),
            Part::Bytes(raw) => bytes.extend_from_slice(raw),
        }
    }
    Some((bytes, script.splits.iter().map(|split| usize::from(*split)).collect()))
}

impl Request {
    fn write(&self, out: &mut Vec<u8>) {
        let mut line = 0;
        let mut end = |out: &mut Vec<u8>| {
            let odd = self.odd_line.filter(|(at, _)| usize::from(*at) % 8 == line);
            out.extend_from_slice(odd.map_or(b"\r\n", |(_, end)| pick(&LINE_ENDS, end)));
            line += 1;
        };
        write(out, [pick(&METHODS, self.method), " ", pick(&TARGETS, self.target), " ", pick(&VERSIONS, self.version)]);
        end(out);
        for field in &self.fields {
            match field {
                Field::Host(host) => write(out, ["Host: ", pick(&HOSTS, *host)]),
                Field::Length(length) => write(out, ["Content-Length:", pick(&LENGTHS, *length)]),
                Field::Coding(coding) => write(out, ["Transfer-Encoding:", pick(&CODINGS, *coding)]),
                Field::Connection(words) => write(out, ["Connection: ", pick(&CONNECTIONS, *words)]),
                Field::Other(line) => write(out, [pick(&OTHERS, *line)]),
                Field::Name { name, space, value } => {
                    write(out, [pick(&NAMES, *name), pick(&SPACES, *space), pick(&VALUES, *value)]);
                }
            }
            end(out);
        }
        if !self.fields.iter().any(|field| matches!(field, Field::Host(_))) {
            write(out, ["Host: h"]);
            end(out);
        }
        self.write_body(out, &mut end);
    }

    fn write_body(&self, out: &mut Vec<u8>, end: &mut impl FnMut(&mut Vec<u8>)) {
        match &self.body {
            Body::None => end(out),
            Body::Bytes(bytes) => {
                write(out, [&*format!("Content-Length: {}", bytes.len())]);
                end(out);
                end(out);
                out.extend_from_slice(bytes);
            }
            Body::Chunks(chunks, last) => {
                write(out, ["Transfer-Encoding: chunked"]);
                end(out);
                end(out);
                for chunk in chunks {
                    let wrong = if chunk.size < 240 { 0 } else { usize::from(chunk.size - 239) };
                    let size = chunk.data.len() + wrong;
                    write(out, [&*format!("{size:x}"), pick(&EXTENSIONS, chunk.size)]);
                    end(out);
                    out.extend_from_slice(&chunk.data);
                    out.extend_from_slice(if chunk.end < 240 { b"\r\n" } else { pick(&LINE_ENDS, chunk.end) });
                }
                write(out, [pick(&LAST_CHUNKS, *last)]);
            }
            Body::Smuggled(form) => {
                end(out);
                write(out, [pick(&SMUGGLED, *form)]);
            }
        }
    }
}

fn write<'t>(out: &mut Vec<u8>, parts: impl IntoIterator<Item = &'t str>) {
    for part in parts {
        out.write_all(part.as_bytes()).expect("memory takes it");
    }
}

fn pick<'t, T: ?Sized>(table: &[&'t T], at: u8) -> &'t T {
    table[usize::from(at) % table.len()]
}

const LINE_ENDS: [&[u8]; 6] = [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\0\r\n", b""];
const METHODS: [&str; 9] = ["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PUT", "get", "G\tT", "PRI"];
const TARGETS: [&str; 20] = [
    "/",
    "/early",
    "/chunked",
    "/close",
    "/continue",
    "/204",
    "/switch",
    "/early/close",
    "*",
    "http://h/abs",
    "http://other/abs",
    "h:80",
    "/a/../b",
    "//a/./b%2e%2e/%2F",
    "/%zz",
    "/?q=1;r=2",
    "/a#f",
    "/\u{e4}",
    "http://u@h/",
    "/a?b?c/../d",
];
const VERSIONS: [&str; 8] =
    ["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/0.9"];
const HOSTS: [&str; 8] = ["h", "h:80", "H.", "", "h, h", "u@h", "[::1]:80", "h/"];
const LENGTHS: [&str; 12] =
    [" 0", " 5", " 37", " +5", " 5, 5", " -1", " 0x5", "5 ", "\t5", " 18446744073709551616", " 5\u{b}", " 1_0"];
const CODINGS: [&str; 12] = [
    " chunked",
    " Chunked",
    " chunked, chunked",
    " gzip, chunked",
    " chunked, identity",
    " ,chunked",
    " chunked,",
    "\tchunked",
    "\u{b}chunked",
    " identity",
    " xchunked",
    " \"chunked\"",
];
const CONNECTIONS: [&str; 11] = [
    "close",
    "keep-alive",
    "upgrade",
    "Upgrade, HTTP2-Settings",
    "x-forwarded-for",
    "content-length",
    "transfer-encoding, te",
    "host",
    "close, x",
    ", ,",
    "keep-alive, close",
];
const OTHERS: [&str; 14] = [
    "Expect: 100-continue",
    "Expect: x",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "HTTP2-Settings: AAMAAABk",
    "TE: trailers, chunked",
    "Trailer: content-length",
    "X-Forwarded-For: 10.0.0.1",
    "X_Forwarded_For: 10.0.0.1",
    "X-Forwarded_For: 10.0.0.1",
    "Keep-Alive: timeout=1",
    "Proxy-Connection: keep-alive",
    "Content-Length : 5",
    "Sec-WebSocket-Key: x",
];
const NAMES: [&str; 8] =
    ["a", "Transfer-Encoding", "Content-Length", "content_length", "Content-Length\0", " a", "", "a b"];
const SPACES: [&str; 6] = [":", ": ", " :", ":\t", "\t:", ";"];
const VALUES: [&str; 7] = ["x", "chunked", "5", "", "a\u{0}b", "a\rb", "\u{ff}"];
const EXTENSIONS: [&str; 8] = ["", "", "", ";a", ";a=\"b\"", " ", ";\n", "\t;"];
const LAST_CHUNKS: [&str; 10] = [
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nA: b\n\n",
    "00000000000000000\r\n\r\n",
    "0;\r\n\r\n",
    "0\n\r\n",
    "0\r\n\n",
    "",
    "ffffffffffffffff1\r\n\r\n",
];
const SMUGGLED: [&str; 6] = [
    "GET /inner HTTP/1.1\r\nHost: h\r\n\r\n",
    "0\r\n\r\nGET /inner HTTP/1.1\r\nHost: h\r\n\r\n",
    "5\r\nGET /\r\n0\r\n\r\n",
    "GET /inner HTTP/1.1\r\nX: ",
    "1\r\nZ\r\nQ",
    "25\r\nGET /inner HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n0\r\n\r\n",
];
