//! Makes part files appear.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_runtime::{
    env::{Env, Files, blocking},
    failure::Failure,
    sink::Committer,
};

use super::{
    fault::cannot_write,
    place::{FilePart, Place, make_directories, remove_empty},
};

/// How often a part is given its name while the directory for it goes away.
const ATTEMPTS_LIMIT: usize = 100;

/// Renames parts to their final names; see [`FileSink`](super::FileSink).
pub struct FileCommitter {
    env: Arc<dyn Env>,
    place: Place,
    overwrite: bool,
    /// What a commit that failed had made to appear: `abort` takes it back.
    halfway: Vec<PathBuf>,
}

impl FileCommitter {
    pub(super) fn new(env: Arc<dyn Env>, place: Place, overwrite: bool) -> Self {
        Self { env, place, overwrite, halfway: Vec::new() }
    }
}

impl Committer for FileCommitter {
    type Committable = FilePart;
    type State = ();

    async fn recover(&mut self, _: &[FilePart], _: &[()]) -> Result<(), Failure> {
        Ok(())
    }

    async fn commit(&mut self, parts: Vec<FilePart>, last: bool) -> Result<(), Failure> {
        let (env, place, overwrite) = (Arc::clone(&self.env), self.place.clone(), self.overwrite);
        let (result, appeared) = blocking(&*self.env, move || {
            let mut appeared = Vec::new();
            let result = commit(env.files(), &place, overwrite, &parts, last, &mut appeared);
            (result, appeared)
        })
        .await;
        match &result {
            Ok(()) => self.overwrite = false, // what earlier runs left is gone
            Err(_) => self.halfway = appeared,
        }
        result
    }

    async fn abort(&mut self) {
        let (env, place, halfway) = (Arc::clone(&self.env), self.place.clone(), std::mem::take(&mut self.halfway));
        blocking(&*self.env, move || {
            let files = env.files();
            // A job that failed has its failure to tell; what cannot be removed is hidden, or without the marker of completeness.
            for path in halfway.iter().rev() {
                let _ = if files.is_dir(path) { files.remove_empty_dir(path) } else { files.remove(path) };
            }
            place.unmake(files);
        })
        .await;
    }
}

/// `appeared` takes the files and directories that this has made.
fn commit(
    files: &dyn Files,
    place: &Place,
    overwrite: bool,
    parts: &[FilePart],
    last: bool,
    appeared: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    if overwrite {
        remove_others(files, place)?;
    }
    let mut touched = BTreeSet::new();
    for (staged, name) in parts {
        let (from, to) = (place.directory().join(staged), place.directory().join(name));
        let directory = to.parent().unwrap_or(place.directory());
        let mut attempts = 0;
        loop {
            let moved = make_directories(files, directory).and_then(|made| {
                touched.insert(directory.to_path_buf());
                touched.extend(made.iter().filter_map(|made| made.parent()).map(Path::to_path_buf));
                appeared.extend(made.into_iter().rev());
                appear(files, &from, &to)
            });
            attempts += 1;
            match moved {
                Ok(true) => break appeared.push(to),
                Ok(false) => break,
                // The committer of another subtask has removed the directory, which the parts of an earlier run had left empty.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && attempts < ATTEMPTS_LIMIT
                        && files.len(&from).is_ok() => {}
                Err(error) => return Err(cannot_write(&to, &error)),
            }
        }
    }
    touched.iter().try_for_each(|directory| sync(files, directory))?;
    if last {
        let marker = place.success();
        appeared.push(marker.clone());
        files.create(&marker).and_then(|mut file| file.sync()).map_err(|error| cannot_write(&marker, &error))?;
        sync(files, place.directory())?;
        place.remove_staging(files);
    }
    Ok(())
}

/// Removes the output of earlier runs: first what says that it is complete. Other committers may be at it, too.
fn remove_others(files: &dyn Files, place: &Place) -> Result<(), Failure> {
    for path in place.output_of_others(files)? {
        match files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(&path, &error)),
            _ => {}
        }
        let partition = path.ancestors().skip(1).take_while(|directory| *directory != place.directory());
        remove_empty(files, partition);
    }
    Ok(())
}

/// Gives a part its final name. False if that was done before.
fn appear(files: &dyn Files, from: &Path, to: &Path) -> io::Result<bool> {
    match files.rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && files.len(to).is_ok() => Ok(false),
        renamed => renamed.map(|()| true),
    }
}

fn sync(files: &dyn Files, directory: &Path) -> Result<(), Failure> {
    files.sync_dir(directory).map_err(|error| cannot_write(directory, &error))
}
