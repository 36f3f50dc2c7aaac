//! `schema lock` and `schema check`: the lock file of the types of state, which `#[derive(Record)]` and `#[derive(State)]` compare types with.

mod file;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use millstream_core::schema::Schema;
use serde_json::json;

use self::file::{Differences, LockFile, Locked, collect};
use super::{
    Console, EXIT_DONE, EXIT_FAILED, EXIT_USAGE,
    args::Chosen,
    command::{self, required, wants_json},
    given, plan,
    world::World,
};
use crate::{graph::JobGraph, registry::JobEntry};

const FORCE: &str = "millstream:force";
const FILE: &str = "millstream:file";
/// The name of the lock file, which the derives know, too.
const NAME: &str = "millstream.lock";

/// What is to be done.
pub(super) struct Wanted {
    checks: bool,
    force: bool,
    json: bool,
    file: PathBuf,
    /// The jobs whose state is looked at.
    jobs: Vec<Chosen>,
    /// Those that cannot be built without arguments, and which these are.
    left_out: Vec<(&'static str, String)>,
}

/// The command.
pub(super) fn command(jobs: &[&'static JobEntry], bin: &str) -> Command {
    let lock = Command::new("lock")
        .about("Write the types of the jobs' state to the lock file, or those of one job. What is there already stays");
    let check =
        Command::new("check").about("Fail unless the lock file has the types of the jobs' state, or those of one job");
    Command::new("schema")
        .about("Keep the types of state in a lock file, so that no change of them goes unnoticed")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(command::with_optional_job(lock, jobs, bin, lock_options))
        .subcommand(command::with_optional_job(check, jobs, bin, options))
        .after_help(format!(
            "Examples:\n  {bin} schema lock   after a type of state was added or has a new version\n  {bin} schema check  where changes are tested"
        ))
}

fn options(command: Command) -> Command {
    let file = Arg::new(FILE).long("file").value_name("FILE").value_parser(value_parser!(PathBuf));
    command::settings_options(command)
        .arg(file.help("The lock file [default: millstream.lock, beside Cargo.toml under `cargo run`]"))
        .arg(command::json("As JSON"))
}

fn lock_options(command: Command) -> Command {
    let force = Arg::new(FORCE).long("force").action(ArgAction::SetTrue);
    options(command)
        .arg(force.help("Replace versions that have changed: what is stored of them cannot be read any more"))
}

/// Reads the command.
///
/// # Errors
///
/// Says which setting is wrong.
pub(super) fn read(jobs: &[&'static JobEntry], matches: &ArgMatches, world: &World) -> Result<Wanted, String> {
    let (name, matches) = matches.subcommand().expect("clap requires one of the two");
    let (named, matches) = match matches.subcommand() {
        Some((name, of_job)) => (jobs.iter().find(|job| job.name == name), of_job),
        None => (None, matches),
    };
    let mut wanted = Wanted {
        checks: name == "check",
        force: matches.try_get_one(FORCE).is_ok_and(|force| force == Some(&true)),
        json: wants_json(matches),
        file: world.directory.join(match matches.get_one::<PathBuf>(FILE) {
            Some(file) => file.clone(),
            // Set by `cargo run`.
            None => world.variable("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from).join(NAME),
        }),
        jobs: Vec::new(),
        left_out: Vec::new(),
    };
    let chosen = |job: &&'static JobEntry, own: ArgMatches| -> Result<Chosen, String> {
        Ok(Chosen { job, matches: own, outside: given::gather(matches, Some(job.name), world)? })
    };
    if let Some(job) = named {
        wanted.jobs.push(chosen(job, matches.clone())?);
        return Ok(wanted);
    }
    for job in jobs {
        let own = (job.augment)(Command::new(job.name)).try_get_matches_from([job.name]);
        match own {
            Ok(own) => wanted.jobs.push(chosen(job, own)?),
            Err(_) => wanted.left_out.push((job.name, required(job))),
        }
    }
    Ok(wanted)
}

/// Writes the lock file, or compares it.
pub(super) fn run(wanted: &Wanted, bin: &str, console: &mut Console<'_>) -> u8 {
    let mut found = Vec::new();
    for job in &wanted.jobs {
        let Ok(graph) = plan::build(job, console) else { return EXIT_USAGE };
        schemas(&graph).for_each(|schema| collect(schema, &mut found));
    }
    for (job, arguments) in &wanted.left_out {
        console.note(&format!(
            "job `{job}` is left out, since it cannot be built without arguments: `{bin} schema {} {job}{arguments}`\n",
            if wanted.checks { "check" } else { "lock" }
        ));
    }
    match compared(wanted, &found) {
        Ok((file, differences)) if wanted.checks => check(wanted, &file, &differences, bin, console),
        Ok((file, differences)) => lock(wanted, file, differences, &found, bin, console),
        Err(message) => {
            console.error(&message);
            EXIT_FAILED
        }
    }
}

/// The types of all states of a job.
fn schemas(graph: &JobGraph) -> impl Iterator<Item = &'static Schema> {
    let states = graph.vertices.iter().flat_map(|vertex| &vertex.operators).flat_map(|operator| &operator.states);
    states.flat_map(|state| [state.key, state.entry, Some(state.value)].into_iter().flatten())
}

fn compared(wanted: &Wanted, found: &[Locked]) -> Result<(LockFile, Differences), String> {
    let text = read_file(&wanted.file)?;
    let file = LockFile::parse(&text).map_err(|what| format!("{}: {what}", wanted.file.display()))?;
    let differences = file.compare(found);
    Ok((file, differences))
}

fn check(wanted: &Wanted, _: &LockFile, differences: &Differences, bin: &str, console: &mut Console<'_>) -> u8 {
    if wanted.json {
        console.say_json(&as_json(differences));
    }
    if differences == &Differences::default() {
        return EXIT_DONE;
    }
    let lines = listed(differences);
    console.error(&format!(
        "{} is not up to date:\n{lines}run `{bin} schema lock`, and commit the file",
        wanted.file.display()
    ));
    EXIT_FAILED
}

fn lock(
    wanted: &Wanted,
    mut file: LockFile,
    differences: Differences,
    found: &[Locked],
    bin: &str,
    console: &mut Console<'_>,
) -> u8 {
    if !differences.changed.is_empty() && !wanted.force {
        let changed = listed(&Differences { new: Vec::new(), changed: differences.changed });
        console.error(&format!(
            "types have changed without a new version, so what is stored of them could not be read:\n{changed}give each a new version, `#[record(version = N, from = ..)]`; if nothing of them is stored \
             anywhere, `{bin} schema lock --force`"
        ));
        return EXIT_FAILED;
    }
    let (said, as_json) = (listed(&differences), as_json(&differences));
    let any = differences != Differences::default();
    if any {
        file.add(differences, found);
        if let Err(message) = write_file(&wanted.file, &file.text()) {
            console.error(&message);
            return EXIT_FAILED;
        }
    }
    match (wanted.json, any) {
        (true, _) => console.say_json(&as_json),
        (false, true) => console.say(&format!("locked in {}:\n{said}", wanted.file.display())),
        (false, false) => console.say(&format!("{} is up to date\n", wanted.file.display())),
    }
    EXIT_DONE
}

/// A line for each type.
fn listed(differences: &Differences) -> String {
    let line = |what: &str, Locked { name, version, layout, .. }: &Locked| {
        format!("  {what} {name}, version {version}: {layout}\n")
    };
    let changed = differences.changed.iter().map(|locked| line("changed", locked));
    differences.new.iter().map(|locked| line("new", locked)).chain(changed).collect()
}

fn as_json(differences: &Differences) -> serde_json::Value {
    let types = |types: &[Locked]| -> Vec<_> {
        let one = |Locked { name, version, hash, layout }: &Locked| json!({ "name": name, "version": version, "hash": format!("{hash:016x}"), "layout": layout });
        types.iter().map(one).collect()
    };
    json!({ "new": types(&differences.new), "changed": types(&differences.changed) })
}

/// The text of a file; nothing if it is not there.
#[allow(clippy::disallowed_methods, reason = "a command of its own, outside of any environment")]
fn read_file(path: &Path) -> Result<String, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

#[allow(clippy::disallowed_methods, reason = "a command of its own, outside of any environment")]
fn write_file(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}
