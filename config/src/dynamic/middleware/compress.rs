//! The `compress` middleware.

/// `compress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compress {
    /// `excludedContentTypes` or `includedContentTypes`.
    pub content_types: ContentTypes,
    /// `minResponseBodyBytes`, 1024: what is shorter is not compressed.
    pub min_response_body_bytes: u64,
    /// `encodings`: gzip, br, zstd; the first that a client likes as much as any other is taken.
    pub encodings: Vec<Encoding>,
    /// `defaultEncoding`: for clients that say nothing, or `*`; one of `encodings`.
    pub default_encoding: Option<Encoding>,
}

/// Which media types are compressed, each `type/subtype`, lower-cased and without parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentTypes {
    /// All but these.
    Except(Vec<String>),
    /// Only these.
    Only(Vec<String>),
}

/// A content coding, RFC 9110 section 8.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `gzip`, RFC 1952.
    Gzip,
    /// `br`, RFC 7932.
    Brotli,
    /// `zstd`, RFC 8878.
    Zstd,
}

impl Encoding {
    /// Every one with its name, in the order that is the default.
    pub const ALL: [(&'static str, Self); 3] = [("gzip", Self::Gzip), ("br", Self::Brotli), ("zstd", Self::Zstd)];
}
