//! Runs a process of a cluster until it is told to end.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, channel::oneshot, future::join_all};
use millstream_net::hello::Secret;
use tracing::dispatcher::set_global_default;

use super::{
    jobs::BinaryJobs,
    local_processes::{LocalProcesses, end_with_parent},
    options::{JobManagerOptions, NodeOptions, TaskManagerOptions},
};
use crate::{
    cli::{Console, EXIT_DONE, EXIT_FAILED, signals},
    cluster::{Envs, Identity, jobmanager, spec::Jobs, taskmanager},
    control::TaskManagerId,
    env::{BoxFuture, Env, TokioEnv},
    failure::Failure,
    registry::JobEntry,
    rest::{self, views},
    settings::{KEYS, Settings},
    task::flag::Flag,
};

/// So many lines may wait to be written.
const LINES_LIMIT: usize = 16;
/// What the processes of a cluster share that is told nothing else.
const NO_SECRET: Secret = Secret([0; 32]);

/// Runs the process.
pub(in crate::cli) fn run(jobs: &[&'static JobEntry], options: &NodeOptions, console: &mut Console<'_>) -> u8 {
    let _ = set_global_default(options.logs.dispatch(&console.err, console.world.colours_err())); // somebody may have been first
    let Some((_runtimes, envs)) = runtimes() else {
        console.error("no threads to run on");
        return EXIT_FAILED;
    };
    let result = futures::executor::block_on(attend(jobs, options, &envs, console));
    match result {
        Ok(()) => EXIT_DONE,
        Err(failure) => {
            console.error(&failure.to_string());
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

async fn attend(
    jobs: &[&'static JobEntry],
    options: &NodeOptions,
    envs: &Envs,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if options.taskmanager.as_ref().is_some_and(|of| of.id.is_some()) {
        end_with_parent();
    }
    let stop = Flag::default();
    listen_to_signals(envs, &stop).await?;
    let identity = Identity { build: build_of_this()?, secret: NO_SECRET };
    let binary: Arc<dyn Jobs> = Arc::new(BinaryJobs(jobs.to_vec()));
    let (said, mut lines) = futures::channel::mpsc::channel(LINES_LIMIT);
    let mut parts: Vec<BoxFuture<'static, Result<(), Failure>>> = Vec::new();
    if let Some(of) = &options.jobmanager {
        parts.push(jobmanager_of(jobs, options, of, identity, &binary, envs, &stop, said.clone()).await?);
    }
    if let Some(of) = &options.taskmanager {
        let of = taskmanager_options(options, of, identity);
        let (envs, binary, stop, mut said) = (envs.clone(), Arc::clone(&binary), stop.clone(), said.clone());
        parts.push(Box::pin(async move {
            let ready = |address: &str| {
                let _ = said.try_send(format!("TaskManager: data connections at {address}")); // it is told, or the process ends
            };
            taskmanager::run(of, envs, binary, stop, ready).await
        }));
    }
    drop(said);
    let ended: Vec<_> = parts.into_iter().map(|part| on(&envs.control, &stop, part)).collect();
    while let Some(line) = lines.next().await {
        console.say(&format!("{line}\n"));
    }
    join_all(ended).await.into_iter().collect()
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

type Lines = futures::channel::mpsc::Sender<String>;

#[allow(clippy::too_many_arguments, reason = "what a JobManager is made of, used here alone")]
async fn jobmanager_of(
    jobs: &[&'static JobEntry],
    options: &NodeOptions,
    of: &JobManagerOptions,
    identity: Identity,
    binary: &Arc<dyn Jobs>,
    envs: &Envs,
    stop: &Flag,
    mut said: Lines,
) -> Result<BoxFuture<'static, Result<(), Failure>>, Failure> {
    let handle = jobmanager::Handle::default();
    let front = jobmanager::Front {
        handle: handle.clone(),
        binary: views::BinaryJobs { jobs: jobs.iter().map(|job| shown(job)).collect() },
        config: config(),
        // Told to all processes, whatever their machines suggest.
        defaults: BTreeMap::from([("parallelism".to_owned(), Settings::default().parallelism.to_string())]),
    };
    let rest_address = format!("{}:{}", options.host, of.rest_port);
    let (envs, binary, stop) = (envs.clone(), Arc::clone(binary), stop.clone());
    let (host, advertised_host) = (options.host.clone(), options.advertise.clone());
    let (port, storage, heartbeats) = (of.port, of.storage.clone(), of.heartbeats);
    let provision = of.provision;
    let provider = provision.map(|_| Box::new(LocalProcesses::default()) as Box<dyn jobmanager::provider::Provider>);
    Ok(Box::pin(async move {
        let listener = envs.control.network().listen(&rest_address).await.map_err(|error| {
            Failure::new(format!("the JobManager cannot answer over HTTP at {rest_address}: {error}"))
                .with_hint("choose another port by `--rest-port`")
        })?;
        let url = format!("http://{}", listener.address());
        let serves = rest::server::serve(
            listener,
            Arc::new(front),
            rest::server::Options::default(),
            Arc::clone(&envs.control),
            stop.clone(),
        );
        envs.control.spawn("rest", serves);
        let options = jobmanager::Options {
            control_address: format!("{host}:{port}"),
            advertised_host,
            rest: Some(url.clone()),
            storage,
            heartbeats,
            provision,
            identity,
        };
        let ready = |address: &str| {
            let _ = said.try_send(format!("JobManager: {url} (TaskManagers: {address})")); // it is told, or the process ends
        };
        jobmanager::run(options, envs, binary, handle, provider, stop, ready).await
    }))
}

fn taskmanager_options(options: &NodeOptions, of: &TaskManagerOptions, identity: Identity) -> taskmanager::Options {
    taskmanager::Options {
        id: of.id.map(TaskManagerId),
        slots: of.slots,
        jobmanagers: of.jobmanagers.clone(),
        data_address: format!("{}:{}", options.host, of.data_port),
        advertised_host: options.advertise.clone(),
        network_bytes: Settings::default().network_bytes() as u64,
        identity,
    }
}

fn shown(job: &JobEntry) -> views::BinaryJob {
    views::BinaryJob {
        name: job.name.to_owned(),
        doc: job.doc.to_owned(),
        file: job.location.file.to_owned(),
        line: job.location.line,
        column: job.location.column,
    }
}

fn config() -> views::ClusterConfig {
    let settings = Settings::default();
    let entry = |key: &crate::settings::Setting| views::ConfigEntry {
        key: key.name.to_owned(),
        value: key.show(&settings),
        default: key.default_text(),
        origin: "default".to_owned(),
        doc: key.doc.to_owned(),
        live: key.live,
    };
    views::ClusterConfig { settings: KEYS.iter().map(entry).collect() }
}

/// What this binary is made of: another build has another number.
#[allow(clippy::disallowed_methods, reason = "the binary itself is read before anything runs")]
fn build_of_this() -> Result<u64, Failure> {
    let read = std::env::current_exe().and_then(std::fs::read);
    let bytes = read.map_err(|error| Failure::new(format!("the binary itself cannot be read: {error}")))?;
    Ok(u64::from(crc32fast::hash(&bytes)) << 32 | bytes.len() as u64 & u64::from(u32::MAX))
}
