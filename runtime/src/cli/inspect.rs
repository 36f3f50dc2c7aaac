//! `checkpoint inspect`: what is in a directory of checkpoints.

use std::path::Path;

use millstream_state::{
    inspect::{Inspection, inspect},
    store::CheckpointStore,
};

use super::Console;
use crate::{
    env::{Env, TokioEnv},
    failure::Failure,
};

/// Shows the checkpoints in a directory. Nothing is changed, and a job may run there.
pub(super) fn show(dir: &Path, json: bool, console: &mut Console<'_>) -> Result<(), String> {
    let inspection = look(dir)?;
    match json {
        false => console.say(&inspection.to_string()),
        true => {
            let value = serde_json::to_value(&inspection);
            console.say_json(&value.map_err(|error| format!("the checkpoints cannot be shown as JSON: {error}"))?);
        }
    }
    Ok(())
}

fn look(dir: &Path) -> Result<Inspection, String> {
    // Files are read on threads of the runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| format!("no threads to read the checkpoints on: {error}"))?;
    runtime.block_on(async {
        let store = CheckpointStore::look_at(dir).map_err(|error| Failure::from_error(error).to_string())?;
        let inspection = inspect(&store, TokioEnv::current().wall()).await;
        inspection.map_err(|error| Failure::from_error(error).to_string())
    })
}
