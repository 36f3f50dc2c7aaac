//! The driver of a JobManager: stands by until it leads, and then is the loop around the control logic of the cluster.

mod accept;
pub(crate) mod archive;
mod dispatch;
mod front;
mod job;
mod lead;
pub(crate) mod provider;
mod show;
mod standby;

use std::{sync::Arc, time::Duration};

use futures::channel::mpsc;
use millstream_state::{location::Location, log::Leader, remote::ObjectStoreSettings};
use tracing::{info, warn};

use self::{
    accept::{Acceptor, Role},
    archive::{Archive, Lease},
    job::Done,
    provider::Provider,
};
pub(crate) use self::{
    archive::JobRecord,
    dispatch::Handle,
    front::Front,
    lead::{End, Lead, RETAINED_JOBS},
};
use super::{
    Envs, Identity,
    connection::ControlConnection,
    draw,
    spec::Jobs,
    wire::{Upward, WireError},
};
use crate::{
    control::{
        AttemptId, ConnectionId, Epoch, JobId, Vertex, heartbeats::HeartbeatSettings, job::failure::JobFailure,
        provision::ProvisionSettings,
    },
    env::blocking,
    failure::Failure,
    task::flag::Flag,
};

/// So many happenings may wait for the loop; who has more waits.
const HAPPENINGS_LIMIT: usize = 4096;

/// What a JobManager is told when it starts.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where it takes control connections: `host:port`, with port 0 for any.
    pub(crate) control_address: String,
    /// The host by which others reach it, if that is another.
    pub(crate) advertised_host: Option<String>,
    /// Where it answers over HTTP, for other JobManagers to say.
    pub(crate) rest: Option<String>,
    /// Where the cluster remembers its jobs. Without it, nothing outlives the process.
    pub(crate) storage: Option<Location>,
    /// How the object store is reached, if that is in one.
    pub(crate) object_store: ObjectStoreSettings,
    pub(crate) heartbeats: HeartbeatSettings,
    /// How TaskManagers are started on demand, if they are.
    pub(crate) provision: Option<ProvisionSettings>,
    /// How long jobs wait for slots.
    pub(crate) slot_timeout: Duration,
    /// Of how many jobs that have ended it is remembered how.
    pub(crate) retained_jobs: usize,
    pub(crate) identity: Identity,
}

/// Something has happened.
pub(crate) enum Happening {
    /// Somebody has connected.
    Accepted { connection: ConnectionId, control: ControlConnection },
    /// Something has come over a connection, or it has ended.
    Came { connection: ConnectionId, what: Result<Upward, WireError> },
    /// Work on a job is done.
    Done { job: JobId, done: Done },
    /// Requests for splits that were kept may be answered.
    PoolReady { job: JobId, vertex: Vertex, of: AttemptId, subtasks: Vec<usize> },
    /// What finds the splits of a source has failed.
    SourceFailed { job: JobId, vertex: Vertex, of: AttemptId, failure: JobFailure },
    /// Somebody wants to know, or to have something done.
    Call(Box<dyn FnOnce(&mut Lead) + Send>),
    /// Another process leads.
    Deposed(String),
}

/// A JobManager process.
struct Process {
    options: Options,
    envs: Envs,
    jobs: Arc<dyn Jobs>,
    me: u128,
    /// Where others reach it.
    address: String,
    archive: Option<Archive>,
    role: Arc<Role>,
    /// Starts and stops TaskManagers, if they do not come by themselves.
    provider: Option<Box<dyn Provider>>,
    stop: Flag,
}

/// Runs a JobManager until it is told to stop. `ready` is told where it takes control connections, and `handle` is asked through from then on.
///
/// # Errors
///
/// It cannot take connections, or cannot use its storage.
pub(crate) async fn run(
    options: Options,
    envs: Envs,
    jobs: Arc<dyn Jobs>,
    handle: Handle,
    provider: Option<Box<dyn Provider>>,
    stop: Flag,
    ready: impl FnOnce(&str),
) -> Result<(), Failure> {
    let listener = envs.control.network().listen(&options.control_address).await.map_err(|error| {
        let at = &options.control_address;
        Failure::new(format!("the JobManager cannot take control connections at {at}: {error}"))
            .with_hint("another process may be there: choose another port by `--port`")
    })?;
    let address = match &options.advertised_host {
        Some(host) => format!("{host}:{}", listener.address().rsplit(':').next().unwrap_or_default()),
        None => listener.address().to_owned(),
    };
    let archive = match options.storage.clone() {
        Some(location) => {
            let object_store = options.object_store.clone();
            Some(blocking(&*envs.control, move || Archive::open(location, object_store)).await?)
        }
        None => None,
    };
    ready(listener.address());
    let me = draw(&*envs.control);
    let role = Arc::new(Role::new(handle));
    let acceptor = Acceptor { env: Arc::clone(&envs.control), identity: options.identity, me, role: Arc::clone(&role) };
    envs.control.spawn("control connections", Box::pin(acceptor.run(listener, stop.clone())));
    let mut process = Process { options, envs, jobs, me, address, archive, role, provider, stop };
    process.run().await
}

impl Process {
    async fn run(&mut self) -> Result<(), Failure> {
        let mut is_first = true;
        while !self.stop.is_set() {
            if self.archive.is_some() && !self.stand_by(is_first).await {
                continue;
            }
            is_first = false;
            let (epoch, leader) = match self.claim().await {
                Ok(claimed) => claimed,
                Err(failure) if self.archive.is_some() => {
                    warn!(error = %failure, "the leadership was not claimed");
                    self.envs.control.sleep(standby::PAUSE).await;
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            match self.lead(epoch, leader).await {
                // Somebody else may do better; and if not, it is tried again.
                Err(failure) if self.archive.is_some() => {
                    warn!(error = %failure, "what the leader before has left cannot be taken over");
                    self.envs.control.sleep(standby::PAUSE).await;
                }
                led => led?,
            }
        }
        Ok(())
    }

    /// Claims the leadership: gives the epoch.
    async fn claim(&self) -> Result<(Epoch, Option<Leader>), Failure> {
        let at = self.envs.control.wall().millis();
        let Some(archive) = &self.archive else {
            // Without storage nobody else can lead. Whoever is started again comes later.
            let epoch = u64::try_from(at).unwrap_or_default().max(1);
            return Ok((Epoch::new(epoch).expect("it is at least 1"), None));
        };
        let leader = archive.claim(draw(&*self.envs.control), at).await?;
        let epoch = Epoch::new(leader.claim_number()).expect("entries are numbered from 1");
        let lease = self.lease(epoch, 0);
        archive.put_lease(&lease).await?;
        Ok((epoch, Some(leader)))
    }

    fn lease(&self, epoch: Epoch, beat: u64) -> Lease {
        Lease { epoch: epoch.get(), control: self.address.clone(), rest: self.options.rest.clone(), beat }
    }

    /// Leads until it is deposed, or told to stop.
    async fn lead(&mut self, epoch: Epoch, leader: Option<Leader>) -> Result<(), Failure> {
        info!(%epoch, "this JobManager leads");
        let (happenings, happened) = mpsc::channel(HAPPENINGS_LIMIT);
        let over = Flag::default();
        if let Some(archive) = &self.archive {
            let renew = standby::Renewal {
                env: Arc::clone(&self.envs.control),
                archive: archive.clone(),
                lease: self.lease(epoch, 0),
                interval: self.options.heartbeats.interval,
                over: over.clone(),
                happenings: happenings.clone(),
            };
            self.envs.control.spawn("renews the lease", Box::pin(renew.run()));
        }
        let found = match &self.archive {
            Some(archive) => archive.take_over(epoch).await,
            None => Ok(Vec::new()),
        };
        let result = match found {
            Ok(found) => {
                let (envs, jobs) = (self.envs.clone(), Arc::clone(&self.jobs));
                let mut lead = Lead::new(epoch, self.options.heartbeats, envs, jobs, happenings.clone())
                    .with_archive(self.archive.clone())
                    .with_slot_timeout(self.options.slot_timeout)
                    .with_retained_jobs(self.options.retained_jobs);
                if let (Some(settings), Some(provider)) = (self.options.provision, self.provider.take()) {
                    lead = lead.with_provider(settings, provider, vec![self.address.clone()]);
                }
                self.role.leads(epoch, happenings);
                self.provider = lead.run(found, happened, self.stop.clone()).await;
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        self.role.stands_by(None);
        over.set();
        drop(leader);
        result
    }
}
