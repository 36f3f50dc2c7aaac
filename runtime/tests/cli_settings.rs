//! Settings from everywhere: which of them wins, what `config` says of it, and what is said of those that are wrong.
#![allow(missing_docs, unreachable_pub, clippy::disallowed_methods)]

#[path = "support/console.rs"]
mod console;
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use console::{Called, HERE, call, call_in};
use millstream_runtime::{
    cli::World,
    registry::{JobEntry, augment_none, build_without},
    settings::KEYS,
    stream::{Job, Stream},
};
use serde_json::Value;
use support::{Count, Numbers};
use tempfile::TempDir;

static COUNTED: AtomicU64 = AtomicU64::new(0);

fn plain(job: &mut Job) {
    job.source(Numbers(Some(3))).sink(Count { records: &COUNTED, fail_at: None });
}

/// Sets what it wants itself.
fn opinionated(job: &mut Job) {
    job.settings().set("buffer-timeout", "77ms").expect("it is allowed");
    job.settings().set("max-parallelism", "512").expect("it is allowed");
    plain(job);
}

macro_rules! job {
    ($static:ident, $name:ident) => {
        static $static: JobEntry = JobEntry {
            name: stringify!($name),
            doc: "",
            location: HERE,
            augment: augment_none,
            build: |_, options| build_without(stringify!($name), HERE, $name, options),
        };
    };
}

job!(PLAIN, plain);
job!(OPINIONATED, opinionated);

const JOBS: &[&JobEntry] = &[&PLAIN, &OPINIONATED];

/// A world with these variables, whose directory has a `millstream.toml` if there is text for one.
fn world(variables: &[(&str, &str)], file: Option<&str>) -> (World, TempDir) {
    let directory = tempfile::tempdir().expect("there is a directory for temporary files");
    if let Some(text) = file {
        fs::write(directory.path().join("millstream.toml"), text).expect("the directory is ours");
    }
    let variables: BTreeMap<_, _> = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    (World { variables, directory: directory.path().to_owned(), ..World::default() }, directory)
}

fn called(variables: &[(&str, &str)], file: Option<&str>, args: &[&str]) -> Called {
    let (world, directory) = world(variables, file);
    let mut called = call_in(world, JOBS, args);
    called.err = called.err.replace(&format!("{}/", directory.path().display()), "");
    called
}

/// The value of a setting, and where it came from, by `config --json`.
#[track_caller]
fn setting(called: &Called, key: &str) -> (String, String) {
    assert_eq!((called.code, called.err.as_str()), (0, ""));
    let config: Value = serde_json::from_str(&called.out).expect("the configuration is JSON");
    let settings = config.as_array().expect("it is a list");
    let setting = settings.iter().find(|setting| setting["key"] == key).expect("the key is listed");
    let text = |field: &str| setting[field].as_str().expect("it is text").to_owned();
    (text("value"), text("origin"))
}

#[track_caller]
fn refused(called: &Called, starts: &str) {
    assert_eq!((called.code, called.out.as_str()), (2, ""));
    assert!(called.err.starts_with(&format!("error: {starts}")), "{}", called.err);
}

#[test]
fn flags_beat_variables_beat_tables_of_a_job_beat_the_file_beat_the_job_beat_the_default() {
    let file = "buffer-timeout = \"1ms\"";
    let table = "buffer-timeout = \"1ms\"\n[job.opinionated]\nbuffer-timeout = \"2ms\"";
    let variable = [("MILLSTREAM_BUFFER_TIMEOUT", "3ms")];
    let ours = ["config", "opinionated", "--json"];
    let theirs = ["config", "plain", "--json"];
    let with = |args: &[&'static str], more: &[&'static str]| [args, more].concat();
    for (variables, file, args, value, origin) in [
        (&[][..], None, theirs.to_vec(), "10ms", "default"),
        (&[], None, ours.to_vec(), "77ms", "job"),
        (&[], Some(file), ours.to_vec(), "1ms", "file"),
        (&[], Some(table), ours.to_vec(), "2ms", "file"),
        (&[], Some(table), theirs.to_vec(), "1ms", "file"),
        (&variable, Some(table), ours.to_vec(), "3ms", "environment"),
        (&variable, Some(table), with(&ours, &["-D", "buffer-timeout=4ms"]), "4ms", "command line"),
        (&variable, Some(table), with(&ours, &["--buffer-timeout", "5ms"]), "5ms", "command line"),
        (&variable, None, with(&ours, &["-Dbuffer-timeout=4ms", "--buffer-timeout=5ms"]), "5ms", "command line"),
        (&variable, None, with(&ours, &["--buffer-timeout=5ms", "-Dbuffer-timeout=4ms"]), "4ms", "command line"),
        (&[], None, with(&ours, &["-Dbuffer-timeout=4ms", "-Dbuffer-timeout=6ms"]), "6ms", "command line"),
    ] {
        let wanted = (value.to_owned(), origin.to_owned());
        assert_eq!(
            setting(&called(variables, file, &args), "buffer-timeout"),
            wanted,
            "{variables:?} {file:?} {args:?}"
        );
    }
}

#[test]
fn what_is_given_reaches_the_job() {
    let plan = called(&[("MILLSTREAM_PARALLELISM", "3")], None, &["plan", "plain"]);
    assert_eq!(plan.out, "job plain (best effort)\n└─ source numbers -> sink count x3\n");
    let before = COUNTED.load(Ordering::Relaxed);
    let run = called(&[], Some("parallelism = 2"), &["run", "plain"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(COUNTED.load(Ordering::Relaxed) >= before + 3);
    assert!(run.err.contains("source numbers -> sink count         2 "), "{}", run.err);
}

#[test]
fn a_parallelism_is_checked_against_the_bound_that_the_job_has_in_the_end() {
    let plan = |job, parallelism| called(&[], None, &["plan", job, "-D", parallelism]);
    assert_eq!(plan("opinionated", "parallelism=500").code, 0);
    refused(&plan("plain", "parallelism=500"), "invalid value '500' for '-D parallelism': it is not from 1 to 128");
    refused(
        &plan("opinionated", "parallelism=513"),
        "invalid value '513' for '-D parallelism': it is not from 1 to 512",
    );
}

#[test]
fn files_are_found_by_flag_and_variable() {
    let (mut world, directory) = world(&[("MILLSTREAM_CONFIG", "a.toml")], Some("memory = \"3MiB\""));
    for (name, memory) in [("a.toml", "1MiB"), ("b.toml", "2MiB")] {
        fs::write(directory.path().join(name), format!("memory = \"{memory}\"")).expect("the directory is ours");
    }
    let memory = |world: &World, args: &[&str]| setting(&call_in(world.clone(), JOBS, args), "memory").0;
    assert_eq!(memory(&world, &["config", "--json", "--config", "b.toml"]), "2MiB");
    assert_eq!(memory(&world, &["config", "--json"]), "1MiB");
    world.variables.clear();
    assert_eq!(memory(&world, &["config", "--json"]), "3MiB");
    world.directory = directory.path().join("elsewhere");
    assert_eq!(memory(&world, &["config", "--json"]), "256MiB");
    let missing = call_in(world, JOBS, &["config", "--config", "c.toml"]);
    assert!(missing.code == 2 && missing.err.contains("c.toml, named by --config: "), "{}", missing.err);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let config = |args: &[&str]| called(&[], None, &[&["config"], args].concat());
    refused(&config(&["-D", "memory"]), "invalid value 'memory' for '-D <KEY=VALUE>': a key and a value are expected");
    refused(
        &config(&["-D", "memory=big"]),
        "invalid value 'big' for '-D memory': a size from 1KiB to 1TiB is expected",
    );
    refused(
        &config(&["-D", "memry=1"]),
        "there is no setting `memry`; did you mean `memory`?\nThe settings are: parallelism,",
    );
    refused(
        &called(&[("MILLSTREAM_MEMORY", "-1")], None, &["config"]),
        "invalid value '-1' for the environment variable 'MILLSTREAM_MEMORY': a size from 1KiB",
    );
    refused(
        &called(&[], Some("\nmemory = true"), &["run", "plain"]),
        "millstream.toml:2: invalid value for 'memory': a size from 1KiB",
    );
    refused(
        &called(&[], Some("[job.plain]\n\nmemory = \"0\""), &["plan", "opinionated"]),
        "invalid value '0' for 'memory' (millstream.toml:3): a size from 1KiB",
    );
}

#[test]
fn a_variable_that_is_nearly_a_setting_is_refused_and_others_are_left_alone() {
    refused(
        &called(&[("MILLSTREAM_BUFER_TIMEOUT", "1ms")], None, &["config"]),
        "the environment variable MILLSTREAM_BUFER_TIMEOUT: there is no setting `bufer-timeout`; did you mean `buffer-timeout`?",
    );
    let others = [("MILLSTREAM_HOME", "/"), ("MILLSTREAM_TEST_BUDGET", "full"), ("PARALLELISM", "many")];
    assert_eq!(called(&others, None, &["config"]).code, 0);
}

#[test]
fn config_is_a_table() {
    let file = "buffer-bytes = 2048\n[job.opinionated]\nmemory = \"1.5MiB\"";
    let (world, directory) = world(&[("MILLSTREAM_WATERMARK_INTERVAL", "1s")], Some(file));
    // The number of processors is not for everyone the same.
    let args = ["config", "opinionated", "-D", "max-record-size=1MiB", "--parallelism", "4"];
    let called = call_in(world, JOBS, &args);
    let place = format!("{}/millstream.toml:", directory.path().display());
    let table: Vec<_> = called.out.lines().filter(|line| !line.starts_with("parallelism ")).collect();
    let line = |key: &str| table.iter().copied().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
    assert_eq!((called.code, called.err.as_str(), table.len()), (0, "", KEYS.len()));
    // As wide as the longest key and the longest place.
    let from = |text: &str| format!("{text:width$}", width = place.len() + 1);
    let row = |key: &str, value: &str, place: &str, rest: &str| format!("{key:29}  {value:7}  {}  {rest}", from(place));
    assert_eq!(line("key"), row("key", "value", "from", "default  what it is for"));
    assert_eq!(
        line("max-parallelism"),
        row(
            "max-parallelism",
            "512",
            "the job's code",
            "128      How many key groups there are: the bound of the parallelism, for ever"
        )
    );
    assert_eq!(
        line("buffer-bytes"),
        row("buffer-bytes", "2KiB", &format!("{place}1"), "32KiB    The size at which a buffer is sent")
    );
    assert_eq!(
        line("watermark-interval"),
        row("watermark-interval", "1s", "MILLSTREAM_WATERMARK_INTERVAL", "200ms    How often watermarks are made")
    );
    assert!(
        line("memory").starts_with(&row("memory", "1536KiB", &format!("{place}3"), "256MiB   The memory")),
        "{table:?}"
    );
    assert_eq!(
        line("checkpoint.retained"),
        row("checkpoint.retained", "3", "default", "3        How many checkpoints are kept")
    );
    assert!(line("max-record-size").contains(&from("-D max-record-size")), "{table:?}");
}

#[test]
fn config_shows_nothing_that_run_would_refuse() {
    let config = call(JOBS, &["config", "-D", "parallelism=200"]);
    assert_eq!(config.code, 2);
    assert!(config.out.is_empty() && config.err.contains("parallelism 200 is not from 1 to 128"), "{}", config.err);
}

#[test]
fn config_in_json_tells_the_place() {
    let (world, directory) = world(&[], Some("\nmemory = \"2048 KiB\""));
    let called = call_in(world, JOBS, &["config", "--json"]);
    let config: Value = serde_json::from_str(&called.out).expect("the configuration is JSON");
    let memory = config.as_array().and_then(|all| all.iter().find(|setting| setting["key"] == "memory"));
    let memory = memory.expect("the key is listed");
    assert_eq!([&memory["value"], &memory["default"], &memory["given"]], ["2MiB", "256MiB", "2048 KiB"]);
    assert_eq!([&memory["origin"], &memory["kind"], &memory["variable"]], ["file", "size", "MILLSTREAM_MEMORY"]);
    assert_eq!(memory["line"], 2);
    let file = memory["file"].as_str().map(Path::new);
    assert_eq!(file, Some(directory.path().join("millstream.toml").as_path()));
}

#[test]
fn an_only_job_has_its_table_though_it_is_not_named() {
    let (world, _directory) = world(&[], Some("[job.plain]\nmemory = \"2MiB\""));
    assert_eq!(setting(&call_in(world.clone(), &[&PLAIN], &["config", "--json"]), "memory").0, "2MiB");
    assert_eq!(setting(&call_in(world, JOBS, &["config", "--json"]), "memory").0, "256MiB");
    assert_eq!(setting(&call(JOBS, &["config", "--json"]), "memory").0, "256MiB");
}

#[test]
fn a_cluster_is_given_by_file_and_variables_and_shown_with_its_origins() {
    let file = "memory = \"2MiB\"\n[cluster]\nport = 7000\nmemory = \"64MiB\"\njobmanager = [\"a:1\", \"b:2\"]\ninsecure = true";
    let variables = [("MILLSTREAM_CLUSTER_PORT", "7001"), ("MILLSTREAM_CLUSTER_SECRET", "xyzzy xyzzy xyzzy")];
    let shown = called(&variables, Some(file), &["config", "--json"]);
    let get = |key: &str| setting(&shown, key);
    assert_eq!(get("cluster.port"), ("7001".to_owned(), "environment".to_owned()));
    assert_eq!(get("cluster.memory"), ("64MiB".to_owned(), "file".to_owned()));
    assert_eq!(get("cluster.jobmanager"), ("a:1,b:2".to_owned(), "file".to_owned()));
    assert_eq!(get("cluster.insecure"), ("true".to_owned(), "file".to_owned()));
    assert_eq!(get("cluster.host"), ("127.0.0.1".to_owned(), "default".to_owned()));
    assert_eq!(get("memory"), ("2MiB".to_owned(), "file".to_owned()));
    let table = called(&variables, Some(file), &["config"]);
    let line = |key: &str| table.out.lines().find(|line| line.starts_with(key)).expect("the key is listed").to_owned();
    assert!(line("cluster.port ").contains(" 7001 ") && line("cluster.port ").contains("MILLSTREAM_CLUSTER_PORT"));
    assert!(line("cluster.memory ").contains("millstream.toml:4"), "{}", table.out);
    assert!(!shown.out.contains("xyzzy") && !table.out.contains("xyzzy"), "secrets are not shown");
}

#[test]
fn what_is_wrong_with_a_cluster_is_told_with_its_place() {
    for (variables, file, args, starts) in [
        (
            &[][..],
            Some("\n[cluster]\nslot = 1"),
            &["config"][..],
            "there is no setting `slot` of a cluster; did you mean `slots`?",
        ),
        (&[], Some("[cluster]\nport = 70000"), &["run", "plain"], "invalid value '70000' for 'cluster.port' ("),
        (
            &[("MILLSTREAM_CLUSTER_SLOTS", "0")],
            None,
            &["taskmanager"],
            "invalid value '0' for the environment variable 'MILLSTREAM_CLUSTER_SLOTS': a whole number from 1",
        ),
        (
            &[("MILLSTREAM_CLUSTER_SLOT", "1")],
            None,
            &["taskmanager"],
            "the environment variable MILLSTREAM_CLUSTER_SLOT: there is no setting `slot` of a cluster",
        ),
        (
            &[],
            None,
            &["taskmanager", "--slots", "many"],
            "invalid value 'many' for '--slots <N>': a whole number from 1",
        ),
        (
            &[],
            Some("[cluster]\nsecret = \"xyzzy\""),
            &["jobmanager"],
            "it would lie open there; name a file of its own",
        ),
        (
            &[("MILLSTREAM_CLUSTER_HOST", "10.0.0.1")],
            None,
            &["jobmanager"],
            "the environment variable 'MILLSTREAM_CLUSTER_HOST': other machines may reach `10.0.0.1`",
        ),
        (
            &[],
            Some("cluster.host = \"node-1\""),
            &["taskmanager"],
            "millstream.toml:1): other machines may reach `node-1`, and nothing protects the connections",
        ),
        (
            &[("MILLSTREAM_CLUSTER_TOKEN", "not one")],
            None,
            &["jobmanager"],
            "MILLSTREAM_CLUSTER_TOKEN: a token is from 1 to",
        ),
        // What jobs would start from is looked at when the process starts.
        (&[], Some("[job.plain]\nmemry = 1"), &["jobmanager"], "there is no setting `memry`; did you mean `memory`?"),
    ] {
        let called = called(variables, file, args);
        assert!(called.code == 2 && called.out.is_empty(), "{args:?}: {} {}", called.code, called.err);
        assert!(called.err.contains(starts) && !called.err.contains("xyzzy"), "{args:?}: {}", called.err);
    }
}
