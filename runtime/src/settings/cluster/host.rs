//! Hosts and addresses as they are written: what is one, which of them are of this machine alone, and which stand for all.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

/// The address of an IP host.
pub(crate) fn ip(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

/// True if this is a name or an address. An IPv6 address stands without brackets.
pub(crate) fn is_host(host: &str) -> bool {
    let is_name = || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    ip(host).is_some() || !host.is_empty() && is_name()
}

/// True if only this machine reaches it. A name may stand for anything.
pub(crate) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || ip(host).is_some_and(|ip| ip.to_canonical().is_loopback())
}

/// True if it stands for all addresses of this machine, so that nobody reaches it by this.
pub(crate) fn is_all(host: &str) -> bool {
    ip(host).is_some_and(|ip| ip.to_canonical().is_unspecified())
}

/// A host as it stands in an address.
pub(crate) fn bracketed(host: &str) -> Cow<'_, str> {
    match host.parse::<Ipv6Addr>() {
        Ok(_) => format!("[{host}]").into(),
        Err(_) => host.into(),
    }
}

/// A host without the brackets that it has in an address.
pub(crate) fn unbracketed(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.filter(|inner| inner.parse::<Ipv6Addr>().is_ok()).unwrap_or(host)
}

/// An address.
pub(crate) fn authority(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// The host of `host:port`, if it is an address to connect to.
pub(crate) fn host_of(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let is_port = !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0);
    let inner = unbracketed(host);
    // An IPv6 address has its brackets here, or its end would be taken for the port.
    (is_port && is_host(inner) && (inner != host || !host.contains(':'))).then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for (address, host) in [
            ("a-1.b:1", "a-1.b"),
            ("127.0.0.1:6123", "127.0.0.1"),
            ("[::1]:65535", "::1"),
            ("localhost:1", "localhost"),
        ] {
            assert_eq!(host_of(address), Some(host), "{address}");
            assert_eq!(authority(host, 9), format!("{}:9", address.rsplit_once(':').expect("it has a port").0));
        }
        for wrong in ["", "a", "a:", "a:0", "a:+1", "a:65536", ":1", "::1:1", "a b:1", "[a]:1", "a/b:1", "ü:1"] {
            assert_eq!(host_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_what_stays_on_the_machine_is_loopback() {
        for host in ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST", "::ffff:127.0.0.1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "node-1", "::ffff:10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
        assert!(is_all("0.0.0.0") && is_all("::") && !is_all("127.0.0.1") && !is_all("all"));
    }
}
