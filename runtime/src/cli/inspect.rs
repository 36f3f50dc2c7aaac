//! `checkpoint inspect`: what is in a place of checkpoints.

use std::sync::Arc;

use millstream_state::{
    inspect::{Inspection, inspect},
    store::Access,
};

use super::Console;
use crate::{
    attempt::store,
    env::{Env, TokioEnv},
    failure::Failure,
    settings::{Location, ObjectStoreSettings},
};

/// Shows the checkpoints at a location. Nothing is changed, and a job may run there.
pub(super) fn show(
    location: &Location,
    object_store: &ObjectStoreSettings,
    json: bool,
    console: &mut Console<'_>,
) -> Result<(), String> {
    let inspection = look(location, object_store).map_err(|failure| failure.to_string())?;
    match json {
        false => console.say(&inspection.to_string()),
        true => {
            let value = serde_json::to_value(&inspection);
            console.say_json(&value.map_err(|error| format!("the checkpoints cannot be shown as JSON: {error}"))?);
        }
    }
    Ok(())
}

fn look(location: &Location, object_store: &ObjectStoreSettings) -> Result<Inspection, Failure> {
    // Files are read on threads of the runtime; clients of object stores need its clock and its sockets, too.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("no threads to read the checkpoints on: {error}")))?;
    runtime.block_on(async {
        let env: Arc<dyn Env> = TokioEnv::current();
        let store = store::open(location, Access::Read, object_store, &env)?;
        inspect(&store, env.wall()).await.map_err(Failure::from_error)
    })
}
