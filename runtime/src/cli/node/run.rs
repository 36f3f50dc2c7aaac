//! Runs a process of a cluster until it is told to end.

use std::sync::Arc;

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
    future::join_all,
};
use millstream_net::hello::Secret;
use tracing::dispatcher::set_global_default;

use super::{
    jobs::BinaryJobs,
    local_processes::{LocalProcesses, end_with_parent},
    options::NodeOptions,
    shown,
};
use crate::{
    cli::{
        Console, EXIT_DONE, EXIT_FAILED, signals,
        tls::{self, KnownBy},
    },
    cluster::{Envs, Identity, jobmanager, spec::Jobs, taskmanager},
    control::TaskManagerId,
    env::{BoxFuture, Env, TokioEnv},
    failure::Failure,
    registry::JobEntry,
    rest,
    settings::cluster::Role,
    task::flag::Flag,
};

/// So many lines may wait to be written.
const LINES_LIMIT: usize = 16;
type Lines = mpsc::Sender<String>;
/// What the processes of a cluster share that is told nothing else.
const NO_SECRET: Secret = Secret([0; 32]);
/// Where a process that is both listens, as the one half tells it the other.
type Leader = oneshot::Receiver<String>;

/// A process of a cluster.
struct Node<'a> {
    jobs: &'a [&'static JobEntry],
    options: &'a NodeOptions,
    identity: Identity,
    binary: Arc<dyn Jobs>,
    envs: Envs,
    /// Where it answers over HTTP.
    rest: Arc<dyn Env>,
    /// Ends the process.
    stop: Flag,
    /// What is to be written.
    said: Lines,
}

/// Runs the process.
pub(in crate::cli) fn run(jobs: &[&'static JobEntry], options: &NodeOptions, console: &mut Console<'_>) -> u8 {
    let _ = set_global_default(options.logs.dispatch(&console.err, console.world.colours_err())); // somebody may have been first
    for warning in &options.warnings {
        console.note(&format!("warning: {warning}\n"));
    }
    let Some((_runtimes, envs)) = runtimes() else {
        console.error("no threads to run on");
        return EXIT_FAILED;
    };
    let (said, lines) = mpsc::channel(LINES_LIMIT);
    let ended = Node::new(jobs, options, envs, said).and_then(|node| {
        futures::executor::block_on(node.attend(lines, console)).map_err(|failure| failure.to_string())
    });
    match ended {
        Ok(()) => EXIT_DONE,
        Err(message) => {
            console.error(&message);
            EXIT_FAILED
        }
    }
}

/// Threads for heartbeats and messages, for data connections, and for tasks: what is busy in one does not hold up another.
fn runtimes() -> Option<([tokio::runtime::Runtime; 3], Envs)> {
    let build = |name: &str, threads: Option<usize>| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if let Some(threads) = threads {
            builder.worker_threads(threads);
        }
        builder.enable_all().thread_name(name).build().ok()
    };
    let runtimes =
        [build("millstream-control", Some(1))?, build("millstream-data", Some(1))?, build("millstream-task", None)?];
    let [control, data, worker] = TokioEnv::of(runtimes.each_ref().map(tokio::runtime::Runtime::handle));
    Some((runtimes, Envs { control, data, worker }))
}

impl<'a> Node<'a> {
    /// A process whose connections are as protected as its options say.
    fn new(jobs: &'a [&'static JobEntry], options: &'a NodeOptions, envs: Envs, said: Lines) -> Result<Self, String> {
        let protected = |env: &Arc<dyn Env>, known_by| tls::protected(Arc::clone(env), &options.settings, known_by);
        // Requests over HTTP may be known by a token instead.
        let by_token = if options.token.is_some() { KnownBy::Other } else { KnownBy::Certificate };
        let rest = protected(&envs.control, by_token)?;
        let envs = Envs {
            control: protected(&envs.control, KnownBy::Certificate)?,
            data: protected(&envs.data, KnownBy::Certificate)?,
            worker: protected(&envs.worker, KnownBy::Certificate)?,
        };
        let build = build_of_this().map_err(|failure| failure.to_string())?;
        let identity = Identity { build, secret: options.secret.unwrap_or(NO_SECRET) };
        let binary = Arc::new(BinaryJobs(jobs.to_vec()));
        Ok(Self { jobs, options, identity, binary, envs, rest, stop: Flag::default(), said })
    }

    /// Runs it to its end, and writes what it says.
    async fn attend(self, mut lines: mpsc::Receiver<String>, console: &mut Console<'_>) -> Result<(), Failure> {
        let Self { options, .. } = self;
        if options.id.is_some() {
            end_with_parent();
        }
        listen_to_signals(&self.envs, &self.stop).await?;
        let mut parts: Vec<BoxFuture<'static, Result<(), Failure>>> = Vec::new();
        let (leads, leader) = oneshot::channel();
        if options.role.has(Role::JobManager) {
            parts.push(self.jobmanager(leads));
        }
        if options.role.has(Role::TaskManager) {
            let leader = (options.role == Role::Both && options.settings.jobmanagers.is_empty()).then_some(leader);
            parts.push(self.taskmanager(leader));
        }
        let Self { envs, stop, said, .. } = self;
        drop(said); // what the parts have is closed when they end
        let ended: Vec<_> = parts.into_iter().map(|part| on(&envs.control, &stop, part)).collect();
        while let Some(line) = lines.next().await {
            console.say(&format!("{line}\n"));
        }
        join_all(ended).await.into_iter().collect()
    }

    /// `leads` is told where it listens.
    fn jobmanager(&self, leads: oneshot::Sender<String>) -> BoxFuture<'static, Result<(), Failure>> {
        let Self { options, identity, .. } = *self;
        let handle = jobmanager::Handle::default();
        let front = jobmanager::Front {
            handle: handle.clone(),
            binary: shown::binary_jobs(self.jobs),
            config: shown::config(options),
            defaults: options.jobs.of_jobs(&options.settings),
        };
        let provider = options.settings.is_provider.then(|| LocalProcesses::with(options.for_children.clone()));
        let provider = provider.map(|provider| Box::new(provider) as Box<dyn jobmanager::provider::Provider>);
        let (settings, token) = (options.settings.clone(), options.token.clone());
        let (envs, rest_env, binary) = (self.envs.clone(), Arc::clone(&self.rest), Arc::clone(&self.binary));
        let (stop, mut said) = (self.stop.clone(), self.said.clone());
        Box::pin(async move {
            let rest_address = settings.address(settings.rest_port);
            let listener = rest_env.network().listen(&rest_address).await.map_err(|error| {
                Failure::new(format!("the JobManager cannot answer over HTTP at {rest_address}: {error}"))
                    .with_hint("choose another port by `--rest-port`")
            })?;
            let scheme = if settings.tls_ca.is_some() { "https" } else { "http" };
            let reached = |listens: &str| match settings.reached_at() {
                Some(host) => format!("{host}:{}", listens.rsplit(':').next().unwrap_or_default()),
                None => listens.to_owned(),
            };
            let url = format!("{scheme}://{}", reached(listener.address()));
            let serves = rest::server::serve(
                listener,
                Arc::new(front),
                rest::server::Options { token, ..Default::default() },
                Arc::clone(&envs.control),
                stop.clone(),
            );
            envs.control.spawn("rest", serves);
            let options = jobmanager::Options {
                control_address: settings.address(settings.port),
                advertised_host: settings.reached_at(),
                rest: Some(url.clone()),
                storage: settings.storage.clone(),
                object_store: settings.object_store.clone(),
                heartbeats: settings.heartbeats,
                slot_timeout: settings.slot_timeout,
                retained_jobs: settings.retained_jobs,
                provision: settings.is_provider.then_some(settings.provision),
                identity,
            };
            let ready = |address: &str| {
                let address = reached(address);
                let _ = said.try_send(format!("JobManager: {url} (TaskManagers: {address})")); // it is told, or the process ends
                let _ = leads.send(address); // the other half may know another
            };
            jobmanager::run(options, envs, binary, handle, provider, stop, ready).await
        })
    }

    /// `leader` tells where to connect, if the settings do not.
    fn taskmanager(&self, leader: Option<Leader>) -> BoxFuture<'static, Result<(), Failure>> {
        let Self { options, identity, .. } = *self;
        let settings = &options.settings;
        let mut options = taskmanager::Options {
            id: options.id.map(TaskManagerId),
            slots: settings.slots,
            jobmanagers: settings.jobmanagers.clone(),
            data_address: settings.address(settings.data_port),
            advertised_host: settings.reached_at(),
            network_bytes: settings.network_bytes(),
            identity,
        };
        let (envs, binary) = (self.envs.clone(), Arc::clone(&self.binary));
        let (stop, mut said) = (self.stop.clone(), self.said.clone());
        Box::pin(async move {
            if let Some(leader) = leader {
                let Ok(leader) = leader.await else { return Ok(()) }; // the JobManager says why
                options.jobmanagers.push(leader);
            }
            let ready = |address: &str| {
                let _ = said.try_send(format!("TaskManager: data connections at {address}")); // it is told, or the process ends
            };
            taskmanager::run(options, envs, binary, stop, ready).await
        })
    }
}

/// Runs a part of the process. When one ends, all do.
fn on(
    env: &Arc<dyn Env>,
    stop: &Flag,
    part: BoxFuture<'static, Result<(), Failure>>,
) -> BoxFuture<'static, Result<(), Failure>> {
    let ((sender, ended), stop) = (oneshot::channel(), stop.clone());
    env.spawn(
        "node",
        Box::pin(async move {
            let result = part.await;
            stop.set();
            let _ = sender.send(result); // the process waits for it
        }),
    );
    Box::pin(async { ended.await.unwrap_or_else(|_| Err(Failure::new("the environment has ended"))) })
}

/// Ctrl-C and SIGTERM end the process, cleanly.
async fn listen_to_signals(envs: &Envs, stop: &Flag) -> Result<(), Failure> {
    let (sender, listening) = oneshot::channel();
    let stop = stop.clone();
    envs.control.spawn(
        "signals",
        Box::pin(async move {
            match signals::interrupts() {
                Ok(mut interrupts) => {
                    let _ = sender.send(Ok(())); // it is waited for
                    interrupts.next().await;
                    stop.set();
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        }),
    );
    let listens = listening.await.unwrap_or_else(|_| Err(std::io::Error::other("the environment has ended")));
    listens.map_err(|error| Failure::new(format!("Ctrl-C and SIGTERM cannot be listened to: {error}")))
}

/// What this binary is made of: another build has another number.
#[allow(clippy::disallowed_methods, reason = "the binary itself is read before anything runs")]
fn build_of_this() -> Result<u64, Failure> {
    let read = std::env::current_exe().and_then(std::fs::read);
    let bytes = read.map_err(|error| Failure::new(format!("the binary itself cannot be read: {error}")))?;
    Ok(u64::from(crc32fast::hash(&bytes)) << 32 | bytes.len() as u64 & u64::from(u32::MAX))
}
