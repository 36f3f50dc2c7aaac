//! Takes control connections: says who leads, and hands over those that are for this process.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{
    SinkExt, StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use millstream_net::hello::{End, Purpose};
use tracing::{debug, warn};

use super::{Happening, dispatch::Handle};
use crate::{
    cluster::{
        HELLO_TIMEOUT, Identity,
        connection::ControlConnection,
        wire::{self, Downward, Messages},
        within,
    },
    control::{ConnectionId, Epoch},
    env::{Connection, Env, Listener},
    task::flag::Flag,
};

/// So many connections may be there that have not yet said who they are.
const STRANGERS_LIMIT: usize = 64;
/// The pause when no connection can be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// What this process is to those who connect.
pub(super) struct Role {
    state: Mutex<State>,
    handle: Handle,
    connections: AtomicU64,
}

#[derive(Clone)]
enum State {
    Leads(Epoch, mpsc::Sender<Happening>),
    /// Where the leader takes control connections, if that is known.
    StandsBy(Option<String>),
}

impl Role {
    pub(super) fn new(handle: Handle) -> Self {
        Self { state: Mutex::new(State::StandsBy(None)), handle, connections: AtomicU64::new(0) }
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// It leads from now on.
    pub(super) fn leads(&self, epoch: Epoch, happenings: mpsc::Sender<Happening>) {
        self.set(State::Leads(epoch, happenings.clone()));
        // Whoever waits for that may connect at once.
        self.handle.leads(happenings);
    }

    /// Another process leads, here, as far as is known; and answers over HTTP there.
    pub(super) fn stands_by(&self, leader: Option<(String, Option<String>)>) {
        let (control, rest) = leader.map_or((None, None), |(control, rest)| (Some(control), rest));
        self.handle.stands_by(rest);
        self.set(State::StandsBy(control));
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes connections.
#[derive(Clone)]
pub(super) struct Acceptor {
    pub(super) env: Arc<dyn Env>,
    pub(super) identity: Identity,
    pub(super) me: u128,
    pub(super) role: Arc<Role>,
}

impl Acceptor {
    /// Takes connections until the process is to stop.
    pub(super) async fn run(self, mut listener: Box<dyn Listener>, stop: Flag) {
        let strangers = Arc::new(AtomicUsize::new(0));
        loop {
            let accepts = poll_fn(|cx| listener.poll_accept(cx));
            match select(accepts, pin!(stop.wait())).await {
                Either::Left((Ok((connection, from)), _)) => {
                    if strangers.load(Ordering::Relaxed) >= STRANGERS_LIMIT {
                        warn!(
                            from,
                            "a control connection is closed: {STRANGERS_LIMIT} others have not said who they are yet"
                        );
                        continue;
                    }
                    strangers.fetch_add(1, Ordering::Relaxed);
                    let (this, strangers) = (self.clone(), Arc::clone(&strangers));
                    self.env.spawn(
                        "control connection, greeting",
                        Box::pin(async move {
                            let greeted = this.greet(connection, &from).await;
                            strangers.fetch_sub(1, Ordering::Relaxed);
                            match greeted {
                                Ok(Some(mut accepted)) => accepted.pass_on().await,
                                Ok(None) => {}
                                Err(reason) => warn!(from, reason, "a control connection is refused"),
                            }
                        }),
                    );
                }
                Either::Left((Err(error), _)) => {
                    warn!(%error, "a control connection was not accepted");
                    self.env.sleep(PAUSE).await;
                }
                Either::Right(_) => return,
            }
        }
    }

    /// Says hello and who leads. Gives the connection if this process does.
    async fn greet(&self, connection: Box<dyn Connection>, from: &str) -> Result<Option<Accepted>, String> {
        let (mut reading, mut writing) = connection.split();
        let hello = self.identity.hello(Purpose::Control, self.me, &*self.env);
        let greeted = within(&*self.env, HELLO_TIMEOUT, hello.exchange(End::Accepts, &mut reading, &mut writing)).await;
        greeted.ok_or("it has not said who is there")?.map_err(|error| error.to_string())?;
        let (epoch, happenings) = match self.role.state() {
            State::Leads(epoch, happenings) => (epoch, happenings),
            State::StandsBy(leader) => {
                debug!(from, "a process is told that this one does not lead");
                let message = wire::encode(&Downward::StandsBy { leader }).expect("it is short");
                let _ = within(&*self.env, HELLO_TIMEOUT, wire::write(&mut writing, &message)).await; // it will ask again
                return Ok(None);
            }
        };
        let connection = ConnectionId(self.role.connections.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, coming) = mpsc::channel(0);
        let wrap = move |what| Happening::Came { connection, what };
        let control = ControlConnection::start(&self.env, Messages::new(reading), writing, sender, wrap);
        control.send(&Downward::Leads { epoch }).map_err(|error| format!("{error:?}"))?;
        Ok(Some(Accepted { first: Some(Happening::Accepted { connection, control }), coming, happenings }))
    }
}

/// A connection on its way to the leader: it is told of before anything that comes over it.
struct Accepted {
    first: Option<Happening>,
    coming: mpsc::Receiver<Happening>,
    happenings: mpsc::Sender<Happening>,
}

impl Accepted {
    async fn pass_on(&mut self) {
        let mut next = self.first.take();
        while let Some(happening) = next {
            if self.happenings.send(happening).await.is_err() {
                return; // it does not lead any more
            }
            next = self.coming.next().await;
        }
    }
}
