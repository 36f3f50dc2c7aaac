//! Calls of the command line with its output caught.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use millstream_runtime::{
    cli::{self, Console, Screen, World},
    failure::Location,
    registry::JobEntry,
};

/// What a call of the command line came to.
pub struct Called {
    pub code: u8,
    pub out: String,
    pub err: String,
}

/// Calls the command line of a binary with these jobs, away from any terminal and in an empty environment.
pub fn call(jobs: &[&'static JobEntry], args: &[&str]) -> Called {
    call_in(World::default(), jobs, args)
}

/// Calls the command line of a binary with these jobs.
pub fn call_in(world: World, jobs: &[&'static JobEntry], args: &[&str]) -> Called {
    let (mut out, err) = (Vec::new(), Caught::default());
    let mut console = Console { out: &mut out, err: Screen::new(err.clone()), world };
    let args = std::iter::once("binary").chain(args.iter().copied()).map(Into::into);
    let code = cli::run_with(jobs, args, &mut console);
    let text = |bytes| String::from_utf8(bytes).expect("the command line writes UTF-8");
    let err = std::mem::take(&mut *err.0.lock().unwrap_or_else(PoisonError::into_inner));
    Called { code, out: text(out), err: text(err) }
}

/// What was written, by whatever thread.
#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Vec<u8>>>);

impl Write for Caught {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a job is said to stand.
pub const HERE: Location = Location { file: "jobs.rs", line: 7, column: 1 };
