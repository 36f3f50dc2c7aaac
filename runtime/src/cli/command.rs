//! The command line as clap knows it: commands, options, each job's own arguments, and the texts around them. (By clap's builder, since jobs are known
//! only when the binary is linked.)

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::{
    certs,
    cluster::command::{SUBMIT, cluster_options, commands, submit_options, submit_unknown},
    node,
    plan::first_paragraph,
    savepoint, schema,
    table::{Align, aligned},
};
use crate::{
    registry::JobEntry,
    settings::{KEYS, Setting},
};

// Ids that no argument of a job has by accident.
pub(super) const DEFINE: &str = "millstream:define";
pub(super) const CONFIG: &str = "millstream:config";
pub(super) const FRESH: &str = "millstream:fresh";
pub(super) const FROM: &str = "millstream:from";
pub(super) const REWIND: &str = "millstream:rewind";
pub(super) const ALLOW_DROPPED: &str = "millstream:allow-dropped-state";
pub(super) const AGAINST: &str = "millstream:against";
pub(super) const WITH_SAVEPOINT: &str = "millstream:savepoint";
pub(super) const TO: &str = "millstream:to";
pub(super) const DRAIN: &str = "millstream:drain";
pub(super) const DIR: &str = "millstream:dir";
pub(super) const VALUES: &str = "millstream:values";
pub(super) const QUIET: &str = "millstream:quiet";
pub(super) const JSON: &str = "millstream:json";
pub(super) const OUTPUT: &str = "millstream:output";
pub(super) const LOG: &str = "millstream:log";
pub(super) const LOG_FORMAT: &str = "millstream:log-format";
pub(super) const MERMAID: &str = "millstream:mermaid";
pub(super) const DOT: &str = "millstream:dot";
pub(super) const SHELL: &str = "millstream:shell";

const SETTINGS_HEADING: &str = "Settings";
const OUTPUT_HEADING: &str = "Output";
const JOB_HEADING: &str = "Job options";

const ENVIRONMENT: &str = "\
Environment:
  MILLSTREAM_<KEY>       A setting, as MILLSTREAM_BUFFER_TIMEOUT=5ms
  MILLSTREAM_CONFIG      The file of settings, unless --config says so
  MILLSTREAM_LOG         What is logged, unless --log says so
  MILLSTREAM_LOG_FORMAT  How, unless --log-format says so
  NO_COLOR               No colours, if it is not empty
  CLICOLOR_FORCE         Colours also where there is no terminal, if it is not 0";

/// The id of a setting's own option.
pub(super) fn id(key: &Setting) -> String {
    format!("millstream:{}", key.name)
}

/// The whole command line; `bin` is what the examples call the binary.
pub(super) fn root(jobs: &[&'static JobEntry], bin: &str) -> Command {
    let run = Command::new("run").about("Run a job to its end, or until Ctrl-C");
    let plan = Command::new("plan").about("Show what a job will run, without running it");
    let config = Command::new("config").about("Show the settings, where each comes from, and what they are for");
    let config = with_jobs(config, jobs, bin, Jobs::Optional, config_options);
    let completions = Command::new("completions").about("Write a completion script for a shell").arg(
        Arg::new(SHELL).value_name("SHELL").required(true).value_parser(value_parser!(Shell)).help("Whose completions"),
    );
    let completions = completions.after_help(format!("Example:\n  source <({bin} completions bash)"));
    Command::new("millstream")
        .about("Runs and shows the Millstream jobs of this binary.")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(with_jobs(run, jobs, bin, Jobs::Required, run_options))
        .subcommand(with_jobs(plan, jobs, bin, Jobs::Required, plan_options))
        .subcommand(with_output(Command::new("jobs").about("List the jobs of this binary").arg(json("As JSON"))))
        .subcommand(config)
        .subcommands(node::commands())
        .subcommand(certs::command(bin))
        .subcommand(schema::command(jobs, bin))
        .subcommands(steering(bin))
        .subcommand(with_jobs(Command::new("submit").about(SUBMIT), jobs, bin, Jobs::Required, submit_options))
        .subcommands(commands(bin))
        .subcommand(completions)
        .after_help(root_examples(jobs, bin))
}

/// The commands on a job that runs in another process.
pub(super) fn steering(bin: &str) -> [Command; 5] {
    let command = |name: &'static str, about: &'static str| {
        let dir = Arg::new(DIR).required(true).value_parser(value_parser!(PathBuf)).value_name("LOCATION");
        let dir = dir.help("Where the job's checkpoints are: its --checkpoint-dir, a directory or a URL");
        with_output(Command::new(name).about(about).disable_help_subcommand(true).arg(dir).arg(json("As JSON")))
    };
    let values = Arg::new(VALUES).value_name("KEY=VALUE").required(true).num_args(1..).action(ArgAction::Append);
    let live = KEYS.iter().filter(|key| key.live).map(|key| [format!("  {}", key.name), key.doc.to_owned()]);
    let live = aligned([Align::Left; 2], &live.collect::<Vec<_>>());
    let set = command("set", "Give a running job other settings, for as long as it runs")
        .arg(values.help("What is set, and to what"))
        .after_help(format!(
            "What may be set:\n{}\n\nExample:\n  {bin} set checkpoints checkpoint.interval=2s",
            live.join("\n")
        ));
    let inspect = command(
        "inspect",
        "Show what checkpoints there are in a directory or an object store, whether or not a job runs there",
    );
    // What these two do a cluster does, too.
    let either = |command: Command| {
        let help = "Where the job's checkpoints are, its --checkpoint-dir, if there is such a directory or this is written as a path or a URL; otherwise a job of a cluster, by its id, at least four digits of its beginning, or its name";
        cluster_options(command.mut_arg(DIR, |dir| dir.value_name("LOCATION|JOB").help(help)))
    };
    let checkpoint =
        command("checkpoint", "Let a running job make a checkpoint now, and wait for it; or inspect those there are")
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .subcommand(inspect);
    let stop = command("stop", "Stop a running job with a checkpoint; started again, it goes on from there")
        .arg(flag(WITH_SAVEPOINT, "savepoint", "With a savepoint instead, which a job begins with by --from"))
        .arg(to().requires(WITH_SAVEPOINT))
        .arg(
            flag(
                DRAIN,
                "drain",
                "Let the sources end where they are, and all windows and timers fire: the job has come to its end then",
            )
            .requires(WITH_SAVEPOINT),
        );
    let savepoint = command("savepoint", "Let a running job make a savepoint, which a job begins with by --from; or look at one, or remove it")
        .arg(to())
        .args_conflicts_with_subcommands(true)
        .subcommand_negates_reqs(true)
        .subcommands(savepoint::commands(bin))
        .after_help(format!(
            "Examples:\n  {bin} savepoint checkpoints --to savepoints\n  {bin} savepoint inspect savepoints/savepoint-flights-0123456789ab"
        ));
    [
        command("status", "Show how a running job is: its restarts and checkpoints"),
        either(checkpoint),
        either(savepoint),
        either(stop),
        set,
    ]
}

fn flag(id: &'static str, long: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(long).action(ArgAction::SetTrue).help(help)
}

/// Where a savepoint goes.
fn to() -> Arg {
    let help = "In which directory, or place of an object store, the savepoint gets one of its own [default: the job's setting savepoint.dir]";
    Arg::new(TO).long("to").value_name("LOCATION").help(help)
}

/// With which state a job begins.
pub(super) fn state_options() -> [Arg; 3] {
    let from = Arg::new(FROM)
        .long("from")
        .value_name("SAVEPOINT")
        .help("Begin with a savepoint, or with checkpoints that no job uses any more; once the job has made checkpoints of its own it goes on from those");
    let dropped = flag(
        ALLOW_DROPPED,
        "allow-dropped-state",
        "Begin though the savepoint has state that the job has no place for",
    );
    let rewind =
        flag(REWIND, "rewind", "Take back what the job has put out since the savepoint was made, where its sinks can");
    [from, dropped, rewind.requires(FROM)].map(|option| option.help_heading(SETTINGS_HEADING))
}

/// The command line of a binary without jobs.
pub(super) fn tool(bin: &str) -> Command {
    Command::new("millstream")
        .about("Watches and steers Millstream jobs that run in other processes, and those of clusters.")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(steering(bin))
        .subcommand(submit_unknown(bin))
        .subcommands(commands(bin))
        .subcommand(certs::command(bin))
}

/// The long and short names that the commands have themselves, so that no job may have them.
pub(super) fn reserved() -> (Vec<String>, Vec<char>) {
    let all = submit_options(config_options(plan_options(run_options(Command::new("all")))));
    let long = all.get_arguments().filter_map(Arg::get_long).map(str::to_owned).chain(["help".to_owned()]);
    let short = all.get_arguments().filter_map(Arg::get_short).chain(['h']);
    (long.collect(), short.collect())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jobs {
    /// The command is about a job. An only job need not be named.
    Required,
    /// It has something to say without a job.
    Optional,
}

/// A command that may take a job and its arguments.
pub(super) fn with_optional_job(
    command: Command,
    jobs: &[&'static JobEntry],
    bin: &str,
    options: fn(Command) -> Command,
) -> Command {
    with_jobs(command, jobs, bin, Jobs::Optional, options)
}

/// A command that takes a job and its arguments.
fn with_jobs(
    command: Command,
    jobs: &[&'static JobEntry],
    bin: &str,
    needed: Jobs,
    options: fn(Command) -> Command,
) -> Command {
    let (name, about) = (command.get_name().to_owned(), command.get_about().cloned());
    let command = match (jobs, needed) {
        ([job], Jobs::Required) => {
            let only = format!("The only job is `{}`: {}", job.name, first_paragraph(job.doc));
            with_output(options(with_arguments(command, job)))
                .args_conflicts_with_subcommands(true)
                .subcommand_negates_reqs(true)
                .after_help(format!("{only}\n\n{}", footer(job, &format!("{bin} {name}"), &name)))
        }
        (_, Jobs::Required) => command,
        (_, Jobs::Optional) => {
            with_output(options(command)).args_conflicts_with_subcommands(true).after_help(ENVIRONMENT)
        }
    };
    let jobs = jobs.iter().map(|job| {
        let own = with_output(options(with_arguments(Command::new(job.name), job)));
        let about = first_paragraph(job.doc);
        // Where there is no more to say, `--help` may be as short as `-h`.
        let more = (about.len() < job.doc.trim().len()).then_some(job.doc.trim());
        own.about(about).long_about(more).after_help(footer(job, &format!("{bin} {name} {}", job.name), &name))
    });
    command
        .about(about.unwrap_or_default())
        .long_about(None::<&str>)
        .disable_help_subcommand(true)
        .subcommand_value_name("JOB")
        .subcommand_help_heading("Jobs")
        .subcommands(jobs)
}

/// Adds the job's own arguments.
fn with_arguments(command: Command, job: &JobEntry) -> Command {
    (job.augment)(command.next_help_heading(JOB_HEADING)).next_help_heading(None::<&str>)
}

/// What must be said to run a job, as in its usage: ` --below <BELOW>`.
pub(super) fn required(job: &JobEntry) -> String {
    let mut own = (job.augment)(Command::new(job.name));
    own.build(); // an argument can be displayed only then
    let required = own.get_arguments().filter(|argument| argument.is_required_set());
    required.map(|argument| format!(" {argument}")).collect()
}

/// Examples and variables, at the end of a job's help.
fn footer(job: &JobEntry, call: &str, command: &str) -> String {
    let required = required(job);
    let mut examples = format!("Examples:\n  {call}{required}");
    let more: &[&str] = match command {
        "run" => &["--parallelism 4 -D memory=512MiB", "--json | tail -n 1"],
        "submit" => &["--detach"],
        "plan" => &["--mermaid"],
        _ => &["--json"],
    };
    more.iter().for_each(|more| examples.push_str(&format!("\n  {call}{required} {more}")));
    format!("{examples}\n\n{ENVIRONMENT}")
}

fn root_examples(jobs: &[&'static JobEntry], bin: &str) -> String {
    let Some(job) = jobs.first() else { return String::new() };
    let (name, required) = (job.name, required(job));
    match jobs {
        [_] => format!(
            "Without a command the job `{name}` is run; see `run --help` for its arguments.\n\n\
             Examples:\n  {bin}{required}\n  {bin} plan{required} --mermaid\n  {bin} config -D memory=512MiB"
        ),
        _ => format!(
            "Examples:\n  {bin} run {name}{required}\n  {bin} plan {name}{required} --mermaid\n  {bin} run {name} --help"
        ),
    }
}

fn run_options(command: Command) -> Command {
    let quiet = Arg::new(QUIET).long("quiet").action(ArgAction::SetTrue).help("Show neither progress nor a summary");
    let fresh = Arg::new(FRESH).long("fresh").action(ArgAction::SetTrue);
    let fresh = fresh.help("Start anew, though there is a checkpoint to go on from");
    settings_options(command)
        .arg(fresh.help_heading(SETTINGS_HEADING).conflicts_with(FROM))
        .args(state_options())
        .arg(quiet.help_heading(OUTPUT_HEADING))
        .arg(json("Report the end as one line of JSON, the last on standard output"))
        .args(log_options())
}

/// How a process logs.
pub(super) fn log_options() -> [Arg; 2] {
    let log = Arg::new(LOG).long("log").value_name("FILTER").help(
        "What is logged: off, error, warn, info, debug, trace, or a filter as `millstream=debug` [default: warn]",
    );
    let format = Arg::new(LOG_FORMAT)
        .long("log-format")
        .value_name("FORMAT")
        .value_parser(["text", "json"])
        .hide_possible_values(true)
        .help("How it is logged: text or json, one line an event [default: text]");
    [log, format].map(|option| option.help_heading(OUTPUT_HEADING))
}

fn plan_options(command: Command) -> Command {
    let flag =
        |id, long, help| Arg::new(id).long(long).action(ArgAction::SetTrue).help(help).help_heading(OUTPUT_HEADING);
    settings_options(command)
        .arg(
            Arg::new(AGAINST)
                .long("against")
                .value_name("SAVEPOINT")
                .conflicts_with_all([MERMAID, DOT])
                .help("Show instead what would become of the state in a savepoint")
                .help_heading(OUTPUT_HEADING),
        )
        .arg(flag(MERMAID, "mermaid", "As a Mermaid flowchart").conflicts_with_all([DOT, JSON]))
        .arg(flag(DOT, "dot", "As a graph for Graphviz").conflicts_with(JSON))
        .arg(json("As JSON"))
}

fn config_options(command: Command) -> Command {
    settings_options(command).arg(json("As JSON"))
}

/// Adds `--output json`, which is `--json`, unless the job has an argument of that name: it is the natural one for where a job writes to.
pub(super) fn with_output(command: Command) -> Command {
    if command.get_arguments().any(|argument| argument.get_long() == Some("output")) {
        return command;
    }
    let output =
        Arg::new(OUTPUT).long("output").value_name("FORMAT").value_parser(["text", "json"]).conflicts_with(JSON);
    command.arg(
        output
            .help("How it is put out: text, or json for the same as --json [default: text]")
            .hide_possible_values(true)
            .help_heading(OUTPUT_HEADING),
    )
}

/// True if JSON was asked for, by either option.
pub(super) fn wants_json(matches: &ArgMatches) -> bool {
    matches.get_flag(JSON)
        || matches.try_get_one::<String>(OUTPUT).is_ok_and(|format| format.is_some_and(|f| f == "json"))
}

/// True if a job is to start anew. Only `run` asks.
pub(super) fn wants_fresh(matches: &ArgMatches) -> bool {
    matches.try_get_one(FRESH).is_ok_and(|fresh| fresh == Some(&true))
}

pub(super) fn json(help: &'static str) -> Arg {
    Arg::new(JSON).long("json").action(ArgAction::SetTrue).help(help).help_heading(OUTPUT_HEADING)
}

pub(super) fn settings_options(command: Command) -> Command {
    let shorthands = KEYS.iter().filter(|key| key.shorthand).map(|key| {
        Arg::new(id(key))
            .long(key.option())
            .value_name(key.value_name())
            .help(format!("{} [default: {}]", key.doc, key.default_text()))
            .action(ArgAction::Append)
    });
    let define = Arg::new(DEFINE)
        .short('D')
        .value_name("KEY=VALUE")
        .action(ArgAction::Append)
        .help("Set any of the settings; `config` lists them");
    shorthands
        .chain([define, config_option()])
        .fold(command, |command, arg| command.arg(arg.help_heading(SETTINGS_HEADING)))
}

/// Which file of settings is read.
pub(super) fn config_option() -> Arg {
    Arg::new(CONFIG)
        .long("config")
        .value_name("FILE")
        .help("Read settings from a TOML file [default: millstream.toml, if there is one]")
        .help_heading(SETTINGS_HEADING)
}
