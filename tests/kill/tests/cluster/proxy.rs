//! [`Proxy`]: a network between processes that can be cut. Connections come in at one address, and go on to another.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long a thread looks at nothing but its connection.
const LOOK: Duration = Duration::from_millis(20);
/// How much is passed on at a time, in bytes.
const CHUNK_BYTES: usize = 64 << 10;
/// How long connecting to the real end may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Passes connections on, as long as it lives.
pub(crate) struct Proxy {
    network: Arc<Network>,
    accepts: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Network {
    /// Both ends of each connection that is open.
    connections: Mutex<Vec<(TcpStream, TcpStream)>>,
    /// What goes towards the real end is swallowed.
    swallows_there: AtomicBool,
    /// What comes from it is.
    swallows_back: AtomicBool,
    swallowed_bytes: AtomicU64,
    over: AtomicBool,
}

impl Proxy {
    pub(crate) fn start(at: SocketAddr, to: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).unwrap_or_else(|error| panic!("the proxy cannot listen at {at}: {error}"));
        listener.set_nonblocking(true).expect("a listener need not block");
        let network = Arc::<Network>::default();
        let of = Arc::clone(&network);
        let accepts = thread::spawn(move || {
            while !of.over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((from, _)) => of.connect(from, to),
                    Err(_) => thread::sleep(LOOK),
                }
            }
        });
        Self { network, accepts: Some(accepts) }
    }

    /// Closes all connections. New ones may come.
    pub(crate) fn close_all(&self) {
        self.network.close_all();
    }

    /// Swallows silently, in one direction or in both, what goes over the connections that there are and those that come.
    pub(crate) fn swallow(&self, there: bool, back: bool) {
        self.network.swallows_there.store(there, Ordering::Relaxed);
        self.network.swallows_back.store(back, Ordering::Relaxed);
    }

    /// Passes on what comes from now on. A connection of which something was swallowed is closed: a network would have sent that again, or given up.
    pub(crate) fn heal(&self) {
        self.swallow(false, false);
        self.network.close_all();
    }

    /// How many bytes were swallowed so far.
    pub(crate) fn swallowed_bytes(&self) -> u64 {
        self.network.swallowed_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.over.store(true, Ordering::Relaxed);
        self.network.close_all();
        if let Some(accepts) = self.accepts.take() {
            let _ = accepts.join(); // it does not panic
        }
    }
}

impl Network {
    fn close_all(&self) {
        let all = std::mem::take(&mut *self.connections.lock().unwrap_or_else(PoisonError::into_inner));
        for (from, to) in &all {
            let _ = from.shutdown(Shutdown::Both); // it may be closed already
            let _ = to.shutdown(Shutdown::Both);
        }
    }

    /// Joins a connection to a new one. A host that is cut off cannot be connected to: then nothing answers at all.
    fn connect(self: &Arc<Self>, from: TcpStream, to: SocketAddr) {
        let Ok(to) = TcpStream::connect_timeout(&to, CONNECT_LIMIT) else { return }; // dropped, as if refused
        let streams = (|| {
            from.set_nonblocking(false)?;
            from.set_nodelay(true)?;
            to.set_nodelay(true)?;
            let ends = (from.try_clone()?, to.try_clone()?);
            std::io::Result::Ok((ends, (from.try_clone()?, to.try_clone()?)))
        })();
        let Ok((kept, (from_read, to_write))) = streams else { return };
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || there.pass(from_read, to_write, |network| &network.swallows_there));
        thread::spawn(move || back.pass(to, from, |network| &network.swallows_back));
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, swallows: impl Fn(&Self) -> &AtomicBool) {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if swallows(self).load(Ordering::Relaxed) {
                self.swallowed_bytes.fetch_add(read as u64, Ordering::Relaxed);
            } else if to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        // The end of a connection is silent, too, in a network that is cut.
        while swallows(self).load(Ordering::Relaxed) && !self.over.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
        let _ = from.shutdown(Shutdown::Both); // it may be closed already
        let _ = to.shutdown(Shutdown::Both);
    }
}

/// The address by which processes are reached through proxies: not that at which they listen.
pub(crate) const PROXIED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
