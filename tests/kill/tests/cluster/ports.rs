//! Ports for processes that are started again at the same address.

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below those that the kernel gives to connections: nobody takes a port while its process is down.
const FIRST: u16 = 12_000;
const COUNT: u16 = 16_000;

/// A port that is free, and is given to nobody else by this test process.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run at the same time begin at different ones.
    let begin = (std::process::id() % 160) as u16 * 100;
    for _ in 0..COUNT {
        let port = FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {FIRST} is free");
}
