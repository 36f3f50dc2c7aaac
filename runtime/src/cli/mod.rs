//! The command line of a binary with jobs: `run`, `plan`, `jobs`, `config`, `schema` and `completions`, and `status`, `checkpoint`, `stop` and `set` for a job that runs in
//! another process, with `savepoint`; `submit`, `list`, `info`, `cancel` and `rescale`, and again `checkpoint` and `stop`, for jobs of a cluster. `millstream::main!()` is all that a binary says to have it.
//!
//! What was asked for goes to standard output: plans, lists, help, and with `--json` the report of a run, on one line behind whatever the job printed
//! there. Progress, logs, summaries and errors go to standard error.
//!
//! Settings are taken from a file, the environment and the command line, each stronger than the one before, and all of them stronger than what the
//! job's code sets ([`crate::settings::KEYS`] lists them). A parallelism that a chain is given in code stays.

mod args;
pub(crate) mod certs;
mod cluster;
mod command;
mod config;
mod control;
mod file;
mod format;
mod given;
mod inspect;
mod json;
mod live;
mod logs;
mod node;
mod plan;
mod progress;
mod run;
mod sample;
mod samples;
mod savepoint;
mod schema;
mod screen;
mod signals;
mod summary;
mod table;
mod tls;
mod world;

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use self::args::{Invocation, Refusal, Remote};
pub use self::{screen::Screen, world::World};
use crate::registry::{self, JobEntry};

/// The exit code of a job that ended well, and of help that was asked for.
pub const EXIT_DONE: u8 = 0;
/// The exit code of a job that failed or was cancelled.
pub const EXIT_FAILED: u8 = 1;
/// The exit code of wrong usage, a job that cannot be built included.
pub const EXIT_USAGE: u8 = 2;

/// Where the command line writes to, and what it knows of the process.
pub struct Console<'a> {
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: Screen,
    /// The rest of the process.
    pub world: World,
}

impl Console<'_> {
    /// Writes to standard output. That nobody reads on (`jobs | head -1`) is no error.
    fn say(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Writes JSON for people and programs to standard output.
    fn say_json(&mut self, value: &serde_json::Value) {
        self.say(&format!("{value:#}\n"));
    }

    /// Writes to standard error.
    fn note(&self, text: &str) {
        self.err.note(text);
    }

    /// Writes an error.
    fn error(&self, message: &str) {
        let label = if self.world.colours_err() { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        self.note(&format!("{label} {message}\n"));
    }
}

/// Does what the arguments of this process say with the jobs of this binary.
pub fn main() -> ExitCode {
    let mut out = io::stdout();
    ExitCode::from(run_with(&registry::jobs(), std::env::args_os(), &mut console(&mut out)))
}

/// Does what the arguments of this process say, in a binary without jobs: asks jobs that run elsewhere. Without arguments it writes `introduction`.
pub fn tool_main(introduction: &str) -> ExitCode {
    let mut out = io::stdout();
    ExitCode::from(tool_with(introduction, std::env::args_os(), &mut console(&mut out)))
}

/// The console of this process.
fn console(out: &mut io::Stdout) -> Console<'_> {
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let world = World {
        variables: std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect(),
        out_is_terminal: out.is_terminal(),
        err_is_terminal: io::stderr().is_terminal(),
        owns_process: true,
        ..World::default()
    };
    Console { out, err: Screen::new(io::stderr()), world }
}

/// Does what arguments (the name of the binary first) say in a binary without jobs, and returns the exit code.
pub fn tool_with(introduction: &str, args: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> u8 {
    let args: Vec<_> = args.into_iter().collect();
    if args.len() <= 1 {
        console.say(introduction);
        return EXIT_DONE;
    }
    match args::parse_tool(&args, &console.world) {
        Ok(invocation) => carry_out(&[], &args::bin(&args), invocation, console),
        Err(refusal) => refuse(refusal, console),
    }
}

/// Does what arguments (the name of the binary first) say with these jobs, and returns the exit code.
pub fn run_with(jobs: &[&'static JobEntry], args: impl IntoIterator<Item = OsString>, console: &mut Console<'_>) -> u8 {
    let args: Vec<_> = args.into_iter().collect();
    let bin = args::bin(&args);
    match args::parse(jobs, args, &console.world) {
        Ok(invocation) => carry_out(jobs, &bin, invocation, console),
        Err(refusal) => refuse(refusal, console),
    }
}

fn carry_out(jobs: &[&'static JobEntry], bin: &str, what: Invocation, console: &mut Console<'_>) -> u8 {
    match what {
        Invocation::Run(what, options) => return run::run(&what, &options, console),
        Invocation::Plan(what, format) => return plan::show(&what, format, console),
        Invocation::Outlook(what, place) => return savepoint::against(&what, &place, console),
        Invocation::Node(options) => return node::run(jobs, &options, console),
        Invocation::Certs(wanted) => return certs::make(&wanted, console),
        Invocation::Config(what, json) => return config::show(&what, json, console),
        Invocation::Remote(Remote::Local(steering)) => return control::verbs::steer(&steering, console),
        Invocation::Remote(Remote::Savepoint(asked)) => return savepoint::carry_out(&asked, console),
        Invocation::Remote(Remote::Cluster(asking)) => return cluster::verbs::ask(&asking, console),
        Invocation::Schema(wanted) => return schema::run(&wanted, bin, console),
        Invocation::Jobs(true) => console.say_json(&json::jobs(jobs)),
        Invocation::Jobs(false) => console.say(&plan::list(jobs)),
        Invocation::Completions(shell) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command::root(jobs, bin), bin, &mut script);
            console.say(&String::from_utf8_lossy(&script));
        }
    }
    EXIT_DONE
}

/// Says why nothing is done, or shows the help that was asked for.
fn refuse(refusal: Refusal, console: &mut Console<'_>) -> u8 {
    let error = match refusal {
        Refusal::Clap(error) => error,
        Refusal::Jobs(message) => {
            console.error(&message);
            return EXIT_USAGE;
        }
    };
    let to_err = error.use_stderr();
    let colours = if to_err { console.world.colours_err() } else { console.world.colours_out() };
    let text = error.render();
    let text = if colours { text.ansi().to_string() } else { text.to_string() };
    if to_err {
        console.note(&text);
        EXIT_USAGE
    } else {
        console.say(&text);
        EXIT_DONE
    }
}
