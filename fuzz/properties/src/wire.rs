//! HTTP/1 requests out of bytes, by RFC 9112 and independently of any library: what a strict server would read.

/// Who the bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// From a client: what RFC 9112 lets a recipient put up with in a head (section 2.2: a bare LF, empty lines before
    /// the request) is put up with.
    Client,
    /// To a server: nothing is.
    Server,
}

/// A request, perhaps with its body still on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// As far as it has come, chunks put together.
    pub(crate) body: Vec<u8>,
    /// The body has come to its end.
    pub(crate) whole: bool,
    /// Nothing that follows on the connection is a request.
    pub(crate) last: bool,
    minor: u8,
}

/// What the bytes begin with.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Not even a head.
    Partial,
    /// A head, and a body as far as it has come: its length in bytes if it is whole.
    Request(Box<Request>, usize),
    /// What no strict server takes; with the request's head if only its body is bad.
    Malformed(&'static str, Option<Box<Request>>),
}

/// Every request that a client's bytes hold, up to what is malformed or the last one of the connection.
pub(crate) fn requests(mut bytes: &[u8]) -> Vec<Request> {
    let mut found = Vec::new();
    loop {
        match parse(bytes, Side::Client) {
            Parsed::Request(request, length) => {
                let ends = request.last || !request.whole;
                found.push(*request);
                if ends {
                    return found;
                }
                bytes = &bytes[length..];
            }
            Parsed::Malformed(_, request) => {
                found.extend(request.map(|request| *request));
                return found;
            }
            Parsed::Partial => return found,
        }
    }
}

/// Reads one request.
pub(crate) fn parse(bytes: &[u8], side: Side) -> Parsed {
    let mut lines = Lines { bytes, at: 0, side };
    let mut request = match head(&mut lines) {
        Ok(Some(request)) => request,
        Ok(None) => return Parsed::Partial,
        Err(why) => return Parsed::Malformed(why, None),
    };
    let framing = match framing(&mut request, side) {
        Ok(framing) => framing,
        Err(why) => return Parsed::Malformed(why, None),
    };
    let body = match framing {
        Framing::Length(length) => Ok(lines.take(length, &mut request.body)),
        Framing::Chunked => chunks(&mut lines, &mut request.body),
    };
    match body {
        Ok(whole) => {
            request.whole = whole;
            Parsed::Request(Box::new(request), lines.at)
        }
        Err(why) => Parsed::Malformed(why, Some(Box::new(request))),
    }
}

impl Request {
    pub(crate) fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| &**value)
    }

    /// Whether one of the lines of a list has this word.
    pub(crate) fn has(&self, name: &str, word: &str) -> bool {
        let mut words = self.values(name).flat_map(|line| line.split(|byte| *byte == b','));
        words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Whether it asks for another protocol, and the server of these tests switches to it. HTTP/2 is not asked for like that
    /// any more (RFC 9113 section 3.1): such a request is one as any other.
    pub(crate) fn switches(&self) -> bool {
        let is_http2 =
            |line: &[u8]| line.split(|byte| *byte == b',').any(|name| trimmed(name).eq_ignore_ascii_case(b"h2c"));
        self.minor == 1
            && self.target.contains("/switch")
            && self.has("connection", "upgrade")
            && self.values("upgrade").next().is_some_and(|line| !is_http2(line))
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

fn head(lines: &mut Lines<'_>) -> Result<Option<Request>, &'static str> {
    let line = loop {
        match lines.line()? {
            None => return Ok(None),
            Some(b"") if lines.side == Side::Client => {}
            Some(line) => break line,
        }
    };
    let mut request = request_line(line)?;
    loop {
        match lines.line()? {
            None => return Ok(None),
            Some(b"") => return Ok(Some(request)),
            Some(line) => request.fields.push(field(line)?),
        }
    }
}

fn request_line(line: &[u8]) -> Result<Request, &'static str> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("a request line of other than three words");
    };
    if !is_token(method) {
        return Err("a method that is no token");
    }
    if target.is_empty() || !target.iter().all(|byte| *byte > b' ' && *byte != 0x7F) {
        return Err("a target with characters that none has");
    }
    let minor = match version {
        b"HTTP/1.1" => 1,
        b"HTTP/1.0" => 0,
        _ => return Err("another version"),
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| "a target that is no text");
    Ok(Request { method: text(method)?, target: text(target)?, minor, ..Request::default() })
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or("a field without a colon")?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return Err("a field's name that is no token");
    }
    let value = trimmed(value);
    if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7F) {
        return Err("a field's value with a control character");
    }
    Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()))
}

/// RFC 9112 section 6.3.
fn framing(request: &mut Request, side: Side) -> Result<Framing, &'static str> {
    let codings: Vec<&[u8]> = request.values("transfer-encoding").collect();
    let lengths: Vec<&[u8]> = request.values("content-length").collect();
    let keeps = if request.minor == 0 {
        request.has("connection", "keep-alive") && !request.has("connection", "close")
    } else {
        !request.has("connection", "close")
    };
    let framing = match (&codings[..], &lengths[..]) {
        ([], []) => Framing::Length(0),
        ([], lengths) => {
            if lengths.iter().any(|length| length != &lengths[0]) || (side == Side::Server && lengths.len() > 1) {
                return Err("several lengths");
            }
            Framing::Length(number(lengths[0], 10)?)
        }
        ([one], lengths) if one.eq_ignore_ascii_case(b"chunked") => {
            if request.minor == 0 {
                return Err("a transfer coding in HTTP/1.0");
            }
            if side == Side::Server && !lengths.is_empty() {
                return Err("a length and a transfer coding");
            }
            Framing::Chunked
        }
        _ => return Err("a transfer coding other than one chunked"),
    };
    let ambiguous = !codings.is_empty() && !lengths.is_empty();
    request.last = !keeps || ambiguous || request.switches() || request.method == "CONNECT";
    Ok(framing)
}

/// RFC 9112 section 7.1. Whether the last chunk and the trailers have come.
fn chunks(lines: &mut Lines<'_>, body: &mut Vec<u8>) -> Result<bool, &'static str> {
    // Here, a bare LF is not put up with: hops that disagree on it disagree on where the next request begins.
    let from = std::mem::replace(&mut lines.side, Side::Server);
    loop {
        let Some(line) = lines.line()? else { return Ok(false) };
        let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let size = number(trimmed(size), 16)?;
        if size == 0 {
            break;
        }
        if !lines.take(size, body) {
            return Ok(false);
        }
        match lines.line()? {
            None => return Ok(false),
            Some(b"") => {}
            Some(_) => return Err("a chunk that is longer than it says"),
        }
    }
    trailers(lines, from)
}

/// Up to an empty line. From a client, a bare LF in them is put up with and what follows it is not looked at: hyper reads
/// trailers so. None of it is a request to anybody who takes CRLF for the end of a line, and none of it goes on.
fn trailers(lines: &mut Lines<'_>, from: Side) -> Result<bool, &'static str> {
    loop {
        let rest = &lines.bytes[lines.at..];
        let Some(cr) = rest.iter().position(|byte| *byte == b'\r') else { return Ok(false) };
        match rest.get(cr + 1) {
            None => return Ok(false),
            Some(b'\n') => lines.at += cr + 2,
            Some(_) => return Err("a bare CR"),
        }
        match &rest[..cr] {
            b"" => return Ok(true),
            line if from == Side::Server => drop(field(line)?),
            _ => {}
        }
    }
}

fn number(digits: &[u8], radix: u32) -> Result<usize, &'static str> {
    if digits.is_empty() || !digits.iter().all(|digit| char::from(*digit).is_digit(radix)) {
        return Err("a size that is no number");
    }
    let text = std::str::from_utf8(digits).map_err(|_| "a size that is no number")?;
    usize::from_str_radix(text, radix).map_err(|_| "a size beyond any")
}

struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
    side: Side,
}

impl<'b> Lines<'b> {
    /// The next line without its end; `None` if it has not come.
    fn line(&mut self) -> Result<Option<&'b [u8]>, &'static str> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = match rest[..end].strip_suffix(b"\r") {
            Some(line) => line,
            None if self.side == Side::Client => &rest[..end],
            None => return Err("a line that ends in a bare LF"),
        };
        if line.contains(&b'\r') {
            return Err("a bare CR");
        }
        self.at += end + 1;
        Ok(Some(line))
    }

    /// Moves bytes into `into`; whether all of them have come.
    fn take(&mut self, length: usize, into: &mut Vec<u8>) -> bool {
        let rest = &self.bytes[self.at..];
        let taken = length.min(rest.len());
        into.extend_from_slice(&rest[..taken]);
        self.at += taken;
        taken == length
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

/// Without the optional white space around it: spaces and tabs, and nothing else.
fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Vec<String> {
        let shown = |request: Request| {
            let body = String::from_utf8(request.body).unwrap();
            format!("{} {} {body}{}", request.method, request.target, if request.whole { "" } else { "..." })
        };
        requests(bytes.as_bytes()).into_iter().map(shown).collect()
    }

    #[test]
    fn requests_are_read_up_to_the_last_sound_one() {
        let table: [(&str, &[&str]); 12] = [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\n\r\n", &["GET / ", "GET /b "]),
            ("\r\nGET / HTTP/1.1\nHost: a\n\n", &["GET / "]),
            ("GET / HTTP/1.1\r\nHost", &[]),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n", &["POST / abc", "GET /b "]),
            ("POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", &["POST / ab..."]),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nt: u\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                &["POST / abc", "GET / "],
            ),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", &["POST / ..."]),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", &[]),
            ("POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", &[]),
            ("GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n", &["GET / "]),
            ("GET / HTTP/1.1\r\nA : b\r\n\r\n", &[]),
            ("GET  / HTTP/1.1\r\n\r\n", &[]),
        ];
        for (bytes, expected) in table {
            assert_eq!(read(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_server_puts_up_with_nothing() {
        let bad = [
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
        ];
        for bytes in bad {
            assert!(matches!(parse(bytes.as_bytes(), Side::Server), Parsed::Malformed(..)), "{bytes:?}");
        }
    }
}
