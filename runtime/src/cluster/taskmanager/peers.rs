//! [`Peers`]: the data connections to other TaskManagers, one for each pair of processes.
//!
//! Of two processes the one with the lower id connects, when it has tasks that exchange records with the other's; the other waits for it.

use std::{
    collections::HashMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use millstream_net::{
    hello::{End, Purpose},
    link::{Link, LinkError, Options},
    window::{Pool, WindowBytes},
};
use tracing::{debug, info, warn};

use super::super::{HELLO_TIMEOUT, Identity, within};
use crate::{
    control::TaskManagerId,
    env::{Connection, Env, Listener},
    exchange::arrivals::Arrivals,
    failure::Failure,
    settings::CHANNEL_CREDIT_MAX_BYTES,
    task::flag::Flag,
};

/// The longest buffer that is received, in bytes.
pub(crate) const BODY_BYTES_LIMIT: usize = 256 << 20;
/// So many channels may each end of a connection have open.
const CHANNELS_LIMIT: usize = 1 << 16;
/// What every channel has to itself, in bytes: ten thousand of them take 40 MiB. The rest is earned from the pool.
const FIRST_WINDOW_BYTES: u64 = 4 << 10;
/// How long two processes may take to find each other.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);
/// The pause between two tries to connect.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// So many connections may be there that have not yet said who they are.
const STRANGERS_LIMIT: usize = 64;

/// The data connections of a process.
pub(crate) struct Peers {
    me: TaskManagerId,
    env: Arc<dyn Env>,
    identity: Identity,
    pool: Arc<Pool>,
    arrivals: Arc<Arrivals>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    peers: HashMap<TaskManagerId, Peer>,
    /// Numbers connections.
    last: u64,
    strangers: usize,
}

#[derive(Default)]
struct Peer {
    link: Option<(u64, Link)>,
    waiting: Vec<oneshot::Sender<Link>>,
    dialing: bool,
}

impl Peers {
    /// `network_bytes` is what windows may grow from, in all.
    pub(crate) fn new(me: TaskManagerId, env: Arc<dyn Env>, identity: Identity, network_bytes: u64) -> Arc<Self> {
        let pool = Pool::new(network_bytes);
        Arc::new(Self { me, env, identity, pool, arrivals: Arc::default(), state: Mutex::default() })
    }

    /// Where channels from other processes come in.
    pub(crate) fn arrivals(&self) -> &Arc<Arrivals> {
        &self.arrivals
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to another process, which is made if there is none.
    pub(crate) async fn link(self: &Arc<Self>, peer: TaskManagerId, address: &str) -> Result<Link, Failure> {
        let waits = {
            let mut state = self.lock();
            let known = state.peers.entry(peer).or_default();
            if let Some((_, link)) = &known.link {
                return Ok(link.clone());
            }
            let (sender, waits) = oneshot::channel();
            known.waiting.retain(|waiting| !waiting.is_canceled());
            known.waiting.push(sender);
            if self.me < peer && !std::mem::replace(&mut known.dialing, true) {
                let (this, address) = (Arc::clone(self), address.to_owned());
                self.env.spawn("data connection, dialing", Box::pin(async move { this.dial(peer, address).await }));
            }
            waits
        };
        match within(&*self.env, PEER_TIMEOUT, waits).await {
            Some(Ok(link)) => Ok(link),
            _ => {
                let what = format!("there is no data connection to TaskManager {peer} at {address}");
                let hint = "look whether the TaskManagers reach each other at the addresses that they announce";
                Err(Failure::new(what).with_hint(hint).of_environment())
            }
        }
    }

    /// Closes all connections.
    pub(crate) fn close(&self) {
        let peers: Vec<_> = self.lock().peers.drain().collect();
        peers.iter().filter_map(|(_, peer)| peer.link.as_ref()).for_each(|(_, link)| link.close());
    }

    /// Connects, again and again as long as somebody waits for it.
    async fn dial(self: Arc<Self>, peer: TaskManagerId, address: String) {
        loop {
            let connects = within(&*self.env, HELLO_TIMEOUT, self.env.network().connect(&address)).await;
            match connects {
                Some(Ok(connection)) => match self.greet(End::Connects, connection).await {
                    Some(there) if there == peer => return,
                    Some(there) => warn!(%address, "there is TaskManager {there}, and not {peer}"),
                    None => {}
                },
                Some(Err(error)) => debug!(%address, %error, "no data connection yet"),
                None => debug!(%address, "no data connection yet: no answer"),
            }
            {
                let mut state = self.lock();
                let known = state.peers.entry(peer).or_default();
                known.waiting.retain(|waiting| !waiting.is_canceled());
                if known.waiting.is_empty() || known.link.is_some() {
                    known.dialing = false;
                    return;
                }
            }
            self.env.sleep(RETRY_PAUSE).await;
        }
    }

    /// Takes connections of others until it is to stop.
    pub(crate) async fn accept(self: Arc<Self>, mut listener: Box<dyn Listener>, stop: Flag) {
        loop {
            let accepts = poll_fn(|cx| listener.poll_accept(cx));
            match select(accepts, pin!(stop.wait())).await {
                Either::Left((Ok((connection, from)), _)) => {
                    {
                        let mut state = self.lock();
                        if state.strangers >= STRANGERS_LIMIT {
                            warn!(%from, "a data connection is closed: {STRANGERS_LIMIT} others have not said who they are yet");
                            continue;
                        }
                        state.strangers += 1;
                    }
                    let this = Arc::clone(&self);
                    self.env.spawn(
                        "data connection, greeting",
                        Box::pin(async move {
                            this.greet(End::Accepts, connection).await;
                            this.lock().strangers -= 1;
                        }),
                    );
                }
                Either::Left((Err(error), _)) => {
                    warn!(%error, "a data connection was not accepted");
                    self.env.sleep(RETRY_PAUSE).await;
                }
                Either::Right(_) => return,
            }
        }
    }

    /// Says hello, and runs the connection if there is one of us at the other end: gives who that is.
    async fn greet(self: &Arc<Self>, end: End, connection: Box<dyn Connection>) -> Option<TaskManagerId> {
        let (mut reading, mut writing) = connection.split();
        let hello = self.identity.hello(Purpose::Data, self.me.0, &*self.env);
        let there = match within(&*self.env, HELLO_TIMEOUT, hello.exchange(end, &mut reading, &mut writing)).await {
            Some(Ok(there)) => TaskManagerId(there.process),
            Some(Err(error)) => {
                warn!(%error, "a data connection is refused");
                return None;
            }
            None => {
                warn!("a data connection is closed: it has not said who is there");
                return None;
            }
        };
        let window = WindowBytes { first: FIRST_WINDOW_BYTES, max: CHANNEL_CREDIT_MAX_BYTES as u64 };
        let options = Options { body_bytes_limit: BODY_BYTES_LIMIT, channels_limit: CHANNELS_LIMIT, window };
        let (link, reader, writer) = Link::new(options, &self.pool, Arc::clone(&self.arrivals) as _);
        let number = {
            let mut state = self.lock();
            state.last += 1;
            let number = state.last;
            let known = state.peers.entry(there).or_default();
            known.dialing = false;
            if let Some((_, before)) = known.link.replace((number, link.clone())) {
                before.close(); // its other end has given it up
            }
            for waiting in known.waiting.drain(..) {
                let _ = waiting.send(link.clone()); // nobody may be waiting any more
            }
            number
        };
        info!(peer = %there, "data connection");
        self.env.spawn("data connection, writing", Box::pin(async move { drop(writer.run(writing).await) }));
        let this = Arc::clone(self);
        self.env.spawn(
            "data connection, reading",
            Box::pin(async move {
                let error = reader.run(reading).await;
                match error {
                    LinkError::Ended | LinkError::Closed | LinkError::Io { .. } => {
                        info!(peer = %there, %error, "data connection has ended");
                    }
                    _ => warn!(peer = %there, %error, "a data connection is closed: it does not speak as it should"),
                }
                let mut state = this.lock();
                if let Some(known) = state.peers.get_mut(&there)
                    && known.link.as_ref().is_some_and(|(of, _)| *of == number)
                {
                    known.link = None;
                    if known.waiting.is_empty() && !known.dialing {
                        state.peers.remove(&there);
                    }
                }
            }),
        );
        Some(there)
    }
}
