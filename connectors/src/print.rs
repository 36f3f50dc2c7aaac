//! [`print()`]: a sink that shows each record on a line of its own.

use std::{
    io::{self, Write},
    marker::PhantomData,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    env::{Env, blocking},
    failure::Failure,
    sink::{NoCommit, Prepare, Prepared, Sink, SinkContext, SinkWriter},
    stream::AtLeastOnce,
};

/// How much text a subtask gathers before it must be written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Prints each record to standard output, on a line of its own, as `{:?}` of its view. Lines of several subtasks are never mixed; they come in any order.
pub fn print<T: Record>() -> Print<T> {
    print_to(io::stdout())
}

/// Prints each record to `to`, as [`print()`] does.
pub fn print_to<T: Record>(to: impl Write + Send + 'static) -> Print<T> {
    Print { to: Arc::new(Mutex::new(to)), left: None, record: PhantomData }
}

/// See [`print()`].
#[must_use = "a sink prints nothing until `.sink(..)` takes it"]
pub struct Print<T> {
    to: Arc<Mutex<dyn Write + Send>>,
    /// How many more records are printed; all if there is no limit.
    left: Option<Arc<AtomicU64>>,
    record: PhantomData<fn(T)>,
}

impl<T: Record> Print<T> {
    /// Prints so many records in all, and takes the others in silence.
    pub fn limit(mut self, records: u64) -> Self {
        self.left = Some(Arc::new(AtomicU64::new(records)));
        self
    }
}

impl<T: Record> Sink for Print<T> {
    type In = T;
    type Guarantee = AtLeastOnce;
    type Committable = ();
    type Writer = PrintWriter<T>;
    type Committer = NoCommit;

    fn name(&self) -> String {
        "print".to_owned()
    }

    fn writer(&self, cx: &SinkContext, _: Vec<()>) -> Result<PrintWriter<T>, Failure> {
        let (env, to, left) = (Arc::clone(cx.env()), Arc::clone(&self.to), self.left.clone());
        Ok(PrintWriter { env, to, left, lines: Vec::new(), records: 0, record: PhantomData })
    }

    fn committer(&self, _: &SinkContext) -> Result<NoCommit, Failure> {
        Ok(NoCommit)
    }
}

/// Prints the records of a subtask.
pub struct PrintWriter<T> {
    env: Arc<dyn Env>,
    to: Arc<Mutex<dyn Write + Send>>,
    left: Option<Arc<AtomicU64>>,
    /// Whole lines.
    lines: Vec<u8>,
    records: u64,
    record: PhantomData<fn(T)>,
}

impl<T: Record> SinkWriter for PrintWriter<T> {
    type In = T;
    type Committable = ();
    type State = ();

    fn write(&mut self, record: T::View<'_>, _: Timestamp) -> Result<(), Failure> {
        if let Some(left) = &self.left
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
        {
            return Ok(());
        }
        self.records += 1;
        writeln!(self.lines, "{record:?}").map_err(Failure::from_error)
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= BUFFER_BYTES
    }

    fn records(&self) -> u64 {
        self.records
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let (lines, to) = (mem::take(&mut self.lines), Arc::clone(&self.to));
        let (mut lines, written) = blocking(&*self.env, move || {
            let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
            let written = to.write_all(&lines).and_then(|()| to.flush());
            (lines, written)
        })
        .await;
        lines.clear();
        self.lines = lines;
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new("whoever read the printed lines has closed the pipe")
                .with_hint("`.limit(records)` behind `print()` prints only the first ones"),
            _ => Failure::new(format!("cannot print: {error}")),
        })
    }

    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<()>, Failure> {
        self.flush().await?;
        Ok(Prepared::closed(Vec::new()))
    }
}
