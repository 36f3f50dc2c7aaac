//! Ctrl-C and SIGTERM, as a stream.

use futures::{Stream, StreamExt, stream};

/// SIGXFSZ, on Linux (but for MIPS), macOS and the BSDs.
#[cfg(unix)]
const FILE_TOO_LARGE: i32 = 25;

/// An item for every Ctrl-C and every SIGTERM from here on; the process is no longer ended by them. Call it inside of the tokio runtime.
///
/// A limit on the size of files (`ulimit -f`) is an error of the write that goes beyond it from here on, rather than the end of the process.
#[cfg(unix)]
pub(super) fn interrupts() -> std::io::Result<impl Stream<Item = ()> + Unpin + Send> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    let each = |signal: Signal| stream::unfold(signal, async |mut signal| signal.recv().await.map(|()| ((), signal)));
    let _ = signal(SignalKind::from_raw(FILE_TOO_LARGE))?; // nobody waits for it: to have asked is enough
    let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(stream::select(each(interrupt).boxed(), each(terminate).boxed()).chain(stream::pending()))
}

/// An item for every Ctrl-C from here on; the process is no longer ended by it. Call it inside of the tokio runtime.
#[cfg(not(unix))]
pub(super) fn interrupts() -> std::io::Result<impl Stream<Item = ()> + Unpin> {
    let each = stream::unfold((), async |()| tokio::signal::ctrl_c().await.ok().map(|()| ((), ())));
    Ok(each.boxed_local().chain(stream::pending()))
}
