//! [`Cluster`]: JobManagers and TaskManagers as processes of this machine, with a network in between that can be cut.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    namespaces::Namespaces,
    ports,
    process::Process,
    proxy::{PROXIED, Proxy},
    rest::{self, Answer},
};

/// How long anything may take that has to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// How often it is asked whether it has happened.
const LOOK: Duration = Duration::from_millis(20);
/// How often the processes say that they are there, in clusters that have to find out by themselves who is not.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(200);
/// Who is silent for so long is lost there.
pub(crate) const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// In all others: nobody is lost because the machine is busy.
const PATIENT_INTERVAL: Duration = Duration::from_secs(1);
const PATIENT_TIMEOUT: Duration = Duration::from_secs(120);
/// A file system in memory, where there is one: it outlives processes as well as a disk does, and syncs many small files in no time.
const MEMORY: &str = "/dev/shm";
/// The program that is started.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_millstream-kill");
/// How many lines at the end of a log are shown when a test fails.
const LINES_SHOWN_LIMIT: usize = 150;

/// A JobManager, which may be down.
pub(crate) struct JobManager {
    pub(crate) process: Option<Process>,
    pub(crate) control: SocketAddr,
    pub(crate) rest: SocketAddr,
    /// What TaskManagers and other JobManagers reach it through, unless it is a host of its own.
    pub(crate) proxy: Option<Proxy>,
    /// It is not asked: it would not answer.
    pub(crate) is_stopped: bool,
    log: PathBuf,
}

/// A TaskManager.
pub(crate) struct TaskManager {
    pub(crate) process: Process,
    pub(crate) data: SocketAddr,
    /// What other TaskManagers reach it through, unless it is a host of its own.
    pub(crate) proxy: Option<Proxy>,
}

/// A cluster. All its processes end with it; when the test has failed, their logs are shown.
pub(crate) struct Cluster {
    pub(crate) jobmanagers: Vec<JobManager>,
    pub(crate) taskmanagers: BTreeMap<usize, TaskManager>,
    started: usize,
    /// How often the processes say that they are there, and who is lost.
    heartbeats: (Duration, Duration),
    /// What else JobManagers are told.
    options: Vec<String>,
    /// Each process is a host of its own, if there is this: the JobManagers, and then the TaskManagers.
    pub(crate) namespaces: Option<Namespaces>,
    directory: TempDir,
}

impl Cluster {
    /// JobManagers alone, of which one leads. They notice whose connection is closed, and wait long for who is silent.
    pub(crate) fn new(jobmanagers: usize) -> Self {
        Self::with_options(jobmanagers, &[])
    }

    /// Such JobManagers, which are told more.
    pub(crate) fn with_options(jobmanagers: usize, options: &[&str]) -> Self {
        Self::start(jobmanagers, None, (PATIENT_INTERVAL, PATIENT_TIMEOUT), options)
    }

    /// JobManagers that give up soon who is silent.
    pub(crate) fn watchful(jobmanagers: usize) -> Self {
        Self::start(jobmanagers, None, (HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT), &[])
    }

    /// Such JobManagers, on the first of these hosts.
    pub(crate) fn on_hosts(jobmanagers: usize, namespaces: Namespaces) -> Self {
        Self::start(jobmanagers, Some(namespaces), (HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT), &[])
    }

    fn start(
        jobmanagers: usize,
        namespaces: Option<Namespaces>,
        heartbeats: (Duration, Duration),
        options: &[&str],
    ) -> Self {
        let directory = match Path::new(MEMORY) {
            memory if memory.is_dir() => TempDir::new_in(memory),
            _ => TempDir::new(),
        };
        let directory = directory.expect("there is room for a cluster");
        let place = |number: usize| {
            let (port, rest) = (ports::free(), ports::free());
            let host = namespaces.as_ref().map_or(Ipv4Addr::LOCALHOST, |hosts| hosts.address(number));
            let control = SocketAddr::from((host, port));
            let proxied = namespaces.is_none();
            JobManager {
                process: None,
                control,
                rest: SocketAddr::from((host, rest)),
                proxy: proxied.then(|| Proxy::start(SocketAddr::from((PROXIED, port)), control)),
                is_stopped: false,
                log: directory.path().join(format!("jobmanager-{number}.log")),
            }
        };
        let jobmanagers = (0..jobmanagers).map(place).collect::<Vec<_>>();
        let options = options.iter().map(|option| option.to_string()).collect();
        let (taskmanagers, started) = (BTreeMap::new(), 0);
        let mut cluster = Self { jobmanagers, taskmanagers, started, heartbeats, options, namespaces, directory };
        for number in 0..cluster.jobmanagers.len() {
            cluster.start_jobmanager(number);
        }
        cluster.wait("a JobManager leads", |cluster| cluster.leader());
        cluster
    }

    /// With so many TaskManagers, of so many slots each, that have registered.
    pub(crate) fn with_taskmanagers(mut self, count: usize, slots: u32) -> Self {
        (0..count).for_each(|_| _ = self.start_taskmanager(slots));
        self.wait("the TaskManagers have registered", |cluster| {
            let overview = cluster.ask("/v1/overview").ok()?;
            (overview["taskmanagers"].as_u64() == Some(count as u64)).then_some(())
        });
        self
    }

    /// Room beside the storage.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn start_jobmanager(&mut self, number: usize) {
        let storage = self.directory.path().join("storage");
        let jobmanager = &mut self.jobmanagers[number];
        let mut command = command_on(self.namespaces.as_ref(), number, "jobmanager");
        command.arg("--storage").arg(storage);
        command.args(["--port", &jobmanager.control.port().to_string()]);
        command.args(["--rest-port", &jobmanager.rest.port().to_string()]);
        let (interval, timeout) = self.heartbeats;
        command.args(["--heartbeat-interval", &format!("{}ms", interval.as_millis())]);
        command.args(["--heartbeat-timeout", &format!("{}ms", timeout.as_millis()), "--log", "info"]);
        command.args(&self.options);
        jobmanager.process = Some(Process::start(command, &jobmanager.log));
        jobmanager.is_stopped = false;
    }

    /// Gives its number.
    pub(crate) fn start_taskmanager(&mut self, slots: u32) -> usize {
        let (number, port) = (self.started, ports::free());
        self.started += 1;
        let host_number = self.jobmanagers.len() + number;
        let host = self.namespaces.as_ref().map_or(Ipv4Addr::LOCALHOST, |hosts| hosts.address(host_number));
        let data = SocketAddr::from((host, port));
        let proxied = self.namespaces.is_none();
        let proxy = proxied.then(|| Proxy::start(SocketAddr::from((PROXIED, port)), data));
        let reached = |of: &JobManager| match proxied {
            true => SocketAddr::from((PROXIED, of.control.port())),
            false => of.control,
        };
        let jobmanagers: Vec<_> = self.jobmanagers.iter().map(|of| reached(of).to_string()).collect();
        let mut command = command_on(self.namespaces.as_ref(), host_number, "taskmanager");
        command.args(["--slots", &slots.to_string(), "--jobmanager", &jobmanagers.join(",")]);
        command.args(["--data-port", &port.to_string(), "--log", "info"]);
        let process = Process::start(command, &self.directory.path().join(format!("taskmanager-{number}.log")));
        self.taskmanagers.insert(number, TaskManager { process, data, proxy });
        number
    }

    /// Which JobManager leads, as it says itself; of several the one with the newest claim.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.leader_and_overview().map(|(number, _)| number)
    }

    pub(crate) fn leader_and_overview(&self) -> Option<(usize, Value)> {
        let lead = self.jobmanagers.iter().enumerate().filter_map(|(number, of)| {
            let answers = of.process.is_some() && !of.is_stopped;
            let answer = answers.then(|| rest::get(of.rest, "/v1/overview").ok()).flatten()?;
            (answer.status == 200).then_some((number, answer.body))
        });
        lead.max_by_key(|(_, overview)| overview["leader_epoch"].as_u64())
    }

    /// Asks the leader.
    ///
    /// # Errors
    ///
    /// Nobody leads at the moment, or what was asked is refused.
    pub(crate) fn ask(&self, path: &str) -> Result<Value, String> {
        let leader = self.leader().ok_or("nobody leads")?;
        well(rest::get(self.jobmanagers[leader].rest, path)?)
    }

    /// Gives the leader an order.
    ///
    /// # Errors
    ///
    /// Nobody leads at the moment, or what was ordered is refused.
    pub(crate) fn order(&self, path: &str, body: &Value) -> Result<Value, String> {
        let leader = self.leader().ok_or("nobody leads")?;
        well(rest::post(self.jobmanagers[leader].rest, path, body)?)
    }

    /// Submits a job, and gives its id.
    #[track_caller]
    pub(crate) fn submit(&self, job: &str, args: &[String], settings: &[(&str, &str)]) -> String {
        let settings: BTreeMap<_, _> = settings.iter().copied().collect();
        let body = json!({ "job": job, "args": args, "settings": settings });
        let taken = self.order("/v1/jobs", &body).unwrap_or_else(|why| panic!("the job is not taken: {why}"));
        taken["job"].as_str().expect("the answer names the job").to_owned()
    }

    /// What the leader says of a job.
    pub(crate) fn job(&self, id: &str) -> Result<Value, String> {
        self.ask(&format!("/v1/jobs/{id}"))
    }

    /// The state of a job.
    pub(crate) fn state(&self, id: &str) -> Result<String, String> {
        Ok(self.job(id)?["state"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a job is in one of these states; says in which.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, id: &str, states: &[&str]) -> String {
        self.wait(&format!("job {id} is {}", states.join(" or ")), |cluster| {
            cluster.state(id).ok().filter(|state| states.contains(&state.as_str()))
        })
    }

    /// Waits until something has happened.
    ///
    /// # Panics
    ///
    /// It does not happen in time, or a process has ended by itself.
    #[track_caller]
    pub(crate) fn wait<T>(&mut self, what: &str, mut happened: impl FnMut(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = happened(self) {
                return found;
            }
            self.see_processes();
            if began.elapsed() > LIMIT {
                let jobs = self.ask("/v1/jobs").map_or_else(|why| why, |jobs| jobs.to_string());
                panic!("waited for {LIMIT:?}: {what}; jobs: {jobs}");
            }
            thread::sleep(LOOK);
        }
    }

    /// Sees that no process has ended that was not killed.
    #[track_caller]
    pub(crate) fn see_processes(&mut self) {
        let jobmanagers = self.jobmanagers.iter_mut().filter_map(|of| of.process.as_mut());
        for process in jobmanagers.chain(self.taskmanagers.values_mut().map(|of| &mut of.process)) {
            if let Some(how) = process.ended() {
                panic!("{} belongs to a process that should run: {how}", process.log.display());
            }
        }
    }
}

/// The command of a role: on a host, or else behind a proxy.
fn command_on(namespaces: Option<&Namespaces>, host: usize, role: &str) -> Command {
    match namespaces {
        Some(hosts) => {
            let mut command = hosts.command(host, PROGRAM);
            command.args([role, "--insecure", "--host", &hosts.address(host).to_string()]);
            command
        }
        None => {
            let mut command = Command::new(PROGRAM);
            command.args([role, "--advertise", &PROXIED.to_string()]);
            command
        }
    }
}

/// What was answered, if all is well.
fn well(answer: Answer) -> Result<Value, String> {
    match answer.status {
        200..=299 => Ok(answer.body),
        status => Err(format!("{status}: {}", answer.body)),
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for of in &mut self.jobmanagers {
            of.process = None;
        }
        self.taskmanagers.clear();
        if thread::panicking() {
            show_logs(self.directory.path());
        }
    }
}

/// Shows what the processes have said.
pub(crate) fn show_logs(directory: &Path) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut logs: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    logs.sort();
    for log in logs {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LINES_SHOWN_LIMIT)..];
        eprintln!("---- {} (the last {} of {} lines)\n{}", log.display(), shown.len(), lines.len(), shown.join("\n"));
    }
}
