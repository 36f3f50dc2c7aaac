//! What a process of a cluster is told on the command line and by the environment.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::{
    cli::{logs::LogOptions, world::World},
    control::{heartbeats::HeartbeatSettings, provision::ProvisionSettings},
    settings::{parse_duration, show_duration},
};

const PORT: &str = "millstream:port";
const REST_PORT: &str = "millstream:rest-port";
const HOST: &str = "millstream:host";
const STORAGE: &str = "millstream:storage";
const SLOTS: &str = "millstream:slots";
const JOBMANAGERS: &str = "millstream:jobmanagers";
const DATA_PORT: &str = "millstream:data-port";
const ID: &str = "millstream:id";
const PROVIDER: &str = "millstream:provider";
const PROVIDER_SLOTS: &str = "millstream:provider-slots";
const PROVIDER_MOST: &str = "millstream:provider-most";
const PROVIDER_IDLE: &str = "millstream:provider-idle";
const ADVERTISE: &str = "millstream:advertise";
const INSECURE: &str = "millstream:insecure";
const HEARTBEAT_INTERVAL: &str = "millstream:heartbeat-interval";
const HEARTBEAT_TIMEOUT: &str = "millstream:heartbeat-timeout";

/// How long a TaskManager may be idle that was started on demand.
const PROVIDER_IDLE_DEFAULT: Duration = Duration::from_secs(60);
/// How many of them there may be.
const PROVIDER_MOST_DEFAULT: u32 = 16;

/// Where JobManagers take control connections, unless they are told otherwise.
pub(crate) const CONTROL_PORT: u16 = 6123;
/// Where they answer over HTTP.
pub(crate) const REST_PORT_DEFAULT: u16 = 8081;

/// What a process is in a cluster.
#[derive(Debug, Clone)]
pub(crate) struct NodeOptions {
    /// It is a JobManager.
    pub(crate) jobmanager: Option<JobManagerOptions>,
    /// It is a TaskManager.
    pub(crate) taskmanager: Option<TaskManagerOptions>,
    /// The host whose addresses it takes.
    pub(crate) host: String,
    /// The host by which others reach it, if that is another.
    pub(crate) advertise: Option<String>,
    pub(crate) logs: LogOptions,
}

#[derive(Debug, Clone)]
pub(crate) struct JobManagerOptions {
    pub(crate) port: u16,
    pub(crate) rest_port: u16,
    pub(crate) storage: Option<PathBuf>,
    /// TaskManagers are started on demand.
    pub(crate) provision: Option<ProvisionSettings>,
    pub(crate) heartbeats: HeartbeatSettings,
}

#[derive(Debug, Clone)]
pub(crate) struct TaskManagerOptions {
    /// What it is called, if who has started it says so; then it ends with that process.
    pub(crate) id: Option<u128>,
    pub(crate) slots: u32,
    pub(crate) jobmanagers: Vec<String>,
    pub(crate) data_port: u16,
}

/// The commands.
pub(crate) fn commands() -> [Command; 2] {
    let host = || {
        [
            Arg::new(HOST)
                .long("host")
                .value_name("HOST")
                .help("The address of this machine to use [default: 127.0.0.1]"),
            Arg::new(ADVERTISE)
                .long("advertise")
                .value_name("HOST")
                .help("The address by which other processes reach this one, if it is another than that of `--host`"),
            Arg::new(INSECURE)
                .long("insecure")
                .action(ArgAction::SetTrue)
                .help("Take addresses that other machines reach, though whoever reaches them is let in"),
        ]
    };
    let time = |id, long: &'static str, help: &'static str| {
        Arg::new(id).long(long).value_name("TIME").value_parser(duration).help(help)
    };
    let logs = crate::cli::command::log_options();
    let port = |id, long: &'static str, help: &'static str| {
        Arg::new(id).long(long).value_name("PORT").value_parser(value_parser!(u16)).help(help)
    };
    let number = |id, long: &'static str, help: &'static str| {
        Arg::new(id).long(long).value_name("N").value_parser(value_parser!(u32).range(1..=1024)).help(help)
    };
    let jobmanager = Command::new("jobmanager")
        .about("Lead a cluster: take jobs, and have TaskManagers run them")
        .args(host())
        .arg(port(PORT, "port", "Where TaskManagers connect [default: 6123]"))
        .arg(port(REST_PORT, "rest-port", "Where it answers over HTTP [default: 8081]"))
        .arg(
            Arg::new(STORAGE)
                .long("storage")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Where jobs and checkpoints are kept; JobManagers that share it stand by for each other"),
        )
        .arg(
            Arg::new(PROVIDER)
                .long("provider")
                .value_name("WHO")
                .value_parser(["standalone", "local"])
                .help("Who starts TaskManagers: nobody, or this process on this machine when jobs wait for slots [default: standalone]"),
        )
        .arg(number(PROVIDER_SLOTS, "provider-slots", "How many slots each of these has [default: the number of processors]"))
        .arg(number(PROVIDER_MOST, "provider-most", "How many of these there may be [default: 16]"))
        .arg(
            Arg::new(PROVIDER_IDLE)
                .long("provider-idle")
                .value_name("DURATION")
                .value_parser(|text: &str| parse_duration(text).ok_or("a duration is expected, as `30s`"))
                .help("After how long without work they are stopped [default: 1min]"),
        )
        .arg(time(
            HEARTBEAT_INTERVAL,
            "heartbeat-interval",
            "How often processes say that they are there [default: 1s]",
        ))
        .arg(time(HEARTBEAT_TIMEOUT, "heartbeat-timeout", "Who is silent for so long is lost [default: 5s]"))
        .args(logs.clone());
    let taskmanager = Command::new("taskmanager")
        .about("Run tasks for a cluster")
        .args(host())
        .arg(
            Arg::new(SLOTS)
                .long("slots")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=1024))
                .help("How many slots it offers [default: the number of processors]"),
        )
        .arg(
            Arg::new(JOBMANAGERS)
                .long("jobmanager")
                .value_name("HOST:PORT,..")
                .value_delimiter(',')
                .help("Where JobManagers are [default: 127.0.0.1:6123]"),
        )
        .arg(port(DATA_PORT, "data-port", "Where other TaskManagers connect [default: any]"))
        .arg(
            Arg::new(ID)
                .long("id")
                .hide(true)
                .value_parser(|text: &str| u128::from_str_radix(text, 16))
                .help("What a JobManager calls it that has started it"),
        )
        .args(logs);
    [jobmanager, taskmanager]
}

fn duration(text: &str) -> Result<Duration, String> {
    let found = parse_duration(text).filter(|duration| !duration.is_zero());
    found.ok_or_else(|| "a time with a unit is expected, as in `500ms` or `5s`".to_owned())
}

/// How often processes say that they are there, and when they are lost.
fn heartbeats(matches: Option<&ArgMatches>) -> Result<HeartbeatSettings, String> {
    let time = |id: &str| matches.and_then(|matches| matches.try_get_one::<Duration>(id).ok().flatten()).copied();
    let default = HeartbeatSettings::default();
    let interval = time(HEARTBEAT_INTERVAL).unwrap_or(default.interval);
    let timeout = time(HEARTBEAT_TIMEOUT).unwrap_or(default.timeout);
    if timeout < interval * 2 {
        return Err(format!(
            "`--heartbeat-timeout` is {}, and has to be at least twice `--heartbeat-interval`, which is {}: one heartbeat may be late",
            show_duration(timeout),
            show_duration(interval)
        ));
    }
    Ok(HeartbeatSettings { interval, timeout })
}

/// The host whose addresses the process takes. Nobody outside of the machine is let in by accident.
fn host(matches: Option<&ArgMatches>, text: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let host = text(HOST).unwrap_or_else(|| "127.0.0.1".to_owned());
    let is_insecure =
        matches.is_some_and(|matches| matches.try_get_one::<bool>(INSECURE).ok().flatten() == Some(&true));
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if !is_loopback && !is_insecure {
        return Err(format!(
            "`--host {host}` is not an address of this machine alone, and connections are not encrypted: whoever reaches it could run anything; \
             in a network where that is well, add `--insecure`"
        ));
    }
    Ok(host)
}

/// Reads a command. `name` is empty if there is none: then the process is both.
pub(crate) fn read(name: &str, matches: Option<&ArgMatches>, world: &World) -> Result<NodeOptions, String> {
    let text = |id: &str| matches.and_then(|matches| matches.try_get_one::<String>(id).ok().flatten()).cloned();
    let port = |id: &str| matches.and_then(|matches| matches.try_get_one::<u16>(id).ok().flatten()).copied();
    let logs = match matches {
        Some(matches) => LogOptions::of(matches, world)?,
        None => LogOptions::from_world(world)?,
    };
    let storage = matches.and_then(|matches| matches.try_get_one::<PathBuf>(STORAGE).ok().flatten()).cloned();
    let slots = matches.and_then(|matches| matches.try_get_one::<u32>(SLOTS).ok().flatten()).copied();
    let jobmanagers = matches.and_then(|matches| matches.try_get_many::<String>(JOBMANAGERS).ok().flatten());
    let jobmanagers: Vec<String> = jobmanagers.into_iter().flatten().cloned().collect();
    let number = |id: &str| matches.and_then(|matches| matches.try_get_one::<u32>(id).ok().flatten()).copied();
    let idle = matches.and_then(|matches| matches.try_get_one::<Duration>(PROVIDER_IDLE).ok().flatten()).copied();
    let is_local = text(PROVIDER).is_some_and(|who| who == "local");
    let id = matches.and_then(|matches| matches.try_get_one::<u128>(ID).ok().flatten()).copied();
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let control_port = port(PORT).unwrap_or(CONTROL_PORT);
    let heartbeats = heartbeats(matches)?;
    let default = || vec![format!("127.0.0.1:{control_port}")];
    Ok(NodeOptions {
        jobmanager: (name != "taskmanager").then(|| JobManagerOptions {
            port: control_port,
            rest_port: port(REST_PORT).unwrap_or(REST_PORT_DEFAULT),
            storage,
            provision: is_local.then(|| ProvisionSettings {
                slots: number(PROVIDER_SLOTS).unwrap_or(processors),
                most: number(PROVIDER_MOST).unwrap_or(PROVIDER_MOST_DEFAULT),
                idle_timeout: idle.unwrap_or(PROVIDER_IDLE_DEFAULT),
            }),
            heartbeats,
        }),
        taskmanager: (name != "jobmanager").then(|| TaskManagerOptions {
            id,
            slots: slots.unwrap_or(processors),
            jobmanagers: if jobmanagers.is_empty() { default() } else { jobmanagers },
            data_port: port(DATA_PORT).unwrap_or(0),
        }),
        host: host(matches, text)?,
        advertise: text(ADVERTISE),
        logs,
    })
}
