//! The small value types that several keys share.

use std::{fmt, str::FromStr};

use ipnet::IpNet;

/// A weight: a decimal from 0 to 1,000,000 with at most six places, kept in millionths so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(pub u64);

impl Weight {
    /// The weight 1, Traefik's default.
    pub const ONE: Self = Self(1_000_000);
    /// The largest weight that can be written.
    pub const MAX: Self = Self(1_000_000 * 1_000_000);
}

impl FromStr for Weight {
    type Err = ();

    /// A decimal, as it is written: no sign, no exponent, at least one digit before a point.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let fraction = fraction.trim_end_matches('0');
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 7 || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
            return Err(());
        }
        let millionths: u64 = format!("{fraction:0<6}").parse().map_err(drop)?;
        let weight = Self(whole.parse::<u64>().map_err(drop)? * Self::ONE.0 + millionths);
        if weight <= Self::MAX { Ok(weight) } else { Err(()) }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let places = format!("{rest:06}");
        write!(f, "{whole}.{}", places.trim_end_matches('0'))
    }
}

/// A share of a whole, from 0 to 1, in millionths. Written `5%`, `0.5%` or `0.05`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share(pub u32);

impl Share {
    /// The whole.
    pub const ALL: Self = Self(1_000_000);

    /// From 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl FromStr for Share {
    type Err = ();

    /// A decimal as [`Weight`]'s, from 0 to 1, or from 0 to 100 with `%`; no finer than a millionth of the whole.
    fn from_str(text: &str) -> Result<Self, ()> {
        let share = match text.strip_suffix('%') {
            None => text.parse::<Weight>()?.0,
            Some(percent) => {
                let millionths = percent.trim_end().parse::<Weight>()?.0;
                if millionths % 100 != 0 {
                    return Err(());
                }
                millionths / 100
            }
        };
        if share <= u64::from(Self::ALL.0) { Ok(Self(share as u32)) } else { Err(()) }
    }
}

impl fmt::Display for Share {
    /// In percent, as short as it is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", Weight(u64::from(self.0) * 100))
    }
}

/// Ranges of HTTP statuses, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatusRanges(pub Vec<(u16, u16)>);

impl fmt::Display for StatusRanges {
    /// As they are written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (from, to)) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            if from == to { write!(f, "{comma}{from}")? } else { write!(f, "{comma}{from}-{to}")? }
        }
        Ok(())
    }
}

impl StatusRanges {
    /// Whether a status is in one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

/// Whose word counts as the client's: every peer's, or that of peers in some networks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// Every peer is believed.
    pub insecure: bool,
    /// Peers in these networks are believed.
    pub trusted_ips: Vec<IpNet>,
}

impl Trust {
    /// Whether `peer` is believed.
    pub fn covers(&self, peer: std::net::IpAddr) -> bool {
        self.insecure || self.names(peer)
    }

    /// Whether `peer` is believed by its address.
    pub fn names(&self, peer: std::net::IpAddr) -> bool {
        self.trusted_ips.iter().any(|net| net.contains(&peer))
    }
}

/// Which client address of a request counts, as Traefik's `ipStrategy`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IpStrategy {
    /// Nth address of X-Forwarded-For from the right; 0: the peer's.
    pub depth: usize,
    /// First address of X-Forwarded-For from the right that is not one of these.
    pub excluded_ips: Vec<IpNet>,
    /// Prefix length by which IPv6 addresses are grouped; `None`: not grouped.
    pub ipv6_subnet: Option<u8>,
}

/// A text that is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percents_or_fractions_and_exact() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("5%", Some(50_000)),
            ("0.5 %", Some(5_000)),
            ("0.0001%", Some(1)),
            ("100%", Some(1_000_000)),
            ("0.00001%", None),
            ("100.1%", None),
            ("1.1", None),
            ("-1%", None),
            ("%", None),
        ] {
            let share = text.parse::<Share>().ok();
            assert_eq!(share.map(|share| share.0), expected, "{text}");
            assert_eq!(share.and_then(|share| share.to_string().parse().ok()), share, "{text}");
        }
        assert_eq!(Share(5_000).to_string(), "0.5%");
    }

    #[test]
    fn weights_are_exact_to_six_places() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("0.1", Some(100_000)),
            ("0.000001", Some(1)),
            ("12.50", Some(12_500_000)),
            ("1000000", Some(1_000_000_000_000)),
            ("1000000.1", None),
            ("0.0000001", None),
            ("-1", None),
            ("1e3", None),
            (".5", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Weight>().ok().map(|weight| weight.0), expected, "{text}");
        }
    }
}
