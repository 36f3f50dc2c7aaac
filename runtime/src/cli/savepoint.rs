//! `savepoint inspect`, `diff`, `export` and `dispose`, and `plan --against`: what is done with savepoints without a job that runs.

mod difference;
mod export;
mod outlook;

use std::sync::Arc;

use clap::{Arg, ArgMatches, Command};
use millstream_state::{
    inspect::{Inspection, inspect},
    location::Location,
    savepoint,
    store::{Access, CheckpointStore},
};
use serde_json::json;

use self::difference::Difference;
use super::{
    Console, EXIT_DONE, EXIT_FAILED, EXIT_USAGE,
    args::Chosen,
    command::{json as json_option, wants_json, with_output},
    given, plan,
    world::World,
};
use crate::{
    attempt::{
        outlook::Outlook,
        savepoint::{in_place, open, reach, row_types},
        store::begins_anew,
    },
    env::{Env, TokioEnv},
    failure::Failure,
    graph::JobGraph,
    rest::submission::AfterSavepoint,
    settings::{CheckpointSettings, ObjectStoreSettings, Settings},
};

const PLACE: &str = "millstream:place";
const OTHER: &str = "millstream:other";
const OPERATOR: &str = "millstream:operator";
const STATE: &str = "millstream:state";
const FORMAT: &str = "millstream:format";

/// What is asked about savepoints.
pub(super) struct Asked {
    what: What,
    object_store: ObjectStoreSettings,
    json: bool,
}

enum What {
    Inspect(Location),
    Diff(Location, Location),
    Dispose(Location),
    Export(Location, export::Wanted),
}

/// The commands below `savepoint`.
pub(super) fn commands(bin: &str) -> [Command; 4] {
    let command = |name: &'static str, about: &'static str| {
        with_output(Command::new(name).about(about).disable_help_subcommand(true).arg(json_option("As JSON")))
    };
    let place = |id: &'static str, name: &'static str, help: &'static str| {
        Arg::new(id).value_name(name).required(true).help(help)
    };
    let savepoint = || place(PLACE, "SAVEPOINT", "Where it is: a directory, or a place in an object store");
    [
        command("inspect", "Show what is in a savepoint: operators, states, types and sizes").arg(savepoint()),
        command("diff", "Show in which states two savepoints differ")
            .arg(place(PLACE, "BEFORE", "The one"))
            .arg(place(OTHER, "AFTER", "The other"))
            .after_help(format!("Example:\n  {bin} savepoint diff savepoints/monday savepoints/tuesday")),
        Command::new("export")
            .about("Write the entries of states: a line of JSON each, or the entries of one state as a table")
            .disable_help_subcommand(true)
            .arg(savepoint())
            .arg(Arg::new(OPERATOR).long("operator").value_name("ID").help("Of the operator of this id alone"))
            .arg(Arg::new(STATE).long("state").value_name("NAME").help("Of the states of this name alone"))
            .arg(
                Arg::new(FORMAT)
                    .long("format")
                    .value_name("FORMAT")
                    .value_parser(["json", "csv"])
                    .default_value("json")
                    .help("As lines of JSON, or as CSV"),
            )
            .after_help(format!(
                "Example:\n  {bin} savepoint export savepoints/monday --state plain-fields --format csv > carts.csv"
            )),
        command("dispose", "Remove a savepoint; checkpoints that a job has made for itself are left alone")
            .arg(savepoint()),
    ]
}

/// Reads the arguments of a command below `savepoint`.
///
/// # Errors
///
/// Names the argument and what is allowed.
pub(super) fn read(matches: &ArgMatches, world: &World) -> Result<Asked, String> {
    let (name, matches) = matches.subcommand().expect("it is asked where there is one");
    let place = |id: &str| {
        let text = matches.get_one::<String>(id).expect("clap requires it");
        given::absolute(text, world).map_err(|error| format!("invalid value '{text}': {error}"))
    };
    let what = match name {
        "inspect" => What::Inspect(place(PLACE)?),
        "diff" => What::Diff(place(PLACE)?, place(OTHER)?),
        "export" => {
            let text = |id: &str| matches.get_one::<String>(id).cloned();
            let as_table = text(FORMAT).is_some_and(|format| format == "csv");
            What::Export(place(PLACE)?, export::Wanted { operator: text(OPERATOR), state: text(STATE), as_table })
        }
        _ => What::Dispose(place(PLACE)?),
    };
    let mut settings = Settings::default();
    given::defaults(None, None, world)?.apply(&mut settings);
    let json = name != "export" && wants_json(matches);
    Ok(Asked { what, object_store: settings.checkpoints.object_store, json })
}

/// Does what was asked for.
pub(super) fn carry_out(asked: &Asked, console: &mut Console<'_>) -> u8 {
    let stores = &asked.object_store;
    if let What::Export(place, wanted) = &asked.what {
        let exported =
            blocking(async |env| export::export(place, &open(place, stores, &env).await?, wanted, console).await);
        return match exported {
            Ok(()) => EXIT_DONE,
            Err(message) => {
                console.error(&message);
                EXIT_FAILED
            }
        };
    }
    let done = blocking(async |env: Arc<dyn Env>| match &asked.what {
        What::Inspect(place) => {
            let inspection = look(place, stores, &env).await?;
            Ok((inspection.to_string(), json!(inspection)))
        }
        What::Diff(before, after) => {
            let mut difference =
                Difference::between(&look(before, stores, &env).await?, &look(after, stores, &env).await?);
            let (before, after) = (open(before, stores, &env).await?, open(after, stores, &env).await?);
            difference.compare_entries(&before, &after).await.map_err(Failure::from_error)?;
            Ok((difference.to_string(), json!(difference)))
        }
        What::Export(..) => unreachable!("it was done above"),
        What::Dispose(place) => {
            // To look does not make a directory that is missing.
            reach(place, Access::Read, stores, &env).await?;
            let store = reach(place, Access::Shared, stores, &env).await?;
            savepoint::dispose(&store).await.map_err(|error| in_place(place, error))?;
            Ok((format!("the savepoint in {place} is gone\n"), json!({ "disposed": place.to_string() })))
        }
    });
    match done {
        Ok((_, value)) if asked.json => console.say_json(&value),
        Ok((text, _)) => console.say(&text),
        Err(message) => {
            console.error(&message);
            return EXIT_FAILED;
        }
    }
    EXIT_DONE
}

/// What is said of a savepoint that was made.
pub(super) fn made(checkpoint: u64, place: &str, then: AfterSavepoint) -> String {
    let job = match then {
        AfterSavepoint::GoOn => "the savepoint",
        AfterSavepoint::Stop => "the job has stopped; its savepoint",
        AfterSavepoint::Drain => "the job has come to its end; its savepoint",
    };
    format!("{job} of checkpoint {checkpoint} is in {place}\n")
}

/// `plan --against`: shows what would become of the state in a savepoint.
pub(super) fn against(what: &Chosen, place: &Location, console: &mut Console<'_>) -> u8 {
    let Ok(graph) = plan::build(what, console) else { return EXIT_USAGE };
    let outlook = match blocking(async |env| foresee(&graph, place, &env).await) {
        Ok(outlook) => outlook,
        Err(message) => {
            console.error(&message);
            return EXIT_FAILED;
        }
    };
    match wants_json(&what.matches) {
        true => console.say_json(&outlook::json(&outlook, place)),
        false => console.say(&outlook::text(&outlook, place)),
    }
    let refused = outlook::refusal(&outlook, graph.settings.checkpoints.allow_dropped_state);
    if let Some(message) = refused {
        console.error(&message);
        return EXIT_FAILED;
    }
    EXIT_DONE
}

/// Says before a job runs what becomes of the state in the savepoint that it begins with, if it does.
///
/// # Errors
///
/// Why it cannot begin with that.
pub(super) async fn announce(
    graph: &JobGraph,
    env: &Arc<dyn Env>,
    is_quiet: bool,
    console: &Console<'_>,
) -> Result<(), String> {
    let settings = &graph.settings.checkpoints;
    let Some(from) = settings.from.as_ref().filter(|_| graph.has_checkpoints()) else { return Ok(()) };
    if !is_first(settings).await {
        return Ok(());
    }
    let outlook = foresee(graph, from, env).await.map_err(|failure| failure.to_string())?;
    if let Some(message) = outlook::refusal(&outlook, settings.allow_dropped_state) {
        console.note(&outlook::text(&outlook, from));
        return Err(message);
    }
    if !is_quiet {
        console.note(&outlook::text(&outlook, from));
    }
    Ok(())
}

/// True unless the job has checkpoints that it goes on from.
async fn is_first(settings: &CheckpointSettings) -> bool {
    let open = |place: &Location| CheckpointStore::open(place, Access::Read, &settings.object_store).ok();
    let own = settings.dir.as_ref().and_then(open);
    match own {
        Some(own) => begins_anew(&own, settings.from.as_ref()).await,
        None => true,
    }
}

async fn foresee(graph: &JobGraph, place: &Location, env: &Arc<dyn Env>) -> Result<Outlook, Failure> {
    let (store, manifest) = open(place, &graph.settings.checkpoints.object_store, env).await?;
    Ok(Outlook::of(graph, &manifest, &row_types(&store, &manifest).await))
}

async fn look(place: &Location, object_store: &ObjectStoreSettings, env: &Arc<dyn Env>) -> Result<Inspection, Failure> {
    let store = reach(place, Access::Read, object_store, env).await?;
    let inspection = inspect(&store, env.wall()).await.map_err(|error| in_place(place, error))?;
    match inspection.newest {
        Some(_) => Ok(inspection),
        None => savepoint::read(&store).await.map(|_| inspection).map_err(|error| in_place(place, error)),
    }
}

/// Runs what waits for a store, on this thread.
fn blocking<T>(work: impl AsyncFnOnce(Arc<dyn Env>) -> Result<T, Failure>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads to read the savepoint on: {error}"))?;
    let done = runtime.block_on(async { work(TokioEnv::current()).await });
    done.map_err(|failure| failure.to_string())
}
