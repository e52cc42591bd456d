//! The encoders behind one face.
//!
//! Levels and windows are chosen for what a worker can afford: some 80 to 200 MB of text a second, and at most 1.5 MiB for
//! each answer under way (gzip 0.3, Brotli and Zstandard 1.3). What is encoded at a time ([`Encoder::piece`]) takes some
//! 100 us, since each piece ends a block; without that, an encoder saves up work for half a millisecond and more.

use std::io::{self, Write};

use bytes::Bytes;
use rollgate_config::dynamic::middleware::Encoding;

/// One answer's.
pub(super) enum Encoder {
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl Encoder {
    /// Fails where the machine has no memory for it.
    pub(super) fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => {
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))))
            }
            Encoding::Brotli => {
                let encoder = brotli::CompressorWriter::new(Vec::new(), BROTLI_BUFFER, BROTLI_LEVEL, BROTLI_WINDOW);
                Self::Brotli(Box::new(encoder))
            }
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW)?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// Bytes of memory that one of this coding is reckoned at: what it allocates, and what waits to go out.
    pub(super) fn weight(encoding: Encoding) -> u64 {
        match encoding {
            Encoding::Gzip => 320 * 1024,
            Encoding::Brotli | Encoding::Zstd => 1344 * 1024,
        }
    }

    /// How many bytes are encoded at a time.
    pub(super) fn piece(&self) -> usize {
        match self {
            Self::Gzip(_) => 8 * 1024,
            Self::Brotli(_) => 6 * 1024,
            Self::Zstd(_) => 16 * 1024,
        }
    }

    pub(super) fn encode(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Ends a block: everything so far can be decoded from what is there.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// How much there is to take.
    pub(super) fn ready(&self) -> usize {
        match self {
            Self::Gzip(encoder) => encoder.get_ref().len(),
            Self::Brotli(encoder) => encoder.get_ref().len(),
            Self::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
        .into()
    }

    /// Ends the whole; what is left to take.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
        .map(Bytes::from)
    }
}

const GZIP_LEVEL: u32 = 5;
const BROTLI_LEVEL: u32 = 4;
/// 256 KiB.
const BROTLI_WINDOW: u32 = 18;
const BROTLI_BUFFER: usize = 4 * 1024;
const ZSTD_LEVEL: i32 = 3;
/// 512 KiB.
const ZSTD_WINDOW: u32 = 19;

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// What is decoded so far, from what may be a beginning.
    pub(in super::super) fn decoded(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut reader: Box<dyn Read> = match encoding {
            Encoding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
            Encoding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
            Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        };
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            all.extend_from_slice(&buffer[..read]);
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_flushed_can_be_decoded_and_the_whole_is_the_whole(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..20),
        ) {
            for (_, encoding) in Encoding::ALL {
                let mut encoder = Encoder::new(encoding).unwrap();
                let (mut plain, mut coded) = (Vec::new(), Vec::new());
                for (piece, flushed) in &pieces {
                    encoder.encode(piece).unwrap();
                    plain.extend_from_slice(piece);
                    if *flushed {
                        encoder.flush().unwrap();
                        coded.extend_from_slice(&encoder.take());
                        prop_assert_eq!(&decoded(encoding, &coded), &plain);
                    }
                }
                coded.extend_from_slice(&encoder.finish().unwrap());
                prop_assert_eq!(&decoded(encoding, &coded), &plain);
            }
        }
    }

    #[test]
    fn text_becomes_shorter() {
        let text = include_str!("encoder.rs").repeat(20);
        for (name, encoding) in Encoding::ALL {
            let mut encoder = Encoder::new(encoding).unwrap();
            encoder.encode(text.as_bytes()).unwrap();
            let coded = encoder.finish().unwrap();
            assert!(coded.len() * 10 < text.len(), "{name}: {} of {}", coded.len(), text.len());
        }
    }
}
