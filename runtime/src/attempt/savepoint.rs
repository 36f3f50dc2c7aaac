//! Savepoints of jobs: where they are put, and how one is opened to begin with.

use std::{error::Error, sync::Arc};

use millstream_state::{
    location::Location,
    manifest::Manifest,
    remote::ObjectStoreSettings,
    savepoint::{prepare, read},
    store::{Access, CheckpointStore},
};

use super::outlook::{RowType, RowTypes};
use crate::{
    env::{Env, blocking},
    failure::Failure,
};

/// How many characters of a job's name are part of its savepoints' names.
const NAME_LIMIT: usize = 40;

/// Where a new savepoint goes: into a place of its own within `to`, or within what the job's settings say.
///
/// # Errors
///
/// Neither says so.
pub(crate) fn place(
    to: Option<&Location>,
    set: Option<&Location>,
    job: &str,
    env: &dyn Env,
) -> Result<Location, String> {
    let within = to.or(set).ok_or_else(|| {
        "nobody has said where the savepoint is to go: say `--to LOCATION`, or set `savepoint.dir` for the job"
            .to_owned()
    })?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name: String = job.chars().take(NAME_LIMIT).map(|c| if is_plain(c) { c } else { '-' }).collect();
    Ok(within.join(&format!("savepoint-{name}-{:012x}", env.random() >> 16)))
}

/// Opens a place for a new savepoint, and checks that one can be written there.
///
/// # Errors
///
/// There is something, or nobody may write there.
pub(crate) async fn create(
    place: &Location,
    object_store: &ObjectStoreSettings,
    env: &Arc<dyn Env>,
) -> Result<CheckpointStore, Failure> {
    let store = reach(place, Access::Shared, object_store, env).await?;
    prepare(&store).await.map_err(|error| in_place(place, error))?;
    Ok(store)
}

/// Opens a savepoint, and says what is in it.
///
/// # Errors
///
/// There is none, it is damaged, or it cannot be reached.
pub(crate) async fn open(
    place: &Location,
    object_store: &ObjectStoreSettings,
    env: &Arc<dyn Env>,
) -> Result<(CheckpointStore, Manifest), Failure> {
    let store = reach(place, Access::Read, object_store, env).await?;
    let manifest = read(&store).await.map_err(|error| in_place(place, error))?;
    Ok((store, manifest))
}

/// Opens a place.
///
/// # Errors
///
/// It cannot be reached.
pub(crate) async fn reach(
    place: &Location,
    access: Access,
    object_store: &ObjectStoreSettings,
    env: &Arc<dyn Env>,
) -> Result<CheckpointStore, Failure> {
    let (at, reached_by, spawner) = (place.clone(), object_store.clone(), Arc::clone(env));
    let opened = blocking(&**env, move || CheckpointStore::open(&at, access, &reached_by)).await;
    let store = opened.map_err(|error| in_place(place, error))?;
    Ok(store.with_blocking(Arc::new(move |work| spawner.blocking(work))))
}

/// The types of the rows in a savepoint, as far as segments can be read.
pub(crate) async fn row_types(store: &CheckpointStore, manifest: &Manifest) -> RowTypes {
    let mut types = RowTypes::new();
    for operator in &manifest.operators {
        for part in &operator.keyed {
            let key = (operator.id.clone(), part.state.clone());
            if let (false, Some(segment)) = (types.contains_key(&key), part.segments.last())
                && let Ok(footer) = store.footer(segment).await
            {
                types.insert(key, RowType { key: footer.key, value: footer.value });
            }
        }
    }
    types
}

/// A failure that says which savepoint it is about.
pub(crate) fn in_place(place: &Location, error: impl Error) -> Failure {
    Failure::new(format!("{} (in the savepoint in {place})", Failure::from_error(error).message())).of_environment()
}
