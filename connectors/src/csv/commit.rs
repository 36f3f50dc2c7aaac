//! Makes part files appear.

use std::{io, path::Path, sync::Arc};

use millstream_runtime::{
    env::{Env, Files, blocking},
    failure::Failure,
    sink::Committer,
};

use super::parts::{CsvPart, Place, SUCCESS, cannot_write, is_success};

/// Renames parts to their final names; see [`CsvFiles::write`](super::CsvFiles::write).
pub struct CsvCommitter {
    env: Arc<dyn Env>,
    place: Place,
    overwrite: bool,
}

impl CsvCommitter {
    pub(super) fn new(env: Arc<dyn Env>, place: Place, overwrite: bool) -> Self {
        Self { env, place, overwrite }
    }
}

impl Committer for CsvCommitter {
    type Committable = CsvPart;

    async fn commit(&mut self, parts: Vec<CsvPart>, last: bool) -> Result<(), Failure> {
        let (env, place, overwrite) = (Arc::clone(&self.env), self.place.clone(), self.overwrite);
        blocking(&*self.env, move || {
            let files = env.files();
            if overwrite {
                remove_old(files, &place)?;
            }
            for part in &parts {
                appear(files, place.directory(), part)?;
            }
            if last {
                finish(files, &place)?;
            }
            Ok(())
        })
        .await
    }

    async fn abort(&mut self) {
        let (env, staging) = (Arc::clone(&self.env), self.place.staging());
        blocking(&*self.env, move || {
            // A job that failed has its failure to tell; hidden files that cannot be removed do no harm.
            let _ = env.files().remove_dir(&staging);
        })
        .await;
    }
}

/// Removes the output of earlier runs: first what says that it is complete.
fn remove_old(files: &dyn Files, place: &Place) -> Result<(), Failure> {
    let there = files.list(place.directory()).map_err(|error| cannot_write(place.directory(), &error))?;
    let marker = there.iter().filter(|path| is_success(path));
    let parts = there.iter().filter(|path| place.is_foreign_part(path));
    for path in marker.chain(parts) {
        match files.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(path, &error)),
            _ => {}
        }
    }
    Ok(())
}

/// Gives a part its final name, unless that was done before.
fn appear(files: &dyn Files, directory: &Path, (staged, name): &CsvPart) -> Result<(), Failure> {
    let (from, to) = (directory.join(staged), directory.join(name));
    match files.rename(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && files.len(&to).is_ok() => Ok(()),
        Err(error) => Err(cannot_write(&to, &error)),
        Ok(()) => Ok(()),
    }
}

/// All parts are there: says so.
fn finish(files: &dyn Files, place: &Place) -> Result<(), Failure> {
    let staging = place.staging();
    if files.is_dir(&staging) {
        files.remove_dir(&staging).map_err(|error| cannot_write(&staging, &error))?;
    }
    let marker = place.directory().join(SUCCESS);
    files.create(&marker).and_then(|mut file| file.sync()).map_err(|error| cannot_write(&marker, &error))
}
