//! MD5-crypt, `$1$` and Apache's `$apr1$`: a thousand rounds of MD5 in an order of its own. It takes some 200 us.

use md5::{Digest, Md5};

/// The 22 characters that stand behind the salt. `magic` is `$1$` or `$apr1$`; of the salt 8 bytes count.
pub(super) fn md5_crypt(password: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 22] {
    let salt = &salt[..salt.len().min(8)];
    let mut digest = first(password, magic, salt);
    for round in 0..1000 {
        let odd = round % 2 == 1;
        let mut next = Md5::new();
        next.update(if odd { password } else { &digest });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &digest[..] } else { password });
        digest = next.finalize().into();
    }
    encoded(&digest)
}

fn first(password: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut outer = Md5::new();
    outer.update(password);
    outer.update(magic);
    outer.update(salt);
    for piece in password.chunks(16) {
        outer.update(&inner[..piece.len()]);
    }
    // A bit of the length each: NUL for one that is set, the password's first byte for one that is not.
    let mut length = password.len();
    while length > 0 {
        outer.update(if length % 2 == 1 { [0] } else { [password[0]] });
        length /= 2;
    }
    outer.finalize().into()
}

/// Six bits a character, lowest first, of the bytes in crypt's own order.
fn encoded(digest: &[u8; 16]) -> [u8; 22] {
    let mut text = [0; 22];
    let (mut bits, mut held, mut at) = (0_u32, 0, 0);
    for place in ORDER {
        bits |= u32::from(digest[place]) << held;
        held += 8;
        while held >= 6 {
            text[at] = ALPHABET[(bits & 63) as usize];
            (bits, held, at) = (bits >> 6, held - 6, at + 1);
        }
        // Each three bytes fill four characters.
    }
    text[at] = ALPHABET[(bits & 63) as usize];
    text
}

const ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_openssl_and_htpasswd_make() {
        for (password, magic, salt, expected) in [
            ("test", "$apr1$", "H6uskkkW", "IgXLP6ewTrSuBkTrqE8wj/"),
            ("", "$apr1$", "xy", "43..WIhbfuznGvwoCyUek/"),
            ("secret", "$1$", "12345678", "hj0uLpdidjPhbMMZeno8X/"),
            ("pässword with a length of more than sixteen bytes", "$apr1$", "abcdefgh", "c9qPW2DlfJvaiD65b.LzB/"),
        ] {
            let made = md5_crypt(password.as_bytes(), magic.as_bytes(), salt.as_bytes());
            assert_eq!(std::str::from_utf8(&made).unwrap(), expected, "{password}");
        }
    }
}
