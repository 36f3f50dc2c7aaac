//! What a process of a cluster is told: by its options, by the environment, and by a file.

use std::{collections::BTreeMap, io::Read};

use clap::{Arg, ArgMatches, Command};
use millstream_net::hello::Secret;

use crate::{
    cli::{given, logs::LogOptions, world::World},
    env::{Disk, Files},
    registry::JobEntry,
    rest::token::Token,
    settings::{
        KEYS, Origin, Outside,
        cluster::{CLUSTER_KEYS, ClusterGiven, ClusterKey, ClusterSettings, Role, VARIABLE_PREFIX},
    },
};

const ID: &str = "millstream:id";
/// What TaskManagers do not take over from the process that starts them.
const OWN: [&str; 3] = ["slots", "jobmanager", "data-port"];
/// The largest file with a secret or a token, in bytes.
const SECRET_BYTES_LIMIT: u64 = 8 << 10;

/// What a process of a cluster is to be.
#[derive(Debug, Clone)]
pub(crate) struct NodeOptions {
    pub(crate) role: Role,
    pub(crate) settings: ClusterSettings,
    /// Where they were given.
    pub(crate) given: ClusterGiven,
    /// What no other process of this machine knows, if anything.
    pub(crate) secret: Option<Secret>,
    /// What requests over HTTP have to bear, if anything.
    pub(crate) token: Option<Token>,
    /// What is dangerous though it was asked for.
    pub(crate) warnings: Vec<String>,
    /// What it is called, if who has started it says so; then it ends with that process.
    pub(crate) id: Option<u128>,
    /// The options that TaskManagers get which this process starts: what it has itself, and neither environment nor file says.
    pub(crate) for_children: Vec<String>,
    /// What file and environment say about jobs.
    pub(crate) jobs: JobDefaults,
    pub(crate) logs: LogOptions,
}

/// What file and environment say about jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct JobDefaults {
    /// About all of them.
    pub(crate) all: Outside,
    /// About each job of the binary: with what is said about it alone.
    pub(crate) by_job: BTreeMap<&'static str, Outside>,
}

/// The commands.
pub(crate) fn commands() -> [Command; 2] {
    let command = |name: &'static str, role: Role, about: &'static str| {
        let options = CLUSTER_KEYS.iter().filter(|key| role.has(key.role)).map(option);
        Command::new(name)
            .about(about)
            .args(options)
            .arg(crate::cli::command::config_option())
            .args(crate::cli::command::log_options())
            .after_help(ENVIRONMENT)
    };
    let id = Arg::new(ID).long("id").hide(true).value_parser(|text: &str| u128::from_str_radix(text, 16));
    [
        command("jobmanager", Role::JobManager, "Lead a cluster: take jobs, and have TaskManagers run them"),
        command("taskmanager", Role::TaskManager, "Run tasks for a cluster")
            .arg(id.help("What a JobManager calls it that has started it")),
    ]
}

const ENVIRONMENT: &str = "\
Environment:
  MILLSTREAM_CLUSTER_<KEY>   Any of these, as MILLSTREAM_CLUSTER_HOST=10.0.0.1
  MILLSTREAM_CLUSTER_SECRET  What the processes of the cluster share, unless --secret-file has it
  MILLSTREAM_CLUSTER_TOKEN   What requests over HTTP have to bear, unless --token-file has it
  MILLSTREAM_<KEY>           A setting that jobs start from
  MILLSTREAM_CONFIG          The file of settings, unless --config says so";

/// The option of a key.
pub(crate) fn option(key: &'static ClusterKey) -> Arg {
    let option = Arg::new(given::cluster_id(key)).long(key.name).value_name(key.value_name()).help(format!(
        "{} [default: {}]",
        key.doc,
        key.default_text()
    ));
    match key.is_switch() {
        true => option.num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => option,
    }
}

/// Reads a command. Without one, the process is both.
///
/// # Errors
///
/// Names what is wrong, where it was given, and what is allowed. Secrets are not repeated.
pub(crate) fn read(
    role: Role,
    matches: Option<&ArgMatches>,
    jobs: &[&'static JobEntry],
    world: &World,
) -> Result<NodeOptions, String> {
    let logs = match matches {
        Some(matches) => LogOptions::of(matches, world)?,
        None => LogOptions::from_world(world)?,
    };
    let given = given::of_cluster(matches, world)?;
    let mut settings = given.settings_in(&world.directory);
    if role == Role::Both && given.get("jobmanager").is_none() {
        settings.jobmanagers.clear(); // the one in this process, wherever that is
    }
    given.check(&settings, role)?;
    let mut warnings = Vec::new();
    let mut secret_of = |name: &'static str| secret_text(name, &given, world, &mut warnings);
    let secret = secret_of("secret").and_then(|text| text.map(|(text, by)| secret(&text, &by)).transpose())?;
    let token = secret_of("token")?
        .map(|(text, by)| Token::new(&text).map_err(|message| format!("{by}: {message}")))
        .transpose()?;
    warnings.extend(settings.warnings(secret.is_some(), token.is_some() || role == Role::TaskManager));
    let file = matches.and_then(given::named);
    let by_job = jobs.iter().map(|job| Ok((job.name, given::defaults(file, Some(job.name), world)?)));
    let jobs = JobDefaults { all: given::defaults(file, None, world)?, by_job: by_job.collect::<Result<_, String>>()? };
    let id = matches.and_then(|matches| matches.try_get_one::<u128>(ID).ok().flatten()).copied();
    let for_children = for_children(file, &given);
    Ok(NodeOptions { role, settings, given, secret, token, warnings, id, for_children, jobs, logs })
}

fn for_children(file: Option<&str>, given: &ClusterGiven) -> Vec<String> {
    let taken = CLUSTER_KEYS.iter().filter(|key| Role::TaskManager.has(key.role) && !OWN.contains(&key.name));
    let flags = taken.filter_map(|key| {
        let given = given.get(key.name).filter(|given| given.origin == Origin::Flag)?;
        Some(format!("--{}={}", key.name, given.text))
    });
    file.map(|file| format!("--config={file}")).into_iter().chain(flags).collect()
}

/// The text of a secret, and where it is: a file that an option names, the variable, or a file that is named otherwise.
fn secret_text(
    name: &str,
    given: &ClusterGiven,
    world: &World,
    warnings: &mut Vec<String>,
) -> Result<Option<(String, String)>, String> {
    let variable = format!("{VARIABLE_PREFIX}{}", name.to_uppercase());
    let text = world.variable(&variable);
    let file = given.get(&format!("{name}-file")).filter(|file| file.text != "none");
    let Some(file) = file.filter(|file| text.is_none() || file.origin == Origin::Flag) else {
        return Ok(text.map(|text| (text.to_owned(), variable)));
    };
    let path = world.directory.join(&file.text);
    let mut text = String::new();
    let read = Disk.open(&path).and_then(|file| file.take(SECRET_BYTES_LIMIT + 1).read_to_string(&mut text));
    match read {
        Ok(n) if n as u64 <= SECRET_BYTES_LIMIT => {}
        Ok(_) => return Err(format!("{} is larger than {SECRET_BYTES_LIMIT} bytes: no {name} is", path.display())),
        Err(error) => return Err(format!("cannot read {}, the file with the {name}: {error}", path.display())),
    }
    if others_read(&path) {
        warnings.push(format!("others can read {}: take the right from them (`chmod 600`)", path.display()));
    }
    Ok(Some((text, path.display().to_string())))
}

/// The secret that a text stands for. `by` says where it is.
fn secret(text: &str, by: &str) -> Result<Secret, String> {
    Secret::of_text(text).ok_or_else(|| {
        format!("{by}: a secret is 64 hexadecimal digits, or a text of at least {} characters", Secret::TEXT_MIN_CHARS)
    })
}

/// True if a file is readable for others than its owner.
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "the command line looks at the files that it was given")]
pub(crate) fn others_read(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

/// Rights are of another kind here.
#[cfg(not(unix))]
pub(crate) fn others_read(_: &std::path::Path) -> bool {
    false
}

impl JobDefaults {
    /// The settings that each job starts from, by key. What is not given comes from the cluster.
    pub(crate) fn of_jobs(&self, cluster: &ClusterSettings) -> BTreeMap<String, BTreeMap<String, String>> {
        let of_job = |outside: &Outside| {
            // Told to all processes, whatever their machines suggest.
            let mut values = BTreeMap::from([("parallelism".to_owned(), cluster.parallelism.to_string())]);
            values
                .extend(KEYS.iter().filter_map(|key| Some((key.name.to_owned(), outside.get(key.name)?.text.clone()))));
            values
        };
        self.by_job.iter().map(|(job, outside)| ((*job).to_owned(), of_job(outside))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        failure::Location,
        registry,
        stream::{AtLeastOnce, Job},
    };

    const HERE: Location = Location { file: "jobs.rs", line: 1, column: 1 };

    static JOBS: [JobEntry; 2] = [job("one"), job("two")];

    const fn job(name: &'static str) -> JobEntry {
        let build = |_: &ArgMatches, options| registry::build("job", HERE, options, |_: &mut Job<AtLeastOnce>| {});
        JobEntry { name, doc: "", location: HERE, augment: registry::augment_none, build }
    }

    #[allow(clippy::disallowed_methods, reason = "a test puts files where the command line finds them")]
    fn options(
        role: Role,
        files: &[(&str, &str)],
        variables: &[(&str, &str)],
        args: &[&str],
    ) -> Result<NodeOptions, String> {
        let directory = tempfile::tempdir().expect("there is a directory for temporary files");
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).expect("the directory is ours");
        }
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let world = World { variables, directory: directory.path().to_owned(), ..World::default() };
        let [jobmanager, taskmanager] = commands();
        let command = if role == Role::TaskManager { taskmanager } else { jobmanager };
        let matches = command.no_binary_name(true).try_get_matches_from(args).expect("the options are known");
        let jobs: Vec<_> = JOBS.iter().collect();
        read(role, (role != Role::Both).then_some(&matches), &jobs, &world)
    }

    #[test]
    fn flags_beat_variables_beat_files_beat_defaults() {
        let file = [("millstream.toml", "[cluster]\nport = 1\nrest-port = 1\nslot-timeout = \"9s\"")];
        let variables = [("MILLSTREAM_CLUSTER_PORT", "2"), ("MILLSTREAM_CLUSTER_REST_PORT", "2")];
        let options =
            options(Role::JobManager, &file, &variables, &["--port", "3", "--insecure"]).expect("it is right");
        let settings = &options.settings;
        assert_eq!((settings.port, settings.rest_port, settings.slot_timeout.as_secs()), (3, 2, 9));
        assert_eq!((settings.insecure, settings.host.as_str()), (true, "127.0.0.1"));
        let shown = super::super::shown::config(&options);
        let origin = |key: &str| {
            let entry = shown.settings.iter().find(|entry| entry.key == key).expect("it is shown");
            (entry.value.clone(), entry.origin.rsplit('/').next().map(str::to_owned).expect("there is a last part"))
        };
        assert_eq!(origin("cluster.port"), ("3".into(), "--port".into()));
        assert_eq!(origin("cluster.rest-port"), ("2".into(), "MILLSTREAM_CLUSTER_REST_PORT".into()));
        assert_eq!(origin("cluster.slot-timeout"), ("9s".into(), "millstream.toml:4".into()));
        assert_eq!(origin("cluster.insecure"), ("true".into(), "--insecure".into()));
        assert!(shown.settings.iter().all(|entry| entry.key != "cluster.slots"), "what a JobManager has not");
    }

    #[test]
    fn jobs_start_from_what_file_and_environment_say_of_them() {
        let file = [(
            "millstream.toml",
            "memory = \"1MiB\"\nbuffer-bytes = 2048\n[job.two]\nmemory = \"2MiB\"\n[cluster]\nparallelism = 7",
        )];
        let options = options(Role::Both, &file, &[("MILLSTREAM_BUFFER_BYTES", "4096")], &[]).expect("it is right");
        let jobs = options.jobs.of_jobs(&options.settings);
        let of = |job: &str, key: &str| jobs[job].get(key).map(String::as_str);
        assert_eq!((of("one", "memory"), of("two", "memory")), (Some("1MiB"), Some("2MiB")));
        assert_eq!((of("one", "buffer-bytes"), of("one", "parallelism")), (Some("4096"), Some("7")));
        assert_eq!((of("one", "restart"), jobs.len()), (None, 2));
    }

    #[test]
    fn a_process_that_is_both_finds_itself() {
        let both = options(Role::Both, &[], &[], &[]).expect("it is right");
        assert!(both.settings.jobmanagers.is_empty(), "its own address is not known yet");
        let told = options(Role::Both, &[], &[("MILLSTREAM_CLUSTER_JOBMANAGER", "127.0.0.1:9")], &[]);
        assert_eq!(told.expect("it is right").settings.jobmanagers, ["127.0.0.1:9"]);
    }

    #[test]
    fn taskmanagers_that_are_started_get_what_the_leader_has() {
        let args = ["--port", "0", "--host", "::1", "--insecure", "--provider", "local"];
        let leader = options(Role::JobManager, &[], &[], &args).expect("it is right");
        assert_eq!(leader.for_children, ["--host=::1", "--insecure=true"]);
        let args: Vec<_> = leader.for_children.iter().map(String::as_str).chain(["--id", "ff"]).collect();
        let child = options(Role::TaskManager, &[], &[], &args).expect("it is right");
        assert_eq!((child.settings.host.as_str(), child.settings.insecure, child.id), ("::1", true, Some(255)));
    }

    #[test]
    fn a_secret_comes_from_the_strongest_that_names_one() {
        let files = [
            ("a", "the secret of the first file\n"),
            ("b", "the secret of another file"),
            ("millstream.toml", "cluster.secret-file = \"a\""),
        ];
        let secret = |variables: &[(&str, &str)], args: &[&str]| {
            options(Role::TaskManager, &files, variables, args).expect("it is right").secret.map(|secret| secret.0)
        };
        let of = |text: &str| Secret::of_text(text).map(|secret| secret.0);
        let variable = [("MILLSTREAM_CLUSTER_SECRET", "the secret of the environment")];
        assert_eq!(secret(&[], &[]), of("the secret of the first file"));
        assert_eq!(secret(&variable, &[]), of("the secret of the environment"));
        assert_eq!(secret(&variable, &["--secret-file", "b"]), of("the secret of another file"));
    }

    #[test]
    fn secrets_are_shown_nowhere() {
        let variables = [("MILLSTREAM_CLUSTER_SECRET", "xyzzy xyzzy xyzzy"), ("MILLSTREAM_CLUSTER_TOKEN", "plugh")];
        let options = options(Role::JobManager, &[], &variables, &[]).expect("it is right");
        let shown = format!("{options:?} {:?}", super::super::shown::config(&options));
        assert!(!shown.contains("xyzzy") && !shown.contains("plugh"), "{shown}");
        assert!(options.secret.is_some() && options.token.is_some());
    }
}
