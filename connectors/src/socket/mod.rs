//! Lines of text over TCP: from a server that is connected to, or from clients that connect.
//!
//! What was sent once cannot be asked for again, so these sources are for jobs of best effort; a job that promises more does not compile with them.

mod connect;
mod lines;
mod listen;

use millstream_runtime::{
    failure::Failure,
    source::{Discovered, SplitEnumerator},
};

pub use connect::{ConnectReader, ConnectSource};
pub use lines::LINE_BYTES_LIMIT;
pub use listen::{CLIENTS_LIMIT, ListenReader, ListenSource};

/// Lines of text over TCP, each a `String` without its end (`\n` or `\r\n`). One subtask reads them, the others have nothing to read.
/// Unbounded: a job ends by being drained, or where [`ConnectSource::end_at_close`] says so.
///
/// A line that is longer than [`LINE_BYTES_LIMIT`] or not UTF-8 fails the job.
#[derive(Debug, Clone, Copy)]
pub struct SocketLines;

impl SocketLines {
    /// Connects to a server at `host:port` and reads what it sends.
    ///
    /// ```no_run
    /// use millstream_connectors::SocketLines;
    ///
    /// // `nc -lk 127.0.0.1 9181` is such a server.
    /// let source = SocketLines::connect("127.0.0.1:9181").reconnect(10);
    /// # let _ = source;
    /// ```
    pub fn connect(address: impl Into<String>) -> ConnectSource {
        ConnectSource::new(address.into())
    }

    /// Listens at `host:port`, and reads what any number of clients send, up to [`CLIENTS_LIMIT`] at a time: further ones wait until one
    /// has gone. The lines of a client come in their order, those of several in any. A client may go away at any time; the beginning of a
    /// line that it leaves unfinished is dropped (metric `partial_lines_dropped`).
    ///
    /// ```no_run
    /// use millstream_connectors::SocketLines;
    ///
    /// // `nc 127.0.0.1 9181` is such a client.
    /// let source = SocketLines::listen("127.0.0.1:9181");
    /// # let _ = source;
    /// ```
    pub fn listen(address: impl Into<String>) -> ListenSource {
        ListenSource::new(address.into())
    }
}

/// Gives the socket to the first subtask that asks.
#[derive(Debug)]
pub struct OneSocket;

impl SplitEnumerator for OneSocket {
    type Split = ();
    type State = ();

    async fn discover(&mut self) -> Result<Discovered<()>, Failure> {
        Ok(Discovered::all(vec![()]))
    }

    fn state(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

/// Looks at an address before anything is tried with it.
fn check_address(address: &str) -> Result<(), Failure> {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(()),
        _ => Err(Failure::new(format!("{address:?} is not an address; write host:port, as `127.0.0.1:9181`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for good in ["127.0.0.1:9181", "localhost:0", "[::1]:80", "a.b:65535"] {
            check_address(good).unwrap();
        }
        for bad in ["", "9181", ":9181", "localhost", "localhost:", "localhost:http", "localhost:65536"] {
            assert_eq!(
                check_address(bad).unwrap_err().message(),
                format!("{bad:?} is not an address; write host:port, as `127.0.0.1:9181`")
            );
        }
    }
}
