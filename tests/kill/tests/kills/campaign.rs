//! [`Campaign`]: one job in one process after the other, looked at after each.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    input::Input,
    output::{EVENTS, LARGE, Output, Sinks},
};

/// How long a subtask rests before it reads on, at a parallelism of 1, in microseconds: so long that the job takes some seconds, at any parallelism.
const REST: u64 = 15_000;
/// How often checkpoints are made.
const CHECKPOINT_INTERVAL: &str = "50ms";
/// How long a process may take before it counts as hanging.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// How often it is asked whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);
const SIGKILL: i32 = 9;
/// A file system in memory, where there is one: it outlives processes as well as a disk does, and syncs many small files in no time.
const MEMORY: &str = "/dev/shm";
/// The program that is started.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_millstream-kill");

/// When a process is killed.
#[derive(Debug, Clone)]
pub(crate) enum Death {
    /// It is not.
    Never,
    /// After a time.
    After(Duration),
    /// At a step, when it is reached for the `nth` time.
    AtStep { name: String, nth: u64 },
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Killed,
    /// The job has ended well.
    Well,
}

/// A job with room for its output and its checkpoints.
pub(crate) struct Campaign<'i> {
    input: &'i Input,
    job: &'static str,
    sinks: Sinks,
    directory: TempDir,
    committed: Output,
    /// What was done, for messages.
    log: String,
    /// Makes the job wrong.
    pub(crate) wrong: Option<&'static str>,
    /// Where its checkpoints are, if not in its directory.
    pub(crate) checkpoints_at: Option<String>,
    /// Further settings.
    pub(crate) settings: Vec<String>,
    /// Further environment variables.
    pub(crate) variables: Vec<(String, String)>,
}

impl<'i> Campaign<'i> {
    /// The job `events`.
    pub(crate) fn new(input: &'i Input) -> Self {
        Self::of(input, "events", EVENTS)
    }

    /// The job `large`.
    pub(crate) fn large(input: &'i Input) -> Self {
        Self::of(input, "large", LARGE)
    }

    fn of(input: &'i Input, job: &'static str, sinks: Sinks) -> Self {
        let directory = match Path::new(MEMORY) {
            memory if memory.is_dir() => TempDir::new_in(memory),
            _ => TempDir::new(),
        };
        let directory = directory.expect("there is room for the output");
        Self {
            input,
            job,
            sinks,
            directory,
            committed: Output::default(),
            log: String::new(),
            wrong: None,
            checkpoints_at: None,
            settings: Vec::new(),
            variables: Vec::new(),
        }
    }

    fn output(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.directory.path().join("checkpoints")
    }

    fn steps(&self) -> PathBuf {
        self.directory.path().join("steps")
    }

    /// Runs the job in a process that goes on where the last one was, and looks at what is committed then.
    ///
    /// # Errors
    ///
    /// The job failed, or committed what it should not; says what was done.
    pub(crate) fn live(&mut self, parallelism: usize, death: &Death) -> Result<Ended, String> {
        self.log.push_str(&format!("\n  parallelism {parallelism}, killed: {death:?}"));
        self.run(parallelism, death).map_err(|why| format!("{why}\nafter these processes:{}", self.log))
    }

    fn run(&mut self, parallelism: usize, death: &Death) -> Result<Ended, String> {
        let mut command = self.command(parallelism);
        match death {
            Death::Never if self.job == "events" => command.env("KILL_STEPS", self.steps()),
            Death::AtStep { name, nth } => command.env("KILL_AT_STEP", format!("{name}:{nth}")),
            Death::Never | Death::After(_) => &mut command,
        };
        let said = self.directory.path().join("said");
        let file = File::create(&said).map_err(|error| error.to_string())?;
        let mut child = command.stderr(file).spawn().map_err(|error| error.to_string())?;
        let status = match death {
            Death::After(time) => {
                thread::sleep(*time);
                child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?
            }
            Death::Never | Death::AtStep { .. } => wait(&mut child)?,
        };
        let ended = match (status.code(), status.signal()) {
            (Some(0), _) => Ended::Well,
            (_, Some(SIGKILL)) => Ended::Killed,
            _ => return Err(format!("it ended with {status}: {}", fs::read_to_string(said).unwrap_or_default())),
        };
        self.look(ended == Ended::Well)?;
        Ok(ended)
    }

    /// Looks at what is committed: it must be right as far as it goes, or as a whole, and what was there earlier must be there still.
    pub(crate) fn look(&mut self, is_whole: bool) -> Result<(), String> {
        let now = Output::of(&self.output());
        now.keeps(&self.committed)?;
        now.compare(&self.output(), self.sinks, &self.input.expected, is_whole)?;
        self.committed = now;
        Ok(())
    }

    /// How the job is started.
    pub(crate) fn command(&self, parallelism: usize) -> Command {
        self.command_of(self.job, Path::new(PROGRAM), parallelism)
    }

    /// How a job is started, with the directories of this one, by a copy of the program.
    pub(crate) fn command_of(&self, job: &str, program: &Path, parallelism: usize) -> Command {
        let mut command = Command::new(program);
        command.args(["run", job, "--quiet", "--input"]).arg(self.input.path()).arg("--output").arg(self.output());
        let checkpoints = self.checkpoints_at.clone().unwrap_or_else(|| self.checkpoints().display().to_string());
        let settings = [
            format!("parallelism={parallelism}"),
            format!("checkpoint.dir={checkpoints}"),
            format!("checkpoint.interval={CHECKPOINT_INTERVAL}"),
            "restart=none".to_owned(), // what fails must be seen
        ];
        for setting in settings.iter().chain(&self.settings) {
            command.arg("-D").arg(setting);
        }
        command.arg("--rest").arg((REST * parallelism as u64).to_string());
        command.envs(self.wrong.map(|wrong| ("KILL_WRONG", wrong))).env("NO_COLOR", "1");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Room beside the output.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The steps of the last process that was not killed, with how often each was reached.
    pub(crate) fn last_steps(&self) -> BTreeMap<String, u64> {
        let text = fs::read_to_string(self.steps()).expect("a process has ended well");
        let step = |line: &str| {
            let (name, count) = line.rsplit_once(':').expect("a step and its number");
            (name.to_owned(), count.parse().expect("a number"))
        };
        text.lines().map(step).collect()
    }

    /// From here on, what has been committed may be gone: it is taken back.
    pub(crate) fn expect_taken_back(&mut self) {
        self.committed = Output::default();
    }

    /// How many files are committed.
    pub(crate) fn committed_files(&self) -> usize {
        self.committed.len()
    }
}

fn wait(child: &mut Child) -> Result<ExitStatus, String> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if began.elapsed() < TIME_LIMIT => thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(format!("it has not ended after {TIME_LIMIT:?}"));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Runs a command that has to fail, with one error; gives that, and what is said behind it.
#[track_caller]
pub(crate) fn fails(command: &mut Command) -> String {
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program can be started");
    let status = wait(&mut child).expect("it ends");
    let mut said = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("it is text");
    assert_eq!(status.code(), Some(1), "{said}");
    let errors = said.lines().filter(|line| line.starts_with("error")).count();
    assert_eq!(errors, 1, "one error is told: {said}");
    said.split_off(said.find("error: ").expect("it begins so"))
}

/// Tells something past the harness, which keeps to itself what a test that succeeds prints.
pub(crate) fn tell(what: &str) {
    let _ = writeln!(io::stderr().lock(), "{what}");
}
