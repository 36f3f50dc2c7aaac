//! Where the socket of a job is: in the directory of its checkpoints, or, if these are in an object store, in one of this user's on this machine.

use std::{
    io,
    path::{Path, PathBuf},
};

use millstream_core::key::Key;

use crate::{cli::world::World, settings::Location};

/// The directory of the socket of the job whose checkpoints are at a location. That of a job in an object store is made if it is missing.
///
/// # Errors
///
/// The directory of this user cannot be made, or others may write to it.
pub(in crate::cli) fn of(location: &Location, world: &World) -> Result<PathBuf, String> {
    if let Some(dir) = location.as_directory() {
        return Ok(dir.to_owned());
    }
    // What the system makes for a user's sockets, or a directory that is made here.
    let base = match world.variable("XDG_RUNTIME_DIR") {
        Some(dir) => Path::new(dir).join("millstream"),
        None => Path::new(world.variable("TMPDIR").unwrap_or("/tmp")).join(of_user()),
    };
    let dir = base.join(format!("{:016x}", String::hash(&location.to_string())));
    let made = make_private(&base).and_then(|()| make_private(&dir));
    made.map_err(|error| format!("the directory of the control socket, `{}`, cannot be used: {error}", dir.display()))?;
    Ok(dir)
}

#[cfg(unix)]
fn of_user() -> String {
    format!("millstream-{}", rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn of_user() -> &'static str {
    "millstream"
}

/// Makes a directory for this user alone, and checks that it is one.
#[cfg(unix)]
fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = std::fs::symlink_metadata(dir)?;
    let is_ours = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0;
    let others = || io::Error::new(io::ErrorKind::PermissionDenied, "others may write to it, so it is not trusted");
    if is_ours { Ok(()) } else { Err(others()) }
}

/// Nobody asks there.
#[cfg(not(unix))]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_job_in_an_object_store_has_its_socket_where_only_its_user_writes() {
        let dir = tempfile::tempdir().expect("there is a place for temporary files");
        let runtime_dir = dir.path().to_str().expect("it is in letters").to_owned();
        let world = World { variables: [("XDG_RUNTIME_DIR".to_owned(), runtime_dir)].into(), ..World::default() };
        let location = |text: &str| text.parse::<Location>().expect("it is a location");
        assert_eq!(of(&location("some/directory"), &world), Ok("some/directory".into()));
        let (one, other) = (of(&location("s3://bucket/a"), &world), of(&location("s3://bucket/b"), &world));
        assert!(one.as_ref().is_ok_and(|dir| dir.is_dir()) && one != other);
        assert_eq!(of(&location("s3://bucket/a"), &world), one, "it is found again");

        let base = dir.path().join("millstream");
        std::fs::set_permissions(base, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
        let message = of(&location("s3://bucket/a"), &world).expect_err("others may write there");
        assert!(message.contains("others may write to it"), "{message}");
    }
}
