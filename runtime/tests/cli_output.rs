//! What the command line writes: help, completions, JSON, logs, colours; and that a closed pipe is no accident.
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "support/console.rs"]
mod console;
mod support;

use std::{
    io::{self, Write},
    sync::atomic::AtomicU64,
};

use clap::Args;
use console::{Called, HERE, call, call_in};
use millstream_core::time::Timestamp;
use millstream_runtime::{
    cli::{self, Console, Screen, World},
    failure::Location,
    operator::{OpenContext, Operator, Push},
    registry::{JobEntry, augment, augment_none, build_with, build_without},
    stream::{Job, Stream},
};
use serde_json::Value;
use support::{Count, Numbers};

static COUNTED: AtomicU64 = AtomicU64::new(0);

#[derive(Args)]
struct CountArgs {
    /// Where to stop.
    #[arg(long, short)]
    below: u64,
    /// A number to fail at.
    #[arg(long)]
    fail_at: Option<u64>,
}

fn count(job: &mut Job, args: CountArgs) {
    job.source(Numbers(Some(args.below))).sink(Count { records: &COUNTED, fail_at: args.fail_at });
}

/// Rejects odd numbers.
#[derive(Clone)]
struct Even;

impl Operator<u64> for Even {
    type Out = u64;
    type Error = &'static str;
    const KIND: &'static str = "even";

    fn open(&mut self, _: &OpenContext<'_>) -> Result<(), millstream_runtime::failure::Failure> {
        tracing::info!("an operator of the user's is opened");
        Ok(())
    }

    fn location(&self) -> Option<Location> {
        None
    }

    fn process<N: Push<u64>>(&mut self, record: u64, at: Timestamp, out: &mut N) -> Result<(), &'static str> {
        assert!(record < 1_000, "too large");
        if record % 2 == 1 {
            return Err("odd");
        }
        out.push(record, at);
        Ok(())
    }
}

fn even(job: &mut Job) {
    job.source(Numbers(Some(10))).then(|| Even).skip_errors().sink(Count { records: &COUNTED, fail_at: None });
}

fn panics(job: &mut Job) {
    job.source(Numbers(Some(2_000))).then(|| Even).skip_errors().sink(Count { records: &COUNTED, fail_at: None });
}

fn spread(job: &mut Job) {
    job.source(Numbers(Some(1))).rebalance().sink(Count { records: &COUNTED, fail_at: None });
}

fn unfinished(job: &mut Job) {
    let _forgotten = job.source(Numbers(Some(1))).map(|n| n + 1);
}

macro_rules! job {
    ($static:ident, $name:ident, $doc:literal) => {
        static $static: JobEntry = JobEntry {
            name: stringify!($name),
            doc: $doc,
            location: HERE,
            augment: augment_none,
            build: |_, options| build_without(stringify!($name), HERE, $name, options),
        };
    };
}

static COUNT: JobEntry = JobEntry {
    name: "count",
    doc: "Counts numbers.\n\nOne after the other.",
    location: HERE,
    augment: augment::<CountArgs>,
    build: |matches, options| build_with("count", HERE, count, matches, options),
};
job!(EVEN, even, "Leaves the odd ones out.");
job!(PANICS, panics, "");
job!(SPREAD, spread, "");
job!(UNFINISHED, unfinished, "");

const JOBS: &[&JobEntry] = &[&COUNT, &EVEN, &PANICS, &UNFINISHED];

fn world(variables: &[(&str, &str)]) -> World {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    World { variables, ..World::default() }
}

#[track_caller]
fn json(called: &Called) -> Value {
    serde_json::from_str(&called.out).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", called.out, called.err))
}

const SETTINGS: &str = "\
Settings:
      --parallelism <N>             How many subtasks a chain has unless it says otherwise [default: the number of processors, at most 128]
      --max-parallelism <N>         How many key groups there are: the bound of the parallelism, for ever [default: 128]
      --buffer-timeout <TIME>       How long a record may wait in a buffer that is not full [default: 10ms]
      --watermark-interval <TIME>   How often watermarks are made [default: 200ms]
      --checkpoint-dir <LOCATION>   Where checkpoints are kept, a directory or the URL of an object store, none for nowhere; a job goes on from the last one there [default: none]
      --checkpoint-interval <TIME>  The time from the start of one checkpoint to that of the next [default: 10s]
  -D <KEY=VALUE>                    Set any of the settings; `config` lists them
      --config <FILE>               Read settings from a TOML file [default: millstream.toml, if there is one]
      --fresh                       Start anew, though there is a checkpoint to go on from
      --from <SAVEPOINT>            Begin with a savepoint, or with checkpoints that no job uses any more; once the job has made checkpoints of its own it goes on from those
      --allow-dropped-state         Begin though the savepoint has state that the job has no place for
      --rewind                      Take back what the job has put out since the savepoint was made, where its sinks can

Output:
      --quiet                Show neither progress nor a summary
      --json                 Report the end as one line of JSON, the last on standard output
      --log <FILTER>         What is logged: off, error, warn, info, debug, trace, or a filter as `millstream=debug` [default: warn]
      --log-format <FORMAT>  How it is logged: text or json, one line an event [default: text]
      --output <FORMAT>      How it is put out: text, or json for the same as --json [default: text]
";

const ENVIRONMENT: &str = "\
Environment:
  MILLSTREAM_<KEY>       A setting, as MILLSTREAM_BUFFER_TIMEOUT=5ms
  MILLSTREAM_CONFIG      The file of settings, unless --config says so
  MILLSTREAM_LOG         What is logged, unless --log says so
  MILLSTREAM_LOG_FORMAT  How, unless --log-format says so
  NO_COLOR               No colours, if it is not empty
  CLICOLOR_FORCE         Colours also where there is no terminal, if it is not 0
";

#[test]
fn the_help_of_a_job_among_several() {
    let help = call(JOBS, &["run", "count", "-h"]);
    let wanted = format!(
        "\
Counts numbers.

Usage: binary run count [OPTIONS] --below <BELOW>

Options:
  -h, --help  Print help (see more with '--help')

Job options:
  -b, --below <BELOW>      Where to stop
      --fail-at <FAIL_AT>  A number to fail at

{SETTINGS}
Examples:
  binary run count --below <BELOW>
  binary run count --below <BELOW> --parallelism 4 -D memory=512MiB
  binary run count --below <BELOW> --json | tail -n 1

{ENVIRONMENT}"
    );
    assert_eq!((help.code, help.out), (0, wanted));
}

#[test]
fn the_help_of_an_only_job() {
    let help = call(&[&COUNT], &["run", "-h"]);
    let wanted = format!(
        "\
Run a job to its end, or until Ctrl-C

Usage: binary run [OPTIONS] --below <BELOW>
       binary run <JOB>

Jobs:
  count  Counts numbers.

Options:
  -h, --help  Print help

Job options:
  -b, --below <BELOW>      Where to stop
      --fail-at <FAIL_AT>  A number to fail at

{SETTINGS}
The only job is `count`: Counts numbers.

Examples:
  binary run --below <BELOW>
  binary run --below <BELOW> --parallelism 4 -D memory=512MiB
  binary run --below <BELOW> --json | tail -n 1

{ENVIRONMENT}"
    );
    assert_eq!((help.code, help.out), (0, wanted));
}

#[test]
fn the_help_of_the_whole() {
    let help = call(JOBS, &["--help"]);
    let wanted = "\
Runs and shows the Millstream jobs of this binary.

Usage: binary <COMMAND>

Commands:
  run          Run a job to its end, or until Ctrl-C
  plan         Show what a job will run, without running it
  jobs         List the jobs of this binary
  config       Show the settings, where each comes from, and what they are for
  jobmanager   Lead a cluster: take jobs, and have TaskManagers run them
  taskmanager  Run tasks for a cluster
  certs        Make a CA and certificates, to try a cluster with TLS
  schema       Keep the types of state in a lock file, so that no change of them goes unnoticed
  status       Show how a running job is: its restarts and checkpoints
  checkpoint   Let a running job make a checkpoint now, and wait for it; or inspect those there are
  savepoint    Let a running job make a savepoint, which a job begins with by --from; or look at one, or remove it
  stop         Stop a running job with a checkpoint; started again, it goes on from there
  set          Give a running job other settings, for as long as it runs
  submit       Run a job on a cluster, and follow it to its end
  list         List the jobs of a cluster
  info         Show a job of a cluster: its vertices, checkpoints and failures; or the cluster itself
  cancel       End a job of a cluster at once: nothing more is committed
  rescale      Give a job of a cluster, or some of its operators, another parallelism
  completions  Write a completion script for a shell

Options:
  -h, --help     Print help
  -V, --version  Print version

Examples:
  binary run count --below <BELOW>
  binary plan count --below <BELOW> --mermaid
  binary run count --help
";
    assert_eq!((help.code, help.out.as_str()), (0, wanted));
}

#[test]
fn completions_know_jobs_and_their_arguments() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let called = call(JOBS, &["completions", shell]);
        assert_eq!((called.code, called.err.as_str()), (0, ""));
        for word in ["count", "unfinished", "fail-at", "watermark-interval", "completions", "binary"] {
            assert!(called.out.contains(word), "{shell}: `{word}` is missing");
        }
    }
    let called = call(JOBS, &["completions", "csh"]);
    assert!(called.code == 2 && called.err.contains("bash, elvish, fish, powershell, zsh"), "{}", called.err);
}

#[test]
fn a_run_is_reported_on_the_last_line() {
    let called = call(JOBS, &["run", "count", "--below", "1000", "--json", "--parallelism", "2"]);
    assert_eq!((called.code, called.err.as_str(), called.out.lines().count()), (0, "", 1));
    let report = json(&called);
    assert_eq!([&report["job"], &report["ending"]], ["count", "done"]);
    assert_eq!((report["records_read"].as_u64(), &report["failure"]), (Some(1_000), &Value::Null));
    assert!(report["elapsed_ms"].is_u64() && report["input_bytes"].is_null());
    let chain = &report["chains"][0];
    assert_eq!((&chain["name"], &chain["source"]), (&"source numbers -> sink count".into(), &true.into()));
    assert_eq!(
        (&chain["subtasks"], &chain["records_in"], &chain["records_out"]),
        (&2.into(), &1_000.into(), &1_000.into())
    );
    for field in ["bytes_in", "bytes_out", "busy_ns", "idle_ns", "backpressured_ns"] {
        assert!(chain[field].is_u64(), "{field}");
    }
}

#[test]
fn a_failure_is_reported_with_its_operator_and_place() {
    let called = call(JOBS, &["run", "count", "--below", "9", "--fail-at", "7", "--json"]);
    assert_eq!(called.code, 1);
    let report = json(&called);
    let failure = &report["failure"];
    assert_eq!([&report["ending"], &failure["message"]], ["failed", "7 is not wanted"]);
    assert_eq!([&failure["operator"], &failure["file"]], ["sink count", "runtime/tests/cli_output.rs"]);
    assert!(failure["line"].is_u64() && failure["column"].is_u64() && failure["hint"].is_null());
    assert!(called.err.starts_with("error: job `count` failed: operator `sink count` ("), "{}", called.err);
    assert_eq!(called.err.lines().count(), 1);
}

#[test]
fn a_job_that_was_not_started_is_reported_too() {
    let called = call(JOBS, &["run", "unfinished", "--json"]);
    assert_eq!(called.code, 2);
    let report = json(&called);
    assert_eq!([&report["job"], &report["ending"]], ["unfinished", "not started"]);
    assert!(report["mistakes"][0].as_str().is_some_and(|mistake| mistake.contains("reaches no sink")));
}

#[test]
fn what_operators_count_is_in_the_report() {
    let report = json(&call(JOBS, &["run", "even", "--json", "--log", "off"]));
    let counter = &report["counters"][0];
    assert_eq!([&counter["operator"], &counter["name"]], ["even", "records_skipped"]);
    assert_eq!(counter["value"], 5);
}

#[derive(clap::Args)]
struct Output {
    #[arg(long)]
    output: String,
}

static WRITES: JobEntry = JobEntry {
    name: "writes",
    doc: "",
    location: HERE,
    augment: augment::<Output>,
    build: |matches, options| {
        let output = |job: &mut Job, output: Output| {
            assert_eq!(output.output, "json");
            even(job);
        };
        build_with("writes", HERE, output, matches, options)
    },
};

#[test]
fn output_says_json_unless_the_job_has_an_argument_of_that_name() {
    assert_eq!(json(&call(JOBS, &["run", "even", "--output", "json", "--log", "off"]))["ending"], "done");
    assert!(call(JOBS, &["run", "even", "--output", "text", "--quiet", "--log", "off"]).out.is_empty());
    assert!(call(&[&WRITES], &["--output", "json", "--quiet", "--log", "off"]).out.is_empty());
    assert_eq!(json(&call(&[&WRITES], &["--output", "json", "--json", "--log", "off"]))["ending"], "done");
}

#[test]
fn plans_and_jobs_are_json_too() {
    let plan = json(&call(JOBS, &["plan", "count", "--below", "1", "--parallelism", "3", "--json"]));
    assert_eq!([&plan["job"], &plan["guarantee"], &plan["settings"]["parallelism"]], ["count", "best effort", "3"]);
    let vertex = &plan["vertices"][0];
    assert_eq!((&vertex["name"], &vertex["subtasks"]), (&"source numbers -> sink count".into(), &3.into()));
    assert_eq!((&vertex["bounded"], vertex["operators"].as_array().map(Vec::len)), (&true.into(), Some(2)));
    assert_eq!(vertex["operators"][1]["file"], "runtime/tests/cli_output.rs");
    assert_eq!(plan["edges"].as_array().map(Vec::len), Some(0));

    let jobs = json(&call(JOBS, &["jobs", "--json"]));
    assert_eq!(json(&call(JOBS, &["jobs", "--output", "json"])), jobs);
    let names: Vec<_> = jobs.as_array().into_iter().flatten().map(|job| &job["name"]).collect();
    assert_eq!(names, ["count", "even", "panics", "unfinished"]);
    let below = &jobs[0]["arguments"][0];
    assert_eq!([&below["name"], &below["long"], &below["short"], &below["value"]], ["below", "below", "b", "BELOW"]);
    assert_eq!((&below["required"], &below["help"]), (&true.into(), &"Where to stop".into()));
    assert_eq!((&jobs[0]["file"], &jobs[0]["line"]), (&"jobs.rs".into(), &7.into()));
}

#[test]
fn logs_in_json_have_job_operator_and_subtask() {
    let called = call(JOBS, &["run", "even", "--json", "--log", "debug", "--log-format", "json", "--parallelism", "1"]);
    assert_eq!(called.code, 0, "{}", called.err);
    let events: Vec<Value> = called
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let find = |message: &str| {
        let event = events.iter().find(|event| event["message"] == message);
        event.unwrap_or_else(|| panic!("`{message}` is missing:\n{}", called.err))
    };
    for message in ["job starts", "job has ended"] {
        assert_eq!((&find(message)["job"], &find(message)["level"]), (&"even".into(), &"INFO".into()));
    }
    assert_eq!(find("tasks are deployed")["tasks"], 1);
    let skipped = find("records were skipped");
    assert_eq!([&skipped["level"], &skipped["operator"]], ["WARN", "even"]);
    assert_eq!(skipped["records"], 5);
    assert_eq!(find("sink has committed")["operator"], "sink count");
    let tasks: Vec<_> = events.iter().filter(|event| event["message"] == "task has ended").collect();
    let subtask = tasks.iter().find(|event| event["span"]["subtask"] == 0).expect("the subtask says that it has ended");
    assert_eq!(
        [&subtask["span"]["job"], &subtask["span"]["operator"]],
        ["even", "source numbers -> even -> sink count"]
    );
    find("an operator of the user's is opened");
}

#[test]
fn only_warnings_are_logged_unless_more_is_asked_for() {
    let quiet = |variables: &[(&str, &str)], args: &[&str]| {
        call_in(world(variables), JOBS, &[&["run", "even", "--quiet"], args].concat())
    };
    let warned = quiet(&[], &[]).err;
    assert!(warned.lines().count() == 1 && warned.contains("WARN"), "{warned}");
    assert!(warned.ends_with("records were skipped job=\"even\" operator=\"even\" records=5\n"), "{warned}");
    assert_eq!(quiet(&[], &["--log", "off"]).err, "");
    assert_eq!(quiet(&[("MILLSTREAM_LOG", "error")], &[]).err, "");
    assert!(quiet(&[("MILLSTREAM_LOG", "error")], &["--log", "info"]).err.contains("job starts"));
    let format = [("MILLSTREAM_LOG_FORMAT", "json")];
    assert!(serde_json::from_str::<Value>(&quiet(&format, &[]).err).is_ok());
    for (variables, args, message) in [
        (
            &[][..],
            &["--log", "wran"][..],
            "invalid value 'wran' for '--log <FILTER>': `wran` is not a level; off, error,",
        ),
        (&[("MILLSTREAM_LOG", "a=b")], &[], "invalid value 'a=b' for the environment variable 'MILLSTREAM_LOG': "),
        (
            &[("MILLSTREAM_LOG_FORMAT", "xml")],
            &[],
            "invalid value 'xml' for the environment variable 'MILLSTREAM_LOG_FORMAT': ",
        ),
    ] {
        let called = quiet(variables, args);
        assert!(called.code == 2 && called.err.starts_with(&format!("error: {message}")), "{}", called.err);
    }
}

#[test]
fn a_panic_in_user_code_is_told_once() {
    let called = call(JOBS, &["run", "panics", "--parallelism", "1", "--log", "off", "--json"]);
    assert_eq!(called.code, 1);
    assert_eq!(called.err.matches("too large").count(), 1, "{}", called.err);
    assert!(called.err.starts_with("error: job `panics` failed: operator `even` ("), "{}", called.err);
    assert!(called.err.contains("): panicked at runtime/tests/cli_output.rs:"), "{}", called.err);
}

#[test]
fn a_hint_stands_on_a_line_of_its_own() {
    let called = call(&[&SPREAD], &["run", "-D", "memory=1KiB", "--parallelism", "2"]);
    assert_eq!(called.code, 1);
    let lines: Vec<_> = called.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", called.err);
    assert!(lines[0].starts_with("error: job `spread` failed: the job has 4 channels"), "{}", called.err);
    assert_eq!(lines[1], "hint: raise the setting `memory`, as by `-D memory=1GiB`, or lower the parallelism");
}

#[test]
fn colours_are_for_those_who_want_them() {
    let coloured = |variables: &[(&str, &str)], terminal: bool| {
        let world = World { err_is_terminal: terminal, out_is_terminal: terminal, ..world(variables) };
        let failed = call_in(world.clone(), JOBS, &["run", "count", "--below", "9", "--fail-at", "7"]);
        let wrong = call_in(world.clone(), JOBS, &["run", "count"]);
        let help = call_in(world, JOBS, &["run", "--help"]);
        let styled = [failed.err.contains("\x1b[1"), wrong.err.contains("\x1b["), help.out.contains("\x1b[")];
        assert!(styled.iter().all(|one| *one == styled[0]), "{styled:?}: {}", failed.err);
        styled[0]
    };
    assert!(coloured(&[], true) && !coloured(&[], false));
    assert!(coloured(&[("CLICOLOR_FORCE", "1")], false));
    assert!(!coloured(&[("NO_COLOR", "1")], true) && !coloured(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
}

#[test]
fn a_closed_pipe_is_no_accident() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    for args in [["jobs"].as_slice(), &["--help"], &["config"], &["completions", "zsh"], &["run", "even", "--json"]] {
        let mut console = Console { out: &mut Closed, err: Screen::new(Closed), world: World::default() };
        let args = std::iter::once("binary").chain(args.iter().copied()).map(Into::into);
        assert_eq!(cli::run_with(JOBS, args, &mut console), 0);
    }
}
