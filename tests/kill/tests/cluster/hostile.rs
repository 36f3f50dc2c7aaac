//! Strangers on every port: a node tells them no, writes a line, and goes on.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use flate2::Crc;
use hmac::{Hmac, KeyInit, Mac};
use millstream_testkit::rng::Rng;
use serde_json::Value;
use sha2::Sha256;

use crate::{
    cluster::{Cluster, PROGRAM},
    events::{Run, Wish},
    input::Input,
    process::Process,
    rest,
};

/// How long a node may take to close the connection of a stranger; who is silent has 5 s.
const PATIENCE: Duration = Duration::from_secs(20);
/// What connections are for, as hellos say it.
const DATA: u8 = 1;
const CONTROL: u8 = 2;
/// The end that has connected, in proofs.
const CONNECTS: u8 = 1;
/// Where things stand in a hello.
const VERSION_AT: usize = 8;
const PURPOSE_AT: usize = 10;
const BUILD_AT: usize = 28;
const NONCE_AT: usize = 36;
const CHECKSUM_AT: usize = 68;
const HELLO_BYTES: usize = 72;
/// What a cluster shares that is told nothing else.
const NO_SECRET: [u8; 32] = [0; 32];

/// What a stranger does: sends this, with a proof behind what stands where a hello does, and closes its side or not.
struct Stranger {
    sends: Vec<u8>,
    /// What its proof is made by.
    secret: [u8; 32],
    closes: bool,
    /// What the log has to say then.
    said: &'static str,
}

fn stranger(sends: impl Into<Vec<u8>>, said: &'static str) -> Stranger {
    Stranger { sends: sends.into(), secret: NO_SECRET, closes: false, said }
}

#[test]
fn strangers_on_the_control_port_are_sent_away() {
    let refused = "a control connection is refused";
    let unruly = "a control connection is closed: it does not speak as it should";
    let mut strangers = before_the_hello(CONTROL, refused);
    let message = |header: [u8; 12], body: &[u8]| [&hello(CONTROL, |_| {})[..], &header, body].concat();
    strangers.extend([
        stranger(message([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], &[]), "more than 67108864"),
        stranger(message([9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], &[0]), "a message of version 9 came"),
        stranger(message([1, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4], b"abcd"), "its checksum is wrong"),
        stranger(message([1, 7, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4], b"abcd"), unruly),
        Stranger { closes: true, ..stranger(message([1, 0, 0, 0, 200, 0, 0, 0, 1, 2, 3, 4], b"half"), unruly) },
        Stranger { closes: true, ..stranger([&hello(CONTROL, |_| {})[..], &[1, 0]].concat(), unruly) },
    ]);
    visit(strangers, |cluster| (cluster.jobmanagers[0].control, cluster.jobmanagers[0].process.as_ref()));
}

#[test]
fn strangers_on_the_data_port_are_sent_away() {
    let refused = "a data connection is refused";
    let unruly = "a data connection is closed: it does not speak as it should";
    let mut strangers = before_the_hello(DATA, refused);
    let frame = |bytes: &[u8]| [&hello(DATA, |_| {})[..], bytes].concat();
    let mut rng = Rng::new(82);
    strangers.extend([
        // The body is 4 GiB long, as it says.
        stranger(frame(&[1, 4, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), unruly),
        // The version of another release.
        stranger(frame(&[9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), unruly),
        // No such kind.
        stranger(frame(&[1, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), unruly),
        stranger(frame(&random(&mut rng, 4_096)), unruly),
        Stranger { closes: true, ..stranger(frame(&[1, 1, 0, 0, 0, 0]), "data connection has ended") },
    ]);
    visit(strangers, |cluster| (cluster.taskmanagers[&0].data, cluster.taskmanagers.get(&0).map(|of| &of.process)));
}

#[test]
fn strangers_on_the_rest_port_are_sent_away() {
    let mut rng = Rng::new(83);
    let long_head = format!("GET /v1/jobs HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let no_http = "what was sent is no HTTP request";
    let strangers = vec![
        // A line of nonsense, so that it is not waited for more.
        stranger([&random(&mut rng, 512)[..], b"\r\n\r\n"].concat(), no_http),
        stranger("MILLNET\n and what not\r\n\r\n", no_http),
        stranger(long_head, no_http),
        stranger("GET /v1/jobs HTTP/9.9\r\n\r\n", no_http),
        stranger("POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n", no_http),
    ];
    visit(strangers, |cluster| (cluster.jobmanagers[0].rest, cluster.jobmanagers[0].process.as_ref()));
}

#[test]
fn requests_that_make_no_sense_are_answered() {
    let cluster = Cluster::new(1);
    let at = cluster.jobmanagers[0].rest;
    for (path, body, wanted) in [
        ("/v1/jobs", Value::Null, 400),
        ("/v1/jobs", Value::from("events"), 400),
        ("/v1/jobs", serde_json::json!({ "job": "events", "colour": "red" }), 400),
        ("/v1/jobs/x/rescale", serde_json::json!({ "parallelism": 0 }), 400),
        ("/v1/jobs/%ff/cancel", Value::Null, 400),
        ("/v1/overview", Value::Null, 405),
        ("/v2/jobs", Value::Null, 404),
    ] {
        let answer = rest::post(at, path, &body).unwrap_or_else(|why| panic!("{path}: {why}"));
        assert_eq!(answer.status, wanted, "{path} {body}: {answer:?}");
        assert!(answer.body["detail"].is_string(), "{path} {body}: {answer:?}");
    }
    // A half request, and one whose body is longer than it may be.
    drop(TcpStream::connect(at).and_then(|mut half| half.write_all(b"POST /v1/jobs HTTP/1.1\r\nhost:")));
    let mut long = TcpStream::connect(at).expect("it takes connections");
    long.set_read_timeout(Some(PATIENCE)).expect("it can be set");
    let head =
        "POST /v1/jobs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n";
    long.write_all(head.as_bytes()).expect("it takes the head");
    let mut answer = [0; 12];
    long.read_exact(&mut answer).expect("it answers before the body has come");
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert!(cluster.ask("/v1/jobs").is_ok(), "it goes on");
}

/// Strangers who do not come as far as their first message.
fn before_the_hello(purpose: u8, refused: &'static str) -> Vec<Stranger> {
    let other = if purpose == DATA { CONTROL } else { DATA };
    let mut rng = Rng::new(81);
    vec![
        stranger(random(&mut rng, 4_096), "no Millstream process"),
        stranger("GET / HTTP/1.1\r\n\r\n", "no Millstream process"),
        stranger(hello(purpose, |bytes| bytes[VERSION_AT] = 77), "version 77"),
        stranger(hello(other, |_| {}), "the other end wants a connection for"),
        stranger(hello(purpose, |bytes| bytes[BUILD_AT] ^= 1), "another build of the program"),
        Stranger { secret: [1; 32], ..stranger(hello(purpose, |_| {}), "does not know the secret") },
        stranger(
            {
                let mut damaged = hello(purpose, |_| {});
                damaged[CHECKSUM_AT] ^= 1;
                damaged
            },
            "no Millstream process",
        ),
        Stranger { closes: true, ..stranger(&hello(purpose, |_| {})[..30], refused) },
        Stranger { closes: true, ..stranger([], refused) },
    ]
}

/// Lets strangers come, one after the other, while a job runs: it must not notice.
fn visit(strangers: Vec<Stranger>, whom: impl Fn(&Cluster) -> (SocketAddr, Option<&Process>)) {
    let input = Input::new(80);
    let mut cluster = Cluster::new(1).with_taskmanagers(2, 1);
    let mut run = Run::submit(&cluster, &input, &Wish::quick(2));
    cluster.wait_for(&run.id, &["running"]);
    for (number, Stranger { sends, secret, closes, said }) in strangers.into_iter().enumerate() {
        let (address, process) = whom(&cluster);
        let count = |process: Option<&Process>| process.expect("it runs").said().matches(said).count();
        let before = count(process);
        let mut connection = TcpStream::connect(address).expect("it takes connections");
        connection.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        let _ = say(&mut connection, &sends, secret); // it may be sent away before it has said all
        if closes {
            let _ = connection.shutdown(Shutdown::Write); // it may be closed already
        }
        let closed = connection.read_to_end(&mut Vec::new());
        let in_time = closed.as_ref().err().is_none_or(|error| error.kind() == io::ErrorKind::ConnectionReset);
        assert!(in_time, "stranger {number} is not sent away: {closed:?}");
        cluster.wait(&format!("the log has a line of stranger {number}: {said}"), |cluster| {
            (count(whom(cluster).1) > before).then_some(())
        });
    }
    run.finish(&mut cluster);
    let job = cluster.job(&run.id).expect("the leader answers");
    assert_eq!(job["restarts"], 0, "the job has not noticed: {job}");
}

/// Says what a stranger has to say: with a proof behind the hello, if it comes as far as that.
fn say(connection: &mut TcpStream, sends: &[u8], secret: [u8; 32]) -> io::Result<()> {
    let Some((hello, rest)) = sends.split_at_checked(HELLO_BYTES).filter(|_| sends.starts_with(b"MILLNET\n")) else {
        return connection.write_all(sends);
    };
    connection.write_all(hello)?;
    let mut there = [0; HELLO_BYTES];
    connection.read_exact(&mut there)?;
    let mac = Hmac::<Sha256>::new_from_slice(&secret).expect("a key may be of any length");
    let proof = mac.chain_update([CONNECTS]).chain_update(hello).chain_update(there).finalize().into_bytes();
    connection.write_all(&[&proof, rest].concat())
}

fn random(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| rng.below(256) as u8).collect()
}

/// The hello of a process of this build, changed, with its checksum.
fn hello(purpose: u8, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let program = fs::read(PROGRAM).expect("the program can be read");
    let build = u64::from(checksum(&program)) << 32 | program.len() as u64 & u64::from(u32::MAX);
    let mut bytes = vec![0; HELLO_BYTES];
    bytes[..VERSION_AT].copy_from_slice(b"MILLNET\n");
    bytes[VERSION_AT] = 1;
    bytes[PURPOSE_AT] = purpose;
    bytes[PURPOSE_AT + 2..BUILD_AT].fill(0x5a);
    bytes[BUILD_AT..NONCE_AT].copy_from_slice(&build.to_le_bytes());
    change(&mut bytes);
    let checksum = checksum(&bytes[..CHECKSUM_AT]);
    bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
