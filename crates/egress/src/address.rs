//! Which addresses may be connected to.
//!
//! Only what is public, and what the operator opened. An IPv4 address in IPv6 clothes (mapped,
//! compatible, NAT64, 6to4) is judged as the IPv4 address it leads to. Spellings of an address in a
//! URL (decimal, octal, hexadecimal) never get here: the URL parser has made them an address.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not the public internet (IANA's special-purpose registry).
const CLOSED_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 31, 196, 0), 24),
    (Ipv4Addr::new(192, 52, 193, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(192, 175, 48, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

/// Parts of IPv6's global unicast space (2000::/3) that are not the public internet. Everything
/// outside of 2000::/3 is closed too.
const CLOSED_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// The rule for every outgoing connection to an endpoint.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    allowed: Vec<IpNet>,
}

impl AddressRules {
    /// Opens `allowed` in addition to what is public.
    pub fn new(allowed: Vec<IpNet>) -> AddressRules {
        AddressRules { allowed }
    }

    /// Opens everything: for what the operator names.
    pub fn anywhere() -> AddressRules {
        AddressRules::new(vec![IpNet::from(Ipv4Net::default()), IpNet::from(Ipv6Net::default())])
    }

    /// Whether a connection to `address` may be opened.
    pub fn permit(&self, address: IpAddr) -> bool {
        let real = unwrap(address);
        self.allowed.iter().any(|net| net.contains(&real) || net.contains(&address)) || is_public(real)
    }
}

/// The address that traffic to `address` ends up at.
fn unwrap(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => embedded_v4(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn embedded_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, ..] = v6.segments();
    let bytes = v6.octets();
    let at = |i: usize| Ipv4Addr::new(bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]);
    let compatible = v6.segments()[..6] == [0; 6] && !v6.is_loopback() && !v6.is_unspecified();
    let nat64 = (a, b) == (0x64, 0xff9b) && (c == 1 || v6.segments()[2..6] == [0; 4]);
    let translated = v6.segments()[..6] == [0, 0, 0, 0, 0xffff, 0];
    match v6.to_ipv4_mapped() {
        Some(v4) => Some(v4),
        None if compatible || nat64 || translated => Some(at(12)),
        None if a == 0x2002 => Some(at(2)),
        None => None,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !CLOSED_V4.iter().any(|(net, len)| Ipv4Net::new_assert(*net, *len).contains(&v4)),
        IpAddr::V6(v6) => {
            v6.segments()[0] & 0xe000 == 0x2000
                && !CLOSED_V6.iter().any(|(net, len)| Ipv6Net::new_assert(*net, *len).contains(&v6))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(rules: &AddressRules, address: &str) -> bool {
        rules.permit(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_open() {
        let rules = AddressRules::default();
        for open in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2002:0101:0101::", "::ffff:8.8.8.8"] {
            assert!(permits(&rules, open), "{open} is public");
        }
        for closed in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "fd00:ec2::254",
            "100::1",
            "::ffff:0:127.0.0.1",
        ] {
            assert!(!permits(&rules, closed), "{closed} must be refused");
        }
    }

    #[test]
    fn an_opened_network_is_open_in_every_spelling_and_opens_nothing_else() {
        let rules = AddressRules::new(vec!["127.0.0.0/8".parse().unwrap(), "fd12::/16".parse().unwrap()]);
        for open in ["127.0.0.1", "::ffff:127.0.0.1", "fd12::9"] {
            assert!(permits(&rules, open), "{open} was opened");
        }
        for closed in ["10.0.0.1", "::1", "fd13::1"] {
            assert!(!permits(&rules, closed), "{closed} was not");
        }
    }
}
