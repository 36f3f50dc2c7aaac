//! `cargo xtask ci` runs what CI runs. The desk and CI share this one program, so nothing is found only after a push.
#![allow(
    clippy::disallowed_methods,
    reason = "a build tool stands outside of the engine: it starts programs, reads files and times them"
)]

mod compare;
mod examples;
mod paths;
mod readme;
mod rules;
mod s3_server;
mod step;

use std::process::ExitCode;

use step::{Failed, cargo, step};

/// Read by the seeded suites: `full` makes them long.
const BUDGET: &str = "MILLSTREAM_TEST_BUDGET";
/// Read by the test runner: how many tests of a program run at a time.
const TEST_THREADS: &str = "RUST_TEST_THREADS";
/// Address sanitizer's runtime exists for this target; naming it also keeps build scripts and proc-macros out of the instrumentation.
const SANITIZER_TARGET: &str = "x86_64-unknown-linux-gnu";

const USAGE: &str = "\
usage: cargo xtask <command>

  ci        what CI runs: house rules, format, clippy, tests, docs, examples, benches compiled
  full      ci with long seeded suites, and the sanitizer
  rules     the house rules alone
  examples  the examples on their sample data, output compared
  kill      the tests that kill processes with SIGKILL, and cut clusters apart (part of ci); with --full many more kills (part of full)
  s3-server installs the S3 server that tests of object stores need, into the target directory (part of ci)
  asan      the buffer fuzz suite under address sanitizer (needs a nightly toolchain)
";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["ci"] => ci(Budget::Short),
        ["full"] => ci(Budget::Full).and_then(|()| asan(Budget::Full)),
        ["rules"] => step("house rules", rules::check),
        ["examples"] => examples::run_all(),
        ["kill"] => kill(Budget::Short),
        ["kill", "--full"] => kill(Budget::Full),
        ["s3-server"] => s3_server(),
        ["asan"] => asan(Budget::Short),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("\n== FAILED: {failed}");
            ExitCode::FAILURE
        }
    }
}

/// How much the seeded suites try.
#[derive(Clone, Copy)]
enum Budget {
    Short,
    Full,
}

impl Budget {
    /// The arguments of cargo for tests: what runs long is optimised.
    fn tests(self, arguments: &str) -> String {
        match self {
            Self::Short => arguments.to_owned(),
            Self::Full => format!("{arguments} --profile long"),
        }
    }

    fn variables(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Short => &[],
            Self::Full => &[(BUDGET, "full")],
        }
    }
}

fn ci(budget: Budget) -> Result<(), Failed> {
    step("house rules", rules::check)?;
    step("format", || cargo("fmt --all --check", &[]))?;
    // With all object stores: nothing else builds two of them.
    let linted = "clippy --workspace --all-targets --features millstream-state/gcs,millstream-state/azure --locked -- -D warnings";
    step("clippy", || cargo(linted, &[]))?;
    step("the README names the test command", readme::check)?;
    s3_server()?;
    let threads = test_threads();
    let variables: Vec<_> = budget.variables().iter().copied().chain([(TEST_THREADS, &*threads)]).collect();
    step("tests", || cargo(&budget.tests(readme::TEST_ARGUMENTS), &variables))?;
    let documented = "doc --workspace --no-deps --locked --features millstream/time-zones";
    step("documentation", || cargo(documented, &[("RUSTDOCFLAGS", "-D warnings")]))?;
    examples::run_all()?;
    // Built, not only checked: what a job promises is checked when its code is made. As tests are, since optimising them takes ten minutes.
    // And for the whole workspace: by themselves they have other features, and then everything is built again.
    step("benches compile", || cargo("build --workspace --benches --locked", &[]))
}

/// Tests that run processes wait for most of their time, so there may be more of them than processors.
fn test_threads() -> String {
    (2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)).to_string()
}

fn s3_server() -> Result<(), Failed> {
    step("an S3 server for tests", s3_server::install)
}

fn kill(budget: Budget) -> Result<(), Failed> {
    s3_server()?;
    step("processes that are killed", || cargo(&budget.tests("test --locked -p millstream-kill"), budget.variables()))
}

fn asan(budget: Budget) -> Result<(), Failed> {
    step("buffer fuzz under address sanitizer", || {
        if !step::succeeds("rustup", &["run", "nightly", "rustc", "--version"]) {
            return Err(Failed::new(
                "the address sanitizer needs a nightly toolchain: install it with `rustup toolchain install nightly --profile minimal`",
            ));
        }
        let arguments =
            ["run", "nightly", "cargo", "test", "--locked", "-p", "millstream-core", "--test", "buffer_fuzz"];
        let mut variables = vec![("RUSTFLAGS", "-Zsanitizer=address")];
        variables.extend(budget.variables());
        step::run("rustup", arguments.into_iter().chain(["--target", SANITIZER_TARGET]), &variables)
    })
}
