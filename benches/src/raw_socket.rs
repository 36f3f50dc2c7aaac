//! As many bytes from one process to another through a socket, and nothing else: what the exchange is measured by.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// As the setting `buffer-bytes` has it.
pub const BUFFER_BYTES: usize = 32 << 10;
/// Says to this program, started anew, what it is to receive.
const RECEIVER: &str = "MILLSTREAM_BENCH_RECEIVER";
const RAW: &str = "raw";

/// What this process is to receive, if it was started to. It has been done already if that is a copy through a raw socket: then the program has only to end.
pub fn receives() -> Option<String> {
    let what = env::var(RECEIVER).ok()?;
    if what == RAW {
        receive_copy();
    }
    Some(what)
}

/// Starts a process of this program that receives. Gives it with the address at which it listens, which is the first line that it writes.
///
/// # Panics
///
/// If it cannot be started.
pub fn start_receiver(what: &str) -> (Child, String) {
    let program = env::current_exe().expect("this program is a file");
    let mut child =
        Command::new(program).env(RECEIVER, what).stdout(Stdio::piped()).spawn().expect("processes can be started");
    let mut address = String::new();
    let output = child.stdout.as_mut().expect("it was asked for");
    BufReader::new(output).read_line(&mut address).expect("it says its address");
    (child, address.trim().to_owned())
}

/// How long it takes to copy so many bytes to another process.
///
/// # Panics
///
/// If that cannot be started, or ends.
pub fn copy(bytes: usize) -> Duration {
    let (mut child, address) = start_receiver(RAW);
    let mut stream = TcpStream::connect(address).expect("it listens");
    let buffer = vec![7; BUFFER_BYTES];
    let began = Instant::now();
    for _ in 0..bytes.div_ceil(BUFFER_BYTES) {
        stream.write_all(&buffer).expect("it reads");
    }
    stream.shutdown(Shutdown::Write).expect("it is open");
    stream.read_exact(&mut [0]).expect("it answers");
    let took = began.elapsed();
    child.wait().expect("it ends");
    took
}

fn receive_copy() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    println!("{}", listener.local_addr().expect("it is bound"));
    let (mut stream, _) = listener.accept().expect("somebody connects");
    let mut buffer = vec![0; BUFFER_BYTES];
    while stream.read(&mut buffer).expect("it is sent") > 0 {}
    stream.write_all(&[1]).expect("somebody waits");
}
