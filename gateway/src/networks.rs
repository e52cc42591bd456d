//! A set of networks, asked with addresses in either notation.
//!
//! A dual-stack listener reports an IPv4 peer as `::ffff:10.0.0.1`. Networks are unmapped once when they are
//! compiled and an address when it is asked for, so `10.0.0.0/8` and `::ffff:10.0.0.0/104` mean the same.
//! Cost: a linear scan, since operators write a handful.

use std::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

/// A set of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Box<[IpNet]>);

impl Networks {
    /// The set of these networks.
    pub fn new(nets: &[IpNet]) -> Self {
        Self(nets.iter().map(|net| unmapped(*net)).collect())
    }

    /// Whether one of them holds `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(" or "))
    }
}

/// A network of IPv4-mapped addresses as the IPv4 network it stands for; any other as it is.
pub(crate) fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    let (Some(address), Some(length)) = (six.addr().to_ipv4_mapped(), six.prefix_len().checked_sub(MAPPED_BITS)) else {
        return net;
    };
    Ipv4Net::new(address, length).map_or(net, IpNet::V4)
}

/// The length of `::ffff:0:0`, the prefix of mapped addresses.
const MAPPED_BITS: u8 = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_and_plain_notation_mean_the_same_address() {
        let cases = [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("2001:db8::/32", "2001:db8::7", true),
            ("2001:db8::/32", "2001:db9::7", false),
            ("::/0", "10.1.2.3", false),
            ("0.0.0.0/0", "2001:db8::7", false),
        ];
        for (net, address, expected) in cases {
            let set = Networks::new(&[net.parse().unwrap()]);
            assert_eq!(set.contains(address.parse().unwrap()), expected, "{net} {address}");
        }
    }

    #[test]
    fn an_empty_set_holds_nothing() {
        assert!(Networks::default().is_empty());
        assert!(!Networks::default().contains("10.0.0.1".parse().unwrap()));
    }
}
