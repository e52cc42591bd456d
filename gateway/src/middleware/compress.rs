//! `compress`: answers in a content coding that the client likes.
//!
//! ```text
//! the client's wish -> what the answer allows -> is it long enough? -> encoder, in pieces, flushed where the server pauses
//! ```
//!
//! The encoder works on the worker, some 100 us at a time; between two pieces other requests have their turn. What the
//! encoders of a worker hold is bounded: where there is no room for another one, the answer goes on as it is.

mod allowed;
mod beginning;
mod encoder;
mod negotiation;
mod stream;

use http::{HeaderMap, HeaderValue, Response, header, response};
use rollgate_config::dynamic::middleware::{Compress as Config, Encoding};

use self::{beginning::Beginning, encoder::Encoder, stream::Compressed};
use crate::{
    body::AnswerBody,
    call::{Answered, Call, Way},
    error::Error,
};

/// Compiled.
#[derive(Debug, Clone)]
pub(crate) struct Compress {
    config: Config,
}

impl Compress {
    pub(crate) fn new(config: &Config) -> Self {
        Self { config: config.clone() }
    }

    /// Runs what is left of the way, and compresses what comes.
    pub(crate) async fn run<'s>(&self, call: &mut Call<'s>, way: Way<'s>) -> Result<Answered, Error> {
        let wanted = negotiation::choose(&self.config, &call.parts.headers);
        let asked = allowed::is_asked(&self.config, &call.parts);
        let mark = call.mark();
        match call.run(way).await? {
            Answered::Response(response) if asked => {
                let response = call.settle(response, mark);
                Ok(Answered::Response(self.answer(call, response, wanted).await))
            }
            answered => Ok(answered),
        }
    }

    async fn answer(
        &self,
        call: &mut Call<'_>,
        response: Response<AnswerBody>,
        wanted: Option<Encoding>,
    ) -> Response<AnswerBody> {
        let (mut parts, body) = response.into_parts();
        if !allowed::is_allowed(&self.config, &parts) {
            return Response::from_parts(parts, body);
        }
        // Another client may get another coding of it (RFC 9110 section 12.5.5).
        if !varies(&parts.headers) {
            parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        let Some(encoding) = wanted else { return Response::from_parts(parts, body) };
        let body = match self.beginning(&parts, body).await {
            Beginning::Long(body) => body,
            Beginning::Short(body) => return Response::from_parts(parts, body),
            Beginning::Whole(bytes) => {
                call.exchange.server_done();
                return Response::from_parts(parts, AnswerBody::Whole(bytes));
            }
        };
        let worker = &call.exchange.connection.worker;
        let Some(place) = worker.encoders.hold(Encoder::weight(encoding)) else {
            worker.metrics.compress_skipped();
            return Response::from_parts(parts, body);
        };
        let encoder = match Encoder::new(encoding) {
            Ok(encoder) => encoder,
            Err(error) => {
                tracing::warn!(%error, "an answer cannot be compressed");
                return Response::from_parts(parts, body);
            }
        };
        describe(&mut parts, encoding);
        let body = Compressed::new(body, encoder, place, call.exchange.count_origin_bytes());
        Response::from_parts(parts, AnswerBody::Filtered(Box::pin(body)))
    }

    /// Whether it is long enough, for which as much of it is waited for as is needed, and not long.
    async fn beginning(&self, parts: &response::Parts, body: AnswerBody) -> Beginning {
        let minimum = self.config.min_response_body_bytes;
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        match length.or_else(|| http_body::Body::size_hint(&body).exact()) {
            Some(length) if length < minimum => Beginning::Short(body),
            None if !allowed::is_event_stream(&parts.headers) => beginning::of(body, minimum).await,
            _ => Beginning::Long(body),
        }
    }
}

fn varies(headers: &HeaderMap) -> bool {
    let names = headers.get_all(header::VARY).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let mut names = names.map(<[u8]>::trim_ascii);
    names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding"))
}

/// The head of what is compressed.
fn describe(parts: &mut response::Parts, encoding: Encoding) {
    let coding = match encoding {
        Encoding::Gzip => "gzip",
        Encoding::Brotli => "br",
        Encoding::Zstd => "zstd",
    };
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    parts.headers.remove(header::CONTENT_LENGTH);
    // Ranges would be of what is not sent.
    parts.headers.remove(header::ACCEPT_RANGES);
    // The same content in other bytes (RFC 9110 section 8.8.1).
    let weak = parts.headers.get(header::ETAG).and_then(|tag| {
        let tag = tag.as_bytes();
        (tag.starts_with(b"\"")).then(|| HeaderValue::from_bytes(&[b"W/", tag].concat()).ok())?
    });
    if let Some(weak) = weak {
        parts.headers.insert(header::ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_is_in_it() {
        let (mut parts, ()) = Response::new(()).into_parts();
        for (name, value) in [("content-length", "5000"), ("accept-ranges", "bytes"), ("etag", "\"a\"")] {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
        describe(&mut parts, Encoding::Brotli);
        assert_eq!(parts.headers.len(), 2);
        assert_eq!(
            (&parts.headers["content-encoding"], &parts.headers["etag"]),
            (&"br".parse().unwrap(), &"W/\"a\"".parse().unwrap())
        );
        describe(&mut parts, Encoding::Gzip);
        assert_eq!(parts.headers["etag"], "W/\"a\"", "it is weak already");
    }

    #[test]
    fn what_varies_already_is_left_as_it_is() {
        for (lines, varying) in [
            (&[][..], false),
            (&["Origin"], false),
            (&["Origin, accept-encoding"], true),
            (&["Origin", "Accept-Encoding"], true),
            (&["*"], true),
        ] {
            let lines = lines.iter().map(|line| (header::VARY, HeaderValue::from_static(line)));
            assert_eq!(varies(&lines.collect()), varying);
        }
    }
}
