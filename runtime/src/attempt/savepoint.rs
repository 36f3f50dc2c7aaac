//! Savepoints of jobs: where they are put, and how one is opened to begin with.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_state::{
    manifest::Manifest,
    savepoint::{prepare, read},
    store::CheckpointStore,
};

use super::{
    outlook::{RowType, RowTypes},
    segments::in_dir,
    store::{Use, open_dir},
};
use crate::{
    env::{Env, blocking},
    failure::Failure,
};

/// How many characters of a job's name are part of its savepoints' names.
const NAME_LIMIT: usize = 40;

/// The place of a new savepoint, in a directory of them.
fn place_in(dir: &Path, job: &str, env: &dyn Env) -> PathBuf {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name: String = job.chars().take(NAME_LIMIT).map(|c| if is_plain(c) { c } else { '-' }).collect();
    dir.join(format!("savepoint-{name}-{:012x}", env.random() >> 16))
}

/// Where a savepoint goes: into `to`, or where the job's settings say.
///
/// # Errors
///
/// Neither says so.
pub(crate) fn place(to: Option<&Path>, set: Option<&Path>, job: &str, env: &dyn Env) -> Result<PathBuf, String> {
    let dir = to.or(set).ok_or_else(|| {
        "nobody has said where the savepoint is to go: say `--to DIR`, or set `savepoint.dir` for the job".to_owned()
    })?;
    Ok(place_in(dir, job, env))
}

/// Opens a place for a new savepoint, and checks that one can be written there.
///
/// # Errors
///
/// There is something, or nobody may write there.
pub(crate) async fn create(place: &Path, env: &Arc<dyn Env>) -> Result<CheckpointStore, Failure> {
    let (dir, opening) = (place.to_owned(), Arc::clone(env));
    let store = blocking(&**env, move || open_dir(&dir, Use::Shared, &opening)).await?;
    prepare(&store).await.map_err(|error| in_place(place, error))?;
    Ok(store)
}

/// Opens a savepoint, and says what is in it.
///
/// # Errors
///
/// There is none, it is damaged, or it cannot be reached.
pub(crate) async fn open(place: &Path, env: &Arc<dyn Env>) -> Result<(CheckpointStore, Manifest), Failure> {
    let (dir, spawner) = (place.to_owned(), Arc::clone(env));
    let store = blocking(&**env, move || CheckpointStore::look_at(&dir).map_err(Failure::from_error)).await?;
    let store = store.with_blocking(Arc::new(move |work| spawner.blocking(work)));
    let manifest = read(&store).await.map_err(|error| in_place(place, error))?;
    Ok((store, manifest))
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
                let text = format!("{} -> {}", footer.key.text, footer.value.text);
                types.insert(key, RowType { text, value: footer.value.hash });
            }
        }
    }
    types
}

/// A failure that says which savepoint it is about.
pub(crate) fn in_place(place: &Path, error: impl std::error::Error) -> Failure {
    let failure = in_dir(place, error);
    Failure::new(failure.message().replace("in the checkpoints in", "in the savepoint in")).of_environment()
}
