//! Requests by the letter: CRLF, one framing, one host, tokens, and no byte more.

/// A whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The target as it was sent.
    pub target: String,
    /// The fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// The trailers, names in lower case.
    pub trailers: Vec<(String, String)>,
}

impl Request {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Why bytes are no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong.
    pub what: String,
    /// The bytes.
    pub bytes: String,
}

impl Request {
    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a field is there, in the head or the trailers.
    pub fn mentions(&self, name: &str) -> bool {
        self.headers.iter().chain(&self.trailers).any(|(key, _)| key == name)
    }
}

/// The request that the bytes begin with, and its length; `None` while it is not whole.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Request, usize)>, Violation> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > LONGEST_HEAD { Err(violation("a head without an end", bytes)) } else { Ok(None) };
    };
    let mut request = head(&bytes[..end]).map_err(|what| violation(&what, bytes))?;
    let begin = end + 4;
    let framed = framing(&request).map_err(|what| violation(&what, bytes))?;
    let length = match framed {
        Framing::None => 0,
        Framing::Length(length) if bytes.len() - begin < length => return Ok(None),
        Framing::Length(length) => {
            request.body = bytes[begin..begin + length].to_vec();
            length
        }
        Framing::Chunked => match chunks(&bytes[begin..], &mut request).map_err(|what| violation(&what, bytes))? {
            Some(length) => length,
            None => return Ok(None),
        },
    };
    Ok(Some((request, begin + length)))
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

fn head(head: &[u8]) -> Result<Request, String> {
    let mut lines = split_lines(head);
    let line = text(lines.next().unwrap_or_default())?;
    let parts: Vec<&str> = line.split(' ').collect();
    let &[method, target, "HTTP/1.1"] = &parts[..] else {
        return Err(format!("no request line: {line:?}"));
    };
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(format!("no method: {method:?}"));
    }
    if !(target == "*" || target.starts_with('/')) || target.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(format!("no target: {target:?}"));
    }
    let headers = fields(lines)?;
    let request =
        Request { method: method.to_owned(), target: target.to_owned(), headers, body: vec![], trailers: vec![] };
    match &request.all("host")[..] {
        [host] if !host.is_empty() => Ok(request),
        hosts => Err(format!("not one host: {hosts:?}")),
    }
}

fn fields<'b>(lines: impl Iterator<Item = &'b [u8]>) -> Result<Vec<(String, String)>, String> {
    lines
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').ok_or("a field without a colon")?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if name.is_empty() || !name.iter().copied().all(is_token) {
                return Err(format!("no name: {:?}", String::from_utf8_lossy(name)));
            }
            Ok((text(name)?.to_ascii_lowercase(), text(value)?))
        })
        .collect()
}

fn framing(request: &Request) -> Result<Framing, String> {
    match (&request.all("transfer-encoding")[..], &request.all("content-length")[..]) {
        ([], []) => Ok(Framing::None),
        (["chunked"], []) => Ok(Framing::Chunked),
        ([], [length]) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|_| format!("no length: {length:?}"))
        }
        (codings, lengths) => Err(format!("no framing: {codings:?} {lengths:?}")),
    }
}

/// Reads chunks and trailers; the length of all, `None` while it is not there.
fn chunks(bytes: &[u8], request: &mut Request) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size = text(&bytes[at..at + end])?;
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("no chunk size: {size:?}"));
        }
        let size = usize::from_str_radix(&size, 16).map_err(|_| format!("no chunk size: {size:?}"))?;
        at += end + 2;
        if size == 0 {
            break;
        }
        if bytes.len() < at + size + 2 {
            return Ok(None);
        }
        request.body.extend_from_slice(&bytes[at..at + size]);
        if &bytes[at + size..at + size + 2] != b"\r\n" {
            return Err("a chunk longer than its size".to_owned());
        }
        at += size + 2;
    }
    if bytes[at..].starts_with(b"\r\n") {
        return Ok(Some(at + 2));
    }
    let Some(end) = find(&bytes[at..], b"\r\n\r\n") else { return Ok(None) };
    request.trailers = fields(split_lines(&bytes[at..at + end]))?;
    Ok(Some(at + end + 4))
}

fn split_lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        let end = find(bytes, b"\r\n");
        over = end.is_none();
        let line = &bytes[..end.unwrap_or(bytes.len())];
        bytes = end.map_or(&[], |end| &bytes[end + 2..]);
        Some(line)
    })
}

/// Bytes as they may stand in a line.
fn text(bytes: &[u8]) -> Result<String, String> {
    let lossy = String::from_utf8_lossy(bytes).into_owned();
    match bytes.iter().find(|byte| **byte < b' ' && **byte != b'\t' || **byte == 0x7F) {
        None => Ok(lossy),
        Some(byte) => Err(format!("the byte {byte:#04x} in {lossy:?}")),
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn violation(what: &str, bytes: &[u8]) -> Violation {
    Violation { what: what.to_owned(), bytes: String::from_utf8_lossy(bytes).into_owned() }
}

const LONGEST_HEAD: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_by_the_letter() {
        let chunked =
            b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\nGET";
        let (request, length) = read(chunked).unwrap().unwrap();
        assert_eq!((request.target.as_str(), request.body.as_slice(), length), ("/a", &b"ab"[..], chunked.len() - 3));
        assert_eq!(request.trailers, [("x".to_owned(), "y".to_owned())]);
        let sized = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(read(sized).unwrap().unwrap().1, sized.len());
        assert_eq!(read(&sized[..sized.len() - 1]), Ok(None));
    }

    #[test]
    fn what_is_not_to_the_letter_is_a_violation() {
        for bytes in [
            &b"GET / HTTP/1.0\r\nHost: h\r\n\r\n"[..],
            b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\n x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        ] {
            assert!(read(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
