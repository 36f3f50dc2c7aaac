//! [`Server`]: an S3 server of this machine, moto's, that keeps everything in memory.

use std::{
    env,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Names a Python that has `moto[server]`. Without it, that of `cargo xtask s3-server` is taken.
const PYTHON: &str = "MILLSTREAM_S3_SERVER_PYTHON";
/// How long the server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// Ends when its standard input does: it does not outlive the test, however that ends.
const PROGRAM: &str = "\
import os, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', sys.argv[1]])
";

/// What a client needs to be let in; the server does not look at it, unless it is [strict](Server::strict).
pub(super) const CREDENTIALS: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "tester"), ("AWS_SECRET_ACCESS_KEY", "of-no-use"), ("AWS_REGION", "us-east-1")];

/// A server, for as long as this is there.
pub(super) struct Server {
    address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts a server that lets everybody in.
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server that refuses everybody after so many requests.
    pub(super) fn strict(requests: u32) -> Self {
        Self::start_with(&[("INITIAL_NO_AUTH_ACTION_COUNT", requests.to_string())])
    }

    fn start_with(variables: &[(&str, String)]) -> Self {
        let address = free();
        let python = python();
        let mut command = Command::new(&python);
        command
            .args(["-c", PROGRAM, &address.port().to_string()])
            .envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("`{}` cannot be started: {error}\n{}", python.display(), repair()));
        let mut server = Self { address, child };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = server.child.try_wait().expect("it is a child of this process");
            assert!(ended.is_none(), "the S3 server did not start: `{}` has no moto\n{}", python.display(), repair());
            assert!(began.elapsed() < START_LIMIT, "the S3 server has not started within {START_LIMIT:?}");
            thread::sleep(LOOK);
        }
        server
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL to ask at.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    pub(super) fn make_bucket(&self, name: &str) {
        let head = self.ask(&format!("PUT /{name} HTTP/1.1"));
        assert!(head.starts_with("HTTP/1.1 200"), "the bucket cannot be made: {head}");
    }

    /// The names of all objects of a bucket, as the server shows them.
    pub(super) fn objects(&self, bucket: &str) -> Vec<String> {
        let text = self.ask(&format!("GET /{bucket}?list-type=2 HTTP/1.1"));
        let names = text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()));
        names.collect()
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("the server is there");
        let head = format!("{request}\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(head.as_bytes()).expect("the server takes it");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers in text");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// An address that nobody listens at.
pub(super) fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are ports");
    listener.local_addr().expect("it is bound")
}

/// The Python that has the server.
fn python() -> PathBuf {
    if let Some(python) = env::var_os(PYTHON) {
        return python.into();
    }
    // The test lies in `<target>/<profile>/deps`.
    let test = env::current_exe().expect("a test has a path");
    let targets = test.ancestors().map(|dir| dir.join("xtask/s3-server/bin/python"));
    let found = targets.into_iter().find(|python| python.exists());
    found.unwrap_or_else(|| panic!("there is no S3 server to test against\n{}", repair()))
}

fn repair() -> String {
    format!(
        "Install it by `cargo xtask s3-server` (it needs Python with `venv`), or name a Python that has `moto[server]` by {PYTHON}."
    )
}
