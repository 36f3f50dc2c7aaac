//! The command line of a binary with jobs: `run`, `plan`, `jobs`. `millstream::main!()` is all that a binary says to have it.

mod args;
mod duration;
mod format;
mod plan;
mod progress;
mod run;
mod sample;
mod signals;
mod summary;

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use self::args::{Invocation, Refusal};
use crate::registry::{self, JobEntry};

/// The exit code of a job that ended well, and of help that was asked for.
pub const EXIT_DONE: u8 = 0;
/// The exit code of a job that failed or was cancelled.
pub const EXIT_FAILED: u8 = 1;
/// The exit code of wrong usage, a job that cannot be built included.
pub const EXIT_USAGE: u8 = 2;

/// Where the command line writes to. What was asked for (plans, lists, help) goes to `out`, where the records of a `print` sink go too; progress,
/// summaries and errors go to `err`.
pub struct Console<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
    /// True if `out` is a terminal.
    pub out_is_terminal: bool,
    /// True if `err` is a terminal: progress is live then.
    pub err_is_terminal: bool,
    /// True if colours are wanted on a terminal.
    pub colours: bool,
}

impl Console<'_> {
    /// Writes to standard output. That nobody reads on (`jobs | head -1`) is no error.
    fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Writes to standard error, where a failure to write could be told to nobody.
    fn note(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes()).and_then(|()| self.err.flush());
    }

    /// Writes an error.
    fn error(&mut self, message: &str) {
        let label = if self.colours && self.err_is_terminal { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        self.note(&format!("{label} {message}\n"));
    }
}

/// Does what the arguments of this process say with the jobs of this binary.
pub fn main() -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let (out_is_terminal, err_is_terminal) = (out.is_terminal(), err.is_terminal());
    // The convention of no-color.org: set and not empty.
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut console = Console { out: &mut out, err: &mut err, out_is_terminal, err_is_terminal, colours };
    ExitCode::from(run_with(&registry::jobs(), std::env::args_os(), &mut console))
}

/// Does what arguments (the name of the binary first) say with these jobs, and returns the exit code.
pub fn run_with(jobs: &[&'static JobEntry], args: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> u8 {
    match args::parse(jobs, args.into_iter().collect()) {
        Ok(Invocation::Run(what, quiet)) => run::run(&what, quiet, console),
        Ok(Invocation::Plan(what, format)) => plan::show(&what, format, console),
        Ok(Invocation::Jobs) => {
            let list = plan::list(jobs);
            console.say(&list);
            EXIT_DONE
        }
        Err(Refusal::Clap(error)) => refuse(&error, console),
        Err(Refusal::Jobs(message)) => {
            console.error(&message);
            EXIT_USAGE
        }
    }
}

/// Shows what clap has to say: an error, or help.
fn refuse(error: &clap::Error, console: &mut Console<'_>) -> u8 {
    let terminal = if error.use_stderr() { console.err_is_terminal } else { console.out_is_terminal };
    let text = error.render();
    let text = if terminal && console.colours { text.ansi().to_string() } else { text.to_string() };
    if error.use_stderr() {
        console.note(&text);
        EXIT_USAGE
    } else {
        console.say(&text);
        EXIT_DONE
    }
}
