//! The socket file beside the checkpoints: made, found, replaced if its process is gone, and removed at the end.

use std::{
    fs::{File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use crate::env::{Disk, Files};

/// The name of the socket in the directory of checkpoints.
pub(super) const NAME: &str = "control.sock";
/// The longest path of a socket, in bytes: what `sockaddr_un` has room for, without the zero at its end.
const PATH_BYTES_LIMIT: usize = if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

/// A path that may be bound or connected to.
pub(super) struct Reach {
    pub(super) path: PathBuf,
    /// The directory, while the path goes through its descriptor.
    _dir: Option<File>,
}

/// How a socket in a directory is reached, however long the directory's path is.
#[allow(clippy::disallowed_methods, reason = "a socket of this machine is beyond what `Env` simulates")]
pub(super) fn reach(dir: &Path, name: &str) -> io::Result<Reach> {
    let path = dir.join(name);
    let bytes = path.as_os_str().len();
    if bytes <= PATH_BYTES_LIMIT {
        return Ok(Reach { path, _dir: None });
    }
    if cfg!(any(target_os = "linux", target_os = "android")) {
        use std::os::fd::AsRawFd;
        let dir = File::open(dir)?;
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        return Ok(Reach { path, _dir: Some(dir) });
    }
    let message = format!(
        "the path `{}` has {bytes} bytes, and that of a socket at most {PATH_BYTES_LIMIT}: choose a shorter directory",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// A socket that is ours; its file is removed when this is dropped, unless another process has put its own there meanwhile.
pub(super) struct Bound {
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
}

/// Why there is no socket.
#[derive(Debug)]
pub(super) enum Unbound {
    /// There is no directory. It is not made here: who makes it must see to it that it survives a crash of the machine.
    NoDirectory,
    /// Another process answers there.
    Taken,
    /// The system says this.
    Failed(io::Error),
}

/// Listens in a directory. A socket that nobody listens at is replaced. Only this user may connect. Call it inside of a tokio runtime.
pub(super) async fn bind(dir: &Path, random: u64) -> Result<(UnixListener, Bound), Unbound> {
    if !Disk.is_dir(dir) {
        return Err(Unbound::NoDirectory);
    }
    let present = reach(dir, NAME).map_err(Unbound::Failed)?;
    match UnixStream::connect(&present.path).await {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
        // That it takes no connection just now, or none of ours, does not mean that it is gone.
        Ok(_) | Err(_) => return Err(Unbound::Taken),
    }
    place(dir, random).map_err(Unbound::Failed)
}

fn place(dir: &Path, random: u64) -> io::Result<(UnixListener, Bound)> {
    // Made under another name, so that it is there only once it is ours alone.
    let temporary = format!("{NAME}.{:08x}", random >> 32);
    let at = dir.join(&temporary);
    let listener = UnixListener::bind(reach(dir, &temporary)?.path)?;
    let path = dir.join(NAME);
    let placed = std::fs::set_permissions(&at, Permissions::from_mode(0o600))
        .and_then(|()| identity(&at))
        .and_then(|file| Disk.rename(&at, &path).map(|()| file));
    match placed {
        Ok(file) => Ok((listener, Bound { path, file })),
        Err(error) => {
            let _ = Disk.remove(&at);
            Err(error)
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = Disk.remove(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
