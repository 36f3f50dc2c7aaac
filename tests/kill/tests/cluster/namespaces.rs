//! [`Namespaces`]: hosts of a network on this machine, as Linux network namespaces joined by a bridge. Each direction between two of them can be cut.

use std::{
    net::Ipv4Addr,
    process::{Command, Output},
};

/// The addresses of the networks begin with these (RFC 2544: for tests of networks), the next byte numbers networks.
const FIRST_BYTES: [u8; 2] = [198, 18];
/// Where the test itself is in a network, and where the first host is.
const TEST_AT: u8 = 1;
const HOSTS_AT: u8 = 10;
/// No host has it: what is sent there gets lost.
const NOWHERE: &str = "02:4d:53:ff:ff:ff";
/// The interface of each host.
const INTERFACE: &str = "eth0";

/// A network of hosts. It is taken down when this is dropped.
pub(crate) struct Namespaces {
    number: u8,
    hosts: usize,
}

impl Namespaces {
    /// # Panics
    ///
    /// If the machine does not let it. Says what is needed.
    pub(crate) fn new(hosts: usize) -> Self {
        let mut why = String::new();
        // Another test may have a network with the number.
        let begin = std::process::id() as u8;
        for number in (0..=u8::MAX).map(|n| begin.wrapping_add(n)) {
            match ip(&["link", "add", &bridge(number), "type", "bridge"]) {
                Ok(()) => {
                    let network = Self { number, hosts };
                    network.build().unwrap_or_else(|why| panic!("the network cannot be built: {why}"));
                    return network;
                }
                Err(error) if error.contains("exists") => why = error,
                Err(error) => panic!(
                    "networks cannot be made on this machine: {error}\nThe test needs `ip` (package iproute2) and the right to make network \
                     namespaces and bridges: run it as root, or in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN"
                ),
            }
        }
        panic!("there are networks of all numbers already: {why}");
    }

    fn build(&self) -> Result<(), String> {
        let bridge = bridge(self.number);
        ip(&["address", "add", &format!("{}/24", self.at(TEST_AT)), "dev", &bridge])?;
        ip(&["link", "set", &bridge, "up"])?;
        for host in 0..self.hosts {
            let (name, port) = (self.name(host), self.port(host));
            ip(&["netns", "add", &name])?;
            let peer = ["peer", "name", INTERFACE, "address", &mac(host), "netns", &name];
            ip(&[&["link", "add", &port, "type", "veth"], &peer[..]].concat())?;
            ip(&["link", "set", &port, "master", &bridge, "up"])?;
            ip(&["-n", &name, "address", "add", &format!("{}/24", self.address(host)), "dev", INTERFACE])?;
            ip(&["-n", &name, "link", "set", "lo", "up"])?;
            ip(&["-n", &name, "link", "set", INTERFACE, "up"])?;
        }
        // Nobody has to ask where the others are: an answer that does not come would be noticed at once.
        self.all_pairs().try_for_each(|(from, to)| self.neighbour(from, to, &mac(to)))
    }

    fn all_pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let hosts = self.hosts;
        (0..hosts).flat_map(move |from| (0..hosts).map(move |to| (from, to))).filter(|(from, to)| from != to)
    }

    fn at(&self, last: u8) -> Ipv4Addr {
        let [first, second] = FIRST_BYTES;
        Ipv4Addr::new(first, second, self.number, last)
    }

    /// The address of a host.
    pub(crate) fn address(&self, host: usize) -> Ipv4Addr {
        self.at(HOSTS_AT + host as u8)
    }

    fn name(&self, host: usize) -> String {
        format!("millstream-{}-{host}", self.number)
    }

    /// What the bridge calls its connection to a host.
    fn port(&self, host: usize) -> String {
        format!("ms{}-{host}", self.number)
    }

    /// Starts a program on a host.
    pub(crate) fn command(&self, host: usize, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host), program]);
        command
    }

    /// From now on nothing of what one host sends reaches the other, and nobody is told.
    pub(crate) fn cut(&self, from: usize, to: usize) {
        self.neighbour(from, to, NOWHERE)
            .unwrap_or_else(|why| panic!("the way from {from} to {to} cannot be cut: {why}"));
    }

    /// From now on it does.
    pub(crate) fn heal(&self, from: usize, to: usize) {
        self.neighbour(from, to, &mac(to))
            .unwrap_or_else(|why| panic!("the way from {from} to {to} cannot be healed: {why}"));
    }

    fn neighbour(&self, from: usize, to: usize, mac: &str) -> Result<(), String> {
        let address = self.address(to).to_string();
        let entry = ["neighbour", "replace", &address, "lladdr", mac, "nud", "permanent", "dev", INTERFACE];
        ip(&[&["-n", &self.name(from)], &entry[..]].concat())
    }

    /// Unplugs a host, or plugs it in again.
    pub(crate) fn plug(&self, host: usize, is_plugged: bool) {
        let how = if is_plugged { "up" } else { "down" };
        ip(&["link", "set", &self.port(host), how])
            .unwrap_or_else(|why| panic!("host {host} cannot be taken {how}: {why}"));
    }

    /// All hosts but one.
    pub(crate) fn others(&self, of: usize) -> impl Iterator<Item = usize> {
        (0..self.hosts).filter(move |host| *host != of)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // What was not built cannot be taken down.
        for host in 0..self.hosts {
            let _ = ip(&["link", "delete", &self.port(host)]);
            let _ = ip(&["netns", "delete", &self.name(host)]);
        }
        let _ = ip(&["link", "delete", &bridge(self.number)]);
    }
}

fn bridge(number: u8) -> String {
    format!("ms{number}")
}

/// The hardware address of a host.
fn mac(host: usize) -> String {
    format!("02:4d:53:00:00:{host:02x}")
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let ran = Command::new("ip").args(arguments).output();
    let Output { status, stderr, .. } = ran.map_err(|error| format!("`ip` cannot be started: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&stderr).trim())),
    }
}
