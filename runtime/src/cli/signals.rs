//! Ctrl-C and SIGTERM, as a stream.

use futures::{Stream, StreamExt, stream};

/// An item for every Ctrl-C and every SIGTERM from here on; the process is no longer ended by them. Call it inside of the tokio runtime.
#[cfg(unix)]
pub(super) fn interrupts() -> std::io::Result<impl Stream<Item = ()> + Unpin> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    let each = |signal: Signal| stream::unfold(signal, async |mut signal| signal.recv().await.map(|()| ((), signal)));
    let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(stream::select(each(interrupt).boxed_local(), each(terminate).boxed_local()).chain(stream::pending()))
}

/// An item for every Ctrl-C from here on; the process is no longer ended by it. Call it inside of the tokio runtime.
#[cfg(not(unix))]
pub(super) fn interrupts() -> std::io::Result<impl Stream<Item = ()> + Unpin> {
    let each = stream::unfold((), async |()| tokio::signal::ctrl_c().await.ok().map(|()| ((), ())));
    Ok(each.boxed_local().chain(stream::pending()))
}
