//! The commands on a cluster, against a leader that answers from a script.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use futures::stream;
use serde_json::{Value, json};

use super::{super::command::reserved, follow::follow};
use crate::{
    cli::{Console, EXIT_DONE, EXIT_FAILED, EXIT_USAGE, Screen, World, run_with, tool_with},
    env::TokioEnv,
    failure::Location,
    registry::{JobEntry, augment, augment_none, build_with, build_without},
    rest::{
        dispatcher::{Refusal, Refused},
        tests::{
            Served,
            fake::{BROKEN, FLIGHTS, Fake, OLD_FLIGHTS, OTHER_TWIN, SUBMITTED, TWIN},
        },
        views::JobState,
    },
    stream::{BestEffort, Job},
};

const HERE: Location = Location { file: "jobs.rs", line: 7, column: 1 };

#[derive(Args)]
struct Below {
    /// The bound.
    #[arg(long)]
    below: u64,
}

fn flights(_: &mut Job<BestEffort>, _: Below) {}
fn other(_: &mut Job<BestEffort>) {}

static FLIGHTS_JOB: JobEntry = JobEntry {
    name: "flights",
    doc: "Departures.",
    location: HERE,
    augment: augment::<Below>,
    build: |matches, options| build_with("flights", HERE, flights, matches, options),
};

static OTHER_JOB: JobEntry = JobEntry {
    name: "other",
    doc: "",
    location: HERE,
    augment: augment_none,
    build: |_, options| build_without("other", HERE, other, options),
};

/// Away from any terminal, where the cluster is this.
fn world(served: &Served) -> World {
    World { variables: [("MILLSTREAM_CLUSTER".to_owned(), served.url())].into(), ..World::default() }
}

#[derive(Clone, Default)]
struct Caught(Arc<Mutex<Vec<u8>>>);

impl Caught {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("it is text")
    }
}

impl Write for Caught {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The exit code, standard output and standard error.
type Called = (u8, String, String);

fn with_console(world: World, call: impl FnOnce(&mut Console<'_>) -> u8) -> Called {
    let (mut out, err) = (Vec::new(), Caught::default());
    let code = call(&mut Console { out: &mut out, err: Screen::new(err.clone()), world });
    (code, String::from_utf8(out).expect("it is text"), err.text())
}

fn words<'a>(args: &'a [&'a str]) -> impl Iterator<Item = std::ffi::OsString> + 'a {
    std::iter::once("binary").chain(args.iter().copied()).map(Into::into)
}

fn call_in(world: World, args: &[&str]) -> Called {
    with_console(world, |console| run_with(&[&FLIGHTS_JOB, &OTHER_JOB], words(args), console))
}

fn call(served: &Served, args: &[&str]) -> Called {
    call_in(world(served), args)
}

fn tool(served: &Served, args: &[&str]) -> Called {
    with_console(world(served), |console| tool_with("Good day.\n", words(args), console))
}

#[track_caller]
fn done(called: &Called, out: &str) {
    assert_eq!((called.0, called.1.as_str(), called.2.as_str()), (EXIT_DONE, out, ""));
}

#[track_caller]
fn failed(called: &Called, code: u8, says: &str) {
    assert_eq!((called.0, called.1.as_str()), (code, ""), "{}", called.2);
    assert!(called.2.starts_with("error: ") && called.2.contains(says), "{}", called.2);
}

#[track_caller]
fn json_of(called: &Called) -> Value {
    serde_json::from_str(&called.1).unwrap_or_else(|error| panic!("{error}:\n{}\n{}", called.1, called.2))
}

fn set_course(served: &Served, course: &[JobState]) {
    *served.fake.course.lock().unwrap_or_else(PoisonError::into_inner) = course.to_vec();
}

#[test]
fn jobs_are_listed() {
    let served = Served::new(Fake::default(), None);
    let list = format!(
        "\
id                                name           for  restarts  running  state
{OLD_FLIGHTS}  flights  4 min 5 s         1   0 of 3  finished
{FLIGHTS}  flights  4 min 5 s         1   3 of 3  running
{TWIN}  twins    4 min 5 s         1   3 of 3  running
{OTHER_TWIN}  twins    4 min 5 s         1   0 of 3  waiting for slots
{BROKEN}  broken   4 min 5 s         1   0 of 3  failed
"
    );
    done(&call(&served, &["list"]), &list);
    done(&tool(&served, &["list", "--cluster", &served.url()]), &list);
    let colours = World { out_is_terminal: true, ..world(&served) };
    assert!(call_in(colours, &["list"]).1.contains("  \x1b[31mfailed\x1b[0m\n"));
    assert_eq!(json_of(&call(&served, &["list", "--json"]))["jobs"][4]["state"], "failed");
}

#[test]
fn a_job_is_shown() {
    let served = Served::new(Fake::default(), None);
    done(
        &call(&served, &["info", "flights"]),
        &format!(
            "\
job `flights` is running, for 4 min 5 s, 1 restart
id: {FLIGHTS}
restored from checkpoint 6

vertex         running  records in  records out  bytes in  bytes out  busy  back-pressured
source -> map   2 of 2   1,234,567           12   98.8 MB    1.00 kB   75%              0%
sink            1 of 1           -            -         -          -     -               -

checkpoints: 7 completed, 1 failed; the last is 7 (120 ms, 1.23 MB)
checkpoint 8 failed: disk full
failures: 20
- operator `map`, subtask 1: a number is expected, not `x`
  hint: mend line 3 of the file
"
        ),
    );
    let waiting = tool(&served, &["info", &OTHER_TWIN.to_string()]).1;
    assert!(
        waiting.contains(" is waiting for slots, ") && waiting.contains("\n3 slots are wanted, the cluster has 2\n"),
        "{waiting}"
    );
    let shown = json_of(&call(&served, &["info", "f1a9", "--output", "json"]));
    assert_eq!(
        (&shown["name"], &shown["checkpoints"]["completed"], &shown["exceptions"]["count"]),
        (&"flights".into(), &7.into(), &20.into())
    );
    failed(&call(&served, &["info", "nobody"]), EXIT_FAILED, "there is no job `nobody`\nhint: `list` shows");
}

#[test]
fn jobs_are_steered() {
    let served = Served::new(Fake::default(), None);
    done(&call(&served, &["checkpoint", "flights"]), "checkpoint 8 is complete\n");
    done(&tool(&served, &["stop", "flights"]), &format!("job {FLIGHTS} has stopped with checkpoint 9\n"));
    let cancelled = format!("job {FLIGHTS} is being cancelled: nothing more is committed\n");
    done(&call(&served, &["cancel", "flights"]), &cancelled);
    let rescaled = format!("job {FLIGHTS} has been rescaled\n");
    done(&call(&served, &["rescale", "flights", "--parallelism", "4"]), &rescaled);
    done(&call(&served, &["rescale", "flights", "map=2,a=b=3", "sink=1"]), &rescaled);
    let made = call(&served, &["stop", "flights", "--json"]);
    assert_eq!(json_of(&made), json!({ "job": FLIGHTS.to_string(), "checkpoint": 9 }));
    assert_eq!(
        served.fake.told(),
        [
            format!("checkpoint {FLIGHTS}"),
            format!("stop {FLIGHTS}"),
            format!("cancel {FLIGHTS}"),
            format!("rescale {FLIGHTS} Some(4) {{}}"),
            format!("rescale {FLIGHTS} None {{\"a=b\": 3, \"map\": 2, \"sink\": 1}}"),
            format!("stop {FLIGHTS}"),
        ]
    );
    failed(&call(&served, &["cancel", "twins"]), EXIT_FAILED, &format!("\n  {OTHER_TWIN} twins (waiting for slots)"));
    failed(&call(&served, &["cancel", &BROKEN.to_string()]), EXIT_FAILED, "has ended already");
}

#[test]
fn savepoints_are_made() {
    let served = Served::new(Fake::default(), None);
    let there = |to: &str| format!("{to}/savepoint-flights-1");
    let made = call(&served, &["savepoint", "flights", "--to", "/kept"]);
    done(&made, &format!("the savepoint of checkpoint 9 is in {}\n", there("/kept")));
    let stopped = tool(&served, &["stop", "flights", "--savepoint", "--to", "s3://bucket/kept", "--json"]);
    let place = there("s3://bucket/kept");
    assert_eq!(json_of(&stopped), json!({ "job": FLIGHTS.to_string(), "checkpoint": 9, "savepoint": place }));
    let drained = call(&served, &["stop", "flights", "--savepoint", "--drain"]);
    done(&drained, "the job has come to its end; its savepoint of checkpoint 9 is in /savepoint-flights-1\n");
    // A directory is named from here, and the leader may be elsewhere.
    call(&served, &["savepoint", "flights", "--to", "kept"]);
    let here = std::env::current_dir().expect("there is one").join("kept");
    assert_eq!(
        served.fake.told(),
        [
            format!("savepoint {FLIGHTS} /kept GoOn"),
            format!("savepoint {FLIGHTS} s3://bucket/kept Stop"),
            format!("savepoint {FLIGHTS}  Drain"),
            format!("savepoint {FLIGHTS} {} GoOn", here.display()),
        ]
    );
    failed(&call(&served, &["stop", "flights", "--drain"]), EXIT_USAGE, "--savepoint");
    failed(
        &call(&served, &["savepoint", "flights", "--to", "ftp://host"]),
        EXIT_USAGE,
        "this kind of URL is not known",
    );
    failed(&call(&served, &["savepoint", "inspect", "./missing"]), EXIT_FAILED, "missing");
}

#[test]
fn a_directory_is_no_job_of_a_cluster() {
    let served = Served::new(Fake::default(), None);
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let text = dir.path().to_str().expect("it is text");
    for verb in ["checkpoint", "stop"] {
        failed(&call(&served, &[verb, text]), EXIT_FAILED, "no job answers in `");
        failed(&call(&served, &[verb, "./missing"]), EXIT_FAILED, "no job answers in `./missing`");
        // The working directory has one of this name.
        failed(&call(&served, &[verb, "src"]), EXIT_FAILED, "no job answers in `src`");
        failed(&call(&served, &[verb, "missing"]), EXIT_FAILED, "there is no job `missing`");
    }
    assert_eq!(served.fake.told(), [""; 0]);
}

#[test]
fn a_job_is_submitted_as_it_would_be_run() {
    let served = Served::new(Fake::default(), None);
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    let settings = b"memory = \"1GiB\"\n[job.flights]\nbuffer-timeout = \"7ms\"\n";
    tempfile_in(dir.path(), "millstream.toml").write_all(settings).expect("the file takes it");
    let mut configured = world(&served);
    configured.directory = dir.path().to_owned();
    configured.variables.insert("MILLSTREAM_MEMORY".to_owned(), "2GiB".to_owned());
    let args = ["submit", "flights", "--parallelism", "3", "--detach", "--below", "5", "--job-name", "mine"];
    done(&call_in(configured, &args), &format!("{SUBMITTED}\n"));
    assert_eq!(
        served.fake.told(),
        [
            r#"submit {"job":"flights","args":["--below=5"],"settings":{"buffer-timeout":"7ms","memory":"2GiB","parallelism":"3"},"name":"mine"}"#
        ]
    );
    let submitted = call(&served, &["submit", "other", "--detach", "--json"]);
    assert_eq!(submitted.1, format!("{}\n", json!({ "job": SUBMITTED.to_string() })));
    // The arguments are checked here, though they could be there.
    failed(
        &call(&served, &["submit", "flights", "--below", "x"]),
        EXIT_USAGE,
        "invalid value 'x' for '--below <BELOW>'",
    );
    failed(&call(&served, &["submit", "flights"]), EXIT_USAGE, "--below <BELOW>");
    failed(&call(&served, &["submit", "flihgts"]), EXIT_USAGE, "there is no job `flihgts`; did you mean `flights`?");
    failed(&call(&served, &["submit"]), EXIT_USAGE, "there are several jobs: say which one");
    failed(&call(&served, &["submit", "other", "-D", "memory=much"]), EXIT_USAGE, "invalid value 'much'");
    assert_eq!(served.fake.told().len(), 2);
    // An only job need not be named.
    let args = ["submit", "--below", "1", "--detach"];
    let only = with_console(world(&served), |console| run_with(&[&FLIGHTS_JOB], words(&args), console));
    done(&only, &format!("{SUBMITTED}\n"));
}

#[allow(clippy::disallowed_methods, reason = "a test makes the file that the command line is to find")]
fn tempfile_in(dir: &std::path::Path, name: &str) -> std::fs::File {
    std::fs::File::create(dir.join(name)).expect("the directory takes it")
}

#[test]
fn a_binary_without_jobs_passes_words_on() {
    let served = Served::new(Fake::default(), None);
    done(&tool(&served, &["submit", "--detach", "any", "-x", "--detach", "--", "größe"]), &format!("{SUBMITTED}\n"));
    done(&tool(&served, &["submit", "--parallelism", "2", "--detach"]), &format!("{SUBMITTED}\n"));
    assert_eq!(
        served.fake.told(),
        [
            r#"submit {"job":"any","args":["-x","--detach","--","größe"],"settings":{},"name":null}"#,
            r#"submit {"job":null,"args":[],"settings":{"parallelism":"2"},"name":null}"#,
        ]
    );
    failed(&tool(&served, &["submit", "--detatch", "any"]), EXIT_USAGE, "unexpected argument '--detatch'");
}

#[test]
fn a_job_is_followed_to_its_end() {
    use JobState::{Cancelled, Cancelling, Created, Failed, Finished, Restarting, Running, Waiting};
    let served = Served::new(Fake::default(), None);
    set_course(&served, &[Created, Waiting, Running, Restarting, Running, Running, Finished]);
    let (code, out, err) = call(&served, &["submit", "other"]);
    assert_eq!((code, out.as_str()), (EXIT_DONE, ""));
    let line = |state: &str| format!("job `flights` ({SUBMITTED}) is {state}\n");
    let wanted = [
        line("created"),
        line("waiting for slots: 3 slots are wanted, the cluster has 2"),
        line("running"),
        line("restarting"),
        line("running"),
        format!("job `flights` ({SUBMITTED}) has finished after 4 min 5 s\n"),
    ];
    assert_eq!(err, wanted.concat());

    set_course(&served, &[Running, Failed]);
    let (code, out, err) = call(&served, &["submit", "other"]);
    assert_eq!((code, out.as_str()), (EXIT_FAILED, ""));
    let why = "error: job `flights` failed: operator `map`, subtask 1: a number is expected, not `x`\nhint: mend line 3 of the file\n";
    assert!(err.ends_with(why) && err.matches("a number is expected").count() == 1, "{err}");

    set_course(&served, &[Running, Cancelling, Cancelled]);
    let called = call(&served, &["submit", "other", "--json"]);
    assert!(
        called.0 == EXIT_FAILED && called.2.ends_with("was cancelled: nothing more is committed\n"),
        "{}",
        called.2
    );
    assert_eq!((called.1.lines().count(), &json_of(&called)["state"]), (1, &"cancelled".into()));

    set_course(&served, &[Running, Running, Finished]);
    let (code, _, err) = call_in(World { err_is_terminal: true, ..world(&served) }, &["submit", "other"]);
    let progress = "\nflights running  4 min 5 s  3 of 3 subtasks  1,234,567 records read  1 restart";
    assert!(code == EXIT_DONE && err.contains(progress), "{err:?}");
    assert!(err.ends_with(" has finished after 4 min 5 s\n"), "{err:?}");
}

#[test]
fn who_interrupts_leaves_the_job_alone() {
    let served = Served::new(Fake::default(), None);
    set_course(&served, &[JobState::Running]);
    let (code, _, err) = with_console(world(&served), |console| {
        served.ask(None, async |client| {
            let interrupts = stream::iter([()]);
            let (id, env) = (SUBMITTED.to_string(), TokioEnv::current());
            follow(&id, &client, &*env, interrupts, false, console).await.expect("the cluster answers")
        })
    });
    assert_eq!(code, EXIT_FAILED);
    assert!(err.contains(&format!("the job goes on; `cancel {SUBMITTED}` ends it")), "{err}");
    assert_eq!(served.fake.told(), [""; 0]);
}

#[test]
fn a_leader_that_is_gone_for_a_while_is_waited_for() {
    let served = Served::new(Fake::default(), None);
    set_course(&served, &[JobState::Running, JobState::Finished]);
    let refuse = |refused| *served.fake.refuses.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    refuse(Some(Refused::new(Refusal::Unavailable, "the leader is on its way")));
    let err = Caught::default();
    // It comes back when it was told that it is gone.
    let watched = err.clone();
    let fake = Arc::clone(&served.fake);
    let code = std::thread::scope(|scope| {
        #[allow(clippy::disallowed_methods, reason = "the test looks from the side while the call goes on")]
        scope.spawn(move || {
            while !watched.text().contains("asking again") {
                std::thread::yield_now();
            }
            *fake.refuses.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        let mut out = Vec::new();
        let console = &mut Console { out: &mut out, err: Screen::new(err.clone()), world: world(&served) };
        served.ask(None, async |client| {
            let id = SUBMITTED.to_string();
            follow(&id, &client, &*TokioEnv::current(), stream::pending(), false, console).await
        })
    });
    assert_eq!(code, Ok(EXIT_DONE));
    let told = err.text();
    assert!(
        told.starts_with("the leader is on its way\nasking again for 60 s at most\nthe cluster answers again\n"),
        "{told}"
    );
    refuse(Some(Refused::no_job(SUBMITTED)));
    let lost = with_console(world(&served), |console| {
        let followed = served.ask(None, async |client| {
            follow("5ab0", &client, &*TokioEnv::current(), stream::pending(), false, console).await
        });
        let message = followed.expect_err("the job is not known");
        console.error(&message);
        EXIT_FAILED
    });
    failed(&lost, EXIT_FAILED, "job 5ab0 cannot be followed any more: there is no job");
}

#[test]
fn the_token_comes_from_a_file_or_the_environment() {
    let served = Served::new(Fake::default(), Some("s3cret"));
    failed(&call(&served, &["list"]), EXIT_FAILED, "--token-file");
    let mut bearing = world(&served);
    bearing.variables.insert("MILLSTREAM_CLUSTER_TOKEN".to_owned(), "s3cret".to_owned());
    assert_eq!(call_in(bearing.clone(), &["list"]).0, EXIT_DONE);
    let dir = tempfile::tempdir().expect("there is a directory for temporary files");
    tempfile_in(dir.path(), "token").write_all(b"s3cret\n").expect("the file takes it");
    let path = dir.path().join("token");
    let path = path.to_str().expect("it is text");
    assert_eq!(tool(&served, &["list", "--token-file", path]).0, EXIT_DONE);
    failed(
        &call(&served, &["list", "--token-file", "/nowhere"]),
        EXIT_USAGE,
        "cannot read /nowhere, named by --token-file",
    );
    bearing.variables.insert("MILLSTREAM_CLUSTER_TOKEN".to_owned(), "not one".to_owned());
    let refused = call_in(bearing, &["list"]);
    failed(&refused, EXIT_USAGE, "MILLSTREAM_CLUSTER_TOKEN: a token is from 1 to");
    assert!(!refused.2.contains("not one"), "{}", refused.2);
}

#[test]
fn the_cluster_itself_is_shown() {
    let served = Served::new(Fake::default(), None);
    let (code, out, _) = call(&served, &["info"]);
    assert_eq!(code, EXIT_DONE);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..2], ["Millstream 0.1.0, led for 1 min 0 s (epoch 3)", "1 of 4 slots are free"]);
    assert!(lines[2..].iter().any(|line| line.ends_with("127.0.0.1:4711      1 of 4  250 ms ago")), "{out}");
    assert_eq!(json_of(&call(&served, &["info", "--json"]))["members"][0]["slots"], 4);
}

#[test]
fn wrong_usage_is_refused_before_the_cluster_is_asked() {
    let served = Served::new(Fake::default(), None);
    for (args, says) in [
        (["list", "--cluster", "nowhere"].as_slice(), "--cluster: `nowhere` is not the address of a cluster"),
        (&["cancel"], "<JOB>"),
        (&["rescale", "flights"], "--parallelism"),
        (&["rescale", "flights", "map"], "an operator and a number are expected, as in `rates=4`"),
        (&["rescale", "flights", "=2"], "an operator and a number are expected"),
        (&["rescale", "flights", "map=2,map=3"], "the operator `map` is named twice"),
        (&["rescale", "flights", "map=0"], "`map`: a parallelism from 1 to 32768 is expected, not 0"),
        (&["rescale", "flights", "map=1", "--parallelism", "2"], "cannot be used with"),
        (&["rescale", "flights", "--parallelism", "0"], "from 1 to 32768"),
        (&["stop", "flights", "--cluster", "a:0"], "a host and a port are expected"),
        (&["submit", "other", "--job-name", ""], "`name`: a text from 1 to 256 bytes"),
    ] {
        failed(&call(&served, args), EXIT_USAGE, says);
    }
    let variable =
        World { variables: [("MILLSTREAM_CLUSTER".to_owned(), "https:a".to_owned())].into(), ..World::default() };
    failed(&call_in(variable, &["list"]), EXIT_USAGE, "MILLSTREAM_CLUSTER: `https:a`");
    let unknown = call_in(World::default(), &["list", "--cluster", "https://a:1"]);
    failed(&unknown, EXIT_USAGE, "https://a:1 is asked by TLS: say by --tls-ca (or in");
    assert_eq!(served.fake.told(), [""; 0]);
}

#[test]
fn a_cluster_that_is_not_there_is_named() {
    let served = Served::new(Fake::default(), None);
    let (world, url) = (world(&served), served.url());
    drop(served);
    for args in [["list"].as_slice(), &["info", "flights"], &["stop", "flights"], &["submit", "other"]] {
        failed(&call_in(world.clone(), args), EXIT_FAILED, &format!("no cluster answers at {url}: "));
        failed(&call_in(world.clone(), args), EXIT_FAILED, "--cluster or MILLSTREAM_CLUSTER says where the cluster is");
    }
    failed(
        &call_in(world, &["stop", "flights"]),
        EXIT_FAILED,
        "`flights` is no directory here, so a cluster was asked",
    );
}

#[test]
fn no_job_may_have_an_option_of_submit() {
    let (long, _) = reserved();
    for name in ["cluster", "token-file", "tls-ca", "tls-key", "detach", "job-name"] {
        assert!(long.iter().any(|reserved| reserved == name), "{name}");
    }
}
