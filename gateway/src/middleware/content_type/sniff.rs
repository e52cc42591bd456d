//! What bytes look like: the patterns of <https://mimesniff.spec.whatwg.org/> as Go's `DetectContentType` has them, in its
//! order, so that a server behind Traefik and one behind this say the same.

/// So many bytes decide.
pub(super) const LENGTH: usize = 512;

/// A media type, whatever the bytes are.
pub(super) fn content_type(data: &[u8]) -> &'static str {
    let data = &data[..data.len().min(LENGTH)];
    let visible = without_space(data);
    if HTML.iter().any(|tag| is_tag(visible, tag)) {
        return "text/html; charset=utf-8";
    }
    if visible.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    let found = |table: &[(Signature, &'static str)]| {
        table.iter().find(|(signature, _)| signature.matches(data)).map(|(_, name)| *name)
    };
    if let Some(name) = found(BEFORE_MP4) {
        return name;
    }
    if is_mp4(data) {
        return "video/mp4";
    }
    if let Some(name) = found(BEHIND_MP4) {
        return name;
    }
    if is_text(visible) { "text/plain; charset=utf-8" } else { "application/octet-stream" }
}

fn without_space(data: &[u8]) -> &[u8] {
    let start = data.iter().position(|byte| !matches!(byte, b'\t' | b'\n' | 0x0C | b'\r' | b' '));
    &data[start.unwrap_or(data.len())..]
}

/// The tag in any case, and a byte that ends its name.
fn is_tag(data: &[u8], tag: &[u8]) -> bool {
    let Some((name, [end, ..])) = data.split_at_checked(tag.len()) else { return false };
    // Only letters have a case, and only the tag's: `<!--` is `<!--`.
    let same = |(byte, of_tag): (&u8, &u8)| if of_tag.is_ascii_uppercase() { byte & 0xDF } else { *byte } == *of_tag;
    matches!(end, b' ' | b'>') && name.iter().zip(tag).all(same)
}

/// A first box of the type `ftyp`, one of whose brands begins with `mp4`.
fn is_mp4(data: &[u8]) -> bool {
    let Some((length, [b'f', b't', b'y', b'p', brands @ ..])) = data.split_first_chunk() else { return false };
    let length = u32::from_be_bytes(*length) as usize;
    if data.len() < 12 || length < 8 || data.len() < length || !length.is_multiple_of(4) {
        return false;
    }
    // The second is the version of the first.
    let brands = brands[..length - 8].chunks(4).enumerate();
    brands.into_iter().any(|(place, brand)| place != 1 && brand.starts_with(b"mp4"))
}

/// No byte that is in no text.
fn is_text(data: &[u8]) -> bool {
    !data.iter().any(|byte| matches!(byte, 0..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F))
}

/// What is at the start, and perhaps what is at another place, with as many bytes at least.
struct Signature {
    start: &'static [u8],
    at: usize,
    then: &'static [u8],
    least: usize,
}

impl Signature {
    fn matches(&self, data: &[u8]) -> bool {
        data.len() >= self.least
            && data.starts_with(self.start)
            && data.get(self.at..).is_some_and(|rest| rest.starts_with(self.then))
    }
}

const fn starts(start: &'static [u8]) -> Signature {
    Signature { start, at: 0, then: b"", least: 0 }
}

const fn at_least(least: usize, start: &'static [u8]) -> Signature {
    Signature { start, at: 0, then: b"", least }
}

/// A container of chunks: its name, a length, and the name of what is in it.
const fn chunks(start: &'static [u8], then: &'static [u8]) -> Signature {
    Signature { start, at: 8, then, least: 0 }
}

const HTML: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

const BEFORE_MP4: &[(Signature, &str)] = &[
    (starts(b"%PDF-"), "application/pdf"),
    (starts(b"%!PS-Adobe-"), "application/postscript"),
    (at_least(4, b"\xFE\xFF"), "text/plain; charset=utf-16be"),
    (at_least(4, b"\xFF\xFE"), "text/plain; charset=utf-16le"),
    (at_least(4, b"\xEF\xBB\xBF"), "text/plain; charset=utf-8"),
    (starts(b"\0\0\x01\0"), "image/x-icon"),
    (starts(b"\0\0\x02\0"), "image/x-icon"),
    (starts(b"BM"), "image/bmp"),
    (starts(b"GIF87a"), "image/gif"),
    (starts(b"GIF89a"), "image/gif"),
    (chunks(b"RIFF", b"WEBPVP"), "image/webp"),
    (starts(b"\x89PNG\r\n\x1A\n"), "image/png"),
    (starts(b"\xFF\xD8\xFF"), "image/jpeg"),
    (chunks(b"FORM", b"AIFF"), "audio/aiff"),
    (starts(b"ID3"), "audio/mpeg"),
    (starts(b"OggS\0"), "application/ogg"),
    (starts(b"MThd\0\0\0\x06"), "audio/midi"),
    (chunks(b"RIFF", b"AVI "), "video/avi"),
    (chunks(b"RIFF", b"WAVE"), "audio/wave"),
];

const BEHIND_MP4: &[(Signature, &str)] = &[
    (starts(b"\x1A\x45\xDF\xA3"), "video/webm"),
    // Embedded OpenType: 34 bytes of lengths and flags before its number.
    (Signature { start: b"", at: 34, then: b"LP", least: 36 }, "application/vnd.ms-fontobject"),
    (starts(b"\0\x01\0\0"), "font/ttf"),
    (starts(b"OTTO"), "font/otf"),
    (starts(b"ttcf"), "font/collection"),
    (starts(b"wOFF"), "font/woff"),
    (starts(b"wOF2"), "font/woff2"),
    (starts(b"\x1F\x8B\x08"), "application/x-gzip"),
    (starts(b"PK\x03\x04"), "application/zip"),
    (starts(b"Rar!\x1A\x07\0"), "application/x-rar-compressed"),
    (starts(b"Rar!\x1A\x07\x01\0"), "application/x-rar-compressed"),
    (starts(b"\0asm"), "application/wasm"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vectors of Go's own test, and what Go answers at the edges of the table.
    #[test]
    fn bytes_are_what_go_says_they_are() {
        for (data, expected) in VECTORS {
            assert_eq!(content_type(data), *expected, "{}", data.escape_ascii());
        }
    }

    #[test]
    fn fonts_in_their_own_wrapping_are_found_by_what_is_far_inside() {
        let mut font = [1; 36];
        font[34..].copy_from_slice(b"LP");
        assert_eq!(content_type(&font), "application/vnd.ms-fontobject");
        assert_eq!(content_type(&font[..35]), "application/octet-stream");
    }

    proptest! {
        #[test]
        fn what_is_behind_the_512th_byte_decides_nothing(
            start in prop::collection::vec(any::<u8>(), LENGTH),
            rest in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let whole = [&start[..], &rest].concat();
            prop_assert_eq!(content_type(&whole), content_type(&start));
        }

        #[test]
        fn any_bytes_have_a_type_and_text_is_text(text in "[ -;=-~\u{a0}-\u{ffff}]{0,600}", bytes: Vec<u8>) {
            prop_assert!(!content_type(&bytes).is_empty());
            let told = content_type(format!("~{text}").as_bytes());
            let is_font = text.as_bytes().get(33..35) == Some(b"LP");
            prop_assert_eq!(told, if is_font { "application/vnd.ms-fontobject" } else { "text/plain; charset=utf-8" });
        }

        #[test]
        fn pages_are_found_behind_any_space(space in "[ \t\r\n\x0c]{0,480}", tag in 0..HTML.len(), end in "[ >]") {
            let tag = std::str::from_utf8(HTML[tag]).unwrap().to_lowercase();
            let page = format!("{space}{tag}{end}");
            prop_assert_eq!(content_type(page.as_bytes()), "text/html; charset=utf-8");
        }
    }

    const VECTORS: &[(&[u8], &str)] = &[
        (b"", "text/plain; charset=utf-8"),
        (b"\x01\x02\x03", "application/octet-stream"),
        (b"<HtMl><bOdY>blah</body></html>", "text/html; charset=utf-8"),
        (b"<HTML></HTML>", "text/html; charset=utf-8"),
        (b"   <!DOCTYPE HTML>...", "text/html; charset=utf-8"),
        (b"\x0D\x0A<html>...", "text/html; charset=utf-8"),
        (b"This is not HTML. It has \xE2\x98\x83 though.", "text/plain; charset=utf-8"),
        (b"\x0A<?xml!", "text/xml; charset=utf-8"),
        (b"\x00\x00\x01\x00", "image/x-icon"),
        (b"\x00\x00\x02\x00", "image/x-icon"),
        (b"BM...", "image/bmp"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a...", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP", "image/webp"),
        (b"\x89PNG\x0D\x0A\x1A\x0A", "image/png"),
        (b"\xFF\xD8\xFF", "image/jpeg"),
        (b"MThd\x00\x00\x00\x06\x00\x01", "audio/midi"),
        (b"ID3\x03\x00\x00\x00\x00\x0F", "audio/mpeg"),
        (b"RIFFb\xB8\x00\x00WAVEfmt \x12\x00\x00\x00\x06", "audio/wave"),
        (b"FORM\x00\x00\x00\x00AIFFCOMM\x00\x00\x00\x12", "audio/aiff"),
        (b"OggS\x00\x02\x00", "application/ogg"),
        (b"owow\x00", "application/octet-stream"),
        (b"oooS\x00", "application/octet-stream"),
        (b"oggS\x00", "application/octet-stream"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom<\x06t\xBFmdat", "video/mp4"),
        (b"RIFF,O\x0A\x00AVI LIST\xC3\x80", "video/avi"),
        (b"\x00\x01\x00\x00\x00\x17\x01", "font/ttf"),
        (b"OTTO\x00\x0E", "font/otf"),
        (b"wOFF\x00\x01", "font/woff"),
        (b"wOF2\x00\x01\x00", "font/woff2"),
        (b"\x00asm\x01\x00", "application/wasm"),
        (b"Rar!\x1A\x07\x00", "application/x-rar-compressed"),
        (b"Rar!\x1A\x07\x01\x00", "application/x-rar-compressed"),
        (b"Rar \x1A\x07\x00", "application/octet-stream"),
        (b"Rar \x1A\x07\x01\x00", "application/octet-stream"),
        (b"ttcf", "font/collection"),
        (b"\x1F\x8B\x08", "application/x-gzip"),
        (b"PK\x03\x04", "application/zip"),
        (b"PK\x05\x06", "application/octet-stream"),
        (b"%PDF-1.7", "application/pdf"),
        (b"%PDF", "text/plain; charset=utf-8"),
        (b" %PDF-", "text/plain; charset=utf-8"),
        (b"%!PS-Adobe-3.0", "application/postscript"),
        (b"\x1AE\xDF\xA3", "video/webm"),
        (b"\xFE\xFFab", "text/plain; charset=utf-16be"),
        (b"\xFE\xFFa", "text/plain; charset=utf-8"),
        (b"\xFF\xFE\x00\x00", "text/plain; charset=utf-16le"),
        (b"\xEF\xBB\xBFa", "text/plain; charset=utf-8"),
        (b"\xEF\xBB\xBF", "text/plain; charset=utf-8"),
        (b"<html", "text/plain; charset=utf-8"),
        (b"<html/", "text/plain; charset=utf-8"),
        (b"<html\x0A>", "text/plain; charset=utf-8"),
        (b"<!--", "text/plain; charset=utf-8"),
        (b"<!-- ", "text/html; charset=utf-8"),
        (b"<!-->", "text/html; charset=utf-8"),
        (b"<\x01html>", "application/octet-stream"),
        (b"<h1>", "text/html; charset=utf-8"),
        (b"<h2>", "text/plain; charset=utf-8"),
        (b"<b>", "text/html; charset=utf-8"),
        (b"<body ", "text/html; charset=utf-8"),
        (b"<bo>", "text/plain; charset=utf-8"),
        (b"<p>", "text/html; charset=utf-8"),
        (b"<pre>", "text/plain; charset=utf-8"),
        (b"<a href=x>", "text/html; charset=utf-8"),
        (b"<abbr>", "text/plain; charset=utf-8"),
        (b" \x09\x0C<?xml", "text/xml; charset=utf-8"),
        (b"<?XML", "text/plain; charset=utf-8"),
        (b"{\"a\": 1}", "text/plain; charset=utf-8"),
        (b"a\x00b", "application/octet-stream"),
        (b"a\x1Bb", "text/plain; charset=utf-8"),
        (b"a\x0Bb", "application/octet-stream"),
        (b"\x7F", "text/plain; charset=utf-8"),
        (b"\xC3\xA9", "text/plain; charset=utf-8"),
        (b"\xFF\xFD", "text/plain; charset=utf-8"),
        (b"   ", "text/plain; charset=utf-8"),
        (b"\x00\x00\x00\x0Cftypmp41", "video/mp4"),
        (b"\x00\x00\x00\x10ftypisommp42", "application/octet-stream"),
        (b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00mp41", "video/mp4"),
        (b"\x00\x00\x00\x15ftypisom\x00\x00\x00\x00mp41x", "application/octet-stream"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00mp41", "application/octet-stream"),
        (b"\x00\x00\x00\x08ftypmp42", "application/octet-stream"),
        (b"\x00\x00\x00\x00ftypmp42", "application/octet-stream"),
        (b"\xFF\xFF\xFF\xFCftypmp42", "text/plain; charset=utf-8"),
        (b"RIFF\x00\x00\x00\x00WEBP", "application/octet-stream"),
        (b"RIFF", "text/plain; charset=utf-8"),
        (b"RIFFxxxxyyyy", "text/plain; charset=utf-8"),
    ];
}
