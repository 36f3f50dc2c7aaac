//! Makes part files appear.

use std::{
    collections::{BTreeSet, HashSet},
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
    place::{FilePart, OpenPart, Place, make_directories, remove_empty},
    under_way::UnderWay,
};

/// How often a part is given its name while the directory for it goes away.
const ATTEMPTS_LIMIT: usize = 100;

/// Renames parts to their final names; see [`FileSink`](super::FileSink).
pub struct FileCommitter {
    env: Arc<dyn Env>,
    place: Place,
    overwrite: bool,
    under_way: UnderWay,
    /// What a commit that failed had made to appear: `abort` takes it back.
    halfway: Vec<PathBuf>,
}

impl FileCommitter {
    pub(super) fn new(env: Arc<dyn Env>, place: Place, overwrite: bool, under_way: UnderWay) -> Self {
        Self { env, place, overwrite, under_way, halfway: Vec::new() }
    }
}

impl Committer for FileCommitter {
    type Committable = FilePart;
    type State = OpenPart;

    async fn recover(&mut self, parts: &[FilePart], open: &[OpenPart]) -> Result<(), Failure> {
        let kept: Vec<_> =
            parts.iter().map(|(staged, _)| staged).chain(open.iter().map(|(staged, ..)| staged)).collect();
        let kept: HashSet<String> = kept.into_iter().cloned().collect();
        // The attempt before may have died a moment ago, with a file under way.
        self.under_way.ended().await;
        let (env, place) = (Arc::clone(&self.env), self.place.clone());
        let recovered = self.under_way.start(&*self.env, move || {
            place.make(env.files())?;
            place.clean(env.files(), &kept)
        });
        recovered.await
    }

    async fn has_since(&mut self, after: u64) -> Result<bool, Failure> {
        self.under_way.ended().await;
        let (env, place) = (Arc::clone(&self.env), self.place.clone());
        let looked = self.under_way.start(&*self.env, move || place.later_than(env.files(), after));
        looked.await.map(|found| !found.output.is_empty())
    }

    async fn take_back(&mut self, after: u64, parts: &[FilePart], open: &[OpenPart]) -> Result<bool, Failure> {
        let kept = parts.iter().map(|(staged, _)| staged).chain(open.iter().map(|(staged, ..)| staged));
        let kept: HashSet<String> = kept.cloned().collect();
        self.under_way.ended().await;
        let (env, place) = (Arc::clone(&self.env), self.place.clone());
        let taken = self.under_way.start(&*self.env, move || {
            place.make(env.files())?;
            place.take_back(env.files(), after, &kept)
        });
        taken.await.map(|()| true)
    }

    async fn commit(&mut self, parts: Vec<FilePart>, last: bool) -> Result<(), Failure> {
        if parts.is_empty() && !last {
            return Ok(());
        }
        let (env, place, overwrite) = (Arc::clone(&self.env), self.place.clone(), self.overwrite);
        let committing = self.under_way.start(&*self.env, move || {
            let mut appeared = Vec::new();
            let result = commit(env.files(), &place, overwrite, &parts, last, &mut appeared);
            (result, appeared)
        });
        let (result, appeared) = committing.await;
        match &result {
            Ok(()) => self.overwrite = false, // what other runs left is gone
            Err(_) => self.halfway = appeared,
        }
        result
    }

    async fn abort(&mut self) {
        self.under_way.ended().await;
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
    if overwrite && !place.has_cleared(files) {
        remove_others(files, place)?;
        place.note_cleared(files)?;
    }
    let renames = parts.iter().map(|(staged, name)| (place.directory().join(staged), place.directory().join(name)));
    let renames: Vec<_> = renames.collect();
    let directories: BTreeSet<_> = renames.iter().filter_map(|(_, to)| to.parent()).collect();
    for directory in &directories {
        // What goes wrong here does so again below, unless another committer was in the way.
        appeared.extend(make_directories(files, directory).unwrap_or_default().into_iter().rev());
    }
    let ways: BTreeSet<_> = directories.iter().flat_map(|directory| way(place, directory)).collect();
    ways.into_iter().try_for_each(|directory| sync_if_there(files, directory))?;
    for (from, to) in &renames {
        name_part(files, place, from, to, appeared)?;
    }
    directories.into_iter().try_for_each(|directory| sync(files, directory))?;
    if last {
        if !place.is_complete(files) {
            appeared.push(place.success());
            mark(files, place).map_err(|error| cannot_write(&place.success(), &error))?;
        }
        sync(files, place.directory())?;
        place.remove_staging(files);
    }
    Ok(())
}

/// The directories of the sink that lead to something. Those that lead to the directory of a part are synced before the part is in there: one that has its
/// name and is in no directory is lost.
fn way<'a>(place: &'a Place, to: &'a Path) -> impl Iterator<Item = &'a Path> {
    to.ancestors().skip(1).take_while(|above| above.starts_with(place.directory()))
}

/// Gives a part its final name, unless it has it.
fn name_part(
    files: &dyn Files,
    place: &Place,
    from: &Path,
    to: &Path,
    appeared: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let directory = to.parent().unwrap_or(place.directory());
    let mut attempts = 0;
    loop {
        let moved = make_directories(files, directory).and_then(|made| {
            let again = !made.is_empty();
            appeared.extend(made.into_iter().rev());
            if again {
                way(place, directory).try_for_each(|above| files.sync_dir(above))?;
            }
            appear(files, from, to)
        });
        attempts += 1;
        match moved {
            Ok(true) => {
                appeared.push(to.to_path_buf());
                return Ok(());
            }
            Ok(false) => return Ok(()),
            // The committer of another subtask has removed the directory, which the parts of an earlier run had left empty.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && attempts < ATTEMPTS_LIMIT && is_there(files, from) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && files.is_dir(directory) => {
                return Err(gone(from, to));
            }
            Err(error) => return Err(cannot_write(to, &error)),
        }
    }
}

/// Says that the output is complete. The marker appears as a whole: it names the run, so that a job which dies right afterwards knows it for its own.
fn mark(files: &dyn Files, place: &Place) -> io::Result<()> {
    let staged = place.staged_success();
    let mut file = files.create(&staged)?;
    file.write_all(place.mark().as_bytes())?;
    file.flush()?;
    file.sync()?;
    drop(file);
    files.rename(&staged, &place.success())
}

/// Removes the output of other runs: first what says that it is complete. Other committers may be at it, too.
fn remove_others(files: &dyn Files, place: &Place) -> Result<(), Failure> {
    let others = place.output_of_others(files)?;
    for path in &others.output {
        match files.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(path, &error)),
            _ => {}
        }
        let partition = path.ancestors().skip(1).take_while(|directory| *directory != place.directory());
        remove_empty(files, partition);
    }
    // What is gone, be it by an attempt that died in here, must not come back beside parts that have appeared.
    others.directories.iter().try_for_each(|directory| sync_if_there(files, directory))
}

/// Gives a part its final name. False if that was done before.
fn appear(files: &dyn Files, from: &Path, to: &Path) -> io::Result<bool> {
    match files.rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_there(files, to) => Ok(false),
        renamed => renamed.map(|()| true),
    }
}

fn is_there(files: &dyn Files, path: &Path) -> bool {
    files.len(path).is_ok()
}

/// A part that is neither where it was written nor where it belongs: the output would lack it.
#[cold]
fn gone(from: &Path, to: &Path) -> Failure {
    Failure::new(format!(
        "cannot commit {}: the part is neither there nor at {}, where it was written; someone has removed it, and its records with it",
        to.display(),
        from.display()
    ))
    .with_hint(
        "put it back and resume the job, or begin anew without its checkpoints. Leave the parts of a job that runs where they are until its next \
         checkpoint is complete: after a failure it commits those of the last one again",
    )
}

/// One that is missing was removed, by this committer or by another: it will be made again if it is needed.
fn sync_if_there(files: &dyn Files, directory: &Path) -> Result<(), Failure> {
    match files.sync_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(|error| cannot_write(directory, &error)),
    }
}

fn sync(files: &dyn Files, directory: &Path) -> Result<(), Failure> {
    files.sync_dir(directory).map_err(|error| cannot_write(directory, &error))
}
