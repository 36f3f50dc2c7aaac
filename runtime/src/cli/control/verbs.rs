//! `status`, `checkpoint`, `savepoint`, `stop` and `set`: commands on a job that runs in another process; and `checkpoint inspect`, which needs none.

use std::path::Path;

use serde_json::Value;

use super::{ask, place, protocol::Request, shown};
use crate::{
    cli::{Console, EXIT_DONE, EXIT_FAILED, inspect, savepoint},
    rest::submission::AfterSavepoint,
    settings::{Location, ObjectStoreSettings},
};

/// What is to be done with a running job, or with what it has left.
pub(in crate::cli) enum Verb {
    Status,
    Checkpoint,
    Inspect,
    Stop,
    /// Make a savepoint.
    Savepoint {
        to: Option<Location>,
        then: AfterSavepoint,
    },
    /// Keys and their values.
    Set(Vec<(String, String)>),
}

/// A verb, and where the job's checkpoints are.
pub(in crate::cli) struct Steering {
    pub(in crate::cli) verb: Verb,
    pub(in crate::cli) location: Location,
    pub(in crate::cli) object_store: ObjectStoreSettings,
    pub(in crate::cli) json: bool,
}

/// Does what was asked for.
pub(in crate::cli) fn steer(steering: &Steering, console: &mut Console<'_>) -> u8 {
    match carry_out(steering, console) {
        Ok(()) => EXIT_DONE,
        Err(message) => {
            console.error(&message);
            EXIT_FAILED
        }
    }
}

fn carry_out(steering: &Steering, console: &mut Console<'_>) -> Result<(), String> {
    let Steering { verb, location, object_store, json } = steering;
    let world = console.world.clone();
    let dir = || place::of(location, &world);
    match verb {
        Verb::Status => tell(&dir()?, &Request::Status, *json, shown::status, console),
        Verb::Checkpoint => {
            let text = |answer: &Value| format!("checkpoint {} is complete\n", answer["checkpoint"]);
            tell(&dir()?, &Request::Checkpoint, *json, text, console)
        }
        Verb::Stop => {
            let text = |answer: &Value| {
                format!(
                    "the job has stopped with checkpoint {}; started again, it goes on from there\n",
                    answer["checkpoint"]
                )
            };
            tell(&dir()?, &Request::Stop, *json, text, console)
        }
        Verb::Savepoint { to, then } => {
            let text = |answer: &Value| {
                let place = answer["savepoint"].as_str().unwrap_or_default();
                savepoint::made(answer["checkpoint"].as_u64().unwrap_or_default(), place, *then)
            };
            let request = Request::Savepoint { to: to.as_ref().map(Location::to_string), then: *then };
            tell(&dir()?, &request, *json, text, console)
        }
        Verb::Set(settings) => settings.iter().try_for_each(|(key, value)| {
            let request = Request::Set { key: key.clone(), value: value.clone() };
            tell(&dir()?, &request, *json, |_| format!("{key} = {value}\n"), console)
        }),
        Verb::Inspect => inspect::show(location, object_store, *json, console),
    }
}

/// Asks, and writes the answer.
fn tell(
    dir: &Path,
    request: &Request,
    json: bool,
    text: impl Fn(&Value) -> String,
    console: &mut Console<'_>,
) -> Result<(), String> {
    let answer = ask(dir, request)?;
    match json {
        true => console.say_json(&answer),
        false => console.say(&text(&answer)),
    }
    Ok(())
}
