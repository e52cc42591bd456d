//! `Authorization: Basic` (RFC 7617).

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, HeaderValue, header};

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    decoded: Vec<u8>,
    /// Where the colon stands.
    colon: usize,
}

impl Credentials {
    /// Those of a request; `None` without any, with broken or overlong ones, and with several, of which another hop might take another.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let encoded = one(headers, "basic").filter(|encoded| encoded.len() <= LONGEST.div_ceil(3) * 4)?;
        let decoded = BASE64.decode(encoded).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        Some(Self { decoded, colon })
    }

    /// Before the first colon.
    pub(crate) fn user(&self) -> &[u8] {
        &self.decoded[..self.colon]
    }

    /// After it.
    pub(crate) fn password(&self) -> &[u8] {
        &self.decoded[self.colon + 1..]
    }
}

/// What stands behind this scheme in the one `Authorization` that there is.
pub(super) fn one<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h [u8]> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    after_scheme(line, scheme)
}

fn after_scheme<'h>(line: &'h HeaderValue, scheme: &str) -> Option<&'h [u8]> {
    let (before, after) = line.as_bytes().split_at_checked(scheme.len())?;
    let rest = after.strip_prefix(b" ").filter(|_| before.eq_ignore_ascii_case(scheme.as_bytes()))?;
    Some(rest.trim_ascii_start())
}

/// A name and a password, in bytes. MD5's crypt takes as long as a password is, a thousand times over.
const LONGEST: usize = 1024;

/// With padding, as Go wants it; bits that are left over are nobody's, as for Go.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(line).unwrap());
        }
        let credentials = Credentials::of(&headers)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((text(credentials.user()), text(credentials.password())))
    }

    #[test]
    fn user_and_password_are_divided_by_the_first_colon() {
        for (line, user, password) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"),
            ("basic dGVzdDoxMjPCow==", "test", "123£"),
            ("BASIC  YTpiOmM=", "a", "b:c"),
            ("Basic Og==", "", ""),
            ("Basic YTo=", "a", ""),
            // The last character's bits are left over.
            ("Basic YTp=", "a", ""),
        ] {
            assert_eq!(read(&[line]), Some((user.to_owned(), password.to_owned())), "{line}");
        }
    }

    #[test]
    fn what_is_no_pair_is_none() {
        for lines in [
            &[][..],
            &["Basic"],
            &["Basic "],
            &["Basic YQ=="],
            &["Basic YTpi!"],
            &["Basic YTo"],
            &["Bearer YTpi"],
            &["BasicYTpi"],
            &["YTpi"],
            &["Basic YTpi", "Basic YTpi"],
        ] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a_long_pair_is_none() {
        let line = |length: usize| format!("Basic {}", BASE64.encode(format!("{:0>length$}", ":a")));
        assert!(read(&[&line(LONGEST)]).is_some());
        assert!(read(&[&line(LONGEST + 3)]).is_none());
    }
}
