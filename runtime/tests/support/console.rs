//! Calls of the command line with its output caught.

use millstream_runtime::{
    cli::{self, Console},
    failure::Location,
    registry::JobEntry,
};

/// What a call of the command line came to.
pub struct Called {
    pub code: u8,
    pub out: String,
    pub err: String,
}

/// Calls the command line of a binary with these jobs, away from any terminal.
pub fn call(jobs: &[&'static JobEntry], args: &[&str]) -> Called {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console =
        Console { out: &mut out, err: &mut err, out_is_terminal: false, err_is_terminal: false, colours: true };
    let args = std::iter::once("binary").chain(args.iter().copied()).map(Into::into);
    let code = cli::run_with(jobs, args, &mut console);
    let text = |bytes| String::from_utf8(bytes).expect("the command line writes UTF-8");
    Called { code, out: text(out), err: text(err) }
}

/// Where a job is said to stand.
pub const HERE: Location = Location { file: "jobs.rs", line: 7, column: 1 };
