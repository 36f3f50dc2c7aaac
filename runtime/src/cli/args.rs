//! The arguments: commands, settings and every job's own, read with clap. (By its builder, since jobs are known only when the binary is linked.)

use std::{ffi::OsString, time::Duration};

use clap::{
    Arg, ArgAction, ArgMatches, Command,
    error::{ContextKind, ContextValue, ErrorKind},
    value_parser,
};
use millstream_core::key::{DEFAULT_MAX_PARALLELISM, LIMIT_MAX_PARALLELISM};

use super::{
    duration,
    plan::{self, Format},
};
use crate::{registry::JobEntry, settings::Settings};

/// What is to be done.
pub(super) enum Invocation {
    /// Run a job, without progress and summary if the flag says so.
    Run(Chosen, bool),
    /// Show the plan of a job.
    Plan(Chosen, Format),
    /// List the jobs.
    Jobs,
}

/// The job that was chosen, with its arguments.
pub(super) struct Chosen {
    pub(super) job: &'static JobEntry,
    pub(super) matches: ArgMatches,
    pub(super) settings: Settings,
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

// Ids that no argument of a job has by accident.
const PARALLELISM: &str = "millstream:parallelism";
const MAX_PARALLELISM: &str = "millstream:max-parallelism";
const BUFFER_TIMEOUT: &str = "millstream:buffer-timeout";
const WATERMARK_INTERVAL: &str = "millstream:watermark-interval";
const QUIET: &str = "millstream:quiet";
const MERMAID: &str = "millstream:mermaid";
const DOT: &str = "millstream:dot";

/// The options that the commands have themselves, so that no job may have them.
const RESERVED: [&str; 8] =
    ["parallelism", "max-parallelism", "buffer-timeout", "watermark-interval", "quiet", "mermaid", "dot", "help"];

/// Reads arguments, the name of the binary first.
pub(super) fn parse(jobs: &[&'static JobEntry], mut args: Vec<OsString>) -> Result<Invocation, Refusal> {
    offerable(jobs).map_err(Refusal::Jobs)?;
    if jobs.len() == 1 && runs_by_default(&args) {
        args.insert(args.len().min(1), "run".into());
    }
    let mut root = root(jobs);
    let matches = match root.try_get_matches_from_mut(&args) {
        Ok(matches) => matches,
        Err(error) => return Err(unknown_job(jobs, &args, error, &mut root).into()),
    };
    match matches.subcommand() {
        Some(("run", matches)) => {
            let chosen = choose(jobs, "run", matches, &mut root)?;
            let quiet = chosen.matches.get_flag(QUIET);
            Ok(Invocation::Run(chosen, quiet))
        }
        Some(("plan", matches)) => {
            let chosen = choose(jobs, "plan", matches, &mut root)?;
            let format = match &chosen.matches {
                matches if matches.get_flag(MERMAID) => Format::Mermaid,
                matches if matches.get_flag(DOT) => Format::Dot,
                _ => Format::Tree,
            };
            Ok(Invocation::Plan(chosen, format))
        }
        _ => Ok(Invocation::Jobs),
    }
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
    for (i, job) in jobs.iter().enumerate() {
        if let Some(other) = jobs[..i].iter().find(|other| other.name == job.name) {
            let (name, at, before) = (job.name, job.location, other.location);
            return Err(format!(
                "two jobs have the name `{name}`, at {before} and at {at}: rename one of the functions"
            ));
        }
        let own = (job.augment)(Command::new(job.name));
        let taken = own.get_arguments().filter_map(Arg::get_long).find(|long| RESERVED.contains(long));
        if let Some(long) = taken {
            let (name, at) = (job.name, job.location);
            return Err(format!(
                "{at}: the argument `--{long}` of job `{name}` is an option of the command line itself: rename it, as with `#[arg(long = \"job-{long}\")]`"
            ));
        }
    }
    Ok(())
}

fn root(jobs: &[&'static JobEntry]) -> Command {
    let root = Command::new("millstream")
        .about("Runs and shows the Millstream jobs of this binary.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(with_jobs(Command::new("run").about("Run a job to its end, or until Ctrl-C"), jobs, run_options))
        .subcommand(with_jobs(
            Command::new("plan").about("Show what a job will run, without running it"),
            jobs,
            |command| settings_options(plan_options(command)),
        ))
        .subcommand(Command::new("jobs").about("List the jobs of this binary"));
    match jobs {
        [job] => root.after_help(format!(
            "Without a command the job `{}` is run; see `run --help` for its arguments.",
            job.name
        )),
        _ => root,
    }
}

/// A command that takes a job and its arguments. An only job need not be named.
fn with_jobs(command: Command, jobs: &[&'static JobEntry], options: fn(Command) -> Command) -> Command {
    let about = command.get_about().cloned();
    let command = match jobs {
        [job] => options((job.augment)(command))
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .after_help(format!("The only job is `{}`: {}", job.name, plan::first_paragraph(job.doc))),
        _ => command,
    };
    let jobs = jobs.iter().map(|job| {
        let own = options((job.augment)(Command::new(job.name)));
        let about = plan::first_paragraph(job.doc);
        // Where there is no more to say, `--help` may be as short as `-h`.
        let more = (about.len() < job.doc.trim().len()).then_some(job.doc.trim());
        own.about(about).long_about(more)
    });
    command
        .about(about.unwrap_or_default())
        .long_about(None::<&str>)
        .disable_help_subcommand(true)
        .subcommand_value_name("JOB")
        .subcommand_help_heading("Jobs")
        .subcommands(jobs)
}

fn run_options(command: Command) -> Command {
    let quiet = Arg::new(QUIET).long("quiet").action(ArgAction::SetTrue).help("Show neither progress nor a summary");
    settings_options(command).arg(quiet.help_heading("Settings"))
}

fn plan_options(command: Command) -> Command {
    let flag = |id, long, help| Arg::new(id).long(long).action(ArgAction::SetTrue).help(help).help_heading("Format");
    command.arg(flag(MERMAID, "mermaid", "As a Mermaid flowchart").conflicts_with(DOT)).arg(flag(
        DOT,
        "dot",
        "As a graph for Graphviz",
    ))
}

fn settings_options(command: Command) -> Command {
    let option = |id, long, value, help| Arg::new(id).long(long).value_name(value).help(help).help_heading("Settings");
    command
        .arg(
            option(
                PARALLELISM,
                "parallelism",
                "N",
                "How many subtasks a chain has unless it says otherwise [default: the number of processors]",
            )
            .value_parser(value_parser!(usize)),
        )
        .arg(
            option(MAX_PARALLELISM, "max-parallelism", "N", "The bound of the parallelism, for ever [default: 128]")
                .value_parser(value_parser!(u32).range(1..=i64::from(LIMIT_MAX_PARALLELISM))),
        )
        .arg(
            option(BUFFER_TIMEOUT, "buffer-timeout", "TIME", "How long a record may wait in a buffer [default: 10ms]")
                .value_parser(duration::parse),
        )
        .arg(
            option(WATERMARK_INTERVAL, "watermark-interval", "TIME", "How often watermarks are made [default: 200ms]")
                .value_parser(duration::parse_interval),
        )
}

/// The job that a command was given, with its matches and settings.
fn choose(
    jobs: &[&'static JobEntry],
    command: &'static str,
    matches: &ArgMatches,
    root: &mut Command,
) -> Result<Chosen, Refusal> {
    let (job, matches) = match (matches.subcommand(), jobs) {
        (Some((name, matches)), _) => (jobs.iter().find(|job| job.name == name).copied(), matches),
        (None, [job]) => (Some(*job), matches),
        (None, _) => (None, matches),
    };
    let command = root.find_subcommand_mut(command).expect("the command was just parsed");
    let Some(job) = job else {
        let message = format!("there are several jobs: say which one.\n\n{}", listed(jobs));
        return Err(command.error(ErrorKind::MissingSubcommand, message).into());
    };
    let settings = settings(matches).map_err(|message| command.error(ErrorKind::ValueValidation, message))?;
    Ok(Chosen { job, matches: matches.clone(), settings })
}

/// The settings that the arguments ask for.
fn settings(matches: &ArgMatches) -> Result<Settings, String> {
    let mut settings = Settings::default();
    if let Some(max_parallelism) = matches.get_one(MAX_PARALLELISM) {
        settings.max_parallelism = *max_parallelism;
    }
    let max = settings.max_parallelism;
    settings.parallelism = match matches.get_one(PARALLELISM) {
        Some(parallelism) if (1..=max as usize).contains(parallelism) => *parallelism,
        Some(parallelism) => {
            let raise = if max < LIMIT_MAX_PARALLELISM {
                format!(" (`--max-parallelism` raises the bound, up to {LIMIT_MAX_PARALLELISM})")
            } else {
                String::new()
            };
            return Err(format!(
                "invalid value '{parallelism}' for '--parallelism <N>': it is not from 1 to {max}{raise}"
            ));
        }
        None => settings.parallelism.min(max as usize),
    };
    let duration = |id| matches.get_one::<Duration>(id).copied();
    settings.buffer_timeout = duration(BUFFER_TIMEOUT).unwrap_or(settings.buffer_timeout);
    settings.watermark_interval = duration(WATERMARK_INTERVAL).unwrap_or(settings.watermark_interval);
    Ok(settings)
}

/// Says which jobs there are if an error is about one that does not exist.
fn unknown_job(jobs: &[&'static JobEntry], args: &[OsString], error: clap::Error, root: &mut Command) -> clap::Error {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(name))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
    else {
        return error;
    };
    let command = args.get(1).and_then(|command| command.to_str());
    let Some(command) = command.filter(|command| ["run", "plan"].contains(command)) else {
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
    let command = root.find_subcommand_mut(command).expect("the commands are made by this module");
    command.error(ErrorKind::InvalidSubcommand, message)
}

/// The jobs below a heading, for messages.
fn listed(jobs: &[&'static JobEntry]) -> String {
    let list: String = plan::list(jobs).lines().map(|line| format!("  {line}\n")).collect();
    format!("Jobs:\n{}", list.trim_end())
}

const _: () = assert!(DEFAULT_MAX_PARALLELISM == 128, "the help text of --max-parallelism says so");
