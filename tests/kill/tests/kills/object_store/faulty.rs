//! [`Faulty`]: stands in front of a server, and answers some requests badly: with an error, late, or not at all though they have taken effect. Which, a seed says.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use millstream_testkit::rng::Rng;

/// The longest head of a request, in bytes.
const HEAD_BYTES_LIMIT: usize = 64 << 10;
/// How late an answer may be.
const LATE: Duration = Duration::from_millis(300);

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It is answered with this, and does not reach the server.
    Refused(&'static str),
    /// Its answer is late.
    Late,
    /// It reaches the server, and its answer is lost.
    Unanswered,
}

/// Passes requests on, as long as it lives.
pub(super) struct Faulty {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    rng: Mutex<Rng>,
    /// In how many of a hundred requests there is a fault.
    percent: u64,
    requests: AtomicU64,
    faults: AtomicU64,
    over: AtomicBool,
}

impl Faulty {
    pub(super) fn start(to: SocketAddr, seed: u64, percent: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            to,
            rng: Mutex::new(Rng::new(seed)),
            percent,
            requests: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let of = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if of.over.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(stream), of) = (stream, Arc::clone(&of)) else { continue };
                // A connection that breaks is one more fault.
                thread::spawn(move || of.pass_on(stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests there were, and how many of them fared badly.
    pub(super) fn seen(&self) -> (u64, u64) {
        (self.shared.requests.load(Ordering::Relaxed), self.shared.faults.load(Ordering::Relaxed))
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address); // so that it notices
    }
}

impl Shared {
    fn draw(&self) -> Fault {
        let mut rng = self.rng.lock().expect("nobody panics with it");
        self.requests.fetch_add(1, Ordering::Relaxed);
        if rng.below(100) >= self.percent {
            return Fault::None;
        }
        self.faults.fetch_add(1, Ordering::Relaxed);
        match rng.below(5) {
            0 => Fault::Refused("500 Internal Server Error"),
            1 | 2 => Fault::Refused("503 Slow Down"),
            3 => Fault::Late,
            _ => Fault::Unanswered,
        }
    }

    /// Passes one request on, and closes the connection then.
    fn pass_on(&self, mut from: TcpStream) -> io::Result<()> {
        let request = read_request(&mut from)?;
        let fault = self.draw();
        if let Fault::Refused(status) = fault {
            from.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())?;
            return from.shutdown(Shutdown::Both);
        }
        let mut to = TcpStream::connect(self.to)?;
        to.write_all(&request)?;
        let mut answer = Vec::new();
        to.read_to_end(&mut answer)?;
        match fault {
            Fault::Unanswered => return from.shutdown(Shutdown::Both),
            Fault::Late => thread::sleep(LATE),
            Fault::None | Fault::Refused(_) => {}
        }
        from.write_all(&answer)?;
        from.shutdown(Shutdown::Both)
    }
}

/// A request as it is, but for that the connection is closed behind it.
fn read_request(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let broken = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let read = from.read(&mut chunk)?;
        if read == 0 || bytes.len() > HEAD_BYTES_LIMIT {
            return Err(broken("no request"));
        }
        bytes.extend_from_slice(&chunk[..read]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let whole = end + 4 + length.unwrap_or(0);
    while bytes.len() < whole {
        let read = from.read(&mut chunk)?;
        if read == 0 {
            return Err(broken("half a request"));
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
    let mut request = format!("{head}\r\nConnection: close\r\n\r\n").into_bytes();
    request.extend_from_slice(&bytes[end + 4..whole]);
    Ok(request)
}
