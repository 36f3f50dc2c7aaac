//! Finds the leader: asks one JobManager after the other, until one says that it leads.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::{SinkExt, StreamExt, channel::mpsc};
use millstream_net::hello::{End, Purpose};
use tracing::{debug, warn};

use super::Happening;
use crate::{
    cluster::{
        HELLO_TIMEOUT, Identity,
        connection::ControlConnection,
        wire::{Downward, Messages},
        within,
    },
    control::{ConnectionId, Epoch, TaskManagerId},
    env::{Env, ReadHalf, WriteHalf},
};

/// The pause when nobody has been found; it doubles each time.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest such pause.
const PAUSE_LIMIT: Duration = Duration::from_millis(500);
/// So much is said in the log of why there is no leader.
const TOLD_LIMIT: usize = 64;

/// A search for the leader.
pub(super) struct Search {
    pub(super) env: Arc<dyn Env>,
    pub(super) identity: Identity,
    pub(super) me: TaskManagerId,
    pub(super) jobmanagers: Vec<String>,
    /// What the connection that is found is called.
    pub(super) connection: ConnectionId,
    pub(super) happenings: mpsc::Sender<Happening>,
}

/// What a JobManager has said.
enum Answer {
    Leads(Epoch, Messages<ReadHalf>, WriteHalf),
    Knows(String),
}

impl Search {
    /// Searches until it has found one, or until nobody waits for it.
    pub(super) async fn run(mut self) {
        let (mut pause, mut told) = (PAUSE, HashSet::new());
        while !self.happenings.is_closed() {
            let mut addresses: VecDeque<String> = self.jobmanagers.iter().cloned().collect();
            // A hint is followed once in a round: it may be old.
            let mut hints = 1;
            while let Some(address) = addresses.pop_front() {
                match self.ask(&address).await {
                    Ok(Answer::Leads(epoch, messages, writing)) => {
                        return self.found(address, epoch, messages, writing).await;
                    }
                    Ok(Answer::Knows(leader)) if hints > 0 && leader != address => {
                        hints -= 1;
                        addresses.push_front(leader);
                    }
                    Ok(Answer::Knows(_)) => {}
                    // What passes by itself has passed when pauses are long; the rest is told once.
                    Err(reason) if pause == PAUSE_LIMIT && told.len() < TOLD_LIMIT => {
                        if told.insert((address.clone(), reason.clone())) {
                            warn!(address, reason, "no leader there");
                        }
                    }
                    Err(reason) => debug!(address, reason, "no leader there"),
                }
            }
            self.env.sleep(pause).await;
            pause = (pause * 2).min(PAUSE_LIMIT);
        }
    }

    async fn ask(&self, address: &str) -> Result<Answer, String> {
        let silent = || "it does not answer".to_owned();
        let connection = within(&*self.env, HELLO_TIMEOUT, self.env.network().connect(address)).await;
        let connection = connection.ok_or_else(silent)?.map_err(|error| error.to_string())?;
        let (mut reading, mut writing) = connection.split();
        let hello = self.identity.hello(Purpose::Control, self.me.0, &*self.env);
        let greeted =
            within(&*self.env, HELLO_TIMEOUT, hello.exchange(End::Connects, &mut reading, &mut writing)).await;
        greeted.ok_or_else(silent)?.map_err(|error| error.to_string())?;
        let mut messages = Messages::new(reading);
        let first = within(&*self.env, HELLO_TIMEOUT, messages.next::<Downward>()).await;
        match first.ok_or_else(silent)?.map_err(|error| error.to_string())? {
            Downward::Leads { epoch } => Ok(Answer::Leads(epoch, messages, writing)),
            Downward::StandsBy { leader: Some(leader) } => Ok(Answer::Knows(leader)),
            Downward::StandsBy { leader: None } => Err("it stands by, and knows no leader".to_owned()),
            Downward::Control(_) | Downward::Aligned { .. } => Err("it does not say whether it leads".to_owned()),
        }
    }

    async fn found(&mut self, leader: String, epoch: Epoch, messages: Messages<ReadHalf>, writing: WriteHalf) {
        let connection = self.connection;
        let wrap = move |what| Happening::Came { connection, what };
        let mut happenings = self.happenings.clone();
        // It is told of before anything that comes over it: one task after the other sends, and each in order.
        let (first, mut coming) = mpsc::channel(0);
        let control = ControlConnection::start(&self.env, messages, writing, first, wrap);
        let mut next = Some(Happening::Connected { connection, epoch, control, leader });
        while let Some(happening) = next {
            if happenings.send(happening).await.is_err() {
                return; // the process is ending
            }
            next = coming.next().await;
        }
    }
}
