//! Which coding a client is given (RFC 9110 section 12.5.3).

use http::{HeaderMap, header};
use rollgate_config::dynamic::middleware::{Compress, Encoding};

/// The coding of those that are offered which the client likes best; among equals the default one, if it is `*` that stands
/// for it, and then the first. `None`: none at all.
pub(super) fn choose(config: &Compress, headers: &HeaderMap) -> Option<Encoding> {
    let mut lines = headers.get_all(header::ACCEPT_ENCODING).iter().peekable();
    if lines.peek().is_none() {
        // Any would do, but who says nothing may understand nothing.
        return config.default_encoding;
    }
    let wishes = Wishes::read(lines.filter_map(|line| line.to_str().ok()));
    let liked = config.encodings.iter().map(|encoding| (*encoding, wishes.of(*encoding)));
    let best = liked.clone().map(|(_, wish)| wish.quality).max()?;
    if best == 0 || wishes.identity.is_some_and(|identity| identity > best) {
        return None;
    }
    let mut best = liked.filter(|(_, wish)| wish.quality == best);
    let by_star = best.clone().any(|(_, wish)| !wish.named);
    let default = config.default_encoding.filter(|default| by_star && best.clone().any(|(one, _)| one == *default));
    default.or_else(|| best.next().map(|(encoding, _)| encoding))
}

/// How much a client likes each coding, in thousandths; 0 is not at all.
#[derive(Debug, Default)]
struct Wishes {
    named: [Option<u16>; 3],
    identity: Option<u16>,
    star: Option<u16>,
}

struct Wish {
    quality: u16,
    /// By its own name, not by `*`.
    named: bool,
}

impl Wishes {
    fn read<'l>(lines: impl Iterator<Item = &'l str>) -> Self {
        let mut wishes = Self::default();
        for item in lines.flat_map(|line| line.split(',')) {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let quality = quality.map_or(1_000, thousandths);
            let of_name = |known: &str| name.eq_ignore_ascii_case(known);
            let slot = match Encoding::ALL.iter().position(|(known, _)| of_name(known)) {
                Some(place) => &mut wishes.named[place],
                // Its old name.
                None if of_name("x-gzip") => &mut wishes.named[0],
                None if of_name("identity") => &mut wishes.identity,
                None if name == "*" => &mut wishes.star,
                None => continue,
            };
            *slot = Some(slot.map_or(quality, |before| before.max(quality)));
        }
        wishes
    }

    fn of(&self, encoding: Encoding) -> Wish {
        let place = Encoding::ALL.iter().position(|(_, known)| *known == encoding).unwrap_or_default();
        let named = self.named[place];
        Wish { quality: named.or(self.star).unwrap_or(0), named: named.is_some() }
    }
}

/// `0.5`; what is no weight is none.
fn thousandths(text: &str) -> u16 {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    let fraction = format!("{fraction:0<3}").parse().unwrap_or(0);
    match whole {
        "0" => fraction,
        "1" if fraction == 0 => 1_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use rollgate_config::dynamic::middleware::ContentTypes;

    use super::*;

    fn config(encodings: &[Encoding], default_encoding: Option<Encoding>) -> Compress {
        Compress {
            content_types: ContentTypes::Except(Vec::new()),
            min_response_body_bytes: 1024,
            encodings: encodings.to_vec(),
            default_encoding,
        }
    }

    fn chosen(config: &Compress, lines: &[&'static str]) -> Option<Encoding> {
        let lines = lines.iter().map(|line| (header::ACCEPT_ENCODING, HeaderValue::from_static(line)));
        choose(config, &lines.collect())
    }

    use Encoding::{Brotli, Gzip, Zstd};

    #[test]
    fn the_client_chooses_and_among_equals_the_configuration() {
        let config = config(&[Gzip, Brotli, Zstd], None);
        for (line, coding) in [
            ("gzip, deflate, br, zstd", Some(Gzip)),
            ("br;q=0.9, gzip;q=0.8", Some(Brotli)),
            ("br, gzip;q=0.999", Some(Brotli)),
            ("BR", Some(Brotli)),
            ("x-gzip", Some(Gzip)),
            ("deflate", None),
            ("", None),
            ("identity", None),
            ("identity, gzip", Some(Gzip)),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.1, gzip;q=0.5", Some(Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=0.0, br;q=0.001", Some(Brotli)),
            ("*", Some(Gzip)),
            ("gzip;q=0, *", Some(Brotli)),
            ("*;q=0, zstd", Some(Zstd)),
            ("*;q=0", None),
            ("zstd;q=1, *;q=0.5", Some(Zstd)),
            ("gzip ; q=0.5 , br ; q=1.000", Some(Brotli)),
            ("gzip;q=2, br;q=0.1", Some(Brotli)),
            ("gzip;q=abc", None),
            ("gzip;q=0.1234", None),
            ("gzip;level=9;q=0.2, br;q=0.1", Some(Gzip)),
        ] {
            assert_eq!(chosen(&config, &[line]), coding, "{line}");
        }
        assert_eq!(chosen(&config, &["deflate", "br"]), Some(Brotli));
        assert_eq!(chosen(&config, &[]), None);
    }

    #[test]
    fn the_order_is_the_configurations() {
        assert_eq!(chosen(&config(&[Zstd, Brotli, Gzip], None), &["gzip, br, zstd"]), Some(Zstd));
        assert_eq!(chosen(&config(&[Brotli], None), &["gzip, zstd"]), None);
    }

    #[test]
    fn the_default_is_for_those_who_say_nothing_or_anything() {
        let config = config(&[Gzip, Brotli, Zstd], Some(Zstd));
        assert_eq!(chosen(&config, &[]), Some(Zstd));
        assert_eq!(chosen(&config, &["*"]), Some(Zstd));
        assert_eq!(chosen(&config, &["gzip, *"]), Some(Zstd));
        assert_eq!(chosen(&config, &["gzip, *;q=0.5"]), Some(Gzip));
        assert_eq!(chosen(&config, &["zstd;q=0, *"]), Some(Gzip));
        assert_eq!(chosen(&config, &["gzip, br, zstd"]), Some(Gzip), "it is named");
        assert_eq!(chosen(&config, &[""]), None);
    }
}
