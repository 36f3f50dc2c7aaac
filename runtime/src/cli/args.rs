//! Decides what is to be done: reads the arguments, and gathers the settings that go with them.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Arg, ArgMatches, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use clap_complete::Shell;
use millstream_state::location::LocationError;

use super::{
    certs,
    cluster::{self, verbs::Asking},
    command::{self, AGAINST, DIR, DOT, DRAIN, MERMAID, QUIET, SHELL, TO, VALUES, WITH_SAVEPOINT, wants_json},
    control::verbs::{Steering, Verb},
    given,
    logs::LogOptions,
    node,
    plan::{self, Format},
    savepoint, schema,
    world::World,
};
use crate::{
    env::{Disk, Files},
    registry::JobEntry,
    rest::submission::{AfterSavepoint, SavepointWanted},
    settings::{
        Location, Outside, Settings,
        cluster::{ClusterGiven, Role},
    },
};

/// What is to be done.
pub(super) enum Invocation {
    /// Run a job.
    Run(Chosen, RunOptions),
    /// Be a process of a cluster.
    Node(Box<node::NodeOptions>),
    /// Make certificates.
    Certs(certs::Wanted),
    /// Show the plan of a job.
    Plan(Chosen, Format),
    /// Show what would become of the state in a savepoint.
    Outlook(Chosen, Location),
    /// Keep the types of state in a lock file.
    Schema(Box<schema::Wanted>),
    /// Show settings: those of a job with what its code sets, or (without arguments) what is given from outside.
    Config(Configured, bool),
    /// List the jobs, as JSON if the flag says so.
    Jobs(bool),
    /// Ask another process.
    Remote(Remote),
    /// Write a completion script.
    Completions(Shell),
}

/// Who is asked.
pub(super) enum Remote {
    /// A job that runs in another process on this machine.
    Local(Steering),
    /// A cluster.
    Cluster(Asking),
    /// Nobody: a savepoint is looked at.
    Savepoint(savepoint::Asked),
}

/// How a job is run.
pub(super) struct RunOptions {
    /// Neither progress nor a summary.
    pub(super) quiet: bool,
    /// A report on standard output.
    pub(super) json: bool,
    pub(super) logs: LogOptions,
}

/// The job that was chosen, with its arguments.
pub(super) struct Chosen {
    pub(super) job: &'static JobEntry,
    pub(super) matches: ArgMatches,
    pub(super) outside: Outside,
}

/// Whose settings are shown.
pub(super) enum Configured {
    /// A job's, which is built for them.
    Job(Box<Chosen>),
    /// Nobody's in particular, and those of a process of a cluster.
    Any(Outside, ClusterGiven),
}

/// Why nothing is done.
pub(super) enum Refusal {
    /// Wrong arguments, or a request for help.
    Clap(Box<clap::Error>),
    /// The jobs themselves cannot be offered.
    Jobs(String),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Clap(Box::new(error))
    }
}

/// The commands that take a job.
const OF_JOBS: [&str; 4] = ["run", "submit", "plan", "config"];

/// Reads arguments, the name of the binary first.
pub(super) fn parse(jobs: &[&'static JobEntry], mut args: Vec<OsString>, world: &World) -> Result<Invocation, Refusal> {
    offerable(jobs).map_err(Refusal::Jobs)?;
    let bin = bin(&args);
    if args.len() <= 1 {
        return node::read(Role::Both, None, jobs, world)
            .map(|options| Invocation::Node(Box::new(options)))
            .map_err(Refusal::Jobs);
    }
    if jobs.len() == 1 && runs_by_default(&args) {
        args.insert(args.len().min(1), "run".into());
    }
    let mut root = command::root(jobs, &bin);
    let matches = match root.try_get_matches_from_mut(&args) {
        Ok(matches) => matches,
        Err(error) => return Err(unknown_job(jobs, &args, error, &mut root).into()),
    };
    match matches.subcommand() {
        Some(("run", matches)) => {
            let chosen = choose(jobs, "run", matches, &mut root, world)?;
            let (quiet, json) = (chosen.matches.get_flag(QUIET), wants_json(&chosen.matches));
            let logs = LogOptions::of(&chosen.matches, world).map_err(|message| wrong(&mut root, "run", message))?;
            Ok(Invocation::Run(chosen, RunOptions { quiet, json, logs }))
        }
        Some(("plan", matches)) => {
            let chosen = choose(jobs, "plan", matches, &mut root, world)?;
            let format = match &chosen.matches {
                matches if matches.get_flag(MERMAID) => Format::Mermaid,
                matches if matches.get_flag(DOT) => Format::Dot,
                matches if wants_json(matches) => Format::Json,
                _ => Format::Tree,
            };
            let against = chosen.matches.get_one::<String>(AGAINST).map(|text| {
                given::absolute(text, world).map_err(|error| format!("invalid value '{text}' for '--against': {error}"))
            });
            let against = against.transpose().map_err(|message| wrong(&mut root, "plan", message))?;
            Ok(match against {
                Some(savepoint) => Invocation::Outlook(chosen, savepoint),
                None => Invocation::Plan(chosen, format),
            })
        }
        Some(("config", matches)) if matches.subcommand().is_none() => {
            // The tables of an only job count though it is not named; which of several is meant cannot be known.
            let job = if let [job] = jobs { Some(job.name) } else { None };
            let given = given::gather(matches, job, world)
                .and_then(|outside| Ok(Configured::Any(outside, given::of_cluster(Some(matches), world)?)))
                .map_err(|message| wrong(&mut root, "config", message))?;
            Ok(Invocation::Config(given, wants_json(matches)))
        }
        Some(("config", matches)) => {
            let chosen = choose(jobs, "config", matches, &mut root, world)?;
            let json = wants_json(&chosen.matches);
            Ok(Invocation::Config(Configured::Job(Box::new(chosen)), json))
        }
        Some(("schema", matches)) => schema::read(jobs, matches, world)
            .map(|wanted| Invocation::Schema(Box::new(wanted)))
            .map_err(|message| wrong(&mut root, "schema", message)),
        Some(("certs", matches)) => {
            certs::read(matches, world).map(Invocation::Certs).map_err(|message| wrong(&mut root, "certs", message))
        }
        Some(("completions", matches)) => {
            Ok(Invocation::Completions(*matches.get_one(SHELL).expect("clap requires the shell")))
        }
        Some(("jobs", matches)) => Ok(Invocation::Jobs(wants_json(matches))),
        Some((name @ ("jobmanager" | "taskmanager"), matches)) => {
            let role = if name == "jobmanager" { Role::JobManager } else { Role::TaskManager };
            let options = node::read(role, Some(matches), jobs, world);
            options
                .map(|options| Invocation::Node(Box::new(options)))
                .map_err(|message| wrong(&mut root, name, message))
        }
        Some(("submit", matches)) => {
            let chosen = choose(jobs, "submit", matches, &mut root, world)?;
            let asking =
                cluster::args::submit(&chosen, world).map_err(|message| wrong(&mut root, "submit", message))?;
            Ok(Invocation::Remote(Remote::Cluster(asking)))
        }
        Some((name, matches)) => Ok(Invocation::Remote(remote(name, matches, &mut root, world)?)),
        None => Err(root.error(ErrorKind::MissingSubcommand, "say what is to be done").into()),
    }
}

/// Reads the arguments of a binary without jobs.
pub(super) fn parse_tool(args: &[OsString], world: &World) -> Result<Invocation, Refusal> {
    let mut root = command::tool(&bin(args));
    let matches = root.try_get_matches_from_mut(args)?;
    match matches.subcommand() {
        Some(("submit", matches)) => {
            let asking = cluster::args::submit_unknown(matches, world);
            let asking = asking.map_err(|message| wrong(&mut root, "submit", message))?;
            Ok(Invocation::Remote(Remote::Cluster(asking)))
        }
        Some(("certs", matches)) => {
            certs::read(matches, world).map(Invocation::Certs).map_err(|message| wrong(&mut root, "certs", message))
        }
        Some((name, matches)) => remote(name, matches, &mut root, world).map(Invocation::Remote),
        None => Err(root.error(ErrorKind::MissingSubcommand, "say what is to be done").into()),
    }
}

/// A command on a running job, here or in a cluster.
fn remote(name: &str, matches: &ArgMatches, root: &mut Command, world: &World) -> Result<Remote, Refusal> {
    let asking = match (name, job_of_cluster(matches)) {
        ("list" | "info" | "cancel" | "rescale", _) => cluster::args::asking(name, matches, world),
        ("checkpoint", Some(job)) => cluster::args::with(cluster::verbs::Verb::Checkpoint(job), matches, world),
        ("savepoint", _) if matches.subcommand().is_some() => {
            return savepoint::read(matches, world)
                .map(Remote::Savepoint)
                .map_err(|message| wrong(root, name, message));
        }
        ("stop", Some(job)) if !matches.get_flag(WITH_SAVEPOINT) => {
            cluster::args::with(cluster::verbs::Verb::Stop(job), matches, world)
        }
        ("savepoint" | "stop", Some(job)) => to(matches, world).and_then(|to| {
            let wanted = SavepointWanted { to: to.map(|to| to.to_string()), then: then(name, matches) };
            wanted.check().map_err(|refused| refused.message)?;
            cluster::args::with(cluster::verbs::Verb::Savepoint(job, wanted), matches, world)
        }),
        _ => return steering(name, matches, root, world).map(Remote::Local),
    };
    asking.map(Remote::Cluster).map_err(|message| wrong(root, name, message))
}

/// What stands where a directory may, if it is none: a job of a cluster. What is written as a path is one, though nothing is there.
fn job_of_cluster(matches: &ArgMatches) -> Option<String> {
    let given = matches.try_get_one::<PathBuf>(DIR).ok()??;
    let is_path =
        given.components().count() > 1 || given.is_absolute() || given.starts_with(".") || given.starts_with("..");
    (!is_path && !Disk.is_dir(given)).then(|| given.to_string_lossy().into_owned())
}

/// Where a savepoint is to go, if that is said.
fn to(matches: &ArgMatches, world: &World) -> Result<Option<Location>, String> {
    let Some(to) = matches.get_one::<String>(TO) else { return Ok(None) };
    given::absolute(to, world).map(Some).map_err(|error| format!("invalid value '{to}' for '--to': {error}"))
}

/// What becomes of the job of which a savepoint is made.
fn then(name: &str, matches: &ArgMatches) -> AfterSavepoint {
    match name {
        "stop" if matches.get_flag(DRAIN) => AfterSavepoint::Drain,
        "stop" => AfterSavepoint::Stop,
        _ => AfterSavepoint::GoOn,
    }
}

/// A command on a job that runs on this machine.
fn steering(name: &str, matches: &ArgMatches, root: &mut Command, world: &World) -> Result<Steering, Refusal> {
    let (verb, matches) = match (name, matches.subcommand()) {
        ("checkpoint", Some((_, matches))) => (Verb::Inspect, matches),
        ("checkpoint", None) => (Verb::Checkpoint, matches),
        ("status", _) => (Verb::Status, matches),
        ("stop", _) if !matches.get_flag(WITH_SAVEPOINT) => (Verb::Stop, matches),
        ("savepoint" | "stop", _) => {
            let to = to(matches, world).map_err(|message| wrong(root, name, message))?;
            (Verb::Savepoint { to, then: then(name, matches) }, matches)
        }
        _ => (Verb::Set(values(matches).map_err(|message| wrong(root, name, message))?), matches),
    };
    let given = matches.get_one::<PathBuf>(DIR).expect("clap requires the location");
    let location = match given.to_str() {
        Some(text) => text.parse().map_err(|error: LocationError| wrong(root, name, error.to_string()))?,
        None => Location::Directory(given.clone()),
    };
    let mut settings = Settings::default();
    given::defaults(None, None, world).map_err(|message| wrong(root, name, message))?.apply(&mut settings);
    Ok(Steering { verb, location, object_store: settings.checkpoints.object_store, json: wants_json(matches) })
}

/// What is to be set.
fn values(matches: &ArgMatches) -> Result<Vec<(String, String)>, String> {
    let values = matches.get_many::<String>(VALUES).into_iter().flatten();
    let split = values.map(|text| match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err(format!(
            "invalid value '{text}' for '<KEY=VALUE>': a key and a value are expected, as in `checkpoint.interval=2s`"
        )),
    });
    split.collect()
}

/// What the binary is called, for examples and completions.
pub(super) fn bin(args: &[OsString]) -> String {
    let path = args.first().map(std::path::Path::new);
    path.and_then(|path| path.file_stem())
        .map_or_else(|| "millstream".into(), |name| name.to_string_lossy().into_owned())
}

/// Whether `run` is meant though nobody says so: there is nothing at all, or options only.
fn runs_by_default(args: &[OsString]) -> bool {
    let first = args.get(1).map(|first| first.to_string_lossy());
    first.is_none_or(|first| first.starts_with('-') && first != "-h" && first != "--help")
}

/// Finds what is wrong with the jobs of the binary itself.
fn offerable(jobs: &[&'static JobEntry]) -> Result<(), String> {
    if jobs.is_empty() {
        return Err("this binary has no jobs: put `#[job]` on a function `fn name(job: &mut Job)`".to_owned());
    }
    let (long, short) = command::reserved();
    for (i, job) in jobs.iter().enumerate() {
        if let Some(other) = jobs[..i].iter().find(|other| other.name == job.name) {
            let (name, at, before) = (job.name, job.location, other.location);
            return Err(format!(
                "two jobs have the name `{name}`, at {before} and at {at}: rename one of the functions"
            ));
        }
        let own = (job.augment)(Command::new(job.name));
        let (name, at) = (job.name, job.location);
        if let Some(taken) = own.get_arguments().filter_map(Arg::get_long).find(|own| long.iter().any(|l| l == own)) {
            return Err(format!(
                "{at}: the argument `--{taken}` of job `{name}` is an option of the command line itself: rename it, as with `#[arg(long = \"job-{taken}\")]`"
            ));
        }
        if let Some(taken) = own.get_arguments().filter_map(Arg::get_short).find(|own| short.contains(own)) {
            return Err(format!(
                "{at}: the argument `-{taken}` of job `{name}` is an option of the command line itself: choose another letter, as with `#[arg(short = 'x')]`"
            ));
        }
    }
    Ok(())
}

/// The job that a command was given, with its matches and settings.
fn choose(
    jobs: &[&'static JobEntry],
    command: &'static str,
    matches: &ArgMatches,
    root: &mut Command,
    world: &World,
) -> Result<Chosen, Refusal> {
    let (job, matches) = match (matches.subcommand(), jobs) {
        (Some((name, matches)), _) => (jobs.iter().find(|job| job.name == name).copied(), matches),
        (None, [job]) => (Some(*job), matches),
        (None, _) => (None, matches),
    };
    let Some(job) = job else {
        let message = format!("there are several jobs: say which one.\n\n{}", listed(jobs));
        let command = root.find_subcommand_mut(command).expect("the command was just parsed");
        return Err(command.error(ErrorKind::MissingSubcommand, message).into());
    };
    let outside = given::gather(matches, Some(job.name), world).map_err(|message| wrong(root, command, message))?;
    Ok(Chosen { job, matches: matches.clone(), outside })
}

/// A value that may not be.
fn wrong(root: &mut Command, command: &str, message: String) -> Refusal {
    let command = root.find_subcommand_mut(command).expect("the commands are made by `command`");
    command.error(ErrorKind::ValueValidation, message).into()
}

/// Says which jobs there are if an error is about one that does not exist.
fn unknown_job(jobs: &[&'static JobEntry], args: &[OsString], error: clap::Error, root: &mut Command) -> clap::Error {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    else {
        return error;
    };
    let command = args.get(1).and_then(|command| command.to_str());
    let Some(command) = command.filter(|command| OF_JOBS.contains(command)) else {
        if jobs.iter().any(|job| job.name == name) {
            let message = format!("`{name}` is a job, not a command: say `run {name}` or `plan {name}`");
            return root.error(ErrorKind::InvalidSubcommand, message);
        }
        return error;
    };
    let hint = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(nearest)) => format!("; did you mean `{nearest}`?"),
        Some(ContextValue::Strings(nearest)) if !nearest.is_empty() => {
            format!("; did you mean `{}`?", nearest.join("` or `"))
        }
        _ => ".".to_owned(),
    };
    let message = format!("there is no job `{name}`{hint}\n\n{}", listed(jobs));
    let command = root.find_subcommand_mut(command).expect("the commands are made by `command`");
    command.error(ErrorKind::InvalidSubcommand, message)
}

/// The jobs below a heading, for messages.
fn listed(jobs: &[&'static JobEntry]) -> String {
    let list: String = plan::list(jobs).lines().map(|line| format!("  {line}\n")).collect();
    format!("Jobs:\n{}", list.trim_end())
}
